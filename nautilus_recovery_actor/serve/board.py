"""
What is known of all traders at one moment, the ones that need somebody first.
"""

from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State


class Light(StrEnum):
    """
    How urgent a trader is, the most urgent first.

    ``RED``: somebody has to act: it failed, is down without having been stopped, has a position
    without a stop, two nodes want it, or its server loses writes. ``GRAY``: it cannot be seen now.
    ``AMBER``: it trades in part: something is blocked, a repair waits for a word, a proof is old,
    or a venue does not answer. ``BLUE``: a recovery is in progress. ``WHITE``: it was stopped, and
    had not failed. ``GREEN``: all of it may trade.
    """

    RED = "RED"
    GRAY = "GRAY"
    AMBER = "AMBER"
    BLUE = "BLUE"
    WHITE = "WHITE"
    GREEN = "GREEN"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """
    A trader as it was read last.

    A reader that could not read it again keeps what it knew, and says why in `trouble`.
    """

    # The name of its server, without any secret, and its ID there
    server: str
    trader_id: str
    # Where the node stands, with all ages as of `ts_read`
    status: NodeStatus
    # Who has the lease, ``None`` if that is not known
    lease: LeaseStatus | None = None
    # The report of its newest epoch, if that has ended and is kept
    report: RecoveryReport | None = None
    # When all this was read (UNIX ns)
    ts_read: int
    # Why it cannot be read now, in one line, empty if it can
    trouble: str = ""
    # Since when it has been so (UNIX ns), as far as that is known
    ts_since: int | None = None
    # Other nodes of it that run, here or on another server, each in one line
    twins: tuple[str, ...] = ()
    # Where its entries are, ``None`` for the default place
    namespace: Namespace | None = None


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A Redis server that is read."""

    # Its name, without any secret
    name: str
    # When it answered last (UNIX ns), ``None`` if never
    ts_read: int | None = None
    # Why it cannot be read now, in one line, empty if it can
    trouble: str = ""
    # How many traders have a record there
    traders: int = 0
    # Why there may be more of them, in one line, empty if there are not
    unseen: str = ""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """All traders of all servers at one moment."""

    # When it was put together (UNIX ns)
    ts: int
    servers: tuple[Server, ...] = ()
    # Those that need somebody first
    traders: tuple[Seen, ...] = ()


def light(seen: Seen) -> Light:
    """Return how urgent a trader is. What cannot be seen is never green."""
    status = seen.status
    if seen.trouble:
        return Light.GRAY
    if status.is_stopped and status.phase is not RecoveryPhase.FAILED:
        return Light.WHITE
    if status.state in (State.FAILED, State.NO_HEARTBEAT, State.UNSTORED) or status.unprotected:
        return Light.RED
    if seen.lease is not None and seen.lease.state in (Keeping.RESERVED, Keeping.RAN_OUT):
        return Light.RED
    if seen.twins:
        return Light.RED
    if status.state is State.CLOSED:
        return Light.BLUE
    waits = any(step.state in ("planned", "refused") for step in status.repairs)
    is_late = status.is_proof_old or status.ts_unanswered is not None
    if status.blocked_instruments or waits or is_late or status.is_shadow:
        return Light.AMBER
    return Light.GREEN

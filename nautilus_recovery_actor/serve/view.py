"""
What a page shows of each trader, in words that stay true until something changes.

Ages are left out: a page has the times, and counts by itself.
"""

from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.outside.holding import keeping_line
from nautilus_recovery_actor.outside.record.rows import absent_line
from nautilus_recovery_actor.outside.record.rows import incident_line
from nautilus_recovery_actor.outside.record.rows import orphans_line
from nautilus_recovery_actor.outside.record.rows import stale_line
from nautilus_recovery_actor.outside.record.status import CLOCKS
from nautilus_recovery_actor.outside.record.status import DOWN
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.outside.record.twins import ADVICE
from nautilus_recovery_actor.serve import plans
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.board import light


_NS = 1_000_000_000
_MS = 1_000_000
# How many lines a trader has at most, and how long one may be
_MAX_LINES = 20
_MAX_LINE = 1_000

# What each light says of a trader
TITLES = {
    Light.RED: "Needs you",
    Light.GRAY: "Cannot be seen",
    Light.AMBER: "Trades in part",
    Light.BLUE: "Recovering",
    Light.WHITE: "Stopped",
    Light.GREEN: "May trade",
}


class Line(msgspec.Struct, frozen=True):
    """Something that somebody has to know of a trader."""

    severity: Severity
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A trader in the list, without what counts on by itself."""

    key: str
    server: str
    trader_id: str
    light: Light
    # Whether it may trade: yes, in part, no, or unknown
    may_trade: str
    # Its phase, or its outcome or failure
    state: str
    epoch: int | None
    # Since when (UNIX ms)
    since: int | None
    # The first few that are blocked, and how many there are besides the very first
    blocked: tuple[str, ...]
    more_blocked: int
    # How many positions have no stop
    naked: int
    # Who holds the lease, in short
    lease: str
    # What somebody has to know
    lines: tuple[Line, ...]


def key(seen: Seen) -> str:
    """Return what names a trader on a page, and no other one."""
    return quote(f"{seen.server} {seen.trader_id}")


def unreadable(seen: Seen, error: Exception) -> Row:
    """Return what the list shows of a trader of which nothing can be told."""
    return Row(
        key=key(seen),
        server=seen.server,
        trader_id=seen.trader_id,
        light=Light.GRAY,
        may_trade="unknown",
        state="",
        epoch=None,
        since=None,
        blocked=(),
        more_blocked=0,
        naked=0,
        lease="",
        lines=(Line(Severity.BLOCK, f"What is stored cannot be told: {type(error).__name__}"),),
    )


def beats(seen: Seen) -> tuple[int | None, int | None]:
    """Return when the last heartbeat was, and the last proof (UNIX ms)."""
    age_secs = seen.status.heartbeat_age_secs
    proven = seen.status.ts_proven
    return (
        None if age_secs is None else (seen.ts_read - int(age_secs * _NS)) // _MS,
        None if proven is None else proven // _MS,
    )


def row(seen: Seen, troubled_servers: frozenset[str] = frozenset()) -> Row:
    """Return what the list shows of a trader."""
    status = seen.status
    return Row(
        key=key(seen),
        server=seen.server,
        trader_id=seen.trader_id,
        light=light(seen),
        may_trade=_may_trade(seen),
        state=_state(seen),
        epoch=status.epoch,
        since=None if seen.ts_since is None else seen.ts_since // _MS,
        blocked=status.blocked_instruments[:_MAX_LINES],
        more_blocked=max(len(status.blocked_instruments) - 1, 0),
        naked=len(status.unprotected) + status.unprotected_more,
        lease=_lease(seen.lease),
        lines=tuple(_told(seen, seen.server in troubled_servers)),
    )


def _may_trade(seen: Seen) -> str:
    status = seen.status
    if seen.trouble:
        return "unknown"
    if status.state not in (State.OPEN, State.UNSTORED):
        return "no"
    if status.is_shadow:
        return "yes, in shadow mode"
    return "in part" if set(status.blocked_instruments) - set(status.released_until) else "yes"


def _state(seen: Seen) -> str:
    status = seen.status
    if status.is_stopped and status.phase is not RecoveryPhase.FAILED:
        return "stopped"
    if status.state is State.NO_HEARTBEAT:
        return "no heartbeat"
    named = status.failure or status.outcome or status.phase
    return str(named or "")


def _lease(lease: LeaseStatus | None) -> str:
    if lease is None:
        return ""
    match lease.state:
        case Keeping.HELD:
            return f"{one_line(lease.host or '')}:{lease.pid}"
        case Keeping.RESERVED:
            return f"kept by {one_line(lease.operator or '')}"
        case Keeping.RAN_OUT:
            return "ran out"
        case _:
            return ""


# -- WHAT SOMEBODY HAS TO KNOW --


def _told(seen: Seen, is_server_known: bool) -> Iterator[Line]:
    found = _lines(seen, is_server_known)
    trader_id = seen.trader_id
    for severity, line in islice(found, _MAX_LINES):
        text = wording.with_trader(line, trader_id)
        cut = text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]} ..."
        yield Line(severity, one_line(cut))
    if more := sum(1 for _ in found):
        text = f"More of that, see `nautilus-recovery history`: {more}"
        yield Line(Severity.WARN, wording.with_trader(text, trader_id))


def _lines(seen: Seen, is_server_known: bool) -> Iterator[tuple[Severity, str]]:
    status = seen.status
    if seen.trouble and not is_server_known:
        yield Severity.BLOCK, sentence(seen.trouble)
    yield from _absence(status)
    yield from ((Severity.BLOCK, f"Two nodes: {twin}: {ADVICE}") for twin in seen.twins)
    if status.state is State.FAILED:
        yield Severity.BLOCK, _failed(status, seen.report)
    yield from ((Severity.BLOCK, incident_line(incident)) for incident in status.storage)
    if status.unprotected:
        yield Severity.BLOCK, wording.unprotected(status.unprotected, status.unprotected_more)
    yield from _lease_lines(seen.lease)
    yield from _blocks(status)
    yield from plans.lines(status, seen.report)
    yield from _concerns(status)


def _concerns(status: NodeStatus) -> Iterator[tuple[Severity, str]]:
    if status.is_proof_old:
        yield Severity.WARN, f"The last proof is old: {wording.OLD_PROOF}"
    if status.ts_unanswered is not None and status.state is not State.NO_HEARTBEAT:
        yield Severity.WARN, wording.unanswered(status.ts_unanswered)
    yield from ((Severity.WARN, stale_line(stale)) for stale in status.stale_caches)
    if status.orphan_exits:
        yield Severity.WARN, orphans_line(status)
    if status.absent_strategies:
        yield Severity.WARN, absent_line(status)
    if status.is_shadow:
        yield Severity.INFO, wording.SHADOW


def sentence(text: str) -> str:
    """Return a text with a capital letter first."""
    return f"{text[:1].upper()}{text[1:]}"


def _absence(status: NodeStatus) -> Iterator[tuple[Severity, str]]:
    if status.state is not State.NO_HEARTBEAT or status.is_stopped:
        return
    age_secs = status.heartbeat_age_secs
    if age_secs is None:
        yield Severity.BLOCK, sentence(status.reason)
        return
    why = f"the limit is {status.max_age_secs:g} s: {DOWN}" if age_secs >= 0 else CLOCKS
    last = f"last seen: recovery epoch {status.epoch} {status.phase}"
    told = "No heartbeat" if age_secs >= 0 else "The last heartbeat is in the future"
    yield Severity.BLOCK, f"{told}, {why} ({last})"


def _failed(status: NodeStatus, report: RecoveryReport | None) -> str:
    if report is None:
        return f"Recovery epoch {status.epoch} {status.phase}, no report on record"
    return wording.headline(report)


def _lease_lines(lease: LeaseStatus | None) -> Iterator[tuple[Severity, str]]:
    if lease is not None and lease.state in (Keeping.RESERVED, Keeping.RAN_OUT):
        yield Severity.BLOCK, f"Lease: {keeping_line(lease)}"


def _blocks(status: NodeStatus) -> Iterator[tuple[Severity, str]]:
    if not status.blocked_instruments:
        return
    held = tuple(one for one in status.blocked_instruments if one not in status.released_until)
    if held:
        yield Severity.BLOCK, f"Blocked: {', '.join(held)}"
    for instrument_id, until in status.released_until.items():
        yield Severity.WARN, f"Blocked: {instrument_id}, released until {moment(until)} UTC"

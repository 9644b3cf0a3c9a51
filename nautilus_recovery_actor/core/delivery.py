"""
How an operator's command reaches a node: who hears it, until when it counts, and what comes back.

The server's clock says when a command is over: the operator's may be wrong, and so may the node's.
"""

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.names import UNLEASED
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import seconds


# No command needs as much (bytes), and what takes more is not read
MAX_BYTES = 8_192
# How long a sender can wait for an answer, and for how long one is kept for it (seconds)
MAX_VALID_SECS = 3_600.0
KEPT_SECS = 60.0

_NONE = "Nothing was done, and the command is taken back"

_MS = 1_000_000
_MAX_VALID_MS = round(MAX_VALID_SECS * 1000)


class CommandAnswer(msgspec.Struct, frozen=True):
    """
    What the monitor says to a command of an operator.

    Parameters
    ----------
    command_id : str
        The command that is answered.
    is_accepted : bool
        Whether it was carried out.
    text : str
        What was done, or why not, in one line.
    ts : int
        When it was written (UNIX ns).

    """

    command_id: str
    is_accepted: bool
    text: str
    ts: int


class Sent(msgspec.Struct, frozen=True):
    """A command on its way."""

    # Until when its sender waits, by the server's clock (UNIX ms)
    until: int
    command: msgspec.Raw


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What tells whether a node of a trader runs."""

    # The server's time (UNIX ns)
    now: int
    # Who holds the lease
    holder: Holder | None = None
    # Which process listens that runs without one
    listener: Process | None = None
    # Whether the process of either is known to have ended
    is_dead: bool = False
    # Its last sign of life
    heartbeat: Heartbeat | None = None


class NobodyHearsError(Exception):
    """No node of a trader runs that could hear a command. The text says why, in one line."""


def entry(command: bytes, now: int, valid_secs: float) -> bytes:
    """Return a command for the list of a node, sent at the server's time (UNIX ns)."""
    until = now // _MS + round(valid_secs * 1000)
    return msgspec.json.encode(Sent(until, msgspec.Raw(command)))


def received(data: bytes, now: int) -> tuple[bytes, int]:
    """
    Return a command from the list of a node, and for how long it counts at the server's time (ns).

    Raises `ValueError` if it is no entry of such a list.
    """
    try:
        sent = msgspec.json.decode(data, type=Sent)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ValueError(str(e)) from e
    # None counts for longer than a sender can wait, whatever it says
    valid_ms = min(sent.until - now // _MS, _MAX_VALID_MS)
    return bytes(sent.command), valid_ms * _MS


def addressee(trader_id: str, seen: Seen) -> str:
    """
    Return whom a command goes to: the token of who holds the lease, or `UNLEASED`.

    Raises `NobodyHearsError` if no node runs.
    """
    holder, trader = seen.holder, one_line(trader_id)
    if holder is not None and holder.is_reserved:
        raise NobodyHearsError(
            f"No node of {trader} hears commands: {holder.where} has taken its lease, for the next "
            "node that starts"
        )
    process = seen.listener if holder is None else holder.process
    if process is None:
        raise NobodyHearsError(
            f"No node of {trader} runs: {_last_beat(seen)}. If it does run, is this the server of "
            "its cache, or the one in `database` of its RecoveryMonitorConfig?"
        )
    if seen.is_dead:
        where = f"process {process.pid} on {one_line(process.host)}"
        raise NobodyHearsError(f"No node of {trader} runs: {where} has ended, {_last_beat(seen)}")
    return UNLEASED if holder is None else holder.token


def still(trader_id: str, token: str, seen: Seen) -> None:
    """Raise `NobodyHearsError` if whom a command went to is not the node that runs any more."""
    if addressee(trader_id, seen) != token:
        raise NobodyHearsError(f"Another node of {one_line(trader_id)} runs by now")


def unanswered(trader_id: str, secs: float, seen: Seen, gone: str, *, is_taken: bool) -> str:
    """
    Return what is known of a command that was not answered, in one line. `seen` is who was to hear
    it, and `gone` why that is not there any more.
    """
    trader, process = one_line(trader_id), seen.listener
    if seen.holder is not None:
        process = seen.holder.process
    where = "" if process is None else f" (process {process.pid} on {one_line(process.host)})"
    if gone:
        what = "The command had been taken: the node's log says what it did" if is_taken else _NONE
        return f"{gone}. {what}"
    if is_taken:
        return (
            f"{trader}{where} has taken the command, and has not answered within {seconds(secs)}: "
            "its log says what it did"
        )
    return (
        f"No answer from {trader}{where} within {seconds(secs)}: it starts, its event loop is "
        f"blocked, or its process is paused. {_NONE}"
    )


def _last_beat(seen: Seen) -> str:
    beat = seen.heartbeat
    if beat is None:
        return "no heartbeat of it is on record"
    age = seen.now - beat.ts
    when = f"{duration(age)} ago" if age >= 0 else f"{duration(-age)} ahead of the server's clock"
    return f"its last heartbeat was {when}{', of a clean stop' if beat.is_stopped else ''}"

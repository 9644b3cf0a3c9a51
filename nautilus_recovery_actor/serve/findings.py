"""
What a board says of each incident that there can be: it stands, it does not, or nobody can say.
"""

from collections.abc import Callable
from collections.abc import Iterator

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.incidents import Findings
from nautilus_recovery_actor.serve.incidents import Incident
from nautilus_recovery_actor.serve.incidents import Incidents
from nautilus_recovery_actor.serve.incidents import Key
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.incidents import vanished


_NS = 1_000_000_000
_DETAILS = 5
# So long after a recovery strategies still place their stops (seconds)
_SETTLING_SECS = 10.0
# What was read before that says nothing of now, and so long a report may come after its heartbeat
_FRESH_SECS = 10.0
_REPORT_SECS = 1.0


class _Unknown(Exception):  # noqa: N818 (nothing failed)
    """Raised where a board cannot say whether an incident stands."""


def found(board: Board, before: Incidents, now: int) -> Findings:
    """Return what a board says at a time (UNIX ns), with what was there before."""
    findings: dict[Key, Incident | None] = {}
    for server in board.servers:
        key = Key(Kind.UNSEEN, server.name)
        findings[key] = None
        if why := server.trouble or server.unseen:
            since = server.ts_read or now
            findings[key] = Incident(key=key, ts=since, text=why)
    troubled = {server.name for server in board.servers if server.trouble}
    for seen in board.traders:
        if seen.server not in troubled:
            findings.update(_of_trader(seen, now, before))
    for server_name, trader_id in vanished(before, board):
        key = Key(Kind.UNSEEN, server_name, trader_id)
        text = "its record is gone: the server was emptied, or its keys were deleted"
        findings[key] = Incident(key=key, ts=now, text=text)
    return findings


def _of_trader(seen: Seen, now: int, before: Incidents) -> Iterator[tuple[Key, Incident | None]]:
    key = Key(Kind.UNSEEN, seen.server, seen.trader_id)
    is_read = seen.status.heartbeat_age_secs is not None
    if not is_read and before.traders.get((seen.server, seen.trader_id)):
        return  # Whose record was deleted after it was stopped is missed by nobody
    why = seen.trouble or ("" if is_read else seen.status.reason)
    yield key, Incident(key=key, ts=seen.ts_read, text=why) if why else None
    if not is_read or now - seen.ts_read > _FRESH_SECS * _NS:
        return
    for kind, look in _LOOKS.items():
        key = Key(kind, seen.server, seen.trader_id)
        try:
            incident = look(seen, key)
        except _Unknown:
            continue
        # What is not read may be all that stands
        if incident is not None or not why:
            yield key, incident


def _failed(seen: Seen, key: Key) -> Incident | None:
    # Whoever was stopped or died after it has still failed, until a recovery completes
    status = seen.status
    if status.phase is not RecoveryPhase.FAILED:
        return _none_if_complete(seen)
    if status.failure is FailureReason.ANOTHER_NODE:
        raise _Unknown
    is_new = seen.ts_since is not None and seen.ts_read - seen.ts_since < _REPORT_SECS * _NS
    if seen.report is None and is_new:
        raise _Unknown
    what = status.failure or "no report on record"
    details = filter(None, (status.message, "" if status.is_stopped else status.reason))
    return _incident(seen, key, f"recovery epoch {status.epoch}: {what}", tuple(details))


def _naked(seen: Seen, key: Key) -> Incident | None:
    status = seen.status
    if status.state is State.NO_HEARTBEAT:
        raise _Unknown
    if not status.unprotected:
        return _none_if_complete(seen)
    ended = seen.report.ts_completed if seen.report else None
    if ended is not None and 0 <= seen.ts_read - ended < _SETTLING_SECS * _NS:
        raise _Unknown
    count = len(status.unprotected) + status.unprotected_more
    text = f"{_counted(count, 'position')} without a stop"
    return Incident(key=key, ts=seen.ts_read, text=text, details=_named(status.unprotected, count))


def _another_node(seen: Seen, key: Key) -> Incident | None:
    status, lease = seen.status, seen.lease
    if status.phase is RecoveryPhase.FAILED and status.failure is FailureReason.ANOTHER_NODE:
        return _incident(seen, key, "another node runs the trader, or may", (status.message,))
    if seen.twins:
        text = "another node of it runs too"
        return Incident(key=key, ts=seen.ts_read, text=text, details=seen.twins[:_DETAILS])
    if lease is not None and lease.state is Keeping.RESERVED:
        since = lease.ts_since or seen.ts_read
        return Incident(key=key, ts=since, text="no node may run it", details=(lease.reason,))
    return _none_if_complete(seen)


def _no_heartbeat(seen: Seen, key: Key) -> Incident | None:
    status = seen.status
    if status.state is not State.NO_HEARTBEAT or status.is_stopped:
        return None
    age_secs = max(status.heartbeat_age_secs or 0.0, 0.0)
    return Incident(key=key, ts=seen.ts_read - int(age_secs * _NS), text=status.reason)


def _unstored(seen: Seen, key: Key) -> Incident | None:
    status = seen.status
    if status.state is State.NO_HEARTBEAT:
        raise _Unknown
    if not status.storage:
        return None
    text = f"Redis: {', '.join(sorted(one.kind for one in status.storage))}"
    since = min(one.ts for one in status.storage)
    return Incident(key=key, ts=since, text=text, details=tuple(o.text for o in status.storage))


def _degraded(seen: Seen, key: Key) -> Incident | None:
    blocked = seen.status.blocked_instruments
    if not _is_complete(seen) or seen.status.is_shadow or not blocked:
        return _none_if_complete(seen)
    differences = [] if seen.report is None else seen.report.discrepancies
    standing = [one for one in differences if one.is_blocking]
    text = f"{_counted(len(blocked), 'instrument')} blocked: {', '.join(blocked[:3])}"
    if len(blocked) > 3:  # noqa: PLR2004 (as many as are named)
        text = f"{text}, …"
    return _incident(seen, key, text, _named(standing, len(standing)))


def _repair_waiting(seen: Seen, key: Key) -> Incident | None:
    status = seen.status
    is_over = status.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED)
    if status.state is State.NO_HEARTBEAT or not is_over or status.is_shadow:
        return _none_if_complete(seen)
    steps = planned(status.repairs)
    if not steps:
        return _none_if_complete(seen)
    text = f"{_counted(len(steps), 'step')} of a repair wait for your word"
    if len(steps) == 1:
        text = "a repair waits for your word"
    lines = tuple(wording.repair_line(step) for step in steps[:_DETAILS])
    return _incident(seen, key, text, _with_rest(lines, len(steps)))


_LOOKS: dict[Kind, Callable[[Seen, Key], Incident | None]] = {
    Kind.FAILED: _failed,
    Kind.NAKED: _naked,
    Kind.ANOTHER_NODE: _another_node,
    Kind.NO_HEARTBEAT: _no_heartbeat,
    Kind.UNSTORED: _unstored,
    Kind.DEGRADED: _degraded,
    Kind.REPAIR_WAITING: _repair_waiting,
}


def _is_complete(seen: Seen) -> bool:
    # Without its report nobody knows what it has blocked
    status = seen.status
    return (
        status.state is not State.NO_HEARTBEAT
        and status.phase is RecoveryPhase.COMPLETE
        and status.outcome is not None
    )


def _none_if_complete(seen: Seen) -> Incident | None:
    if not _is_complete(seen):
        raise _Unknown
    return None


def _incident(seen: Seen, key: Key, text: str, details: tuple[str, ...]) -> Incident:
    ended = seen.report.ts_completed if seen.report else None
    return Incident(key=key, ts=ended or seen.ts_read, text=text, details=details)


def _named(found: "tuple[Discrepancy, ...] | list[Discrepancy]", count: int) -> tuple[str, ...]:
    lines = tuple(wording.difference(one) for one in found[:_DETAILS])
    return _with_rest(lines, count)


def _with_rest(lines: tuple[str, ...], count: int) -> tuple[str, ...]:
    more = count - len(lines)
    return (*lines, f"and {more} more") if more > 0 else lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

"""
Whether a node may trade now, as far as Redis tells.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.outside.record.entries import Record


# Heartbeats that may be missing before there is none, and how long at least (seconds)
_MISSED = 3
_LEAST_SECS = 3.0
_DEFAULT_SECS = 15.0
_DAY_SECS = 86_400.0

_NS = 1_000_000_000

_NEVER = (
    "none on record: is this the trader ID and the server of its cache, and is there a "
    "RecoveryMonitorActor on the node?"
)


class State(StrEnum):
    """
    What a probe makes of a node.

    ``OPEN``: its last recovery allows trading. ``CLOSED``: a recovery is in progress. ``FAILED``:
    the last one failed. ``NO_HEARTBEAT``: the node is down, or is not known to be up.
    """

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    FAILED = "FAILED"
    NO_HEARTBEAT = "NO_HEARTBEAT"

    @property
    def exit_code(self) -> int:
        """The exit code that tells of it."""
        return list(State).index(self)


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node stands."""

    trader_id: str
    # What a probe makes of it
    state: State
    # Why, in one line
    reason: str
    # The phase of the newest epoch that a heartbeat told of
    phase: RecoveryPhase | None = None
    # The newest epoch
    epoch: int | None = None
    # How old the last heartbeat is; negative where the node's clock is ahead
    heartbeat_age_secs: float | None = None
    # How old it may be
    max_age_secs: float | None = None
    # Whether the node was stopped, and not killed
    is_stopped: bool = False
    # The result of the epoch, if it completed and its report is kept
    outcome: RecoveryOutcome | None = None
    # Why it failed, if it did and its report is kept
    failure: FailureReason | None = None
    # The result in one line
    message: str = ""
    # What must not be traded
    blocked_instruments: tuple[str, ...] = ()
    # Which of these an operator has released, and until when (UNIX ns)
    released_until: Mapping[str, int] = {}
    # Whether the monitor only tells of all this and blocks nothing
    is_shadow: bool = False


def node_status(
    trader_id: str,
    recorded: Record,
    now: int,
    max_age_secs: float | None = None,
    is_strict: bool = False,
) -> NodeStatus:
    """Return where a node stands. What is not known counts against it."""
    beat, report = recorded.heartbeat, recorded.report
    if beat is None:
        reason = _NEVER
        if recorded.broken:
            reason = f"{recorded.broken[0].key} cannot be read: {recorded.broken[0].why}"
        return NodeStatus(trader_id=trader_id, state=State.NO_HEARTBEAT, reason=reason)
    age_secs = (now - beat.ts) / _NS
    limit = max_age_secs or _limit(beat.interval_secs)
    epoch = max(beat.epoch, recorded.epoch or 0)
    if report is not None and report.epoch != epoch:
        report = None
    phase = beat.phase
    if epoch > beat.epoch:
        phase = RecoveryPhase.RECONCILING  # A newer one has begun than the heartbeat tells of
    blocked = report.blocked_instruments if report else ()
    released = {} if report is None else overrides.active(report, now)
    found = NodeStatus(
        trader_id=trader_id,
        state=State.CLOSED,
        reason="",
        phase=phase,
        epoch=epoch,
        heartbeat_age_secs=age_secs,
        max_age_secs=limit,
        is_stopped=beat.is_stopped,
        outcome=report.outcome if report else None,
        failure=report.failure if report else None,
        message=report.message if report else "",
        blocked_instruments=blocked,
        released_until={key: until for key, until in released.items() if key in blocked},
        is_shadow=report is not None and report.shadow,
    )
    state, reason = _state(found, is_kept=report is not None, is_strict=is_strict)
    return msgspec.structs.replace(found, state=state, reason=reason)


def _limit(interval_secs: float | None) -> float:
    if interval_secs is None or not 0 < interval_secs < _DAY_SECS:
        return _DEFAULT_SECS
    return max(_MISSED * interval_secs, _LEAST_SECS)


def _state(found: NodeStatus, *, is_kept: bool, is_strict: bool) -> tuple[State, str]:
    assert found.heartbeat_age_secs is not None
    assert found.max_age_secs is not None
    age_secs, limit = found.heartbeat_age_secs, found.max_age_secs
    epoch = f"recovery epoch {found.epoch}"
    at, last = f"{epoch} is {found.phase}", f"last seen: {epoch} {found.phase}"
    if age_secs < -limit:
        return State.NO_HEARTBEAT, (
            f"the last one is of {_time(-age_secs)} in the future: the clocks of the node and of "
            f"this host differ ({last})"
        )
    if found.is_stopped:
        return State.NO_HEARTBEAT, f"the node was stopped {_time(age_secs)} ago ({last})"
    if age_secs > limit:
        return State.NO_HEARTBEAT, (
            f"the last one is {_time(age_secs)} old, more than {limit:g} s: the node is down, or "
            f"its event loop is busy, as while it reconciles many orders ({last})"
        )
    told = f"heartbeat {_time(max(age_secs, 0))} ago"
    if age_secs < -1:
        told = f"heartbeat {_time(-age_secs)} ahead of this host's clock"
    match found.phase:
        case RecoveryPhase.FAILED:
            why = f"{epoch} {found.failure}: {found.message}" if is_kept else at
            return State.FAILED, f"{why} ({told})"
        case RecoveryPhase.COMPLETE:
            held = [one for one in found.blocked_instruments if one not in found.released_until]
            is_closed = is_strict and (held or not is_kept)
            why = f"{epoch} {found.outcome}" if is_kept else f"{at}, its report is not kept"
            return State.CLOSED if is_closed else State.OPEN, f"{why} ({told})"
        case _:
            return State.CLOSED, f"{at} ({told})"


def _time(secs: float) -> str:
    return duration(int(secs * _NS))

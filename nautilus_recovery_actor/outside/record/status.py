"""
Whether a node may trade now, by what is in Redis.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import Liveness
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.core.liveness import max_age
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.storage import refusal
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.outside.record.entries import Record


_NS = 1_000_000_000
_NAMED = 5
_MISSED_PROOFS = 3
# How long an answer may take before it counts as missing
_SLOW_SECS = 5
_LATE = 1.5

# Why a heartbeat may be missing, and why one may be of the future
DOWN = "the node is down, or its event loop is busy, for example reconciling many orders"
CLOCKS = "the clocks of the node and of this host differ"

_NEVER = (
    "no heartbeat on record: is this the trader ID and the server of its cache, and is there a "
    "RecoveryMonitorActor on the node?"
)


class State(StrEnum):
    """
    What a probe makes of a node.

    ``OPEN``: its last recovery allows trading. ``CLOSED``: a recovery is in progress. ``FAILED``:
    the last one failed. ``NO_HEARTBEAT``: the node is down, or is not known to be up.
    ``UNSTORED``: as ``OPEN``, but Redis has lost or refuses what the node writes.
    """

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    FAILED = "FAILED"
    NO_HEARTBEAT = "NO_HEARTBEAT"
    UNSTORED = "UNSTORED"

    @property
    def exit_code(self) -> int:
        """The exit code of a command that found it."""
        return list(State).index(self)


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node stands."""

    trader_id: str
    # What a probe makes of it
    state: State
    # Why, in one line
    reason: str
    # The phase of the newest epoch
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
    # When it ended (UNIX ns), if it did and its report is kept
    ts_completed: int | None = None
    # What must not be traded
    blocked_instruments: tuple[str, ...] = ()
    # Which of these an operator has released, and until when (UNIX ns)
    released_until: Mapping[str, int] = {}
    # The first few open positions that no stop covers, by the heartbeat, and how many more
    unprotected: tuple[Discrepancy, ...] = ()
    unprotected_more: int = 0
    # The exits without a position, and what belongs to strategies that the node does not run, by
    # the report of the epoch
    orphan_exits: tuple[Discrepancy, ...] = ()
    absent_strategies: tuple[Discrepancy, ...] = ()
    # What each account reported and what proves it, what was corrected in that, and what was
    # repaired, by the report of the epoch
    accounts: tuple[AccountRecovery, ...] = ()
    corrections: tuple[CorrectionMade, ...] = ()
    repairs: tuple[RepairStep, ...] = ()
    # When the venues were last asked for what then proved to be so (UNIX ns), how long ago that is,
    # and whether it is older than three intervals
    ts_proven: int | None = None
    proven_age_secs: float | None = None
    is_proof_old: bool = False
    # Since when a venue owes an answer (UNIX ns), if that is too long for a slow one
    ts_unanswered: int | None = None
    # What the server has lost or refuses, by the heartbeat and by what it says now, and what was
    # restored from a cache that was old
    storage: tuple[StorageIncident, ...] = ()
    stale_caches: tuple[Discrepancy, ...] = ()
    # Which process holds the lease of the trader, empty if none does
    lease: str = ""
    # Whether the monitor is in shadow mode and blocks nothing
    is_shadow: bool = False


def node_status(
    trader_id: str,
    record: Record,
    now: int,
    max_age_secs: float | None = None,
    is_strict: bool = False,
) -> NodeStatus:
    """Return where a node stands. What is not known counts against it."""
    beat, report = record.heartbeat, record.report
    if beat is None:
        reason = _NEVER
        if record.broken:
            reason = f"{record.broken[0].key} cannot be read: {record.broken[0].why}"
        return NodeStatus(trader_id=trader_id, state=State.NO_HEARTBEAT, reason=reason)
    life = liveness(beat, now, max_age_secs=max_age_secs)
    epoch = max(beat.epoch, record.epoch or 0)
    if report is not None and report.epoch != epoch:
        report = None
    phase = beat.phase
    if epoch > beat.epoch:
        phase = RecoveryPhase.RECONCILING  # A newer one has begun than that of the heartbeat
    blocked = report.blocked_instruments if report else ()
    released = {} if report is None else overrides.active(report, now)
    unprotected, more = _unprotected(beat, report)
    found = NodeStatus(
        trader_id=trader_id,
        state=State.CLOSED,
        reason="",
        phase=phase,
        epoch=epoch,
        heartbeat_age_secs=life.age_secs,
        max_age_secs=life.max_age_secs,
        is_stopped=beat.is_stopped,
        outcome=report.outcome if report else None,
        failure=report.failure if report else None,
        message=report.message if report else "",
        ts_completed=report.ts_completed if report else None,
        blocked_instruments=blocked,
        released_until={key: until for key, until in released.items() if key in blocked},
        unprotected=unprotected,
        unprotected_more=more,
        orphan_exits=_standing(report, DiscrepancyKind.ORPHAN_EXIT),
        absent_strategies=_standing(report, DiscrepancyKind.ABSENT_STRATEGY),
        storage=_storage(record, beat, now),
        stale_caches=_standing(report, DiscrepancyKind.STALE_CACHE),
        accounts=report.accounts if report else (),
        corrections=report.corrections if report else (),
        repairs=report.repairs if report else (),
        is_shadow=report is not None and report.shadow,
        ts_proven=beat.ts_proven,
        proven_age_secs=None if beat.ts_proven is None else (now - beat.ts_proven) / _NS,
        is_proof_old=_is_proof_old(beat, now),
        ts_unanswered=_ts_unanswered(beat),
    )
    state, reason = _state(found, life, report, is_strict=is_strict)
    return msgspec.structs.replace(found, state=state, reason=reason)


def is_late(record: Record, now: int) -> bool:
    """Return whether the heartbeat is late, so that the server may refuse it."""
    beat = record.heartbeat
    if beat is None or beat.is_stopped:
        return False
    return now - beat.ts > _LATE * (beat.interval_secs or max_age(beat)) * _NS


def _storage(record: Record, beat: Heartbeat, now: int) -> tuple[StorageIncident, ...]:
    found = () if beat.is_stopped else beat.storage or ()
    if not record.refused:
        return found
    refused = refusal(record.refused, now)
    return (*(one for one in found if one.kind is not refused.kind), refused)


def _is_proof_old(beat: Heartbeat, now: int) -> bool:
    if beat.ts_proven is None or beat.prove_interval_secs is None:
        return False
    return now - beat.ts_proven > _MISSED_PROOFS * beat.prove_interval_secs * _NS


def _ts_unanswered(beat: Heartbeat) -> int | None:
    since = beat.ts_unanswered
    return since if since is not None and beat.ts - since > _SLOW_SECS * _NS else None


def _unprotected(
    beat: Heartbeat, report: RecoveryReport | None
) -> tuple[tuple[Discrepancy, ...], int]:
    if beat.unprotected is not None:
        return beat.unprotected, beat.unprotected_more
    # Of a monitor that does not look between recoveries
    found = _standing(report, DiscrepancyKind.UNPROTECTED_POSITION)
    return found[:_NAMED], max(len(found) - _NAMED, 0)


def _standing(report: RecoveryReport | None, kind: DiscrepancyKind) -> tuple[Discrepancy, ...]:
    found = () if report is None else report.discrepancies
    return tuple(one for one in found if one.kind is kind and not one.resolved)


def _state(
    found: NodeStatus, life: Liveness, report: RecoveryReport | None, *, is_strict: bool
) -> tuple[State, str]:
    age_secs = life.age_secs
    last = f"last seen: recovery epoch {found.epoch} {found.phase}"
    match life.life:
        case Life.AHEAD:
            return State.NO_HEARTBEAT, (
                f"the last heartbeat is {_time(-age_secs)} in the future: {CLOCKS} ({last})"
            )
        case Life.STOPPED:
            return State.NO_HEARTBEAT, f"the node was stopped {_time(age_secs)} ago ({last})"
        case Life.SILENT:
            return State.NO_HEARTBEAT, (
                f"the last heartbeat is {_time(age_secs)} old, the limit is "
                f"{seconds(life.max_age_secs)}: {DOWN} ({last})"
            )
    heartbeat = f"heartbeat {_time(age_secs)} ago"
    if age_secs < -1:
        heartbeat = f"heartbeat {_time(-age_secs)} ahead of this host's clock"
    is_over = found.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED)
    what = f"Recovery epoch {found.epoch} is {found.phase}"
    if is_over:
        what = f"{what}, no report on record" if report is None else wording.headline(report)
    reason = f"{what} ({heartbeat})"
    if found.phase is RecoveryPhase.FAILED:
        return State.FAILED, reason
    held = [one for one in found.blocked_instruments if one not in found.released_until]
    if not is_over or (is_strict and (held or report is None)):
        return State.CLOSED, reason
    return State.UNSTORED if found.storage else State.OPEN, reason


def _time(secs: float) -> str:
    return duration(int(secs * _NS))

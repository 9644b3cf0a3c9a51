import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.record.entries import Broken
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.outside.record.status import is_late
from nautilus_recovery_actor.outside.record.status import node_status


SEC = 1_000_000_000
NOW = 1_000 * SEC
CLEAN = RecoveryReport("T-1", "R", 7, "startup", RecoveryOutcome.CLEAN, message="Nothing")
DEGRADED = msgspec.structs.replace(
    CLEAN, outcome=RecoveryOutcome.DEGRADED, blocked_instruments=("A", "B")
)


def beat(
    phase: str = "COMPLETE", age_secs: float = 1, epoch: int = 7, **fields: object
) -> Heartbeat:
    values = {"ts": NOW - int(age_secs * SEC), "epoch": epoch, "phase": phase, **fields}
    return msgspec.convert(values, Heartbeat)


def found(
    heartbeat: Heartbeat | None,
    report: RecoveryReport | None = CLEAN,
    epoch: int | None = 7,
    max_age_secs: float | None = None,
    is_strict: bool = False,
    broken: tuple[Broken, ...] = (),
) -> NodeStatus:
    recorded = Record(heartbeat=heartbeat, epoch=epoch, report=report, broken=broken)
    return node_status("T-1", recorded, NOW, max_age_secs, is_strict)


def released(instrument_id: str, until: int, ended: int | None = None) -> Override:
    return Override(instrument_id, "why", "ada@desk", NOW - SEC, until, ended)


def test_exit_codes_are_part_of_what_probes_are_built_on() -> None:
    """
    They do not change.
    """
    assert {state.value: state.exit_code for state in State} == {
        "OPEN": 0,
        "CLOSED": 1,
        "FAILED": 2,
        "NO_HEARTBEAT": 3,
        "UNSTORED": 4,
    }


LOST = StorageIncident(StorageTrouble.LOST, NOW - 9 * SEC, "Redis has lost everything")


def test_what_redis_lost_stands_beside_what_may_trade() -> None:
    """
    The gates are open, and a probe must not see nothing of it. Other states keep their codes.
    """
    for phase, state in (("COMPLETE", State.UNSTORED), ("FAILED", "FAILED"), ("PENDING", "CLOSED")):
        status = found(beat(phase, storage=[msgspec.to_builtins(LOST)]))
        assert (status.state, status.storage) == (state, (LOST,))
    assert found(beat(storage=[])).state is State.OPEN
    late = found(beat(age_secs=90, storage=[msgspec.to_builtins(LOST)]))
    assert (late.state, late.storage) == (State.NO_HEARTBEAT, (LOST,))


def test_what_a_stopped_node_found_of_redis_is_over() -> None:
    """
    It has no memory of what Redis lacks any more: the next start says what it finds.
    """
    assert found(beat(is_stopped=True, storage=[msgspec.to_builtins(LOST)])).storage == ()


def test_a_server_that_refuses_writes_says_so_itself() -> None:
    """
    The node cannot: its heartbeat is refused too. So it is asked once that is late.
    """
    recorded = Record(heartbeat=beat(age_secs=7, interval_secs=5), epoch=7, report=CLEAN)
    assert not is_late(recorded, NOW)
    assert is_late(recorded, NOW + SEC)
    assert not is_late(Record(), NOW)
    stopped = msgspec.structs.replace(recorded, heartbeat=beat(age_secs=90, is_stopped=True))
    assert not is_late(stopped, NOW)
    refused = msgspec.structs.replace(recorded, refused="OOM full")
    status = node_status("T-1", refused, NOW)
    assert status.state is State.UNSTORED
    assert [one.kind for one in status.storage] == [StorageTrouble.REFUSED]


def test_a_recovery_that_completed_is_open() -> None:
    """
    It tells the outcome and how old the heartbeat is.
    """
    now = found(beat())
    assert (now.state, now.reason) == (
        State.OPEN,
        "Recovery epoch 7 CLEAN: Nothing (heartbeat 1 s ago)",
    )
    assert (now.epoch, now.phase, now.outcome) == (7, "COMPLETE", "CLEAN")
    assert (now.message, now.heartbeat_age_secs, now.max_age_secs) == ("Nothing", 1.0, 15.0)


@pytest.mark.parametrize("phase", ["PENDING", "RECONCILING", "VERIFYING"])
def test_a_recovery_in_progress_is_closed(phase: str) -> None:
    """
    Whatever its phase is.
    """
    now = found(beat(phase), None)
    assert now.state is State.CLOSED
    assert now.reason == f"Recovery epoch 7 is {phase} (heartbeat 1 s ago)"


def test_an_epoch_that_the_heartbeat_does_not_tell_of_yet_is_closed() -> None:
    """
    An old permission does not stand for a newer recovery.
    """
    now = found(beat(), epoch=8)
    assert (now.state, now.epoch, now.phase) == (State.CLOSED, 8, RecoveryPhase.RECONCILING)
    assert (now.outcome, now.blocked_instruments) == (None, ())


def test_a_failure_tells_why() -> None:
    """
    With the reason and the message of its report, if that is kept.
    """
    failed = msgspec.structs.replace(CLEAN, outcome=None, failure=FailureReason.TIMEOUT)
    now = found(beat("FAILED"), failed)
    assert (now.state, now.failure) == (State.FAILED, FailureReason.TIMEOUT)
    assert now.reason == "Recovery epoch 7 TIMEOUT: Nothing (heartbeat 1 s ago)"
    assert found(beat("FAILED"), None).reason == (
        "Recovery epoch 7 is FAILED, no report on record (heartbeat 1 s ago)"
    )


def test_a_stopped_node_has_no_heartbeat_however_fresh_its_last_one_is() -> None:
    """
    The mark of the clean stop counts at once.
    """
    now = found(beat(is_stopped=True))
    assert (now.state, now.is_stopped) == (State.NO_HEARTBEAT, True)
    assert now.reason == "the node was stopped 1 s ago (last seen: recovery epoch 7 COMPLETE)"


@pytest.mark.parametrize(
    ("interval_secs", "limit"),
    [(None, 15.0), (5.0, 15.0), (60.0, 180.0), (0.1, 3.0), (0.0, 15.0), (-1.0, 15.0), (1e9, 15.0)],
)
def test_three_heartbeats_may_be_missing(interval_secs: float | None, limit: float) -> None:
    """
    The node says how often there is one; what is not sane counts as not told.
    """
    assert found(beat(age_secs=limit, interval_secs=interval_secs)).state is State.OPEN
    now = found(beat(age_secs=limit + 1, interval_secs=interval_secs))
    assert (now.state, now.max_age_secs) == (State.NO_HEARTBEAT, limit)
    assert now.reason.startswith("the last heartbeat is ")


def test_the_caller_may_set_the_limit() -> None:
    """
    It goes before what the node says.
    """
    assert found(beat(age_secs=2), max_age_secs=1.5).state is State.NO_HEARTBEAT
    assert found(beat(age_secs=99, interval_secs=1.0), max_age_secs=100.0).state is State.OPEN


def test_a_heartbeat_of_the_future_is_none_beyond_the_limit() -> None:
    """
    A clock that is ahead would keep a dead node open.
    """
    assert found(beat(age_secs=-0.5)).reason.endswith("(heartbeat less than 1 s ago)")
    near = found(beat(age_secs=-15))
    assert near.state is State.OPEN
    assert near.reason.endswith("(heartbeat 15 s ahead of this host's clock)")
    far = found(beat(age_secs=-16))
    assert far.state is State.NO_HEARTBEAT
    assert "16 s in the future: the clocks" in far.reason


def test_without_a_heartbeat_the_reason_says_what_to_look_for() -> None:
    """
    A damaged one is named.
    """
    assert found(None, None, None).reason == (
        "no heartbeat on record: is this the trader ID and the server of its cache, and is there a "
        "RecoveryMonitorActor on the node?"
    )
    now = found(None, broken=(Broken("recovery:heartbeat", "no JSON"),))
    assert (now.state, now.reason) == (
        State.NO_HEARTBEAT,
        "recovery:heartbeat cannot be read: no JSON",
    )


def test_blocked_instruments_close_a_strict_probe_alone() -> None:
    """
    The rest of the node trades.
    """
    assert found(beat(), DEGRADED).state is State.OPEN
    strict = found(beat(), DEGRADED, is_strict=True)
    assert (strict.state, strict.blocked_instruments) == (State.CLOSED, ("A", "B"))
    assert found(beat(), CLEAN, is_strict=True).state is State.OPEN
    assert found(beat(), None, is_strict=True).state is State.CLOSED
    assert found(beat(), None).state is State.OPEN


def test_what_an_operator_released_does_not_close_a_strict_probe() -> None:
    """
    As long as the release lasts, and for all that is blocked.
    """
    one, two = released("A", NOW + SEC), released("B", NOW + 2 * SEC)
    both = msgspec.structs.replace(DEGRADED, overrides=(one, two))
    assert found(beat(), both, is_strict=True).state is State.OPEN
    assert found(beat(), both).released_until == {"A": NOW + SEC, "B": NOW + 2 * SEC}
    for other in (released("B", NOW), released("B", NOW + SEC, ended=NOW - 1)):
        part = msgspec.structs.replace(DEGRADED, overrides=(one, other))
        assert found(beat(), part, is_strict=True).state is State.CLOSED
        assert found(beat(), part).released_until == {"A": NOW + SEC}


def naked(position_id: str) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.UNPROTECTED_POSITION,
        severity=Severity.INFO,
        account_id="A-1",
        instrument_id="A",
        position_id=position_id,
        venue="no stop at the venue",
        cache=f"LONG 1 A of {position_id}",
    )


def test_positions_without_a_stop_are_those_of_the_heartbeat() -> None:
    """
    They are newer than the report, which counts only if the heartbeat says nothing of them.
    """
    many = tuple(naked(f"P-{number}") for number in range(7))
    told = msgspec.structs.replace(CLEAN, discrepancies=many)
    now = found(beat(unprotected=[], unprotected_more=0), told)
    assert (now.unprotected, now.unprotected_more) == ((), 0)
    now = found(beat(unprotected=many[:1], unprotected_more=3), told)
    assert (now.unprotected, now.unprotected_more) == (many[:1], 3)
    assert wording.unprotected(now.unprotected, now.unprotected_more) == (
        "Unprotected: LONG 1 A of P-0 (A-1), no stop at the venue; and 3 more"
    )
    now = found(beat(), told)
    assert (now.unprotected, now.unprotected_more) == (many[:5], 2)
    assert found(beat(), None).unprotected == ()


def test_the_report_of_another_epoch_tells_nothing_of_this_one() -> None:
    """
    Its blocked instruments are not those of now.
    """
    now = found(beat(epoch=8), DEGRADED, epoch=8)
    assert (now.outcome, now.blocked_instruments) == (None, ())
    assert now.reason == ("Recovery epoch 8 is COMPLETE, no report on record (heartbeat 1 s ago)")


@given(
    age=st.integers(-100, 100),
    phase=st.sampled_from(RecoveryPhase),
    told=st.integers(1, 3),
    begun=st.none() | st.integers(1, 3),
    kept=st.none() | st.integers(1, 3),
    is_stopped=st.booleans(),
    is_strict=st.booleans(),
)
def test_only_a_fresh_heartbeat_of_the_newest_epoch_that_completed_is_open(
    age: int,
    phase: RecoveryPhase,
    told: int,
    begun: int | None,
    kept: int | None,
    is_stopped: bool,
    is_strict: bool,
) -> None:
    """
    What is not known counts against the node.
    """
    report = None if kept is None else msgspec.structs.replace(CLEAN, epoch=kept)
    heartbeat = beat(phase, age, told, is_stopped=is_stopped)
    is_open = (
        abs(age) <= 15
        and not is_stopped
        and phase is RecoveryPhase.COMPLETE
        and told >= (begun or 0)
        and (not is_strict or kept == told)
    )
    state = found(heartbeat, report, begun, is_strict=is_strict).state
    assert (state is State.OPEN) == is_open


def test_the_age_of_the_last_proof_is_known() -> None:
    """
    One that is older than three intervals is said so; without an interval none is too old.
    """
    assert found(beat()).proven_age_secs is None
    for age_secs, interval_secs, is_old in (
        (12, 60.0, False),
        (181, 60.0, True),
        (999, None, False),
    ):
        status = found(beat(ts_proven=NOW - age_secs * SEC, prove_interval_secs=interval_secs))
        assert (status.proven_age_secs, status.is_proof_old) == (age_secs, is_old)
    assert wording.proven(12.9, is_old=False) == "Proven 12 s ago"
    assert wording.proven(12.9, is_old=False, is_rest=True) == "The rest was proven 12 s ago"
    assert wording.proven(181, is_old=True) == (
        "Proven 3 min 1 s ago: that is more than three intervals, see the log"
    )

"""
Checks that are made again while something blocks, and storms of epochs.
"""

from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import Changed
from nautilus_recovery_actor.core.epoch import Complete
from nautilus_recovery_actor.core.epoch import Fail
from nautilus_recovery_actor.core.epoch import Judge
from nautilus_recovery_actor.core.epoch import Judged
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Stormed
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.epoch import decide
from nautilus_recovery_actor.core.epoch import is_storm
from nautilus_recovery_actor.core.epoch import open_runtime
from nautilus_recovery_actor.core.epoch import open_startup


Blocking: TypeAlias = tuple[FailureReason | None, str]

TIMING = Timing(startup=100, settle=10, verify=100, recheck=20, storm_epochs=3, storm_window=50)
DEADLINE = 110
SILENT = (FailureReason.NOT_RECONCILED, "No mass status from PAPER-001")


def blocked(now: int, failure: Blocking = (None, "")) -> Judged:
    return Judged(now, *failure, is_blocking=True)


def rechecking(now: int = 10, flagged: int = 0) -> RecoveryState:
    """
    Return the state after a first judgement that blocked at `now`.
    """
    state, action = decide(open_runtime(0, flagged, TIMING), Woke(now, flagged), TIMING)
    assert action == Judge()
    state, action = decide(state, blocked(now), TIMING)
    assert action is None
    return state


# -- WHEN IT IS CHECKED AGAIN --


@pytest.mark.parametrize("failure", [(None, ""), SILENT], ids=["difference", "silent account"])
def test_judgement_that_blocks_is_made_again_at_the_interval(failure: Blocking) -> None:
    """
    What blocks, or fails, does not end the epoch before its deadline.
    """
    judging, _ = decide(open_runtime(0, 0, TIMING), Woke(10, 0), TIMING)
    state, action = decide(judging, blocked(10, failure), TIMING)
    assert action is None
    assert state.phase is RecoveryPhase.VERIFYING
    assert (state.settle_at, state.wake_at, state.deadline) == (30, 30, DEADLINE)
    assert decide(state, Woke(29, 0), TIMING) == (state, None)
    assert decide(state, Woke(30, 0), TIMING)[1] == Judge()


def test_first_judgement_that_blocks_sets_how_far_the_deadline_may_be_put_off() -> None:
    """
    Once and for all: later judgements do not move it.
    """
    state = rechecking()
    assert state.limit == DEADLINE + TIMING.verify
    state, _ = decide(state, Woke(30, 0), TIMING)
    state, _ = decide(state, blocked(30), TIMING)
    assert (state.settle_at, state.limit) == (50, DEADLINE + TIMING.verify)
    postponed = msgspec.structs.replace(state, deadline=150)
    state, _ = decide(postponed, blocked(60), TIMING)
    assert (state.deadline, state.limit) == (150, DEADLINE + TIMING.verify)


def test_good_judgement_ends_the_epoch_at_once() -> None:
    """
    As soon as nothing blocks any more trading is allowed.
    """
    state, _ = decide(rechecking(), Woke(30, 0), TIMING)
    state, action = decide(state, Judged(30), TIMING)
    assert action == Complete()
    assert state.phase is RecoveryPhase.COMPLETE


def test_failure_that_waiting_cannot_mend_ends_the_epoch_at_once() -> None:
    """
    A judgement that fails without anything that blocks is not made again.
    """
    judging, _ = decide(open_runtime(0, 0, TIMING), Woke(10, 0), TIMING)
    state, action = decide(judging, Judged(10, *SILENT), TIMING)
    assert action == Fail(*SILENT)
    assert state.phase is RecoveryPhase.FAILED


def test_last_check_is_at_the_deadline() -> None:
    """
    An interval that reaches beyond the deadline ends there.
    """
    state, _ = decide(rechecking(), Woke(100, 0), TIMING)
    state, action = decide(state, blocked(100), TIMING)
    assert action is None
    assert state.wake_at == DEADLINE
    assert decide(state, Woke(DEADLINE, 0), TIMING)[1] == Judge()


@pytest.mark.parametrize("now", [DEADLINE, DEADLINE + 1])
def test_difference_that_blocks_at_the_deadline_degrades(now: int) -> None:
    """
    One nanosecond before the deadline it is checked again, from then on it is told.
    """
    state, _ = decide(rechecking(), Woke(now, 0), TIMING)
    assert decide(state, blocked(DEADLINE - 1), TIMING)[1] is None
    over, action = decide(state, blocked(now), TIMING)
    assert action == Complete()
    assert over.phase is RecoveryPhase.COMPLETE
    assert over.wake_at is None


def test_account_that_is_silent_at_the_deadline_fails() -> None:
    """
    The judgement's own reason and words end the epoch.
    """
    state, _ = decide(rechecking(), Woke(DEADLINE, 0), TIMING)
    over, action = decide(state, blocked(DEADLINE, SILENT), TIMING)
    assert action == Fail(*SILENT)
    assert over.phase is RecoveryPhase.FAILED


# -- EARLIER, IF SOMETHING CHANGED --


def test_change_brings_the_next_check_forward() -> None:
    """
    What may resolve it is looked at `settle` later, not at the interval.
    """
    state, action = decide(rechecking(), Changed(11), TIMING)
    assert action is None
    assert state.wake_at == 21
    assert decide(state, Woke(20, 0), TIMING) == (state, None)
    assert decide(state, Woke(21, 0), TIMING)[1] == Judge()


def test_change_never_puts_the_next_check_off() -> None:
    """
    A stream of changes does not keep the check away.
    """
    state, _ = decide(rechecking(), Changed(11), TIMING)
    for now in (15, 20):
        assert decide(state, Changed(now), TIMING) == (state, None)
    late, _ = decide(rechecking(), Changed(25), TIMING)
    assert late.wake_at == 30


def test_change_says_nothing_before_something_blocks() -> None:
    """
    Before the first judgement the settle time stands, and before the trader's start nothing does.
    """
    reopened = open_runtime(0, 0, TIMING)
    assert decide(reopened, Changed(-5), TIMING) == (reopened, None)
    pending = open_startup(0, TIMING)
    assert decide(pending, Changed(5), TIMING) == (pending, None)


def test_change_after_the_end_says_nothing() -> None:
    """
    An epoch that is over is not checked again.
    """
    state, _ = decide(rechecking(), Woke(DEADLINE, 0), TIMING)
    over, _ = decide(state, blocked(DEADLINE), TIMING)
    assert decide(over, Changed(DEADLINE + 1), TIMING) == (over, None)


# -- NEVER BEFORE THE EVENTS HAVE SETTLED --


@pytest.mark.parametrize("happening", ["interval", "change"])
def test_check_waits_for_the_events_to_settle(happening: str) -> None:
    """
    A flagged event since the last look starts the settle time anew, whatever asked for the check.
    """
    state = rechecking()
    if happening == "change":
        state, _ = decide(state, Changed(11), TIMING)
    due = state.wake_at
    assert due is not None
    state, action = decide(state, Woke(due, 1), TIMING)
    assert action is None
    assert (state.wake_at, state.flagged) == (due + TIMING.settle, 1)
    assert decide(state, Woke(due + TIMING.settle - 1, 1), TIMING)[1] is None
    assert decide(state, Woke(due + TIMING.settle, 1), TIMING)[1] == Judge()


def test_event_long_before_the_deadline_does_not_move_it() -> None:
    """
    Only what is too late for the deadline puts it off.
    """
    state, _ = decide(rechecking(), Woke(30, 1), TIMING)
    assert (state.settle_at, state.deadline) == (40, DEADLINE)
    state, _ = decide(rechecking(), Woke(DEADLINE - TIMING.settle, 1), TIMING)
    assert (state.settle_at, state.deadline) == (DEADLINE, DEADLINE)


@pytest.mark.parametrize("now", [DEADLINE - TIMING.settle + 1, DEADLINE - 1, DEADLINE])
def test_event_just_before_the_deadline_puts_it_off(now: int) -> None:
    """
    What came too late to settle is still judged, and not called a failure.
    """
    state, action = decide(rechecking(), Woke(now, 1), TIMING)
    assert action is None
    assert (state.settle_at, state.deadline) == (now + TIMING.settle, now + TIMING.settle)
    state, action = decide(state, Woke(now + TIMING.settle, 1), TIMING)
    assert action == Judge()
    assert decide(state, blocked(now + TIMING.settle), TIMING)[1] == Complete()


def test_deadline_is_never_put_off_beyond_the_limit() -> None:
    """
    Events that do not cease end the epoch in a failure, `verify` after its first deadline.
    """
    state, flagged, now = rechecking(), 0, 10
    limit = state.limit
    assert limit == 210
    while not state.is_over:
        now += TIMING.settle - 1
        flagged += 1
        state, action = decide(state, Woke(now, flagged), TIMING)
        assert action != Judge()
        assert state.is_over or state.deadline <= limit
    assert now >= limit > now - TIMING.settle
    assert isinstance(action, Fail)
    assert action.reason is FailureReason.TIMEOUT


def test_settle_time_that_ends_beyond_the_limit_is_cut_off() -> None:
    """
    At the limit what has not settled fails; one nanosecond before it still waits.
    """
    state = msgspec.structs.replace(rechecking(), deadline=205)
    state, action = decide(state, Woke(204, 1), TIMING)
    assert (state.settle_at, state.deadline, state.wake_at, action) == (214, 210, 210, None)
    assert decide(state, Woke(209, 1), TIMING)[1] is None
    over, action = decide(state, Woke(210, 1), TIMING)
    assert isinstance(action, Fail)
    assert over.phase is RecoveryPhase.FAILED


def test_events_before_the_first_judgement_do_not_put_the_deadline_off() -> None:
    """
    An epoch that never settled is a timeout at its own deadline.
    """
    state, _ = decide(open_runtime(0, 0, TIMING), Woke(DEADLINE - 1, 1), TIMING)
    assert state.deadline == DEADLINE
    assert isinstance(decide(state, Woke(DEADLINE, 1), TIMING)[1], Fail)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1), st.booleans()), max_size=40),
    st.integers(0, 40),
)
def test_no_check_is_made_within_the_settle_time_of_an_event(
    steps: list[tuple[int, int, bool]], resolves: int
) -> None:
    """
    Whatever comes while something blocks: every check is `settle` after the last event seen, the
    epoch ends once, and not later than a wake at its limit.
    """
    state, now, flagged, last_event, checks = open_runtime(0, 0, TIMING), 0, 0, 0, 0
    ends = 0
    for later, came, is_change in [*steps, (0, 0, False), (300, 0, False), (10, 0, False)]:
        now, flagged = now + later, flagged + came
        if came:
            last_event = now
        if is_change:
            state, action = decide(state, Changed(now), TIMING)
            assert action is None
        state, action = decide(state, Woke(now, flagged), TIMING)
        if action == Judge():
            assert now >= last_event + TIMING.settle
            checks += 1
            answer = Judged(now) if checks > resolves else blocked(now)
            state, action = decide(state, answer, TIMING)
        ends += action is not None
        assert ends == state.is_over
        if state.wake_at is not None:
            assert state.wake_at <= DEADLINE + TIMING.verify
    assert ends == 1


# -- STORMS --


@pytest.mark.parametrize(
    ("openings", "expected"),
    [
        ([100], False),
        ([100, 101, 102], False),
        ([100, 101, 102, 103], True),
        ([100, 100, 100, 100], True),
        ([100, 101, 102, 150], False),
        ([101, 102, 103, 150], True),
        ([1, 2, 3, 4, 150, 151, 152], False),
        ([103, 101, 102, 100], True),
    ],
)
def test_storm_is_one_epoch_too_many_within_the_window(openings: list[int], expected: bool) -> None:
    """
    Three within 50 ns are none, the fourth is one, unless the first is 50 ns old by then.
    """
    assert is_storm(openings, TIMING) is expected


def test_storm_of_none_allowed_is_every_epoch() -> None:
    """
    Who allows no epoch at run time has the first one fail.
    """
    assert is_storm([7], Timing(startup=1, settle=1, verify=1, storm_epochs=0)) is True


def test_window_slides() -> None:
    """
    Epochs at a steady pace that the window allows are never a storm, and a faster pace soon is.
    """
    steady = [n * 17 for n in range(30)]
    assert not any(is_storm(steady[: n + 1], TIMING) for n in range(30))
    faster = [n * 16 for n in range(30)]
    assert [is_storm(faster[: n + 1], TIMING) for n in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    "state",
    [open_startup(0, TIMING), open_runtime(0, 0, TIMING), rechecking()],
    ids=["pending", "reopened", "checked again"],
)
def test_storm_fails_the_epoch_until_an_operator_acts(state: RecoveryState) -> None:
    """
    The failure says how many epochs opened, in what time, and what to do.
    """
    timing = msgspec.structs.replace(TIMING, storm_epochs=6, storm_window=90_000_000_000)
    over, action = decide(state, Stormed(), timing)
    assert over.phase is RecoveryPhase.FAILED
    assert action == Fail(
        FailureReason.RECONCILIATION_FAILED,
        "More than 6 new recoveries within 1.5 min: the connection or the venue is not stable. "
        "Trading stays disabled until `nautilus-recovery resume`, or a restart",
    )
    assert decide(over, Stormed(), timing) == (over, None)


def test_durations_have_the_documented_defaults() -> None:
    """
    Half a second between checks, six epochs within five minutes.
    """
    assert Timing(1, 2, 3) == Timing(
        startup=1,
        settle=2,
        verify=3,
        recheck=500_000_000,
        storm_epochs=6,
        storm_window=300_000_000_000,
    )

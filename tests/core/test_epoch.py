from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import Action
from nautilus_recovery_actor.core.epoch import Broke
from nautilus_recovery_actor.core.epoch import Complete
from nautilus_recovery_actor.core.epoch import Fail
from nautilus_recovery_actor.core.epoch import Happening
from nautilus_recovery_actor.core.epoch import Judge
from nautilus_recovery_actor.core.epoch import Judged
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Seen
from nautilus_recovery_actor.core.epoch import Stopped
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.epoch import TraderStarted
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.epoch import decide
from nautilus_recovery_actor.core.epoch import open_runtime
from nautilus_recovery_actor.core.epoch import open_startup


# What the host does next: its kind, how much later, how many flagged events came meanwhile
Step: TypeAlias = tuple[str, int, int]

TIMING = Timing(startup=100, settle=10, verify=50)
TIMINGS = st.builds(
    Timing, startup=st.integers(1, 60), settle=st.integers(0, 20), verify=st.integers(1, 40)
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["seen", "started", "woke", "woke-pending", "woke-over", "broke"]),
        st.integers(0, 40),
        st.integers(0, 2),
    ),
    max_size=20,
)
ANSWERS = st.sampled_from(
    [Judged(0), Judged(0, FailureReason.NOT_RECONCILED, "no mass status"), Broke("verify raised")]
)


def happening(kind: str, now: int, flagged: int) -> Happening:
    match kind:
        case "seen":
            return Seen()
        case "started":
            return TraderStarted(now, flagged)
        case "woke":
            return Woke(now, flagged)
        case "woke-pending":
            return Woke(now, flagged, is_start_pending=True)
        case "woke-over":
            return Woke(now, flagged, is_start_pending=False)
        case _:
            return Broke("the monitor raised")


def advance(
    state: RecoveryState, what: Happening, timing: Timing, answer: Happening
) -> tuple[RecoveryState, list[Action]]:
    # As the host does: a judgement asked for is answered at once
    state, action = decide(state, what, timing)
    actions = [] if action is None else [action]
    if action == Judge():
        state, action = decide(state, answer, timing)
        assert action is not None
        actions.append(action)
    return state, actions


def opened(is_startup: bool, timing: Timing) -> RecoveryState:
    return open_startup(0, timing) if is_startup else open_runtime(0, 0, timing)


@given(TIMINGS, st.booleans(), STEPS, ANSWERS)
def test_epoch_has_one_terminal_action_and_has_it_once_the_deadline_has_passed(
    timing: Timing, is_startup: bool, steps: list[Step], answer: Happening
) -> None:
    """
    Whatever happens an epoch ends at most once, and a wake at its deadline leaves none open.
    """
    state, now, flagged = opened(is_startup, timing), 0, 0
    ends: list[Action] = []
    for kind, later, came in steps:
        now, flagged = now + later, flagged + came
        state, actions = advance(state, happening(kind, now, flagged), timing, answer)
        ends += [action for action in actions if action != Judge()]
        assert len(ends) <= 1
        assert state.is_over is bool(ends)
        assert (state.wake_at is None) is bool(ends)

    state, actions = advance(state, Woke(max(now, state.deadline), flagged + 1), timing, answer)
    ends += [action for action in actions if action != Judge()]
    assert len(ends) == 1
    assert (state.phase is RecoveryPhase.COMPLETE) is (ends == [Complete()])


@given(TIMINGS, st.booleans(), STEPS, ANSWERS)
def test_trading_is_never_allowed_on_an_answer_other_than_a_good_judgement(
    timing: Timing, is_startup: bool, steps: list[Step], answer: Happening
) -> None:
    """
    `Complete` follows a judgement without a failure, at startup one made after the trader started.
    """
    state, now, flagged, has_started = opened(is_startup, timing), 0, 0, False
    for kind, later, came in steps:
        now, flagged = now + later, flagged + came
        has_started |= kind == "started" or not is_startup
        state, actions = advance(state, happening(kind, now, flagged), timing, answer)
        if Complete() in actions:
            assert actions == [Judge(), Complete()]
            assert answer == Judged(0)
            assert has_started


@given(
    TIMINGS,
    st.booleans(),
    st.lists(st.integers(0, 25), max_size=12),
    st.integers(0, 40),
    st.lists(st.integers(0, 8), min_size=1, max_size=10),
)
def test_completion_waits_for_the_trader_and_for_the_events_to_settle(
    timing: Timing, is_startup: bool, gaps: list[int], started_at: int, lags: list[int]
) -> None:
    """
    On a simulated clock with late wakes, a completion is `settle` after the start and every event.
    """
    events = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    state, now, wakes = opened(is_startup, timing), 0, 0
    is_started, end = not is_startup, None
    began = 0 if not is_startup else started_at
    while end is None:
        wake_at = state.wake_at
        assert wake_at is not None
        now = max(now, wake_at + lags[wakes % len(lags)])
        if not is_started and started_at <= now:
            is_started, now = True, started_at
            flagged = sum(at <= now for at in events)
            state, end = decide(state, TraderStarted(now, flagged), timing)
            continue
        wakes += 1
        flagged = sum(at <= now for at in events)
        state, actions = advance(state, Woke(now, flagged), timing, Judged(0))
        end = actions[-1] if actions else None

    past = [at for at in events if at <= now]
    if end == Complete():
        assert is_started
        assert now >= began + timing.settle
        assert all(now >= at + timing.settle for at in past)
    else:
        assert isinstance(end, Fail)
        assert end.reason is FailureReason.TIMEOUT
        assert now >= (began + timing.settle + timing.verify if is_started else timing.startup)


@given(st.integers(0, 1_000), st.integers(0, 5))
def test_quiet_recovery_completes_at_the_first_wake(now: int, flagged: int) -> None:
    """
    With no event after the trader's start the judgement comes `settle` later, not at the deadline.
    """
    state, action = decide(open_startup(now, TIMING), TraderStarted(now + 7, flagged), TIMING)
    assert action is None
    assert state.wake_at == now + 7 + TIMING.settle
    state, actions = advance(state, Woke(state.wake_at, flagged), TIMING, Judged(0))
    assert actions == [Judge(), Complete()]


STATES = {
    "pending": open_startup(0, TIMING),
    "reconciling": RecoveryState(RecoveryPhase.RECONCILING, deadline=100),
    "reopened": open_runtime(0, 0, TIMING),
    "verifying": RecoveryState(RecoveryPhase.VERIFYING, deadline=60, settle_at=10),
    "complete": RecoveryState(RecoveryPhase.COMPLETE, deadline=60, settle_at=10),
    "failed": RecoveryState(RecoveryPhase.FAILED, deadline=60, settle_at=10),
    "failed early": RecoveryState(RecoveryPhase.FAILED, deadline=60),
}


@pytest.mark.parametrize("name", ["pending", "reconciling", "reopened", "verifying"])
def test_whatever_breaks_ends_the_epoch_as_an_internal_error(name: str) -> None:
    """
    An exception in the monitor fails the epoch in every phase that is not its end.
    """
    state, action = decide(STATES[name], Broke("boom"), TIMING)
    assert action == Fail(FailureReason.INTERNAL_ERROR, "boom")
    assert state.phase is RecoveryPhase.FAILED
    assert state.is_over
    assert state.wake_at is None


@pytest.mark.parametrize("name", ["complete", "failed", "failed early"])
@pytest.mark.parametrize(
    "what",
    [
        Seen(),
        TraderStarted(500, 1),
        Woke(500, 1),
        Woke(500, 0, is_start_pending=False),
        Judged(0),
        Judged(0, FailureReason.NOT_RECONCILED, "no"),
        Broke("boom"),
    ],
    ids=repr,
)
def test_nothing_leaves_an_end(name: str, what: Happening) -> None:
    """
    An epoch that is over stays as it is and asks for nothing.
    """
    assert decide(STATES[name], what, TIMING) == (STATES[name], None)
    assert STATES[name].is_over
    assert STATES[name].wake_at is None


def test_startup_opens_pending_until_its_deadline() -> None:
    """
    A startup epoch is pending and has to be woken when the trader should have started.
    """
    state = open_startup(1_000, TIMING)
    assert state == RecoveryState(RecoveryPhase.PENDING, deadline=1_100)
    assert state.wake_at == 1_100
    assert not state.is_over


def test_runtime_opens_reconciling_and_settles_by_itself() -> None:
    """
    A re-opened epoch needs no start of the trader: it settles, and has `verify` after that.
    """
    state = open_runtime(1_000, 4, TIMING)
    assert state == RecoveryState(RecoveryPhase.RECONCILING, 1_060, settle_at=1_010, flagged=4)
    assert state.wake_at == 1_010


def test_first_sign_begins_the_reconciliation() -> None:
    """
    What is seen moves a pending epoch on, and a second sight changes nothing.
    """
    state, action = decide(STATES["pending"], Seen(), TIMING)
    assert action is None
    assert state == RecoveryState(RecoveryPhase.RECONCILING, deadline=100)
    assert decide(state, Seen(), TIMING) == (state, None)
    assert decide(STATES["verifying"], Seen(), TIMING) == (STATES["verifying"], None)
    assert decide(STATES["reopened"], Seen(), TIMING) == (STATES["reopened"], None)


@pytest.mark.parametrize("name", ["pending", "reconciling"])
def test_start_of_the_trader_sets_the_settle_time_and_a_new_deadline(name: str) -> None:
    """
    From the trader's start on the epoch verifies, `settle` and `verify` counted from then.
    """
    state, action = decide(STATES[name], TraderStarted(70, 3), TIMING)
    assert action is None
    assert state == RecoveryState(RecoveryPhase.VERIFYING, 130, settle_at=80, flagged=3)
    assert state.wake_at == 80


@pytest.mark.parametrize("name", ["verifying", "reopened"])
def test_second_start_of_the_trader_changes_nothing(name: str) -> None:
    """
    A trader that starts again does not postpone the judgement.
    """
    assert decide(STATES[name], TraderStarted(70, 3), TIMING) == (STATES[name], None)


@pytest.mark.parametrize("is_start_pending", [None, True])
def test_trader_that_does_not_start_times_out_at_the_deadline(
    is_start_pending: bool | None,
) -> None:
    """
    One nanosecond before the deadline nothing happens, at the deadline the start has failed.
    """
    state = open_startup(0, Timing(startup=1_500_000_000, settle=0, verify=1))
    early = Woke(1_499_999_999, 0, is_start_pending)
    assert decide(state, early, TIMING) == (state, None)
    timing = Timing(startup=1_500_000_000, settle=0, verify=1)
    over, action = decide(state, Woke(1_500_000_000, 0, is_start_pending), timing)
    assert over.phase is RecoveryPhase.FAILED
    assert action == Fail(
        FailureReason.TIMEOUT,
        "The trader did not start within 1.5 s: a venue does not answer, or reconciliation takes "
        "longer than `startup_timeout_secs`",
    )


@pytest.mark.parametrize("name", ["pending", "reconciling"])
@pytest.mark.parametrize("now", [1, 100, 500])
def test_kernel_that_gives_up_fails_the_epoch_at_once(name: str, now: int) -> None:
    """
    A start that is over without a trader has failed, before its deadline and after it alike.
    """
    state, action = decide(STATES[name], Woke(now, 0, is_start_pending=False), TIMING)
    assert state.phase is RecoveryPhase.FAILED
    assert action == Fail(
        FailureReason.RECONCILIATION_FAILED,
        "The kernel aborted its start, so the trader did not start: fix the error in the "
        "node's log, then restart",
    )


def test_start_that_is_over_is_no_failure_once_the_trader_started() -> None:
    """
    After the trader's start, that the kernel's start is over says nothing.
    """
    state, action = decide(STATES["verifying"], Woke(9, 0, is_start_pending=False), TIMING)
    assert (state, action) == (STATES["verifying"], None)
    assert decide(state, Woke(10, 0, is_start_pending=False), TIMING)[1] == Judge()


def test_judgement_is_asked_for_when_nothing_came_for_the_settle_time() -> None:
    """
    One nanosecond before the settle time nothing happens, at it the judgement is due.
    """
    state = STATES["reopened"]
    assert decide(state, Woke(9, 0), TIMING) == (state, None)
    judging, action = decide(state, Woke(10, 0), TIMING)
    assert action == Judge()
    assert judging.phase is RecoveryPhase.VERIFYING


def test_flagged_event_postpones_the_judgement() -> None:
    """
    An event since the last look starts the settle time anew from now.
    """
    state, action = decide(STATES["verifying"], Woke(10, 1), TIMING)
    assert action is None
    assert state == RecoveryState(RecoveryPhase.VERIFYING, 60, settle_at=20, flagged=1)
    assert state.wake_at == 20
    assert decide(state, Woke(19, 1), TIMING) == (state, None)
    assert decide(state, Woke(20, 1), TIMING)[1] == Judge()


def test_wake_is_never_later_than_the_deadline() -> None:
    """
    A settle time that reaches beyond the deadline is cut off by it.
    """
    state, _ = decide(STATES["verifying"], Woke(55, 1), TIMING)
    assert state.settle_at == 65
    assert state.wake_at == 60


@pytest.mark.parametrize("flagged", [1, 2])
def test_events_that_do_not_cease_time_out_at_the_deadline(flagged: int) -> None:
    """
    At the deadline an epoch whose events have not settled fails, whether or not one just came.
    """
    timing = Timing(startup=1, settle=250_000_000, verify=2_500_000_000)
    state, _ = decide(open_runtime(0, 0, timing), Woke(2_700_000_000, 1), timing)
    assert state.settle_at == 2_950_000_000
    assert state.deadline == 2_750_000_000
    assert decide(state, Woke(2_749_999_999, 1), timing) == (state, None)
    over, action = decide(state, Woke(2_750_000_000, flagged), timing)
    assert over.phase is RecoveryPhase.FAILED
    assert action == Fail(
        FailureReason.TIMEOUT,
        "Reconciliation events kept arriving: no quiet 250 ms within 2.5 s; "
        "something is still trading, stop it and restart",
    )


@pytest.mark.parametrize("state", [open_startup(0, TIMING), open_runtime(0, 0, TIMING)])
def test_a_stop_ends_an_open_epoch_once(state: RecoveryState) -> None:
    """
    A node that stops has not proven anything, and says so once.
    """
    over, action = decide(state, Stopped(), TIMING)
    assert action == Fail(
        FailureReason.TIMEOUT, "Stopped before the recovery was verified: nothing is proven"
    )
    assert decide(over, Stopped(), TIMING) == (over, None)


def test_late_wake_of_a_settled_epoch_is_a_judgement_and_no_timeout() -> None:
    """
    A loop that was blocked beyond the deadline costs nothing if no event came meanwhile.
    """
    assert decide(STATES["verifying"], Woke(500, 0), TIMING)[1] == Judge()


def test_good_judgement_completes() -> None:
    """
    A judgement without a failure ends the epoch with the permission to trade.
    """
    judging, _ = decide(STATES["verifying"], Woke(10, 0), TIMING)
    state, action = decide(judging, Judged(0), TIMING)
    assert action == Complete()
    assert state.phase is RecoveryPhase.COMPLETE


def test_bad_judgement_fails_with_its_own_words() -> None:
    """
    A judgement with a failure ends the epoch with that reason and message.
    """
    judging, _ = decide(STATES["verifying"], Woke(10, 0), TIMING)
    state, action = decide(judging, Judged(0, FailureReason.NOT_RECONCILED, "no report"), TIMING)
    assert action == Fail(FailureReason.NOT_RECONCILED, "no report")
    assert state.phase is RecoveryPhase.FAILED


@pytest.mark.parametrize("name", ["pending", "reconciling"])
def test_judgement_that_nobody_asked_for_never_completes_before_the_trader_started(
    name: str,
) -> None:
    """
    A judgement that comes before the trader started gives no permission.
    """
    _, action = decide(STATES[name], Judged(0), TIMING)
    assert action != Complete()


def test_epoch_that_needs_no_start_may_be_judged_at_once() -> None:
    """
    A backtest has nothing to wait for: its epoch is judged without a wake before.
    """
    state, action = decide(STATES["reopened"], Judged(0), TIMING)
    assert action == Complete()
    assert state.phase is RecoveryPhase.COMPLETE

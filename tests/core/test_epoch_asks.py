"""
How often the venues are asked in an epoch, when it is judged, and that it ends.
"""

from itertools import pairwise
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import Action
from nautilus_recovery_actor.core.epoch import Again
from nautilus_recovery_actor.core.epoch import Answered
from nautilus_recovery_actor.core.epoch import Ask
from nautilus_recovery_actor.core.epoch import Broke
from nautilus_recovery_actor.core.epoch import Changed
from nautilus_recovery_actor.core.epoch import Complete
from nautilus_recovery_actor.core.epoch import Fail
from nautilus_recovery_actor.core.epoch import Happening
from nautilus_recovery_actor.core.epoch import Judge
from nautilus_recovery_actor.core.epoch import Judged
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Repaired
from nautilus_recovery_actor.core.epoch import Repairing
from nautilus_recovery_actor.core.epoch import Returned
from nautilus_recovery_actor.core.epoch import Returning
from nautilus_recovery_actor.core.epoch import Seen
from nautilus_recovery_actor.core.epoch import Stopped
from nautilus_recovery_actor.core.epoch import Stormed
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.epoch import TraderStarted
from nautilus_recovery_actor.core.epoch import Unasked
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.epoch import decide
from nautilus_recovery_actor.core.epoch import open_runtime
from nautilus_recovery_actor.core.epoch import open_startup


# What the host does next, how much later, and how many flagged events came meanwhile
Step: TypeAlias = tuple[str, int, int]

TIMING = Timing(
    startup=100, settle=10, verify=100, recheck=20, storm_epochs=3, asks=4, answer=1_000
)


def differing(now: int) -> Judged:
    """
    Return a judgment that another answer may change.
    """
    return Judged(now, is_blocking=True, is_pending=True)


def after(state: RecoveryState, *happenings: Happening) -> tuple[RecoveryState, Action | None]:
    action: Action | None = None
    for happening in happenings:
        state, action = decide(state, happening, TIMING)
    return state, action


def asking() -> RecoveryState:
    """
    Return the state when the venues were asked for the first time, at 10.
    """
    state, action = after(open_runtime(0, 0, TIMING), Woke(10, 0))
    assert action == Ask()
    return state


def test_the_venues_are_asked_before_the_first_judgment() -> None:
    """
    Once, and it is judged when they have answered; there is no deadline meanwhile.
    """
    state = asking()
    assert (state.asked, state.wake_at) == (1, 10 + TIMING.answer)
    assert after(state, Woke(1_009, 0)) == (state, None)
    state, action = after(state, Answered(500, 0))
    assert action == Judge()
    state, action = after(state, Judged(500))
    assert action == Complete()


def test_without_asks_it_is_judged_at_once() -> None:
    """
    For a host that cannot ask.
    """
    timing = msgspec.structs.replace(TIMING, asks=0)
    assert decide(open_runtime(0, 0, timing), Woke(10, 0), timing)[1] == Judge()


def test_an_answer_that_never_comes_is_waited_for_so_long() -> None:
    """
    Then it is judged without one.
    """
    assert after(asking(), Woke(1_010, 0))[1] == Judge()


def test_events_that_came_with_the_answer_settle_first() -> None:
    """
    And nobody is asked once more for that.
    """
    state, action = after(asking(), Answered(50, 1))
    assert action is None
    assert state.wake_at == 60
    assert after(state, Woke(60, 1))[1] == Judge()


def test_answers_that_differ_are_asked_for_again_less_and_less_often() -> None:
    """
    Until they agree or `asks` are spent, whatever the deadline was.
    """
    state, asked_at, action = asking(), [10], None
    while action != Judge():
        now = asked_at[-1] + 200
        state, action = after(state, Answered(now, 0))
        assert action == Judge()
        state, action = after(state, differing(now))
        assert action is None
        assert state.wake_at is not None
        asked_at.append(state.wake_at)
        state, action = after(state, Woke(state.wake_at, 0))
    *asked_at, last = asked_at
    assert [b - a - 200 for a, b in pairwise(asked_at)] == [20, 40, 80]
    assert len(asked_at) == TIMING.asks
    assert after(state, differing(last))[1] == Complete()  # With what blocks


@pytest.mark.parametrize("what", [Unasked(20), Returning(20)])
def test_an_answer_to_a_question_before_the_news_is_not_judged(what: Happening) -> None:
    """
    A mass status, a doubt or a client that comes back while the venues are asked: ask again.
    """
    happenings: list[Happening] = [what]
    if isinstance(what, Returning):
        happenings += [Unasked(25)]  # Its mass status
    state, action = after(asking(), *happenings, Answered(30, 0))
    assert action == Ask()
    assert after(state, Answered(40, 0))[1] == Judge()


def test_what_is_judged_is_asked_about_after_the_last_news() -> None:
    """
    Also if the news came while the events settled after an answer.
    """
    settling, _ = after(asking(), Answered(50, 1))
    for happenings in ([Unasked(55)], [Returning(55), Returned(57, 1)]):
        state, _ = after(settling, *happenings)
        assert state.wake_at is not None
        assert after(state, Woke(state.wake_at, 1))[1] == Ask()


def test_a_client_that_comes_back_is_waited_for() -> None:
    """
    Before anybody is asked, and as long as a question may take.
    """
    state, _ = after(open_runtime(0, 0, TIMING), Returning(5))
    assert state.wake_at == 5 + TIMING.answer
    assert after(state, Woke(500, 0))[1] is None
    back, action = after(state, Returned(500, 0))
    assert action is None
    assert (back.wake_at, back.deadline) == (510, 510 + TIMING.verify)
    assert after(back, Woke(510, 0))[1] == Ask()
    # One that does not come back is not waited for for ever, and nothing is judged unasked
    assert after(state, Woke(1_005, 0))[1] == Ask()


def test_who_is_returning_before_the_trader_started_changes_nothing() -> None:
    """
    The start has its own deadline.
    """
    state = open_startup(0, TIMING)
    assert after(state, Returning(5)) == (state, None)
    assert after(state, Returned(5, 0)) == (state, None)
    assert after(state, Again(5), Repairing(5), Repaired(5, 0)) == (state, None)


def test_after_a_repair_the_venues_are_asked_once_more() -> None:
    """
    Whatever time is left, and however often they were asked.
    """
    state = msgspec.structs.replace(asking(), asked=TIMING.asks, rounds=TIMING.storm_epochs)
    state, _ = after(state, Answered(500, 0))
    state, action = after(state, Repairing(500))
    assert (action, state.wake_at) == (None, 500 + TIMING.repair)
    # Nothing is judged, and nothing is asked, while it is made
    assert after(state, Woke(600, 2)) == (state, None)
    done, action = after(state, Repaired(600, 4))
    assert (action, done.wake_at) == (None, 600 + TIMING.settle)
    assert after(done, Woke(600 + TIMING.settle, 4))[1] == Ask()
    # One that never ends is not waited for for ever
    late, _ = after(state, Woke(500 + TIMING.repair, 4))
    assert late.wake_at == 500 + TIMING.repair + TIMING.settle


def test_before_more_is_planned_the_venues_are_asked_once_more() -> None:
    """
    Whatever time is left, and however often they were asked.
    """
    state = msgspec.structs.replace(asking(), asked=TIMING.asks, rounds=TIMING.storm_epochs)
    state, _ = after(state, Answered(500, 0))
    state, action = after(state, Again(500))
    assert action is None
    assert state.wake_at == 520
    assert after(state, Woke(520, 0))[1] == Ask()


@pytest.mark.parametrize("kind", ["news", "returns", "quick returns"])
def test_a_venue_that_never_comes_to_rest_ends_the_epoch(kind: str) -> None:
    """
    After so many rounds nothing is put off any more.
    """
    state, now, asks, judgments, flagged = open_runtime(0, 0, TIMING), 0, 0, 0, 0
    for _ in range(1_000):
        now += 5
        if kind == "quick returns" or (kind == "returns" and now % 50 == 0):
            state, _ = after(state, Returning(now), Returned(now + 1, flagged))
        if state.asking_until is not None and now % 3 == 0:
            happenings = [Unasked(now)] if kind == "news" else []
            state, action = after(state, *happenings, Answered(now, flagged))
        else:
            state, action = after(state, Woke(now, flagged))
        asks += action == Ask()
        while action == Judge():
            judgments += 1
            state, action = after(state, differing(now))
        if state.is_over:
            break
    assert state.is_over
    assert asks <= TIMING.asks * (TIMING.storm_epochs + 2)
    assert judgments > 0


def test_a_stop_a_storm_and_an_error_end_it_while_it_asks() -> None:
    """
    And an answer that comes after the end changes nothing.
    """
    for what, reason in (
        (Stopped(), FailureReason.TIMEOUT),
        (Stormed(), FailureReason.RECONCILIATION_FAILED),
        (Broke("injected"), FailureReason.INTERNAL_ERROR),
    ):
        state, action = after(asking(), what)
        assert isinstance(action, Fail)
        assert action.reason is reason
        assert state.wake_at is None
        late = (Answered(20, 0), Returning(20), Returned(21, 0), Unasked(22), Repaired(23, 0))
        assert after(state, *late) == (state, None)


# -- WHATEVER HAPPENS --

KINDS = (
    *("woke", "woke", "woke", "woke", "answered", "answered", "changed", "unasked", "returning"),
    *(
        "returned",
        "seen",
        "started",
        "again",
        "repairing",
        "repaired",
        "stopped",
        "stormed",
        "broke",
    ),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 40), st.integers(0, 1)), max_size=40
)
TIMINGS = st.builds(
    Timing,
    startup=st.integers(1, 60),
    settle=st.integers(0, 20),
    verify=st.integers(1, 40),
    recheck=st.integers(1, 20),
    storm_epochs=st.integers(0, 3),
    asks=st.just(4),
    answer=st.integers(1, 60),
    repair=st.integers(1, 60),
)
JUDGMENTS = st.lists(
    st.builds(
        Judged,
        now=st.just(0),
        failure=st.sampled_from([None, None, FailureReason.NOT_RECONCILED]),
        is_blocking=st.booleans(),
        is_pending=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def happening(kind: str, now: int, flagged: int) -> Happening:
    plain: dict[str, Happening] = {
        "changed": Changed(now),
        "unasked": Unasked(now),
        "returning": Returning(now),
        "returned": Returned(now, flagged),
        "answered": Answered(now, flagged),
        "seen": Seen(),
        "started": TraderStarted(now, flagged),
        "again": Again(now),
        "repairing": Repairing(now),
        "repaired": Repaired(now, flagged),
        "stopped": Stopped(),
        "stormed": Stormed(),
        "broke": Broke("raised"),
    }
    return plain.get(kind) or Woke(now, flagged)


@given(TIMINGS, st.booleans(), STEPS, JUDGMENTS)
def test_an_epoch_that_asks_has_one_end_in_time_and_none_without_an_answer(
    timing: Timing, is_startup: bool, steps: list[Step], judgments: list[Judged]
) -> None:
    """
    It completes after a judgment, made after a question that nothing new came after; what then
    comes changes nothing; and once nothing comes but the time, it ends after few wakes, each later
    than the last.
    """
    state = open_startup(0, timing) if is_startup else open_runtime(0, 0, timing)
    now = flagged = judged = 0
    ends: list[Action] = []

    def advance(what: Happening) -> None:
        nonlocal state, judged
        state, action = decide(state, what, timing)
        if action == Judge():
            assert state.asked > 0  # Never on a mass status alone
            answer = msgspec.structs.replace(judgments[judged % len(judgments)], now=now)
            judged += 1
            state, action = decide(state, answer, timing)
        if isinstance(action, Complete | Fail):
            ends.append(action)
        assert len(ends) <= 1
        assert state.is_over is bool(ends)

    for kind, later, came in steps:
        now, flagged = now + later, flagged + came
        before = state.is_over
        advance(happening(kind, now, flagged))
        assert state.is_over >= before

    wakes = 0
    while (wake_at := state.wake_at) is not None:
        assert wakes < 60
        wakes += 1
        now = max(now, wake_at)
        advance(Woke(now, flagged))
        is_waiting = state.asking_until is not None or state.repairing_until is not None
        assert state.wake_at is None or state.wake_at > now or not is_waiting
    assert len(ends) == 1
    assert (state.phase is RecoveryPhase.COMPLETE) is (ends == [Complete()])

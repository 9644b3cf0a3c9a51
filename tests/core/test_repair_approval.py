"""
On whose word a planned repair is made: an operator's, nobody's, or none at all.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.recovery import MOST_REPAIRINGS
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.verdict import Judgment
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import STRATEGY
from tests.core.test_recovery import BLOCKING
from tests.core.test_recovery import NOW
from tests.core.test_recovery import RULES
from tests.core.test_recovery import TIMING
from tests.core.test_recovery import after as decided
from tests.core.test_recovery import command
from tests.core.test_recovery import complete
from tests.core.test_recovery import report
from tests.core.test_recovery import verifying


replace = msgspec.structs.replace
ASK = replace(
    RULES,
    timing=replace(TIMING, asks=4, answer=1_000),
    policy=replace(RULES.policy, plans=True, repairs=True),
)
AUTO = replace(ASK, is_repairing=True)
OFF = replace(ASK, policy=replace(ASK.policy, plans=False))


def step(instrument_id: str = BTC, detail: str = "Close -1 of P-1", **fields: Any) -> Step:
    told = RepairStep("close_phantom", ACCOUNT, instrument_id, position_id="P-1", detail=detail)
    book = Book("P-1", STRATEGY, Decimal(1), Decimal(100), Decimal(-1))
    return Step(told, (book,), **fields)


BTC_STEP, NEXT_STEP, ETH_STEP = step(), step(detail="Then reopen P-2"), step(ETH)
ALL = (BTC_STEP, NEXT_STEP, ETH_STEP)


def after(
    recovery: Recovery, *happenings: Happening, rules: Rules = ASK
) -> tuple[Recovery, list[Action]]:
    return decided(recovery, *happenings, rules=rules)


def planned(*steps: Step, **fields: Any) -> Recovery:
    """
    Return a recovery whose report says what is planned.
    """
    repairs = tuple(each.told for each in steps)
    return complete(report=report(BLOCKING, blocked=(BTC,), repairs=repairs), **fields)


def approve(*steps: Step, instrument_id: str = "", **fields: Any) -> happened.Commanded:
    name = plan_id([each.told for each in steps])
    return command("repair", instrument_id=instrument_id, **({"plan_id": name} | fields))


def judged(*steps: Step, now: int = NOW, **fields: Any) -> happened.Judged:
    found = report(BLOCKING, blocked=(BTC,), repairs=tuple(each.told for each in steps))
    judgment = Judgment(found, plan=Plan(steps, **fields))
    return happened.Judged(now, 0, judgment=judgment)


def judging(rules: Rules = ASK, recovery: Recovery | None = None) -> Recovery:
    """
    Return a recovery that waits for its judgement, after an answer of the venues.
    """
    if recovery is None:
        recovery = verifying()
    for _ in range(3):  # It settles, and asks
        if recovery.is_asking:
            break
        at = recovery.wake_at or NOW
        recovery, _ = after(recovery, epoch.Woke(at, 3), rules=rules)
    answers = (Answer(ACCOUNT, ts=NOW),)
    recovery, actions = after(recovery, happened.Answered(NOW, 3, answers=answers), rules=rules)
    assert actions == [happened.Judge()]
    return recovery


def made(actions: list[Action]) -> tuple[Step, ...]:
    return next((each.steps for each in actions if isinstance(each, happened.Repair)), ())


def warnings(actions: list[Action]) -> list[str]:
    return [each.text for each in actions if isinstance(each, happened.Log)]


def answer_of(actions: list[Action]) -> happened.Answer:
    (answer,) = (each for each in actions if isinstance(each, happened.Answer))
    return answer


# -- AN OPERATOR'S WORD --


def test_an_approved_plan_is_planned_again_and_made() -> None:
    """
    In an epoch of its own, from new answers, and who approved it is kept.
    """
    recovery, actions = after(planned(*ALL), approve(*ALL))
    assert answer_of(actions).is_accepted
    assert answer_of(actions).text == "Opened recovery epoch 2 to carry out 3 steps"
    assert happened.Open(is_at_runtime=True) in actions
    assert (recovery.trigger, recovery.concerned) == ("proof", frozenset({ACCOUNT}))
    assert recovery.approval is not None
    assert (recovery.approval.operator, recovery.approval.reason) == ("ann@desk", "checked")
    recovery, actions = after(judging(ASK, recovery), judged(*ALL))
    assert made(actions) == ALL
    assert recovery.approval is not None
    assert not recovery.is_approved  # It counts once


def test_of_one_instrument_only_that_is_repaired() -> None:
    """
    The plan id is that of its steps alone.
    """
    recovery, actions = after(planned(*ALL), approve(ETH_STEP, instrument_id=ETH))
    assert answer_of(actions).is_accepted
    recovery, actions = after(judging(ASK, recovery), judged(*ALL))
    assert made(actions) == (ETH_STEP,)
    _, actions = after(planned(*ALL), approve(*ALL, instrument_id=ETH))
    assert not answer_of(actions).is_accepted


@pytest.mark.parametrize(
    ("recovery", "asked", "rules", "why"),
    [
        (
            planned(*ALL),
            approve(*ALL, plan_id="0123456789ab"),
            ASK,
            "The plan is another by now: look at it again",
        ),
        (planned(), approve(), ASK, "No repair is planned: look at the report"),
        (
            planned(BTC_STEP),
            approve(ETH_STEP, instrument_id=ETH),
            ASK,
            f"No repair is planned for {ETH}: look at the report",
        ),
        (
            planned(BTC_STEP, is_trader_running=False),
            approve(BTC_STEP),
            ASK,
            "No repair is planned: look at the report",
        ),
        (
            verifying(),
            approve(BTC_STEP),
            ASK,
            "Recovery epoch 1 has not completed: try again when it has",
        ),
        (
            planned(BTC_STEP),
            approve(BTC_STEP),
            OFF,
            'The node repairs nothing: set `repair` to "ask" or "auto"',
        ),
        (
            planned(BTC_STEP),
            approve(BTC_STEP, ts_expires=NOW),
            ASK,
            "The command is too old: its sender stopped waiting for it",
        ),
    ],
    ids=["another plan", "no plan", "another instrument", "stopped", "open", "off", "old"],
)
def test_what_is_not_planned_so_is_refused(
    recovery: Recovery, asked: happened.Commanded, rules: Rules, why: str
) -> None:
    """
    With the reason, and no epoch opens.
    """
    now, actions = after(recovery, asked, rules=rules)
    assert answer_of(actions) == happened.Answer(asked.command_id, False, why)
    assert warnings(actions) == [f"Refused to repair by ann@desk (checked): {why}"]
    assert now.epoch == recovery.epoch


def test_a_step_that_was_made_is_not_part_of_the_plan() -> None:
    """
    Nor is one that was refused.
    """
    done = replace(BTC_STEP.told, state="made")
    refused = replace(BTC_STEP.told, state="refused")
    recovery = complete(
        report=report(BLOCKING, blocked=(BTC,), repairs=(done, refused, ETH_STEP.told))
    )
    _, actions = after(recovery, approve(ETH_STEP))
    assert answer_of(actions).is_accepted


def test_a_command_that_comes_twice_counts_once() -> None:
    """
    Its sender was not sure that it had arrived.
    """
    recovery, _ = after(planned(*ALL), approve(*ALL))
    assert after(recovery, approve(*ALL)) == (recovery, [])


def test_of_a_plan_that_has_changed_since_nothing_is_made_and_it_is_said() -> None:
    """
    Not even the steps that are the same.
    """
    recovery, _ = after(planned(*ALL), approve(*ALL))
    recovery, actions = after(judging(ASK, recovery), judged(BTC_STEP, ETH_STEP))
    assert made(actions) == ()
    assert (
        "Recovery epoch 2: venue or cache have changed since the repair was approved, so nothing "
        "was repaired: look at the new plan"
    ) in warnings(actions)
    assert not recovery.is_approved
    _, actions = after(recovery, judged(*ALL))  # Also if it is the old one again
    assert made(actions) == ()


# -- NOBODY'S WORD --


def test_without_a_word_nothing_is_made_but_what_is_automatic() -> None:
    """
    And that only where nothing before it waits.
    """
    move = step(detail="Move", is_automatic=True)
    other = replace(move, told=replace(move.told, instrument_id=ETH))
    _, actions = after(judging(), judged(BTC_STEP, move, other))
    assert made(actions) == (other,)
    rules = replace(ASK, policy=replace(ASK.policy, repairs=False))
    _, actions = after(judging(rules), judged(other), rules=rules)
    assert made(actions) == ()


def test_all_is_made_at_once_where_it_may_be() -> None:
    """
    But for the places of which somebody has to look at the venue.
    """
    unsure = step(detail="Close P-9", needs_word=True)
    _, actions = after(judging(AUTO), judged(*ALL), rules=AUTO)
    assert made(actions) == ALL
    assert warnings(actions)[0] == f"Repair of {BTC}: Close -1 of P-1"
    _, actions = after(judging(AUTO), judged(*ALL, unsure), rules=AUTO)
    assert made(actions) == (ETH_STEP,)
    recovery, _ = after(planned(unsure), approve(unsure), rules=ASK)
    _, actions = after(judging(ASK, recovery), judged(unsure))
    assert made(actions) == (unsure,)


def test_nothing_is_planned_in_shadow_or_where_it_is_off() -> None:
    """
    The judgement has no plan then, whatever differs.
    """
    recovery, actions = after(judging(OFF), judged(), rules=OFF)
    assert made(actions) == ()
    assert recovery.repairs == ()


# -- A STEP THAT FAILS --


def test_what_could_not_be_made_is_planned_anew_and_never_tried_again() -> None:
    """
    What had not begun is, and what was made is in the report.
    """
    recovery, _ = after(judging(AUTO), judged(*ALL), rules=AUTO)
    problem = "Then reopen P-2: the position holds 3 by now, and not 0"
    stopped = happened.Repaired(NOW, 3, made=1, problem=problem)
    recovery, actions = after(recovery, stopped, rules=AUTO)
    assert warnings(actions) == [f"Recovery epoch 1: a repair stopped, planning anew: {problem}"]
    assert recovery.repairs == (replace(BTC_STEP.told, state="made"),)
    assert all(not each.explored for each in recovery.answers)
    recovery = judging(AUTO, recovery)
    _, actions = after(recovery, judged(*ALL), rules=AUTO)
    assert made(actions) == (ETH_STEP,)
    assert recovery.tried == {BTC_STEP: "", NEXT_STEP: problem}


@pytest.mark.parametrize("storm_epochs", [0, 20])
def test_there_is_an_end_to_planning_anew(storm_epochs: int) -> None:
    """
    After so many rounds the difference stands, however many epochs may open at run time.
    """
    rules = replace(AUTO, timing=replace(AUTO.timing, storm_epochs=storm_epochs))
    recovery = judging(rules)
    for number in range(MOST_REPAIRINGS + 2):
        next_step = step(detail=f"Close {number}")
        recovery, actions = after(recovery, judged(next_step, now=NOW), rules=rules)
        assert made(actions) == ((next_step,) if number < MOST_REPAIRINGS else ())
        if not made(actions):
            break
        recovery, _ = after(recovery, happened.Repaired(NOW, 3, made=1), rules=rules)
        recovery = judging(rules, recovery)
    assert recovery.phase is RecoveryPhase.VERIFYING


def test_the_past_is_asked_for_before_anything_is_planned() -> None:
    """
    Once for each place, and where nobody can be asked never.
    """
    where = frozenset({(ACCOUNT, BTC)})
    recovery, actions = after(judging(AUTO), judged(ETH_STEP, unexplored=where), rules=AUTO)
    assert made(actions) == ()
    assert recovery.explored == where
    recovery = judging(AUTO, recovery)
    _, actions = after(recovery, judged(ETH_STEP, unexplored=where), rules=AUTO)
    assert made(actions) == (ETH_STEP,)


def test_the_log_says_which_step_is_made() -> None:
    """
    As a warning, before it is.
    """
    _, actions = after(judging(AUTO), judged(BTC_STEP), rules=AUTO)
    assert actions[0] == happened.Log(Severity.WARN, f"Repair of {BTC}: Close -1 of P-1")
    assert isinstance(actions[1], happened.Repair)

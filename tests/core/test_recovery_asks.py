"""
What a recovery asks the venues, who comes back, who else trades, and what is moved.
"""

from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.recovery import MOST_REPAIRINGS
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.verdict import Judgment
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import STRATEGY
from tests.core.test_recovery import BLOCKING
from tests.core.test_recovery import NOW
from tests.core.test_recovery import READ
from tests.core.test_recovery import RULES
from tests.core.test_recovery import TIMING
from tests.core.test_recovery import after as decided
from tests.core.test_recovery import complete
from tests.core.test_recovery import pending
from tests.core.test_recovery import report
from tests.core.test_recovery import status
from tests.core.test_recovery import verifying


replace = msgspec.structs.replace
ASKING = replace(
    RULES,
    timing=replace(TIMING, asks=4, answer=1_000),
    policy=replace(RULES.policy, plans=True, repairs=True),
)
ANSWER = Answer(ACCOUNT, ts=NOW)
MERGE = Step(
    RepairStep("merge", ACCOUNT, BTC, position_id="X-1", detail="-1 is booked on P-1"),
    (
        Book("X-1", "EXTERNAL", Decimal(1), Decimal(100), Decimal(-1), is_real=True),
        Book("P-1", STRATEGY, Decimal(-1), Decimal(100), Decimal(2), is_real=True),
    ),
    is_automatic=True,
)
RETURNING = happened.Returning(NOW, 3, account_id=ACCOUNT)
STRANGER = happened.StrangerTraded(NOW, 3, account_id=ACCOUNT, instrument_id=BTC)


def after(recovery: Recovery, *happenings: Happening) -> tuple[Recovery, list[Action]]:
    return decided(recovery, *happenings, rules=ASKING)


def asking(**fields: Any) -> Recovery:
    """
    Return a recovery that has asked the venues at `NOW`.
    """
    recovery, _ = after(verifying(**fields), epoch.Woke(NOW, 0))
    return recovery


def judged(now: int = NOW, **fields: Any) -> happened.Judged:
    judgment = Judgment(report(BLOCKING, blocked=(BTC,)), **fields)
    return happened.Judged(now, 0, judgment=judgment)


def test_the_venues_are_asked_about_what_the_epoch_concerns() -> None:
    """
    A start concerns all of them, and those that are to report again are named.
    """
    for concerned in (None, frozenset({ACCOUNT})):
        recovery = verifying(concerned=concerned, outdated=frozenset({ACCOUNT}))
        _, actions = after(recovery, epoch.Woke(NOW, 0))
        assert actions == [happened.Ask(concerned, frozenset({ACCOUNT}))]


def test_who_has_to_report_and_has_not_is_asked_for_that_at_once() -> None:
    """
    A client that was lost and is back may never send its mass status.
    """
    lost = {"required": frozenset({ACCOUNT}), "demanded": frozenset({OTHER_ACCOUNT})}
    for reports, again in (({}, {ACCOUNT, OTHER_ACCOUNT}), ({ACCOUNT: READ}, {OTHER_ACCOUNT})):
        recovery, (ask,) = after(verifying(reports=reports, **lost), epoch.Woke(NOW, 0))
        assert isinstance(ask, happened.Ask)
        assert ask.again == again
        assert recovery.outdated == again
    # What comes of it is no news: the answer that follows is judged
    recovery, _ = after(verifying(**lost), epoch.Woke(NOW, 0))
    answered = happened.Answered(NOW + 5, 0, answers=(ANSWER,))
    assert after(recovery, status(), answered)[1] == [happened.Judge()]


def test_answers_are_kept_until_the_epoch_ends_also_those_that_come_late() -> None:
    """
    A late one is judged next time, and one that comes after the end is of no use.
    """
    answered = happened.Answered(NOW + 5, 0, answers=(ANSWER,))
    recovery, actions = after(asking(), answered)
    assert actions == [happened.Judge()]
    assert recovery.answers == (ANSWER,)
    recovery, actions = after(recovery, answered)
    assert (actions, recovery.answers) == ([], (ANSWER, ANSWER))
    over, _ = after(recovery, happened.Judged(NOW + 6, 0, judgment=Judgment(report())))
    assert over.answers == ()
    assert after(over, answered) == (over, [])


def test_an_account_that_is_outdated_is_to_report_once_more() -> None:
    """
    Until it has.
    """
    recovery, _ = after(asking(), happened.Answered(NOW + 1, 0, answers=(ANSWER,)))
    recovery, _ = after(recovery, judged(NOW + 1, outdated=frozenset({ACCOUNT}), is_pending=True))
    assert recovery.wake_at is not None
    recovery, actions = after(recovery, epoch.Woke(recovery.wake_at, 0))
    assert actions == [happened.Ask(None, frozenset({ACCOUNT}))]
    assert after(recovery, status())[0].outdated == frozenset()


def test_a_report_that_was_asked_for_is_no_news() -> None:
    """
    It is followed by the answer to the same question; one that came by itself is asked about.
    """
    answered = happened.Answered(NOW + 5, 0, answers=(ANSWER,))
    recovery, actions = after(asking(outdated=frozenset({ACCOUNT})), status(), answered)
    assert actions == [happened.Judge()]
    assert recovery.state is not None
    assert recovery.state.asked == 1
    _, actions = after(asking(outdated=frozenset({OTHER_ACCOUNT})), status(), answered)
    assert actions == [happened.Ask()]
    _, actions = after(asking(), status(), answered)
    assert actions == [happened.Ask()]


# -- WHO COMES BACK --


def test_a_client_that_comes_back_closes_the_gate_at_once() -> None:
    """
    Before anything is known of what it will report.
    """
    recovery, actions = after(complete(), RETURNING)
    assert actions == [happened.Open(is_at_runtime=True)]
    assert (recovery.trigger, recovery.epoch) == ("mass_status", 2)
    assert recovery.required == recovery.concerned == frozenset({ACCOUNT})
    assert recovery.wake_at == NOW + 1_000
    recovery, _ = after(recovery, status(), happened.Returned(NOW + 5, 3))
    assert recovery.wake_at == NOW + 5 + TIMING.settle
    _, actions = after(recovery, epoch.Woke(NOW + 5 + TIMING.settle, 3))
    assert actions == [happened.Ask(frozenset({ACCOUNT}))]


def test_what_was_known_of_a_client_that_comes_back_is_of_no_use() -> None:
    """
    In an epoch that is open its account has to report again.
    """
    other = Answer(OTHER_ACCOUNT, ts=NOW)
    recovery = verifying(
        reports={ACCOUNT: READ, OTHER_ACCOUNT: READ},
        answers=(ANSWER, other),
        concerned=frozenset({OTHER_ACCOUNT}),
    )
    recovery, actions = after(recovery, RETURNING)
    assert actions == []
    assert recovery.demanded == {ACCOUNT}
    assert recovery.concerned == frozenset({ACCOUNT, OTHER_ACCOUNT})
    assert set(recovery.reports) == {OTHER_ACCOUNT}
    assert recovery.answers == (other,)
    assert recovery.is_asking


def test_a_client_comes_back_unnoticed_where_nothing_may_be_opened() -> None:
    """
    At a start, which waits for all of them, and where the configuration says so.
    """
    for recovery in (pending(), pending(state=None)):
        assert after(recovery, RETURNING) == (recovery, [])
    rules = replace(ASKING, reopens_on_mass_status=False)
    assert decided(complete(), RETURNING, rules=rules) == (complete(), [])


def test_clients_that_keep_coming_back_are_a_storm() -> None:
    """
    As mass statuses are.
    """
    openings = (NOW - 2, NOW - 1)
    recovery, actions = after(complete(openings=openings), RETURNING)
    assert recovery.phase is RecoveryPhase.FAILED
    assert [type(action) for action in actions] == [happened.Open, happened.Fail]


# -- WHO ELSE TRADES --


def test_what_somebody_else_trades_opens_an_epoch_until_it_is_proven() -> None:
    """
    The doubt stands until the venue has answered twice; no mass status is required.
    """
    recovery, actions = after(complete(), STRANGER)
    assert actions == [happened.Open(is_at_runtime=True)]
    assert (recovery.trigger, recovery.concerned) == ("proof", frozenset({ACCOUNT}))
    assert recovery.required == frozenset()
    (doubt,) = recovery.carried
    assert (doubt.kind, doubt.account_id, doubt.instrument_id) == (
        DiscrepancyKind.UNPROVEN_REPORT,
        ACCOUNT,
        BTC,
    )
    # The epoch that is open takes it
    assert after(recovery, STRANGER) == (recovery, [])


# -- WHAT IS MOVED --


def test_what_is_to_be_moved_is_moved_once_and_judged_again() -> None:
    """
    By a further answer, whatever time is left.
    """
    recovery, _ = after(asking(), happened.Answered(NOW + 500, 0, answers=(ANSWER,)))
    recovery, actions = after(recovery, judged(NOW + 500, plan=Plan((MERGE,))))
    assert actions == [
        happened.Log(Severity.WARN, f"Repair of {BTC}: -1 is booked on P-1"),
        happened.Repair((MERGE,)),
    ]
    assert recovery.report is None
    assert recovery.repairs == ()
    # It is waited for
    assert recovery.wake_at == NOW + 500 + TIMING.repair
    assert after(recovery, epoch.Woke(NOW + 600, 0)) == (recovery, [])
    recovery, actions = after(recovery, happened.Repaired(NOW + 600, 2, made=1))
    assert actions == []
    made = replace(MERGE.told, state="made")
    assert recovery.repairs == (made,)
    wake_at = NOW + 600 + TIMING.settle
    assert recovery.wake_at == wake_at
    recovery, actions = after(recovery, epoch.Woke(wake_at, 2))
    assert actions == [happened.Ask()]
    recovery, actions = after(recovery, happened.Answered(wake_at + 5, 2, answers=(ANSWER,)))
    assert actions == [happened.Judge()]
    # Made already: what is left of it blocks
    same, actions = after(recovery, judged(wake_at + 5, plan=Plan((MERGE,))))
    assert not any(isinstance(action, happened.Repair) for action in actions)
    assert same.repairs == (made,)
    # What the next trade made is another part, until there are too many
    for number in range(1, MOST_REPAIRINGS + 1):
        later = replace(MERGE, told=replace(MERGE.told, detail=f"{number} more"))
        recovery, actions = after(recovery, judged(wake_at + 5, plan=Plan((later,))))
        is_made = happened.Repair((later,)) in actions
        assert is_made is (number < MOST_REPAIRINGS)
        recovery, _ = after(recovery, happened.Repaired(wake_at + 5, 2, made=1))

"""
When the venues are asked between recoveries, and which answers open an epoch.
"""

import itertools
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.proof import unasked
from nautilus_recovery_actor.core.proving import Pace
from nautilus_recovery_actor.core.proving import Place
from nautilus_recovery_actor.core.proving import Seen
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import decide
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.verdict import Judgment
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import discrepancy
from tests.core.test_recovery import RULES
from tests.core.test_recovery import complete
from tests.core.test_recovery import failed
from tests.core.test_recovery import report
from tests.core.test_recovery import verifying


SEC = 1_000_000_000
NOW = 1_000 * SEC
PACE = Pace(interval=60 * SEC, limit=80 * SEC, patience=800 * SEC)
PROVING = msgspec.structs.replace(RULES, pace=PACE)
DRIFT = msgspec.structs.replace(
    discrepancy(Kind.ORDER_NOT_AT_VENUE), client_order_id="O-1", venue="no report", cache="X"
)
ACCOUNTS = (AccountRecovery(ACCOUNT, venue="PAPER", ts_proof=NOW - SEC),)
BROKEN = discrepancy(Kind.NO_MASS_STATUS, instrument_id="")


class World:
    """
    A recovery in simulated time, whose venue is asked when the core says so.
    """

    def __init__(self, recovery: Recovery, rules: Any = PROVING) -> None:
        self.recovery = recovery
        self.rules = rules
        self.now = NOW
        self.actions: list[Action] = []

    def happen(self, happening: Any) -> list[Action]:
        self.recovery, actions = decide(self.recovery, happening, self.rules)
        self.actions += actions
        return list(actions)

    def judge(
        self, *found: Discrepancy, unexplored: frozenset[Place] = frozenset(), **fields: Any
    ) -> None:
        """
        End the epoch that is open, in which nothing was heard of the past of `unexplored`.
        """
        blocked = tuple(one.instrument_id for one in found if one.is_blocking and one.instrument_id)
        outcome = RecoveryOutcome.DEGRADED if blocked else RecoveryOutcome.CLEAN
        values: dict[str, Any] = {"accounts": ACCOUNTS, **fields}
        ended = report(*found, blocked=blocked, outcome=outcome, **values)
        assert self.recovery.state is not None
        over = msgspec.structs.replace(
            self.recovery.state,
            phase=RecoveryPhase.VERIFYING,
            settle_at=self.now,
            deadline=self.now,
            asking_until=None,
        )
        self.recovery = msgspec.structs.replace(self.recovery, state=over, explored=unexplored)
        judgment = Judgment(ended, plan=Plan((), unexplored=unexplored))
        self.happen(happened.Judged(self.now, 0, judgment=judgment))
        assert self.recovery.report is not None

    def ask(self) -> happened.Prove:
        """
        Wait until the venues are asked, and return the question.
        """
        wake_at = self.recovery.wake_at
        assert wake_at is not None
        self.now = max(self.now, wake_at)
        (prove,) = self.happen(epoch.Woke(self.now, 0))
        assert isinstance(prove, happened.Prove)
        return prove

    def answer(
        self, *found: Discrepancy, problem: str | None = None, **fields: Any
    ) -> list[Action]:
        values: dict[str, Any] = {
            "answers": (Answer(ACCOUNT, self.now, problem=problem),),
            "found": found,
            "known": frozenset({ACCOUNT}),
            "can_report": True,
            "instruments": 3,
        }
        return self.happen(happened.Proved(self.now, 0, **(values | fields)))

    @property
    def epochs(self) -> int:
        return self.recovery.epoch

    @property
    def is_open(self) -> bool:
        return self.recovery.phase is RecoveryPhase.COMPLETE


def ended(*found: Discrepancy, rules: Any = PROVING, **fields: Any) -> World:
    """
    Return a world whose first epoch has just ended.
    """
    world = World(verifying(**fields), rules)
    world.judge(*found)
    world.actions.clear()
    return world


# -- WHEN --


@pytest.mark.parametrize(("chance", "secs"), [(0.0, 60.0), (0.5, 54.0), (1.0, 48.0)])
def test_it_is_asked_within_the_interval_after_the_last_question(
    chance: float, secs: float
) -> None:
    """Up to a fifth sooner, so that many nodes do not ask at once."""
    world = ended()
    world.ask()
    began = world.now
    world.now += 2 * SEC
    world.answer(chance=chance)
    world.ask()  # That one was due before the number was known
    began = world.now
    world.answer(chance=chance)
    world.ask()
    assert (world.now - began) / SEC == secs


def test_the_number_for_the_first_comes_with_the_start() -> None:
    recovery, _ = decide(Recovery(1, 0), happened.KernelStarted(NOW, chance=0.25), PROVING)
    assert recovery.proving.chance == 0.25


@pytest.mark.parametrize("is_stopped", [False, True])
def test_it_is_not_asked_without_an_interval_or_a_trader(is_stopped: bool) -> None:
    if is_stopped:
        world = ended()
        world.happen(epoch.Stopped())
    else:
        world = ended(rules=RULES)
    assert world.recovery.wake_at is None


def test_a_trader_that_runs_again_is_proven_again() -> None:
    world = ended()
    world.happen(epoch.Stopped())
    world.happen(happened.TraderRuns(world.now))
    world.ask()


def test_a_release_ends_in_time_beside_the_proofs() -> None:
    world = ended(DRIFT)
    world.happen(
        happened.Commanded(
            world.now,
            command_id="1",
            action="release",
            instrument_id=BTC,
            reason="x",
            operator="y",
            duration=5 * SEC,
            ts_expires=world.now + 1,
            known=frozenset(),
        )
    )
    assert world.recovery.wake_at == world.now + 5 * SEC
    world.now += 5 * SEC
    actions = world.happen(epoch.Woke(world.now, 0))
    assert [type(one) for one in actions] == [happened.Log, happened.Revise]


def test_a_host_that_never_answers_is_asked_again() -> None:
    world = ended()
    world.ask()
    asked_at = world.now
    world.ask()
    assert world.now == asked_at + PACE.patience


def test_an_epoch_in_between_voids_the_answer() -> None:
    """It asks for itself."""
    world = ended()
    world.ask()
    world.happen(happened.Broke(world.now, message="x"))
    assert world.answer(DRIFT) == []


def test_it_is_known_since_when_an_answer_is_missing() -> None:
    """From the question to an answer without errors."""
    world = ended()
    assert world.recovery.proving.ts_unanswered is None
    world.ask()
    asked_at = world.now
    assert world.recovery.proving.ts_unanswered == asked_at
    world.answer(problem="TimeoutError")
    assert world.recovery.proving.ts_unanswered == asked_at
    world.ask()
    assert world.recovery.proving.ts_unanswered == asked_at
    world.answer()
    assert world.recovery.proving.ts_unanswered is None


# -- ONE THAT HOLDS --


def test_one_that_holds_changes_its_time_and_nothing_else() -> None:
    world = ended()
    assert world.recovery.proving.ts_proven == NOW - SEC  # By the epoch
    world.ask()
    assert world.answer() == []
    assert world.recovery.proving.ts_proven == world.now
    assert world.epochs == 1


@pytest.mark.parametrize("others_ts", [None, NOW + 5 * SEC, NOW + 500 * SEC])
def test_an_epoch_of_one_account_that_proved_it_counts_like_one_that_held(
    others_ts: int | None,
) -> None:
    """What is shown is as old as the account that was asked the longest ago."""
    world = ended()
    accounts: tuple[AccountRecovery, ...] = ACCOUNTS
    if others_ts is not None:
        accounts += (AccountRecovery(OTHER_ACCOUNT, venue="PAPER", ts_proof=others_ts),)
    for _ in range(2):
        world.ask()
        world.answer(DRIFT)
    assert world.recovery.concerned == frozenset({ACCOUNT})
    world.now += 20 * SEC
    world.judge(
        accounts=tuple(
            msgspec.structs.replace(one, ts_proof=world.now) if one.account_id == ACCOUNT else one
            for one in accounts
        )
    )
    shown = world.recovery.proving.ts_proven
    assert shown == (world.now if others_ts is None else min(world.now, others_ts))


def test_an_epoch_that_did_not_prove_it_changes_no_time() -> None:
    world = ended()
    for _ in range(2):
        world.ask()
        world.answer(DRIFT)
    world.judge(accounts=(AccountRecovery(ACCOUNT, venue="PAPER", answers=2),))
    assert world.recovery.proving.ts_proven == NOW - SEC


@pytest.mark.parametrize(
    "found",
    [
        discrepancy(Kind.AVG_PX_MISMATCH, Severity.INFO),
        discrepancy(Kind.UNPROTECTED_POSITION, Severity.BLOCK),
        discrepancy(Kind.INFLIGHT_ORDER),
        discrepancy(Kind.POSITION_QTY_MISMATCH, account_id=OTHER_ACCOUNT),
    ],
    ids=lambda one: one.kind.value,
)
def test_what_means_no_drift_opens_nothing(found: Discrepancy) -> None:
    """It is harmless, normal trading, or of an account that has not answered."""
    world = ended()
    for _ in range(5):
        world.ask()
        world.answer(found)
    assert (world.epochs, world.recovery.proving.ts_proven) == (1, world.now)


def test_what_is_known_opens_nothing_new() -> None:
    """With the same values; other values are news."""
    world = ended(DRIFT)
    for _ in range(5):
        world.ask()
        world.answer(DRIFT)
    assert world.epochs == 1
    for _ in range(2):
        world.ask()
        world.answer(msgspec.structs.replace(DRIFT, cache="Y"))
    assert world.epochs == 2


def test_a_blocked_instrument_may_read_differently_in_one_answer() -> None:
    """The first answer after the epoch says how; what changes after that is news."""
    world = ended(DRIFT)
    for _ in range(5):
        world.ask()
        world.answer(msgspec.structs.replace(DRIFT, venue="CANCELED"))
    assert world.epochs == 1


def test_what_the_report_has_is_known_though_the_first_answer_lacks_it() -> None:
    world = ended(DRIFT)
    world.ask()
    world.answer()
    for _ in range(5):
        world.ask()
        world.answer(DRIFT)
    assert world.epochs == 1


def test_an_answer_that_nobody_asked_for_counts_for_nothing() -> None:
    world = ended()
    for _ in range(3):
        assert world.answer(DRIFT) == []
    assert world.recovery.proving.seen == {}


# -- ONE THAT DOES NOT --


def test_a_difference_is_seen_twice_before_anything_happens() -> None:
    """After a short pause; the epoch has the account report anew, and carries the difference."""
    world = ended()
    world.ask()
    first = world.now
    assert world.answer(DRIFT) == []
    assert world.recovery.proving.ts_proven == NOW - SEC
    world.ask()
    assert world.now - first == SEC // 2
    log, opening = world.answer(DRIFT)
    assert opening == happened.Open(is_at_runtime=True)
    assert isinstance(log, happened.Log)
    assert log.severity is Severity.WARN
    assert "ORDER_NOT_AT_VENUE" in log.text
    recovery = world.recovery
    assert (recovery.epoch, recovery.trigger) == (2, "proof")
    assert recovery.concerned == recovery.outdated == {ACCOUNT}
    assert recovery.required == frozenset()
    assert DRIFT in recovery.carried


def test_a_difference_that_passes_opens_nothing() -> None:
    """Nor one that comes back now and then."""
    world = ended()
    for _ in range(5):
        world.ask()
        world.answer(DRIFT)
        world.ask()
        world.answer()
    assert world.epochs == 1


def test_a_difference_while_the_instrument_trades_is_seen_three_times_over_three_seconds() -> None:
    world = ended()
    active = frozenset({(ACCOUNT, BTC)})
    world.ask()
    first = world.now
    for _ in range(2):
        world.answer(DRIFT, active=active)
        assert world.epochs == 1
        world.ask()
    world.answer(DRIFT, active=active)
    assert world.epochs == 2
    assert 3 * SEC <= world.now - first <= 4 * SEC


def test_another_instrument_that_trades_delays_nothing() -> None:
    world = ended()
    for _ in range(2):
        world.ask()
        world.answer(DRIFT, active=frozenset({(ACCOUNT, ETH), (OTHER_ACCOUNT, BTC)}))
    assert world.epochs == 2


def test_an_answer_that_fails_in_between_does_not_count() -> None:
    """Neither for nor against a difference."""
    world = ended()
    world.ask()
    world.answer(DRIFT)
    world.ask()
    world.answer(problem="503")
    assert world.epochs == 1
    world.ask()
    world.answer(DRIFT)
    assert world.epochs == 2


# -- BLOCKS --


@pytest.mark.parametrize(
    "found",
    [
        DRIFT,
        doubt(ACCOUNT, BTC, Policy()),
        unasked(ACCOUNT, BTC, Policy()),
        discrepancy(Kind.NO_MASS_STATUS, position_id=None),
    ],
    ids=lambda one: one.kind.value,
)
def test_a_block_ends_after_two_answers_without_it(found: Discrepancy) -> None:
    """Also one that no mass status has proven: a guess, or what the engine has made up."""
    world = ended(found)
    world.ask()
    world.answer()
    assert world.epochs == 1
    world.ask()
    log, opening = world.answer()
    assert isinstance(log, happened.Log)
    assert log.severity is Severity.INFO
    assert opening == happened.Open(is_at_runtime=True)
    assert world.recovery.concerned == frozenset({ACCOUNT})
    world.judge()
    assert world.recovery.proving.tries == {}


def test_a_block_that_an_epoch_does_not_lift_is_tried_at_growing_intervals() -> None:
    """However often the answers seem to say otherwise."""
    world = ended(DRIFT)
    until = world.now + 3_600 * SEC
    while world.now < until:
        world.ask()
        world.answer()
        if not world.is_open:
            world.judge(DRIFT)
    assert world.epochs == 7  # After 0, 1, 2, 4, 8, 16, 32 minutes


def test_a_blocked_difference_that_never_stands_still_opens_at_growing_intervals() -> None:
    """Its instrument is blocked all the time."""
    world = ended(DRIFT)
    until = world.now + 3_600 * SEC
    count = 0
    while world.now < until:
        world.ask()
        count += 1
        world.answer(msgspec.structs.replace(DRIFT, cache=str(count)))
        if not world.is_open:
            world.judge(DRIFT)
    assert world.epochs <= 7


def test_a_past_that_was_not_reported_is_asked_for_at_growing_intervals() -> None:
    """It is logged once, and an epoch opens when it has come."""
    place = (ACCOUNT, DRIFT.instrument_id)
    world = World(verifying(), PROVING)
    world.judge(DRIFT, unexplored=frozenset({place}))
    (log,) = [one for one in world.actions if isinstance(one, happened.Log)]
    assert "past orders and trades" in log.text
    assert DRIFT.instrument_id in log.text
    world.actions.clear()
    start = world.now
    pauses: list[int] = []
    while len(pauses) < 12:
        if world.ask().explored:
            assert world.actions[-1] == happened.Prove(None, frozenset({place}))
            pauses.append((world.now - start) // SEC)
            start = world.now
        world.answer(DRIFT)
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    assert world.epochs == 1
    while not world.ask().explored:
        world.answer(DRIFT)
    told = Answer(ACCOUNT, world.now, explored=frozenset({DRIFT.instrument_id}))
    said, opening = world.answer(DRIFT, answers=(told,))
    assert opening == happened.Open(is_at_runtime=True)
    assert isinstance(said, happened.Log)
    assert "its past was reported" in said.text
    # In vain once more: the pause is no shorter than it was, and nothing new is said
    world.actions.clear()
    world.judge(DRIFT, unexplored=frozenset({place}))
    assert not any(isinstance(one, happened.Log) for one in world.actions)
    assert world.recovery.proving.unexplored[place].since == world.now + 3_600 * SEC
    world.recovery = msgspec.structs.replace(verifying(), proving=world.recovery.proving)
    world.judge()
    assert world.recovery.proving.unexplored == {}


def test_without_an_interval_the_past_is_not_asked_for() -> None:
    """Only on an operator's word, and the log says so."""
    rules = msgspec.structs.replace(RULES, pace=Pace())
    world = World(verifying(), rules)
    world.judge(DRIFT, unexplored=frozenset({(ACCOUNT, DRIFT.instrument_id)}))
    assert world.recovery.wake_at is None
    (log,) = [one for one in world.actions if isinstance(one, happened.Log)]
    assert "nautilus-recovery verify" in log.text


def test_a_block_stays_while_its_venue_does_not_answer() -> None:
    world = ended(DRIFT)
    for _ in range(3):
        world.ask()
        world.answer(problem="503")
    assert world.epochs == 1


def test_a_block_ends_also_with_an_answer_that_fails_in_between() -> None:
    """That one says nothing about it."""
    world = ended(DRIFT)
    for problem in (None, "503", None):
        assert world.epochs == 1
        world.ask()
        world.answer(problem=problem)
    assert world.epochs == 2


def test_an_order_event_on_a_blocked_instrument_brings_the_next_one_forward() -> None:
    """At most every few seconds."""
    world = ended(DRIFT)
    world.ask()
    asked_at = world.now
    world.answer(DRIFT)
    world.now += SEC
    world.happen(happened.Stirred(world.now))
    world.ask()
    assert world.now == asked_at + 3 * SEC


# -- VENUES THAT DO NOT ANSWER --


def test_a_venue_that_fails_longer_than_the_limit_closes_the_gates() -> None:
    """It is asked more often until then."""
    world = ended()
    world.ask()
    first = world.now
    while world.is_open:
        world.answer(problem="503")
        if world.is_open:
            world.ask()
    assert world.now - first == PACE.limit
    (doubt,) = [one for one in world.recovery.carried if not one.instrument_id]
    assert doubt.kind is Kind.UNPROVEN_REPORT
    assert "80 s" in doubt.detail
    assert "503" in doubt.detail
    assert world.recovery.outdated == {ACCOUNT}


def test_one_answer_ends_the_count() -> None:
    world = ended()
    for _ in range(20):
        world.ask()
        world.answer(problem="503")
        world.ask()
        world.answer()
    assert world.epochs == 1


def test_an_account_that_nobody_requires_closes_nothing() -> None:
    world = ended()
    for _ in range(20):
        world.ask()
        world.answer(problem="503", known=frozenset({OTHER_ACCOUNT}))
    assert world.epochs == 1


def silent(
    *found: Discrepancy, reason: FailureReason = FailureReason.NOT_RECONCILED, **fields: Any
) -> World:
    """
    Return a world that has just failed because an account was not heard of.
    """
    recovery = verifying(required=frozenset({ACCOUNT}), **fields)
    world = World(recovery)
    fail = happened.Fail(reason, "silent")
    state = msgspec.structs.replace(recovery.state, phase=RecoveryPhase.FAILED)  # type: ignore[type-var]
    world.recovery = msgspec.structs.replace(recovery, state=state)
    described = report(*(found or (BROKEN,)), outcome=None)
    world.happen(happened.Described(world.now, failure=fail, report=described))
    return world


def test_a_failure_is_taken_up_again_when_its_venue_answers() -> None:
    """It is asked every ten seconds, it alone, and required to report."""
    world = silent()
    for _ in range(3):
        before = world.now
        assert world.ask() == happened.Prove(frozenset({ACCOUNT}))
        assert world.now - before == 10 * SEC
        assert world.answer(problem="its client is disconnected") == []
    world.ask()
    log, opening = world.answer()
    assert isinstance(log, happened.Log)
    assert log.severity is Severity.INFO
    assert opening == happened.Open(is_at_runtime=True)
    assert world.recovery.trigger == "proof"
    assert world.recovery.required == frozenset({ACCOUNT})
    world.judge()
    assert world.recovery.proving.tries == {}


def test_a_failure_that_comes_again_is_taken_up_at_growing_intervals() -> None:
    """No storm comes of it."""
    world = silent()
    openings = []
    for _ in range(6):
        while world.recovery.report is not None:
            world.ask()
            world.answer()
        openings.append(world.now)
        again = silent()
        again.recovery = msgspec.structs.replace(
            again.recovery,
            proving=world.recovery.proving,
            openings=world.recovery.openings,
            report=None,
        )
        again.now = world.now
        fail = happened.Fail(FailureReason.NOT_RECONCILED, "silent")
        again.happen(
            happened.Described(again.now, failure=fail, report=report(BROKEN, outcome=None))
        )
        world = again
    pauses = [(b - a) // SEC for a, b in itertools.pairwise(openings)]
    assert pauses == [20, 40, 80, 160, 320]


@pytest.mark.parametrize(
    "reason",
    [FailureReason.RECONCILIATION_FAILED, FailureReason.INTERNAL_ERROR, FailureReason.TIMEOUT],
)
def test_no_other_failure_is_taken_up(reason: FailureReason) -> None:
    world = silent(reason=reason)
    assert world.recovery.wake_at is None


def test_a_failure_of_no_account_is_not_taken_up() -> None:
    """Where reconciliation is off nobody has reported."""
    world = silent(discrepancy(Kind.ORDER_MISMATCH))
    assert world.recovery.wake_at is None


def test_a_mass_status_that_nobody_can_ask_for_is_not_waited_for() -> None:
    """Where reconciliation is off; what was only unproven can be proven by answers."""
    world = silent()
    for _ in range(3):
        world.ask()
        assert world.answer(can_report=False) == []
    world = silent(discrepancy(Kind.UNPROVEN_REPORT, instrument_id=""))
    world.ask()
    assert world.answer(can_report=False)


def test_a_report_under_a_failure_brings_the_question_forward() -> None:
    world = silent()
    world.now += SEC
    world.happen(happened.Reported(world.now, account_id=ACCOUNT, read=lambda: None))  # type: ignore[arg-type,return-value]
    assert world.recovery.wake_at == world.now


def test_a_client_that_is_there_again_brings_the_question_forward() -> None:
    world = silent(disconnected=frozenset({ACCOUNT}))
    world.now += SEC
    world.happen(happened.Looked(world.now, disconnected=frozenset()))
    assert world.recovery.wake_at == world.now


def test_a_failure_of_several_is_taken_up_when_all_of_them_answer() -> None:
    world = silent(BROKEN, msgspec.structs.replace(BROKEN, account_id=OTHER_ACCOUNT))
    assert world.ask() == happened.Prove(frozenset({ACCOUNT, OTHER_ACCOUNT}))
    one, other = Answer(ACCOUNT, NOW), Answer(OTHER_ACCOUNT, NOW)
    assert world.answer(answers=(one, msgspec.structs.replace(other, problem="503"))) == []
    world.ask()
    assert world.answer(answers=(one, other))


def test_a_report_does_not_shorten_the_pause_after_a_failure_that_came_again() -> None:
    """A connection that comes and goes makes no storm."""
    world = silent()
    tries = {("", ""): Seen(1, world.now + 20 * SEC)}
    proving = msgspec.structs.replace(world.recovery.proving, tries=tries)
    world.recovery = msgspec.structs.replace(world.recovery, proving=proving)
    world.happen(happened.Reported(world.now, account_id=ACCOUNT, read=lambda: None))  # type: ignore[arg-type,return-value]
    world.ask()
    assert world.answer() == []
    while world.now < tries["", ""].since:
        assert world.recovery.report is not None
        world.ask()
        world.answer()
    assert world.recovery.report is None


def test_nothing_is_asked_after_a_failed_start() -> None:
    """Its trader never ran."""
    world = World(failed(FailureReason.NOT_RECONCILED, BROKEN, is_trader_running=False))
    assert world.recovery.wake_at is None


# -- AN OPERATOR ASKS --


def verify(world: World, **fields: Any) -> list[Action]:
    values: dict[str, Any] = {
        "command_id": "1",
        "action": "verify",
        "instrument_id": "",
        "reason": "checked",
        "operator": "ann@desk",
        "duration": 0,
        "ts_expires": world.now + SEC,
        "known": frozenset({ACCOUNT}),
    }
    return world.happen(happened.Commanded(world.now, **(values | fields)))


def answers(world: World) -> list[happened.Answer]:
    return [one for one in world.actions if isinstance(one, happened.Answer)]


@pytest.mark.parametrize("rules", [PROVING, RULES], ids=["interval", "no interval"])
def test_an_operator_is_answered_when_the_proof_is_made(rules: Any) -> None:
    world = ended(rules=rules)
    verify(world)
    assert answers(world) == []
    now = world.now
    world.ask()
    assert world.now == now
    world.answer()
    text = "Proven: 3 instruments of 1 account agree with the venue"
    assert answers(world) == [happened.Answer("1", True, text)]
    # Who asked inside the node reads it in the log
    assert happened.Log(Severity.INFO, text) in world.actions


def test_a_question_from_before_the_command_is_not_its_proof() -> None:
    world = ended()
    world.ask()
    world.now += 1
    verify(world)
    world.answer()
    assert answers(world) == []
    world.ask()
    world.answer()
    assert len(answers(world)) == 1


def test_an_operator_waits_for_the_epoch_that_a_difference_opens() -> None:
    world = ended()
    verify(world)
    for _ in range(2):
        world.ask()
        world.answer(DRIFT)
    assert answers(world) == []
    world.judge(DRIFT)
    (answer,) = answers(world)
    assert not answer.is_accepted
    assert answer.text.startswith("Recovery epoch 2 ended DEGRADED")


def test_an_operator_is_told_what_stands() -> None:
    world = ended(DRIFT)
    verify(world)
    world.ask()
    world.answer(DRIFT)
    (answer,) = answers(world)
    assert not answer.is_accepted
    assert answer.text == f"Differs: {BTC} ORDER_NOT_AT_VENUE (O-1: venue no report, cache X)"
    assert happened.Log(Severity.WARN, answer.text) in world.actions


def test_an_operator_is_told_who_does_not_answer() -> None:
    world = ended(rules=RULES)
    verify(world)
    world.ask()
    world.answer(problem="503")
    (answer,) = answers(world)
    assert answer.text == f"{ACCOUNT} did not answer (503)"


@pytest.mark.parametrize(
    ("recovery", "text"),
    [
        (verifying(epoch=4), "Recovery epoch 4 is in progress: try again when it has ended"),
        (complete(is_trader_running=False), "The trader is not running"),
    ],
)
def test_what_cannot_be_proven_now_is_refused(recovery: Recovery, text: str) -> None:
    world = World(recovery)
    verify(world)
    (answer,) = answers(world)
    assert not answer.is_accepted
    assert answer.text.startswith(text)
    refused = f"Refused to verify by ann@desk (checked): {answer.text}"
    assert happened.Log(Severity.WARN, refused) in world.actions


def test_a_second_operator_waits_for_the_first() -> None:
    world = ended()
    verify(world)
    verify(world, command_id="2")
    (answer,) = answers(world)
    assert (answer.command_id, answer.is_accepted) == ("2", False)


def test_a_command_that_is_too_old_is_refused() -> None:
    world = ended()
    verify(world, ts_expires=world.now)
    assert not answers(world)[0].is_accepted
    assert world.recovery.proving.command_id is None

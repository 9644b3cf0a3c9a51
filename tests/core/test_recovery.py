from functools import partial
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.recovery import decide
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import Judgment
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import discrepancy
from tests.core.builders import venue_report


TIMING = Timing(
    startup=1_000, settle=10, verify=50, recheck=15, storm_epochs=2, storm_window=100_000_000_000
)
RULES = Rules(timing=TIMING, policy=Policy())
NOW = 10_000
BLOCKING = discrepancy(DiscrepancyKind.ORDER_MISMATCH)
HARMLESS = discrepancy(DiscrepancyKind.AVG_PX_MISMATCH, Severity.INFO, instrument_id=ETH)
EMPTY = RecoveryReport(
    trader_id="TRADER-001", recovery_id="x", epoch=1, trigger="startup", ts_started=1
)
READ, OTHER_READ, OLD_READ = (
    partial(venue_report, account_id=account_id, ts=ts)
    for account_id, ts in ((ACCOUNT, 2), (OTHER_ACCOUNT, 2), (ACCOUNT, 1))
)
replace = msgspec.structs.replace


def report(
    *found: Discrepancy,
    outcome: RecoveryOutcome | None = RecoveryOutcome.CLEAN,
    failure: FailureReason | None = None,
    blocked: tuple[str, ...] = (),
    overrides: tuple[Override, ...] = (),
    **changes: Any,
) -> RecoveryReport:
    return replace(
        EMPTY,
        discrepancies=found,
        outcome=outcome,
        failure=failure,
        blocked_instruments=blocked,
        overrides=overrides,
        **changes,
    )


def complete(*found: Discrepancy, **fields: Any) -> Recovery:
    """
    Return a recovery whose first epoch has completed.
    """
    changes: dict[str, Any] = {
        "epoch": 1,
        "ts_started": 1,
        "is_trader_running": True,
        "state": epoch.RecoveryState(RecoveryPhase.COMPLETE, deadline=100, settle_at=50),
        "report": report(*found),
    }
    return Recovery(**(changes | fields))


def failed(
    reason: FailureReason = FailureReason.TIMEOUT, *found: Discrepancy, **fields: Any
) -> Recovery:
    changes: dict[str, Any] = {
        "state": epoch.RecoveryState(RecoveryPhase.FAILED, deadline=100, settle_at=50),
        "report": report(*found, outcome=None, failure=reason),
    }
    return complete(**(changes | fields))


def verifying(**fields: Any) -> Recovery:
    """
    Return a recovery whose trader has started, and whose judgement is due at `NOW`.
    """
    state = epoch.RecoveryState(RecoveryPhase.VERIFYING, deadline=NOW + 50, settle_at=NOW)
    return complete(**({"state": state, "report": None} | fields))


def pending(**fields: Any) -> Recovery:
    return complete(
        **(
            {"state": epoch.open_startup(0, TIMING), "report": None, "is_trader_running": False}
            | fields
        )
    )


def after(
    recovery: Recovery, *happenings: Happening, rules: Rules = RULES
) -> tuple[Recovery, list[Action]]:
    actions: list[Action] = []
    for happening in happenings:
        recovery, more = decide(recovery, happening, rules)
        actions += more
    return recovery, actions


def command(action: str = "resume", command_id: str = "1", **fields: Any) -> happened.Commanded:
    defaults: dict[str, Any] = {
        "command_id": command_id,
        "action": action,
        "instrument_id": "" if action == "resume" else BTC,
        "reason": "checked",
        "operator": "ann@desk",
        "duration": 60_000_000_000 if action == "release" else 0,
        "ts_expires": NOW + 1,
        "known": frozenset({ACCOUNT, OTHER_ACCOUNT}),
    }
    return happened.Commanded(NOW, 3, **(defaults | fields))


def status(account_id: str = ACCOUNT, flagged: int = 3) -> happened.Reported:
    return happened.Reported(NOW, flagged, account_id=account_id, read=READ)


def reopening(name: str) -> Happening:
    match name:
        case "mass_status":
            return status()
        case "synthetic_fill":
            return happened.FlaggedAtRuntime(NOW, 3, is_made_up=True)
        case "doubt":
            return happened.Doubted(NOW, 3, account_id=ACCOUNT, instrument_id=BTC)
        case "disconnect":
            return happened.Looked(NOW, 3, disconnected=frozenset({ACCOUNT}))
        case _:
            return happened.Broke(NOW, 3, message="The monitor raised")


REOPENINGS = {
    "mass_status": "mass_status",
    "synthetic_fill": "synthetic_fill",
    "doubt": "synthetic_fill",
    "disconnect": "mass_status",
    "broke": "mass_status",
}


# -- THE START --


def test_the_kernel_s_start_opens_the_first_epoch() -> None:
    """
    Its deadline counts from there; nothing is noted of before, for that was at registration.
    """
    registered = Recovery(epoch=7, ts_started=1)
    started, actions = after(registered, happened.KernelStarted(NOW, 0))
    assert actions == [happened.Open(is_at_runtime=False)]
    assert (started.epoch, started.ts_started, started.trigger) == (7, NOW, "startup")
    assert started.state == epoch.open_startup(NOW, TIMING)
    assert started.is_starting
    assert not registered.is_starting


def test_flagged_events_show_that_the_kernel_reconciles() -> None:
    """
    No work is done for each, so the phase asks how many there are.
    """
    assert pending().phase_at(0) is RecoveryPhase.PENDING
    assert pending().phase_at(1) is RecoveryPhase.RECONCILING
    assert complete().phase_at(1) is RecoveryPhase.COMPLETE
    assert Recovery(epoch=7, ts_started=1).phase_at(1) is RecoveryPhase.PENDING


@pytest.mark.parametrize("name", [*REOPENINGS, "stopped", "started", "changed", "woke"])
def test_before_the_kernel_starts_only_an_error_counts(name: str) -> None:
    """
    What comes earlier concerns no epoch, but an error there must not be lost.
    """
    more: dict[str, Happening] = {
        "stopped": epoch.Stopped(),
        "started": epoch.TraderStarted(NOW, 0),
        "changed": epoch.Changed(NOW),
        "woke": epoch.Woke(NOW, 0),
    }
    registered = Recovery(epoch=7, ts_started=1)
    recovery, actions = after(registered, more.get(name) or reopening(name))
    if name == "broke":
        assert actions == [happened.Fail(FailureReason.INTERNAL_ERROR, "The monitor raised")]
        assert recovery.phase is RecoveryPhase.FAILED
    else:
        assert (recovery, actions) == (registered, [])
        assert recovery.phase is RecoveryPhase.PENDING
    assert registered.wake_at is None


def test_the_trader_s_start_sets_when_to_judge() -> None:
    """
    The settle time counts from there, and the recovery knows that strategies run.
    """
    started = (happened.TraderRuns(NOW, 3), epoch.TraderStarted(NOW, 3))
    recovery, actions = after(pending(), *started)
    assert actions == []
    stopped, _ = after(pending(), started[0], epoch.Stopped(), started[1])
    assert not stopped.is_trader_running
    assert recovery.is_trader_running
    assert recovery.state is not None
    assert (recovery.state.settle_at, recovery.wake_at) == (NOW + 10, NOW + 10)
    assert not recovery.is_starting


def test_a_stop_fails_what_is_open_and_describes_nothing() -> None:
    """
    Half way through a reconciliation a comparison would report nothing but that.
    """
    recovery, (fail,) = after(verifying(), epoch.Stopped())
    assert isinstance(fail, happened.Fail)
    assert (fail.reason, fail.is_stopping) == (FailureReason.TIMEOUT, True)
    assert not recovery.is_trader_running
    over, actions = after(complete(), epoch.Stopped())
    assert actions == []
    assert over == complete(is_trader_running=False)
    assert after(over, happened.TraderRuns(NOW)) == (complete(), [])


def test_a_backtest_is_judged_at_once_and_requires_no_account() -> None:
    """
    No time has to pass where time is simulated, and nothing is reconciled.
    """
    recovery, actions = after(Recovery(epoch=1, ts_started=0), happened.BacktestStarted(NOW))
    assert actions == [happened.Open(is_at_runtime=False), happened.Judge()]
    assert (recovery.trigger, recovery.ts_started, recovery.epoch) == ("backtest", NOW, 1)
    assert recovery.required_accounts(RULES, frozenset({ACCOUNT})) == frozenset()


# -- WHO MUST REPORT --


def test_at_a_start_the_accounts_of_the_cache_must_report_or_those_named() -> None:
    """
    Each configured account, or each that the cache knows; those of a lost client besides.
    """
    known = frozenset({OTHER_ACCOUNT})
    named = replace(RULES, accounts=frozenset({ACCOUNT}))
    assert pending().required_accounts(RULES, known) == known
    assert pending().required_accounts(named, known) == {ACCOUNT}
    lost = pending(demanded=frozenset({ACCOUNT}))
    assert lost.required_accounts(RULES, known) == {ACCOUNT, OTHER_ACCOUNT}
    runtime = pending(required=frozenset(), demanded=frozenset({ACCOUNT}))
    assert runtime.required_accounts(named, known) == {ACCOUNT}


# -- OPENING --


@pytest.mark.parametrize("name", REOPENINGS)
def test_what_happens_at_run_time_opens_an_epoch(name: str) -> None:
    """
    One more, with its trigger, settling from now, and with what the one before found.
    """
    before = complete(
        BLOCKING,
        HARMLESS,
        reports={OTHER_ACCOUNT: OTHER_READ},
        ts_reconciled=5,
        required=None,
        demanded=frozenset({OTHER_ACCOUNT}),
        earlier=(BLOCKING,),
        carried=(discrepancy(instrument_id=ETH),),
        guessed={(ACCOUNT, BTC): 9},
        command_ids=("1",),
    )
    opened, actions = after(before, reopening(name))
    assert happened.Open(is_at_runtime=True) in actions
    assert (opened.epoch, opened.ts_started, opened.trigger) == (2, NOW, REOPENINGS[name])
    if name != "broke":
        assert opened.state == epoch.open_runtime(NOW, 3, TIMING)
    doubts = (doubt(ACCOUNT, BTC, RULES.policy),) if name == "doubt" else ()
    assert opened.carried == (BLOCKING, HARMLESS, *doubts)
    assert opened.earlier == ()
    assert opened.demanded == frozenset()
    assert opened.guessed == before.guessed
    assert opened.command_ids == ("1",)
    assert opened.openings == (NOW,)
    assert opened.report is None
    assert opened.is_trader_running
    must = frozenset({ACCOUNT} if name == "disconnect" else ())
    assert opened.required == must
    reported = {ACCOUNT: READ} if name == "mass_status" else {}
    assert opened.reports == reported
    assert opened.ts_reconciled == (NOW if name == "mass_status" else None)


@pytest.mark.parametrize("name", REOPENINGS)
@pytest.mark.parametrize("recovery", [pending(), verifying(), failed()])
def test_no_epoch_opens_under_one_that_has_not_completed(name: str, recovery: Recovery) -> None:
    """
    One that is open goes on, and one that failed stays so until an operator, or a restart.
    """
    later, actions = after(recovery, reopening(name))
    assert later.epoch == 1
    assert not any(isinstance(action, happened.Open) for action in actions)


@pytest.mark.parametrize("name", ["mass_status", "synthetic_fill", "doubt", "disconnect"])
def test_a_configuration_may_leave_it_as_it_is(name: str) -> None:
    """
    Where a user says so, a reconnect or a synthetic fill opens no epoch.
    """
    rules = replace(RULES, reopens_on_mass_status=False, reopens_on_synthetic_fill=False)
    before = complete(BLOCKING)
    later, actions = after(before, reopening(name), rules=rules)
    assert later == (
        before if name != "disconnect" else replace(before, disconnected=frozenset({ACCOUNT}))
    )
    assert [type(action) for action in actions] == {
        "synthetic_fill": [happened.Absorb],
        "disconnect": [happened.Log],
    }.get(name, [])


def test_live_fills_of_an_adapter_that_sends_fill_reports_are_absorbed() -> None:
    """
    At run time a flag alone is the normal trading of such an adapter; in an open epoch it is not.
    """
    real = happened.FlaggedAtRuntime(NOW, 3, is_made_up=False)
    assert after(complete(), real) == (complete(), [happened.Absorb()])
    assert after(verifying(), real) == (verifying(), [])
    assert after(failed(), real) == (failed(), [])


def test_what_a_failed_epoch_took_over_is_taken_over_again() -> None:
    """
    A failure proves nothing away; what both found is there once.
    """
    other = discrepancy(instrument_id=ETH)
    resumed, _ = after(
        failed(FailureReason.TIMEOUT, BLOCKING, HARMLESS, carried=(other, BLOCKING)), command()
    )
    assert resumed.carried == (BLOCKING, HARMLESS, other)
    completed, _ = after(complete(BLOCKING, carried=(other,)), status())
    assert completed.carried == (BLOCKING,)


def test_releases_end_with_their_epoch_and_the_history_says_so() -> None:
    """
    The next epoch proves anew: what an operator released is recorded as ended.
    """
    override = Override(BTC, "checked", "ann@desk", 1, NOW + 100, None)
    before = complete(report=report(BLOCKING, blocked=(BTC,), overrides=(override,)))
    _, (record, opening) = after(before, status())
    assert isinstance(record, happened.Record)
    assert record.report.overrides == (replace(override, ts_ended=NOW),)
    assert opening == happened.Open(is_at_runtime=True)


# -- STORMS --


@pytest.mark.parametrize("name", ["mass_status", "synthetic_fill", "doubt", "disconnect"])
def test_too_many_epochs_in_too_short_a_time_end_in_one_failure(name: str) -> None:
    """
    The epoch opens, so that gates close, and fails at once.
    """
    calm = complete(openings=(NOW - 200_000_000_000, NOW - 5))
    stormy = complete(openings=(NOW - 6, NOW - 5))
    assert after(calm, reopening(name))[0].phase is RecoveryPhase.RECONCILING
    recovery, actions = after(stormy, reopening(name))
    opening, fail = actions[-2:]
    assert opening == happened.Open(is_at_runtime=True)
    assert isinstance(fail, happened.Fail)
    assert fail.reason is FailureReason.RECONCILIATION_FAILED
    assert recovery.phase is RecoveryPhase.FAILED
    assert recovery.openings == (NOW - 6, NOW - 5, NOW)
    if name == "mass_status":
        assert ACCOUNT in recovery.reports  # An operator may resume with it


def test_only_as_many_openings_are_kept_as_make_a_storm() -> None:
    """
    What is older than those counts for nothing.
    """
    recovery, _ = after(complete(openings=(1, 2, 3)), status())
    assert recovery.openings == (2, 3, NOW)


# -- MASS STATUSES --


def test_a_mass_status_under_a_failure_is_kept_for_an_operator() -> None:
    """
    It changes nothing else, and a resumed epoch judges by it.
    """
    recovery, actions = after(failed(), status())
    assert actions == []
    assert recovery.reports == {ACCOUNT: READ}
    assert recovery.ts_reconciled == NOW
    resumed, _ = after(recovery, command())
    assert (resumed.reports, resumed.ts_reconciled) == (recovery.reports, NOW)


def test_the_newest_mass_status_of_each_account_counts() -> None:
    """
    In an open epoch it replaces the one before, and shows that the kernel reconciles.
    """
    older = {ACCOUNT: OLD_READ, OTHER_ACCOUNT: OTHER_READ}
    recovery, actions = after(pending(reports=older), status())
    assert actions == []
    assert recovery.reports == older | {ACCOUNT: READ}
    assert recovery.phase is RecoveryPhase.RECONCILING
    assert after(pending(), happened.Looked(NOW, disconnected=frozenset()))[0] == pending()


def test_a_mass_status_brings_the_next_check_of_what_blocks_forward() -> None:
    """
    It may resolve what blocks, so it is looked at as soon as it has settled.
    """
    state = epoch.RecoveryState(
        RecoveryPhase.VERIFYING, deadline=NOW + 50, settle_at=NOW + 40, limit=NOW + 100
    )
    recovery, _ = after(verifying(state=state), status())
    assert recovery.wake_at == NOW + 10
    assert after(verifying(state=state), epoch.Changed(NOW))[0].wake_at == NOW + 10
    assert recovery.is_rechecking
    assert not verifying().is_rechecking
    assert not complete(state=replace(state, phase=RecoveryPhase.COMPLETE)).is_rechecking


# -- DISCONNECTS --


def test_a_client_that_is_lost_is_logged_once() -> None:
    """
    The line names the accounts; as long as they stay lost, nothing more is said.
    """
    both = frozenset({OTHER_ACCOUNT, ACCOUNT})
    looked = happened.Looked(NOW, 3, disconnected=both)
    recovery, (log, *_) = after(complete(disconnected=frozenset({ACCOUNT})), looked)
    assert log == happened.Log(
        Severity.WARN,
        f"The client of {OTHER_ACCOUNT} is disconnected: its cached state is going stale",
    )
    assert (recovery.disconnected, recovery.required) == (both, frozenset({OTHER_ACCOUNT}))
    assert after(complete(disconnected=both), looked) == (complete(disconnected=both), [])
    back = happened.Looked(NOW, 3, disconnected=frozenset())
    assert after(complete(disconnected=both), back) == (complete(), [])
    _, (named, *_) = after(complete(), looked)
    assert isinstance(named, happened.Log)
    assert f"{ACCOUNT}, {OTHER_ACCOUNT} is" in named.text


@pytest.mark.parametrize("recovery", [verifying(), failed()])
def test_a_client_that_is_lost_in_an_open_epoch_must_report_again(recovery: Recovery) -> None:
    """
    Also if it is back by the time of the judgment, or of an operator's word.
    """
    before = replace(recovery, reports={ACCOUNT: READ, OTHER_ACCOUNT: OTHER_READ})
    lost = happened.Looked(NOW, 3, disconnected=frozenset({ACCOUNT}))
    back = happened.Looked(NOW, 3, disconnected=frozenset())
    later, (log,) = after(before, lost, back)
    assert isinstance(log, happened.Log)
    assert later.reports == {OTHER_ACCOUNT: OTHER_READ}
    assert later.demanded == {ACCOUNT}
    assert later.required_accounts(RULES, frozenset()) == {ACCOUNT}


def test_before_the_trader_starts_a_client_may_still_connect() -> None:
    """
    Nothing is lost that never was there.
    """
    looked = happened.Looked(NOW, 0, disconnected=frozenset({ACCOUNT}))
    assert after(pending(), looked) == (pending(), [])


def test_a_client_that_is_lost_at_the_judgement_must_report_again() -> None:
    """
    What it reported before proves nothing, and is dropped.
    """
    reports = {ACCOUNT: READ, OTHER_ACCOUNT: OTHER_READ}
    before = verifying(reports=reports, demanded=frozenset({"PAPER-003"}))
    woke = epoch.Woke(NOW, 0, disconnected=frozenset({ACCOUNT}))
    recovery, actions = after(before, woke)
    assert actions == [happened.Judge()]
    assert recovery.reports.keys() == {OTHER_ACCOUNT}
    assert recovery.demanded == {ACCOUNT, "PAPER-003"}
    early, none = after(before, replace(woke, now=NOW - 1))
    assert (early, none) == (before, [])


# -- DOUBT --


def test_a_fill_that_the_engine_may_have_guessed_is_in_doubt() -> None:
    """
    It is as old as the report in which the engine guessed, on that account and instrument.
    """
    recovery = complete(guessed={(ACCOUNT, BTC): 500})
    assert recovery.is_in_doubt(ACCOUNT, BTC, 500)
    assert not recovery.is_in_doubt(ACCOUNT, BTC, 501)
    assert not recovery.is_in_doubt(ACCOUNT, ETH, 500)
    assert not recovery.is_in_doubt(OTHER_ACCOUNT, BTC, 500)
    assert not complete().is_in_doubt(ACCOUNT, BTC, 0)


def test_a_doubt_in_an_open_epoch_is_carried_once() -> None:
    """
    It stands until the account reports.
    """
    doubted = reopening("doubt")
    other = discrepancy(instrument_id=ETH)
    recovery, actions = after(verifying(carried=(other,)), doubted)
    assert actions == []
    assert recovery.carried == (other, doubt(ACCOUNT, BTC, RULES.policy))
    assert after(recovery, doubted) == (recovery, [])
    known = complete(doubt(ACCOUNT, BTC, RULES.policy))
    assert after(known, doubted) == (known, [])
    completed, _ = after(recovery, judged(report()))
    assert after(completed, doubted)[0].epoch == 2  # The account has reported since


# -- JUDGEMENT --


def judged(
    made: RecoveryReport, guessed: dict[tuple[str, str], int] | None = None, now: int = NOW
) -> happened.Judged:
    return happened.Judged(now, 3, judgment=Judgment(made, guessed or {}))


def test_a_judgement_without_a_block_completes_the_epoch() -> None:
    """
    Its report is final with the time, and the mass statuses are let go.
    """
    before = verifying(reports={ACCOUNT: READ}, demanded=frozenset({ACCOUNT}))
    recovery, (end,) = after(before, judged(report(HARMLESS)))
    done = report(HARMLESS, ts_completed=NOW)
    assert end == happened.End(MessageKind.COMPLETE, done)
    assert recovery.report == done
    assert recovery.phase is RecoveryPhase.COMPLETE
    assert recovery.reports == {}
    assert recovery.earlier == (HARMLESS,)


def test_what_blocks_is_checked_again_and_logged_once() -> None:
    """
    Until the deadline; what was found is kept, so that what goes away is reported as resolved.
    """
    recovery, actions = after(verifying(), judged(report(BLOCKING, HARMLESS)))
    assert actions == [
        happened.Log(
            Severity.WARN,
            "Recovery epoch 1: 1 blocking difference, checking again for less than 0.001 s",
        )
    ]
    assert recovery.is_rechecking
    assert recovery.wake_at == NOW + 15
    assert recovery.earlier == (BLOCKING, HARMLESS)
    again, actions = after(recovery, judged(report(BLOCKING), now=NOW + 15))
    assert actions == []
    assert again.is_rechecking
    _, (end,) = after(again, judged(report(BLOCKING, blocked=(BTC,)), now=NOW + 50))
    assert isinstance(end, happened.End)
    assert end.kind is MessageKind.COMPLETE


def test_a_judgement_that_fails_is_described() -> None:
    """
    The reason and its sentence are those of the judgement.
    """
    made = report(outcome=None, failure=FailureReason.NOT_RECONCILED, message="No mass status")
    recovery, actions = after(verifying(), judged(made))
    assert actions == [happened.Fail(FailureReason.NOT_RECONCILED, "No mass status")]
    assert recovery.phase is RecoveryPhase.FAILED
    assert recovery.report is None


def test_guesses_stand_until_their_account_reports() -> None:
    """
    A newer report says what was filled, and what the engine guessed from it.
    """
    old = {(ACCOUNT, BTC): 1, (OTHER_ACCOUNT, BTC): 2}
    before = verifying(guessed=old, reports={ACCOUNT: READ})
    recovery, _ = after(before, judged(report(), {(ACCOUNT, ETH): 3}))
    assert recovery.guessed == {(OTHER_ACCOUNT, BTC): 2, (ACCOUNT, ETH): 3}


def test_flagged_events_put_the_judgement_off() -> None:
    """
    As long as they keep arriving nothing has settled, and they show that the kernel reconciles.
    """
    recovery, actions = after(verifying(), epoch.Woke(NOW, 4))
    assert actions == []
    assert recovery.wake_at == NOW + 10
    starting, _ = after(pending(), epoch.Woke(1, 1, is_start_pending=True))
    assert starting.phase is RecoveryPhase.RECONCILING
    assert after(pending(), epoch.Woke(1, 0, is_start_pending=True)) == (pending(), [])


def test_a_kernel_that_aborted_its_start_fails_the_epoch() -> None:
    """
    Nobody says so, but the host sees that nothing starts any more.
    """
    _, (fail,) = after(pending(), epoch.Woke(1, 0, is_start_pending=False))
    assert isinstance(fail, happened.Fail)
    assert (fail.reason, fail.is_stopping) == (FailureReason.RECONCILIATION_FAILED, False)


# -- FAILURE --


@pytest.mark.parametrize("is_stopping", [False, True])
@pytest.mark.parametrize("shuts_down", [False, True])
def test_a_failure_ends_the_epoch_with_what_was_seen(
    *, shuts_down: bool, is_stopping: bool
) -> None:
    """
    The report is final; a node that is to shut down does, unless it stops already.
    """
    failure = happened.Fail(FailureReason.TIMEOUT, "Too late", is_stopping)
    before = failed(report=None)
    described = happened.Described(NOW, 3, failure=failure, report=report(BLOCKING, outcome=None))
    rules = replace(RULES, shuts_down=shuts_down)
    recovery, actions = after(before, described, rules=rules)
    final = report(
        BLOCKING, outcome=None, failure=FailureReason.TIMEOUT, message="Too late", ts_completed=NOW
    )
    assert actions[0] == happened.End(MessageKind.FAILED, final)
    assert actions[1:] == (
        [happened.Shutdown("RecoveryFailed TIMEOUT: Too late")]
        if shuts_down and not is_stopping
        else []
    )
    assert recovery.report == final


@pytest.mark.parametrize("recovery", [pending(), verifying(), complete()])
def test_an_error_closes_every_gate_and_counts_no_report(recovery: Recovery) -> None:
    """
    What raised may have been a report: nothing counts but what comes from then on.
    """
    before = replace(recovery, reports={ACCOUNT: READ}, openings=(NOW - 2, NOW - 1))
    later, actions = after(before, reopening("broke"))
    assert actions[-1] == happened.Fail(FailureReason.INTERNAL_ERROR, "The monitor raised")
    assert later.phase is RecoveryPhase.FAILED
    assert later.reports == {}
    opening = [happened.Open(is_at_runtime=True)] if recovery.report else []
    assert actions[:-1] == opening


def test_an_error_while_a_failure_is_carried_out_is_a_failure_too() -> None:
    """
    The epoch has not had its terminal message yet, and gets it.
    """
    stormy = complete(openings=(NOW - 6, NOW - 5))
    stormed, _ = after(stormy, status())  # What it asked for was not carried out
    broken, actions = after(stormed, reopening("broke"))
    assert actions == [happened.Fail(FailureReason.INTERNAL_ERROR, "The monitor raised")]
    assert broken.reports == {}


def test_an_error_under_a_failure_only_drops_the_reports() -> None:
    """
    The epoch has had its one terminal message.
    """
    before = failed(reports={ACCOUNT: READ})
    broken, actions = after(before, reopening("broke"))
    assert (broken, actions) == (failed(is_broken=True), [])
    assert after(broken, command())[0].required == frozenset({ACCOUNT, OTHER_ACCOUNT})


# -- OPERATORS --


def answers(actions: list[Action]) -> list[happened.Answer]:
    return [action for action in actions if isinstance(action, happened.Answer)]


def test_resuming_opens_an_epoch_that_needs_what_the_failed_one_needed() -> None:
    """
    With the reports that came since, with no storm behind it, and with the same trigger.
    """
    before = failed(
        required=frozenset({OTHER_ACCOUNT}),
        trigger="synthetic_fill",
        reports={ACCOUNT: READ},
        openings=(NOW - 2, NOW - 1),
    )
    recovery, actions = after(before, command())
    assert actions == [
        happened.Open(is_at_runtime=True),
        happened.Log(Severity.WARN, "Opened recovery epoch 2: resume by ann@desk (checked)"),
        happened.Answer("1", True, "Opened recovery epoch 2"),
    ]
    assert (recovery.epoch, recovery.trigger, recovery.openings) == (2, "synthetic_fill", ())
    assert recovery.required == frozenset({OTHER_ACCOUNT})
    assert recovery.reports == before.reports


def test_after_an_error_every_account_must_report_again() -> None:
    """
    What raised may have been a report of any of them.
    """
    broken, (fail,) = after(verifying(required=frozenset()), reopening("broke"))
    assert isinstance(fail, happened.Fail)
    described = happened.Described(NOW, 3, failure=fail, report=report(outcome=None))
    recovery, _ = after(broken, described, command())
    assert not recovery.is_broken
    assert recovery.required == frozenset({ACCOUNT, OTHER_ACCOUNT})
    calm, _ = after(failed(required=frozenset()), command())
    assert calm.required == frozenset()


@pytest.mark.parametrize(
    ("recovery", "asked", "refusal"),
    [
        (complete(), command(), "has not failed"),
        (failed(is_trader_running=False), command(), "The trader"),
        (failed(), command(ts_expires=NOW), "too old"),
        (verifying(), command("release"), "has not completed"),
        (verifying(), command("withdraw"), "has not completed"),
        (complete(), command("withdraw"), "is not released"),
        (complete(), command("release"), "is not blocked"),
        (Recovery(epoch=7, ts_started=1), command("release"), "Recovery epoch 7 has not"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    recovery: Recovery, asked: happened.Commanded, refusal: str
) -> None:
    """
    In the log as an error, with who asked and why, and in the answer.
    """
    later, (log, answer) = after(recovery, asked)
    assert later == replace(recovery, command_ids=("1",))
    assert isinstance(answer, happened.Answer)
    assert (answer.command_id, answer.is_accepted) == ("1", False)
    assert refusal in answer.text
    said = f"Refused to {asked.action} by ann@desk (checked): {answer.text}"
    assert log == happened.Log(Severity.BLOCK, said)


def test_a_release_is_revised_logged_answered_and_ends() -> None:
    """
    What blocks may trade for that time, and the host is woken at its end.
    """
    before = complete(report=report(BLOCKING, blocked=(BTC,)))
    recovery, actions = after(before, command("release"))
    override = Override(BTC, "checked", "ann@desk", NOW, NOW + 60_000_000_000, None)
    released = report(BLOCKING, blocked=(BTC,), overrides=(override,))
    text = f"Released {BTC} for 1 min"
    assert actions == [
        happened.Revise(released),
        happened.Log(Severity.WARN, f"{text}: release by ann@desk (checked)"),
        happened.Answer("1", True, text),
    ]
    assert recovery.report == released
    assert recovery.wake_at == override.ts_until
    early = epoch.Woke(override.ts_until - 1, 3)
    assert after(recovery, early) == (recovery, [])
    over, actions = after(recovery, epoch.Woke(override.ts_until, 3))
    ended = replace(released, overrides=(replace(override, ts_ended=override.ts_until),))
    assert actions == [
        happened.Log(Severity.WARN, f"Blocked {BTC} again: the release expired"),
        happened.Revise(ended),
    ]
    assert over.report == ended
    assert over.wake_at is None


def test_of_two_releases_the_one_that_ends_first_wakes() -> None:
    """
    And only that one is logged then.
    """
    first = Override(BTC, "checked", "ann@desk", 1, NOW + 5, None)
    later = Override(ETH, "checked", "ann@desk", 1, NOW + 9, None)
    ended = Override(ETH, "checked", "ann@desk", 1, NOW + 1, 2)
    before = complete(report=report(blocked=(BTC, ETH), overrides=(ended, later, first)))
    assert before.wake_at == NOW + 5
    recovery, (log, _) = after(before, epoch.Woke(NOW + 5, 0))
    assert isinstance(log, happened.Log)
    assert BTC in log.text
    assert recovery.wake_at == NOW + 9


def test_a_withdrawal_blocks_again() -> None:
    """
    It is revised, logged and answered like a release.
    """
    override = Override(BTC, "checked", "ann@desk", 1, NOW + 100, None)
    before = complete(report=report(BLOCKING, blocked=(BTC,), overrides=(override,)))
    recovery, (revise, log, answer) = after(before, command("withdraw"))
    assert recovery.report is not None
    assert recovery.report.overrides == (replace(override, ts_ended=NOW),)
    assert revise == happened.Revise(recovery.report)
    text = f"Blocked {BTC} again"
    assert log == happened.Log(Severity.WARN, f"{text}: withdraw by ann@desk (checked)")
    assert answer == happened.Answer("1", True, text)


def test_a_command_that_comes_twice_is_obeyed_once() -> None:
    """
    Whoever is not sure that it arrived sends it again; the newest thousand are known.
    """
    before = complete(report=report(BLOCKING, blocked=(BTC,)))
    recovery, _ = after(before, command("release"))
    assert after(recovery, command("release")) == (recovery, [])
    full = replace(before, command_ids=tuple(map(str, range(2, 1_002))))
    recovery, actions = after(full, command("release"))
    assert len(answers(actions)) == 1
    assert len(recovery.command_ids) == 1_000
    assert recovery.command_ids[-1] == "1"
    assert recovery.command_ids[0] == "3"


# -- WHAT IS NOT KNOWN --


def test_something_else_than_a_happening_is_an_error() -> None:
    """
    A host that says something the core does not know must not be answered with silence.
    """
    with pytest.raises(TypeError, match="Not a happening: 5"):
        decide(complete(), 5, RULES)  # type: ignore[arg-type]

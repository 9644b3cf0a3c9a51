"""
When a new epoch opens, and what it takes over from the one before.
"""

from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Fact
from nautilus_recovery_actor.core.proof import unasked
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules
from nautilus_recovery_actor.core.recovery.state import advance
from nautilus_recovery_actor.core.recovery.state import concern
from nautilus_recovery_actor.core.recovery.state import demand
from nautilus_recovery_actor.core.report import Discrepancy


_replace = msgspec.structs.replace
_subject = attrgetter("kind", "account_id", "instrument_id")


def open_next(
    recovery: Recovery,
    fact: Fact,
    rules: Rules,
    trigger: str,
    *,
    required: frozenset[str] = frozenset(),
    concerned: frozenset[str] | None = None,
    doubts: tuple[Discrepancy, ...] = (),
) -> Decision:
    """Open the next epoch, and say what the one before leaves to it."""
    last, timing = recovery.report, rules.timing
    assert last is not None  # The epoch before has ended
    carried = last.discrepancies if last.failure is None else last.discrepancies + recovery.carried
    opened = _replace(
        recovery,
        epoch=recovery.epoch + 1,
        ts_started=fact.now,
        trigger=trigger,
        state=epoch.open_runtime(fact.now, fact.flagged, timing),
        reports={},
        ts_reconciled=None,
        required=required,
        concerned=concerned,
        answers=(),
        outdated=frozenset(),
        repairs=(),
        tried={},
        repairings=0,
        under_way=(),
        explored=frozenset(),
        approval=None,
        is_approved=False,
        demanded=frozenset(),
        carried=(*dict.fromkeys(carried), *doubts),
        earlier=(),
        is_broken=False,
        openings=(*recovery.openings, fact.now)[-timing.storm_epochs - 1 :],
        report=None,
    )
    ended = (happened.Record(overrides.ended(last, fact.now)),) if last.overrides else ()
    is_counted = not isinstance(fact, happened.Commanded | happened.Broke)
    if isinstance(fact, happened.Leased) and fact.problem:
        is_counted = False  # It fails for another reason
    if is_counted and epoch.is_storm(opened.openings, timing):
        opened, actions = advance(opened, epoch.Stormed(), rules)
        return opened, (*ended, happened.Open(is_at_runtime=True), *actions)
    return opened, (*ended, happened.Open(is_at_runtime=True))


def may_reopen(recovery: Recovery, is_wanted: bool) -> bool:
    """Return whether a new epoch may open at run time."""
    return is_wanted and recovery.phase is RecoveryPhase.COMPLETE


def on_backtest(recovery: Recovery, now: int, rules: Rules) -> Decision:
    """There is nothing to recover: the epoch completes at once."""
    state = epoch.open_runtime(now, 0, rules.timing)
    recovery = _replace(
        recovery, trigger="backtest", ts_started=now, state=state, required=frozenset()
    )
    # No time has to pass where time is simulated, and no venue can be asked
    rules = _replace(rules, timing=_replace(rules.timing, asks=0))
    recovery, actions = advance(recovery, epoch.Woke(now + rules.timing.settle, 0), rules)
    return recovery, (happened.Open(), *actions)


def on_broken(recovery: Recovery, broke: happened.Broke, rules: Rules) -> Decision:
    """The host raised: nothing may stay open on what it did not finish."""
    opening: tuple[Action, ...] = ()
    if recovery.state is None:
        recovery = _replace(recovery, state=epoch.open_startup(broke.now, rules.timing))
    elif recovery.phase is RecoveryPhase.COMPLETE:
        # What could not be read at run time must not leave a gate open
        recovery, opening = open_next(recovery, broke, rules, "mass_status")
    # Nothing counts but what comes from now on
    recovery = _replace(recovery, reports={}, is_broken=True)
    if recovery.phase is RecoveryPhase.FAILED and recovery.report is None:
        # What raised was the carrying out of this failure
        return recovery, (happened.Fail(FailureReason.INTERNAL_ERROR, broke.message),)
    recovery, actions = advance(recovery, epoch.Broke(broke.message), rules)
    return recovery, (*opening, *actions)


def on_reported(recovery: Recovery, reported: happened.Reported, rules: Rules) -> Decision:
    """A mass status of an account came."""
    opening: tuple[Action, ...] = ()
    account = frozenset({reported.account_id})
    if is_new := may_reopen(recovery, rules.reopens_on_mass_status):
        recovery, opening = open_next(recovery, reported, rules, "mass_status", concerned=account)
    elif recovery.phase is RecoveryPhase.COMPLETE:
        return recovery, ()
    is_asked_for = reported.account_id in recovery.outdated and recovery.is_asking
    # Also under a failure: an operator may resume with it
    reports = {**recovery.reports, reported.account_id: reported.read}
    outdated = recovery.outdated - account
    recovery = _replace(recovery, ts_reconciled=reported.now, reports=reports, outdated=outdated)
    recovery = concern(recovery, reported.account_id)
    if not is_new:
        recovery, _ = advance(recovery, epoch.Seen(), rules)
    if not (is_new or is_asked_for):  # What was asked for is followed by an answer anyway
        recovery, _ = advance(recovery, epoch.Unasked(reported.now), rules)
    return recovery, opening


def on_doubted(recovery: Recovery, doubted: happened.Doubted, rules: Rules) -> Decision:
    """A fill came that the engine may have guessed before."""
    found = doubt(doubted.account_id, doubted.instrument_id, rules.policy)
    reported = () if recovery.report is None else recovery.report.discrepancies
    standing = {_subject(one) for one in (*recovery.carried, *reported) if one.is_blocking}
    if _subject(found) in standing:
        return recovery, ()  # Blocked already, until that is proven away
    if may_reopen(recovery, rules.reopens_on_synthetic_fill):
        concerned = frozenset({doubted.account_id})
        return open_next(
            recovery, doubted, rules, "synthetic_fill", concerned=concerned, doubts=(found,)
        )
    if recovery.phase is RecoveryPhase.COMPLETE:
        return recovery, ()
    carried = (*recovery.carried, found)
    recovery = concern(_replace(recovery, carried=carried), doubted.account_id)
    return advance(recovery, epoch.Unasked(doubted.now), rules)


def on_looked(recovery: Recovery, looked: happened.Looked, rules: Rules) -> Decision:
    """Clients are disconnected, or are not any more."""
    lost = looked.disconnected - recovery.disconnected
    if not recovery.is_trader_running:
        return recovery, ()
    recovery = _replace(recovery, disconnected=looked.disconnected)
    if not lost:
        return recovery, ()
    names = ", ".join(sorted(lost))
    text = f"The client of {names} is disconnected: its cached state is going stale"
    warning = happened.Log(Severity.WARN, text)
    if recovery.phase is not RecoveryPhase.COMPLETE:
        return demand(recovery, lost), (warning,)
    if not rules.reopens_on_mass_status:
        return recovery, (warning,)
    recovery, actions = open_next(
        recovery, looked, rules, "mass_status", required=lost, concerned=lost
    )
    return recovery, (warning, *actions)


def on_returning(recovery: Recovery, returning: happened.Returning, rules: Rules) -> Decision:
    """A client comes back, and is about to report."""
    account = frozenset({returning.account_id})
    if not recovery.is_trader_running or recovery.state is None:
        return recovery, ()
    opening: tuple[Action, ...] = ()
    if recovery.phase is not RecoveryPhase.COMPLETE:
        recovery = demand(recovery, account)
    elif not rules.reopens_on_mass_status:
        return recovery, ()
    else:
        recovery, opening = open_next(
            recovery, returning, rules, "mass_status", required=account, concerned=account
        )
    recovery, _ = advance(recovery, epoch.Returning(returning.now), rules)
    return recovery, opening


def on_stranger(recovery: Recovery, traded: happened.StrangerTraded, rules: Rules) -> Decision:
    """Somebody else traded what the node holds."""
    if not may_reopen(recovery, is_wanted=True):
        return recovery, ()
    account_id, instrument_id = traded.account_id, traded.instrument_id
    return open_next(
        recovery,
        traded,
        rules,
        "proof",
        concerned=frozenset({account_id}),
        doubts=(unasked(account_id, instrument_id, rules.policy),),
    )


def on_leased(recovery: Recovery, leased: happened.Leased, rules: Rules) -> Decision:
    """The lease of the trader is lost, or held again."""
    recovery = _replace(recovery, fenced=leased.problem)
    if rules.policy.shadow or recovery.state is None or not recovery.is_trader_running:
        return recovery, ()  # An epoch that is open is judged by it
    opening: tuple[Action, ...] = ()
    if not leased.problem:
        report = recovery.report
        if report is None or report.failure is not FailureReason.ANOTHER_NODE:
            return recovery, ()
        required = recovery.required_accounts(rules, leased.known)
        kept = {"reports": recovery.reports, "ts_reconciled": recovery.ts_reconciled}
        recovery, opening = open_next(recovery, leased, rules, recovery.trigger, required=required)
        return _replace(recovery, **kept), opening
    if recovery.phase is RecoveryPhase.COMPLETE:
        recovery, opening = open_next(recovery, leased, rules, "proof")
    recovery, actions = advance(recovery, epoch.Fenced(leased.problem), rules)
    return recovery, (*opening, *actions)

"""
One epoch after another: when a new one opens, what it takes over (long: one state, all its cases).

What `epoch` is inside an epoch, this is between them: `decide` takes the state and what happened,
and returns the next state and what to do, in order. A host states facts, carries the actions out,
answers `Judge` with `Judged` and `Fail` with `Described`, and decides nothing.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from operator import attrgetter
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core import proving
from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Fact
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.happenings import Read
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.proof import unasked
from nautilus_recovery_actor.core.proving import Pace
from nautilus_recovery_actor.core.proving import Proving
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.core.report import Approval
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.verdict import Judgment


# How often an epoch repairs: what another trade made of a difference is planned anew
MOST_REPAIRINGS = 6
# A command is sent again by whoever is not sure that it arrived
_KEPT_COMMANDS = 1_000

_replace = msgspec.structs.replace
_subject = attrgetter("kind", "account_id", "instrument_id")


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says about recoveries."""

    timing: Timing
    policy: Policy
    # The accounts that must report at a start, ``None`` for those that the cache knows
    accounts: frozenset[str] | None = None
    reopens_on_mass_status: bool = True
    reopens_on_synthetic_fill: bool = True
    # Whether a failure shuts the node down
    shuts_down: bool = False
    # Whether a plan is carried out without an operator's word
    is_repairing: bool = False
    # How often the venues are asked while nothing is recovered
    pace: Pace = Pace()


class Recovery(msgspec.Struct, frozen=True):
    """The current epoch, and what it took over from those before."""

    epoch: int
    # When it opened (UNIX ns)
    ts_started: int
    trigger: str = "startup"
    # ``None`` until the kernel starts
    state: RecoveryState | None = None
    is_trader_running: bool = False
    # What counts as reported in this epoch, by account, and when the last of it came (UNIX ns)
    reports: Mapping[str, Read] = {}
    ts_reconciled: int | None = None
    # The accounts that must report, ``None`` for those that a start requires; and those that must
    # report again as well, since their clients were seen disconnected
    required: frozenset[str] | None = None
    demanded: frozenset[str] = frozenset()
    disconnected: frozenset[str] = frozenset()
    # The accounts that the epoch is about, ``None`` for all: what their venues have answered since
    # they reported, and those that are to report once more
    concerned: frozenset[str] | None = None
    answers: tuple[Answer, ...] = ()
    outdated: frozenset[str] = frozenset()
    # What was done in it to make the cache equal to the venue
    repairs: tuple[RepairStep, ...] = ()
    # The steps that were made, or failed and why, so that none is planned again that changed
    # nothing; and those that are being made
    tried: Mapping[Step, str] = {}
    repairings: int = 0
    under_way: tuple[Step, ...] = ()
    # The accounts and instruments whose past the venues are asked for
    explored: frozenset[tuple[str, str]] = frozenset()
    # The operator's word on which repairs are made, until they are
    approval: Approval | None = None
    is_approved: bool = False
    # What the epoch before found, and what this one found when it was checked last
    carried: tuple[Discrepancy, ...] = ()
    earlier: tuple[Discrepancy, ...] = ()
    # When the venue reported (UNIX ns), by account and instrument whose fills the engine guessed
    guessed: Mapping[tuple[str, str], int] = {}
    # When epochs opened at run time (UNIX ns)
    openings: tuple[int, ...] = ()
    command_ids: tuple[str, ...] = ()
    # Whether the host raised in this epoch: what raised may have been any account's report
    is_broken: bool = False
    # Why another node may run this trader, empty if none can
    fenced: str = ""
    # What the venues are asked once it has ended
    proving: Proving = Proving()
    # Set once the epoch has ended
    report: RecoveryReport | None = None

    @property
    def phase(self) -> RecoveryPhase:
        """Where the epoch stands."""
        return RecoveryPhase.PENDING if self.state is None else self.state.phase

    def phase_at(self, flagged: int) -> RecoveryPhase:
        """Return where it stands after so many flagged events: no work is done for each."""
        if flagged and self.state is not None and self.phase is RecoveryPhase.PENDING:
            return RecoveryPhase.RECONCILING
        return self.phase

    @property
    def is_rechecking(self) -> bool:
        """Whether something blocked when it was checked, and is checked again."""
        return self.state is not None and self.state.limit is not None and not self.state.is_over

    @property
    def is_asking(self) -> bool:
        """Whether an answer of the venues is awaited."""
        return self.state is not None and self.state.asking_until is not None

    @property
    def is_starting(self) -> bool:
        """Whether the trader has yet to start."""
        return self.report is None and self.state is not None and self.state.settle_at is None

    @property
    def wake_at(self) -> int | None:
        """When the host has to send `Woke` (UNIX ns), ``None`` if nothing is due."""
        if self.report is None:
            return None if self.state is None else self.state.wake_at
        due = [one.ts_until for one in self.report.overrides if one.ts_ended is None]
        if self.is_trader_running and self.proving.wake_at is not None:
            due.append(self.proving.wake_at)
        return min(due, default=None)

    def required_accounts(self, rules: Rules, known: frozenset[str]) -> frozenset[str]:
        """Return the accounts that must report in this epoch; `known` are those of the cache."""
        at_start = known if rules.accounts is None else rules.accounts
        return (at_start if self.required is None else self.required) | self.demanded

    def is_in_doubt(self, account_id: str, instrument_id: str, ts_event: int) -> bool:
        """Return whether a fill is so old that the engine may have guessed it before it came."""
        return ts_event <= self.guessed.get((account_id, instrument_id), -1)


Decision: TypeAlias = tuple[Recovery, tuple[Action, ...]]


def decide(recovery: Recovery, happening: Happening, rules: Rules) -> Decision:
    """
    Return the next state and what to do, in order.

    An epoch opens only when the one before has ended, and nothing follows the end of an epoch but
    the next one: so each has exactly one terminal message.
    """
    later, actions = _decided(recovery, happening, rules)
    return _proof_followed(recovery, later, happening, actions, rules)


def _decided(recovery: Recovery, happening: Happening, rules: Rules) -> Decision:  # noqa: C901  One case each
    match happening:
        case happened.KernelStarted(now):
            state = epoch.open_startup(now, rules.timing)
            recovery = _replace(recovery, proving=Proving(chance=happening.chance))
            return _replace(recovery, ts_started=now, state=state), (happened.Open(),)
        case happened.BacktestStarted(now):
            return _backtested(recovery, now, rules)
        case happened.Broke():
            return _broken(recovery, happening, rules)
        case happened.Commanded():
            return _commanded(recovery, happening, rules)
        case happened.Leased():
            return _leased(recovery, happening, rules)
        case happened.TraderRuns():
            return _replace(recovery, is_trader_running=True), ()
        case _ if recovery.state is None:
            return recovery, ()
        case epoch.Stopped():
            return _advanced(_replace(recovery, is_trader_running=False), happening, rules)
        case epoch.TraderStarted() | epoch.Changed():
            return _advanced(recovery, happening, rules)
        case epoch.Woke():
            return _woken(recovery, happening, rules)
        case happened.Reported():
            return _reported(recovery, happening, rules)
        case happened.FlaggedAtRuntime(is_made_up=is_made_up):
            if _may_reopen(recovery, is_made_up and rules.reopens_on_synthetic_fill):
                return _opened(
                    recovery, happening, rules, "synthetic_fill", concerned=happening.accounts
                )
            is_over = recovery.phase is RecoveryPhase.COMPLETE
            return recovery, (happened.Absorb(),) if is_over else ()
        case happened.Doubted():
            return _doubted(recovery, happening, rules)
        case happened.Proved():
            return _proved(recovery, happening, rules)
        case happened.Stirred(now):
            stirred = proving.stirred(recovery.proving, now, rules.pace)
            return _replace(recovery, proving=stirred), ()
        case happened.Looked():
            return _looked(recovery, happening, rules)
        case happened.Returning():
            return _returning(recovery, happening, rules)
        case happened.StrangerTraded():
            return _stranger_traded(recovery, happening, rules)
        case happened.Returned(now, flagged):
            return _advanced(recovery, epoch.Returned(now, flagged), rules)
        case happened.Answered():
            return _answered(recovery, happening, rules)
        case happened.Judged():
            return _judged(recovery, happening, rules)
        case happened.Repaired():
            return _repaired(recovery, happening, rules)
        case happened.Described():
            return _described(recovery, happening, rules)
        case _:
            raise TypeError(f"Not a happening: {happening!r}")


# -- OPENING --


def _opened(
    recovery: Recovery,
    fact: Fact,
    rules: Rules,
    trigger: str,
    *,
    required: frozenset[str] = frozenset(),
    concerned: frozenset[str] | None = None,
    doubts: tuple[Discrepancy, ...] = (),
) -> Decision:
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
        opened, actions = _advanced(opened, epoch.Stormed(), rules)
        return opened, (*ended, happened.Open(is_at_runtime=True), *actions)
    return opened, (*ended, happened.Open(is_at_runtime=True))


def _may_reopen(recovery: Recovery, is_wanted: bool) -> bool:
    return is_wanted and recovery.phase is RecoveryPhase.COMPLETE


def _backtested(recovery: Recovery, now: int, rules: Rules) -> Decision:
    state = epoch.open_runtime(now, 0, rules.timing)
    recovery = _replace(
        recovery, trigger="backtest", ts_started=now, state=state, required=frozenset()
    )
    # No time has to pass where time is simulated, and no venue can be asked
    rules = _replace(rules, timing=_replace(rules.timing, asks=0))
    recovery, actions = _advanced(recovery, epoch.Woke(now + rules.timing.settle, 0), rules)
    return recovery, (happened.Open(), *actions)


def _broken(recovery: Recovery, broke: happened.Broke, rules: Rules) -> Decision:
    opening: tuple[Action, ...] = ()
    if recovery.state is None:
        recovery = _replace(recovery, state=epoch.open_startup(broke.now, rules.timing))
    elif recovery.phase is RecoveryPhase.COMPLETE:
        # What could not be read at run time must not leave a gate open
        recovery, opening = _opened(recovery, broke, rules, "mass_status")
    # Nothing counts but what comes from now on
    recovery = _replace(recovery, reports={}, is_broken=True)
    if recovery.phase is RecoveryPhase.FAILED and recovery.report is None:
        # What raised was the carrying out of this failure
        return recovery, (happened.Fail(FailureReason.INTERNAL_ERROR, broke.message),)
    recovery, actions = _advanced(recovery, epoch.Broke(broke.message), rules)
    return recovery, (*opening, *actions)


def _reported(recovery: Recovery, reported: happened.Reported, rules: Rules) -> Decision:
    opening: tuple[Action, ...] = ()
    account = frozenset({reported.account_id})
    if is_new := _may_reopen(recovery, rules.reopens_on_mass_status):
        recovery, opening = _opened(recovery, reported, rules, "mass_status", concerned=account)
    elif recovery.phase is RecoveryPhase.COMPLETE:
        return recovery, ()
    is_asked_for = reported.account_id in recovery.outdated and recovery.is_asking
    # Also under a failure: an operator may resume with it
    reports = {**recovery.reports, reported.account_id: reported.read}
    outdated = recovery.outdated - account
    recovery = _replace(recovery, ts_reconciled=reported.now, reports=reports, outdated=outdated)
    recovery = _concerning(recovery, reported.account_id)
    if not is_new:
        recovery, _ = _advanced(recovery, epoch.Seen(), rules)
    if not (is_new or is_asked_for):  # What was asked for is followed by an answer anyway
        recovery, _ = _advanced(recovery, epoch.Unasked(reported.now), rules)
    return recovery, opening


def _doubted(recovery: Recovery, doubted: happened.Doubted, rules: Rules) -> Decision:
    found = doubt(doubted.account_id, doubted.instrument_id, rules.policy)
    reported = () if recovery.report is None else recovery.report.discrepancies
    standing = {_subject(one) for one in (*recovery.carried, *reported) if one.is_blocking}
    if _subject(found) in standing:
        return recovery, ()  # Blocked already, until that is proven away
    if _may_reopen(recovery, rules.reopens_on_synthetic_fill):
        concerned = frozenset({doubted.account_id})
        return _opened(
            recovery, doubted, rules, "synthetic_fill", concerned=concerned, doubts=(found,)
        )
    if recovery.phase is RecoveryPhase.COMPLETE:
        return recovery, ()
    carried = (*recovery.carried, found)
    recovery = _concerning(_replace(recovery, carried=carried), doubted.account_id)
    return _advanced(recovery, epoch.Unasked(doubted.now), rules)


def _looked(recovery: Recovery, looked: happened.Looked, rules: Rules) -> Decision:
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
        return _demanding(recovery, lost), (warning,)
    if not rules.reopens_on_mass_status:
        return recovery, (warning,)
    recovery, actions = _opened(
        recovery, looked, rules, "mass_status", required=lost, concerned=lost
    )
    return recovery, (warning, *actions)


def _returning(recovery: Recovery, returning: happened.Returning, rules: Rules) -> Decision:
    account = frozenset({returning.account_id})
    if not recovery.is_trader_running or recovery.state is None:
        return recovery, ()
    opening: tuple[Action, ...] = ()
    if recovery.phase is not RecoveryPhase.COMPLETE:
        recovery = _demanding(recovery, account)
    elif not rules.reopens_on_mass_status:
        return recovery, ()
    else:
        recovery, opening = _opened(
            recovery, returning, rules, "mass_status", required=account, concerned=account
        )
    recovery, _ = _advanced(recovery, epoch.Returning(returning.now), rules)
    return recovery, opening


def _stranger_traded(recovery: Recovery, traded: happened.StrangerTraded, rules: Rules) -> Decision:
    if not _may_reopen(recovery, is_wanted=True):
        return recovery, ()
    account_id, instrument_id = traded.account_id, traded.instrument_id
    return _opened(
        recovery,
        traded,
        rules,
        "proof",
        concerned=frozenset({account_id}),
        doubts=(unasked(account_id, instrument_id, rules.policy),),
    )


# -- BETWEEN TWO EPOCHS --


def _proving(recovery: Recovery, now: int, rules: Rules) -> Decision:
    wake_at = recovery.proving.wake_at
    if recovery.report is None or wake_at is None or wake_at > now:
        return recovery, ()
    missed = frozenset(proving.silent(recovery.report))
    explored = recovery.proving.unexplored_at(now)
    asking = _replace(recovery, proving=proving.asked(recovery.proving, now, rules.pace))
    return asking, (happened.Prove(missed or None, explored),)


def _proved(recovery: Recovery, proved: happened.Proved, rules: Rules) -> Decision:
    report, before, pace = recovery.report, recovery.proving, rules.pace
    if report is None or before.asked_at is None or not recovery.is_trader_running:
        return recovery, ()
    if report.failure is None:
        required = proved.known if rules.accounts is None else rules.accounts
        after, opening = proving.taken(before, proved, report, pace, rules.policy, required)
    else:
        after, opening = proving.retried(before, proved, report, pace)
    recovery = _replace(recovery, proving=after)
    if opening is not None:
        return _opened_by_proof(recovery, proved, opening, rules)
    if after.command_id is None or after.again_at is not None:  # It is asked again first
        return recovery, ()
    answer = happened.Answer(after.command_id, *proving.said(proved, report))
    log = happened.Log(Severity.INFO if answer.is_accepted else Severity.WARN, answer.text)
    return _replace(recovery, proving=_replace(after, command_id=None)), (log, answer)


def _opened_by_proof(
    recovery: Recovery, proved: happened.Proved, opening: proving.Opening, rules: Rules
) -> Decision:
    concerned: frozenset[str] | None = opening.accounts
    required = frozenset[str]()
    kept: dict[str, object] = {}
    if opening.is_retry:
        concerned = recovery.concerned and recovery.concerned | opening.accounts
        required = recovery.required_accounts(rules, proved.known)
        kept = {"reports": recovery.reports, "ts_reconciled": recovery.ts_reconciled}
    opened, actions = _opened(
        recovery,
        proved,
        rules,
        "proof",
        required=required,
        concerned=concerned,
        doubts=opening.doubts,
    )
    severity = Severity.WARN if opening.doubts else Severity.INFO
    log = happened.Log(severity, opening.text)
    # They are to report once more, where that can be
    return _replace(opened, outdated=opening.accounts, **kept), (log, *actions)


def _proof_followed(
    before: Recovery,
    after: Recovery,
    happening: Happening,
    actions: tuple[Action, ...],
    rules: Rules,
) -> Decision:
    report, now = after.report, getattr(happening, "now", 0)
    if report is None:
        return after, actions
    if before.report is None:
        unexplored = frozenset[tuple[str, str]]()
        if isinstance(happening, happened.Judged):
            unexplored = happening.judgment.plan.unexplored & after.explored
        ended = proving.ended(
            after.proving,
            report,
            now,
            rules.pace,
            is_all=after.concerned is None,
            explored=after.explored,
            unexplored=unexplored,
        )
        if new := sorted(unexplored - after.proving.unexplored.keys()):
            text = proving.past_missing(new, rules.pace)
            actions = (*actions, happened.Log(Severity.WARN, text))
        if ended.command_id is not None:
            is_proven = report.failure is None and not report.blocked_instruments
            result = report.outcome or report.failure
            text = f"Recovery epoch {after.epoch} ended {result}: {report.message}"
            actions = (*actions, happened.Answer(ended.command_id, is_proven, text))
        return _replace(after, proving=_replace(ended, command_id=None)), actions
    is_back = isinstance(happening, happened.Reported) or (
        isinstance(happening, happened.Looked) and before.disconnected - after.disconnected
    )
    if is_back and rules.pace.interval is not None and proving.silent(report):
        # Who was waited for may be there
        after = _replace(after, proving=proving.soon(after.proving, now))
    return after, actions


# -- FROM ITS OPENING TO ITS END --


def _advanced(recovery: Recovery, what: epoch.Happening, rules: Rules) -> Decision:
    assert recovery.state is not None
    state, action = epoch.decide(recovery.state, what, rules.timing)
    recovery = _replace(recovery, state=state)
    match action:
        case epoch.Ask():
            # Who has to report, and has not, is asked for that at once
            required = (recovery.required or frozenset()) | recovery.demanded
            again = recovery.outdated | (required - recovery.reports.keys())
            ask = happened.Ask(recovery.concerned, again, recovery.explored)
            return _replace(recovery, outdated=again), (ask,)
        case epoch.Judge():
            return recovery, (happened.Judge(),)
        case epoch.Fail(reason, message):
            is_stopping = isinstance(what, epoch.Stopped)
            return recovery, (happened.Fail(reason, message, is_stopping),)
        case _:
            return recovery, ()


def _woken(recovery: Recovery, woke: epoch.Woke, rules: Rules) -> Decision:
    if recovery.report is not None:
        recovery, actions = _expired(recovery, recovery.report, woke.now)
        recovery, asking = _proving(recovery, woke.now, rules)
        return recovery, (*actions, *asking)
    if woke.flagged:
        recovery, _ = _advanced(recovery, epoch.Seen(), rules)
    recovery, actions = _advanced(recovery, woke, rules)
    if any(isinstance(action, happened.Ask | happened.Judge) for action in actions):
        recovery = _demanding(recovery, woke.disconnected)
    return recovery, actions


def _answered(recovery: Recovery, answered: happened.Answered, rules: Rules) -> Decision:
    if recovery.report is not None:
        return recovery, ()
    recovery = _replace(
        recovery, answers=(*recovery.answers, *answered.answers), outdated=frozenset()
    )
    return _advanced(recovery, epoch.Answered(answered.now, answered.flagged), rules)


def _demanding(recovery: Recovery, lost: frozenset[str]) -> Recovery:
    # What a client reported before it was disconnected is of no use
    kept = {key: report for key, report in recovery.reports.items() if key not in lost}
    answers = tuple(answer for answer in recovery.answers if answer.account_id not in lost)
    demanded = recovery.demanded | lost
    recovery = _replace(recovery, demanded=demanded, reports=kept, answers=answers)
    return _concerning(recovery, *lost)


def _concerning(recovery: Recovery, *accounts: str) -> Recovery:
    # A start concerns all of them
    concerned = recovery.concerned
    if concerned is None:
        return recovery
    return _replace(recovery, concerned=concerned.union(accounts))


def _judged(recovery: Recovery, judged: happened.Judged, rules: Rules) -> Decision:
    report, guessed = judged.judgment.report, judged.judgment.guessed
    was_rechecking = recovery.is_rechecking
    blocking = sum(found.is_blocking for found in report.discrepancies)
    unreported = {at: ts for at, ts in recovery.guessed.items() if at[0] not in recovery.reports}
    recovery = _replace(
        recovery,
        earlier=report.discrepancies,
        guessed={**unreported, **guessed},
        outdated=judged.judgment.outdated,
    )
    if unexplored := _unexplored(recovery, judged.judgment, rules):
        recovery = _replace(recovery, explored=recovery.explored | unexplored)
        recovery, actions = _advanced(recovery, epoch.Again(judged.now), rules)
        return recovery, actions if was_rechecking else (_rechecks(recovery, blocking, rules),)
    if recovery.fenced and not rules.policy.shadow:
        return _advanced(recovery, epoch.Fenced(recovery.fenced), rules)
    recovery, logs, steps = _due(recovery, judged, rules)
    if steps:
        return _repairing(recovery, judged, steps, rules)
    is_pending = judged.judgment.is_pending
    what = epoch.Judged(judged.now, report.failure, report.message, bool(blocking), is_pending)
    recovery, actions = _advanced(recovery, what, rules)
    if recovery.phase is RecoveryPhase.COMPLETE:
        report = _replace(report, ts_completed=judged.now)
        recovery = _replace(recovery, report=report, reports={}, answers=(), carried=())
        return recovery, (*logs, happened.End(MessageKind.COMPLETE, report))
    if was_rechecking or not recovery.is_rechecking:
        return recovery, (*logs, *actions)
    return recovery, (*logs, _rechecks(recovery, blocking, rules))


def _rechecks(recovery: Recovery, blocking: int, rules: Rules) -> happened.Log:
    text = (
        f"Recovery epoch {recovery.epoch}: {blocking} blocking differences, "
        f"checking again for {rules.timing.verify / 1e9:g} s"
    )
    return happened.Log(Severity.WARN, text)


def _unexplored(recovery: Recovery, judgment: Judgment, rules: Rules) -> frozenset[tuple[str, str]]:
    return judgment.plan.unexplored - recovery.explored if rules.timing.asks else frozenset()


def _due(
    recovery: Recovery, judged: happened.Judged, rules: Rules
) -> tuple[Recovery, tuple[Action, ...], tuple[Step, ...]]:
    plan = judged.judgment.plan
    steps = tuple(one for one in plan.steps if one not in recovery.tried)
    if not steps or recovery.repairings >= MOST_REPAIRINGS:
        return recovery, (), ()
    given = recovery.approval
    if rules.is_repairing and not recovery.is_approved:
        unsure = {step.place for step in plan.steps if step.needs_word}
        return recovery, (), tuple(step for step in steps if step.place not in unsure)
    if recovery.is_approved and given is not None:
        recovery = _replace(recovery, is_approved=False)
        told = planned((step.told for step in plan.steps), given.instrument_id)
        if plan_id(told) == given.plan_id:
            return recovery, (), tuple(step for step in steps if step.told in told)
        text = (
            f"Recovery epoch {recovery.epoch}: venue or cache have changed since the repair was "
            "approved, so nothing was repaired: look at the new plan"
        )
        return recovery, (happened.Log(Severity.WARN, text),), ()
    return recovery, (), tuple(_automatic(steps)) if rules.policy.repairs else ()


def _automatic(steps: Iterable[Step]) -> Iterator[Step]:
    # Those that wait for nothing, and follow nothing that does
    waiting: set[tuple[str, str]] = set()
    for step in steps:
        if step.is_automatic and step.place not in waiting:
            yield step
        else:
            waiting.add(step.place)


def _repairing(
    recovery: Recovery, judged: happened.Judged, steps: tuple[Step, ...], rules: Rules
) -> Decision:
    recovery, actions = _advanced(recovery, epoch.Repairing(judged.now), rules)
    tried, repairings = {**recovery.tried, **dict.fromkeys(steps, "")}, recovery.repairings + 1
    recovery = _replace(recovery, under_way=steps, tried=tried, repairings=repairings)
    logs = tuple(
        happened.Log(Severity.WARN, f"Repair of {step.told.instrument_id}: {step.told.detail}")
        for step in steps
    )
    return recovery, (*logs, happened.Repair(steps), *actions)


def _repaired(recovery: Recovery, repaired: happened.Repaired, rules: Rules) -> Decision:
    if recovery.report is not None:
        return recovery, ()
    made = (_replace(step.told, state="made") for step in recovery.under_way[: repaired.made])
    left = recovery.under_way[repaired.made + 1 :]
    tried = {step: why for step, why in recovery.tried.items() if step not in left}
    if repaired.problem is not None:
        tried |= dict.fromkeys(recovery.under_way[repaired.made :][:1], repaired.problem)
    recovery = _replace(
        recovery,
        repairs=(*recovery.repairs, *made),
        # What was not begun may be planned again, and what failed not
        tried=tried,
        under_way=(),
        # The past has changed too
        answers=tuple(_replace(one, explored=frozenset()) for one in recovery.answers),
    )
    logs: tuple[Action, ...] = ()
    if repaired.problem is not None:
        text = f"Recovery epoch {recovery.epoch}: a repair stopped, planning anew: "
        logs = (happened.Log(Severity.WARN, text + repaired.problem),)
    recovery, actions = _advanced(recovery, epoch.Repaired(repaired.now, repaired.flagged), rules)
    return recovery, (*logs, *actions)


def _described(recovery: Recovery, described: happened.Described, rules: Rules) -> Decision:
    reason, message = described.failure.reason, described.failure.message
    report = _replace(described.report, failure=reason, message=message, ts_completed=described.now)
    actions: tuple[Action, ...] = (happened.End(MessageKind.FAILED, report),)
    if rules.shuts_down and not described.failure.is_stopping:
        actions += (happened.Shutdown(f"RecoveryFailed {reason}: {message}"),)
    return _replace(recovery, report=report), actions


# -- ONE NODE PER TRADER --


def _leased(recovery: Recovery, leased: happened.Leased, rules: Rules) -> Decision:
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
        recovery, opening = _opened(recovery, leased, rules, recovery.trigger, required=required)
        return _replace(recovery, **kept), opening
    if recovery.phase is RecoveryPhase.COMPLETE:
        recovery, opening = _opened(recovery, leased, rules, "proof")
    recovery, actions = _advanced(recovery, epoch.Fenced(leased.problem), rules)
    return recovery, (*opening, *actions)


# -- OPERATORS --


def _commanded(recovery: Recovery, command: happened.Commanded, rules: Rules) -> Decision:
    if command.command_id in recovery.command_ids:
        return recovery, ()
    command_ids = (*recovery.command_ids, command.command_id)[-_KEPT_COMMANDS:]
    recovery = _replace(recovery, command_ids=command_ids)
    if command.action == "verify":
        return _verifying(recovery, command)
    asked = f"{command.action} by {command.operator} ({command.reason})"
    obeyed = {"resume": _resumed, "repair": _approved}.get(command.action, _revised)
    try:
        overrides.check_age(command.now, command.ts_expires)
        recovery, actions, text = obeyed(recovery, command, rules)
    except overrides.RefusedError as e:
        log = happened.Log(Severity.BLOCK, f"Refused to {asked}: {e}")
        return recovery, (log, happened.Answer(command.command_id, False, str(e)))
    log = happened.Log(Severity.WARN, f"{text}: {asked}")
    return recovery, (*actions, log, happened.Answer(command.command_id, True, text))


def _verifying(recovery: Recovery, command: happened.Commanded) -> Decision:
    # It is answered when the proof is made
    why = None
    if not recovery.is_trader_running:
        why = "The trader is not running: there is nothing to compare"
    elif recovery.report is None:
        why = f"Recovery epoch {recovery.epoch} is in progress: try again when it has ended"
    elif recovery.proving.command_id is not None:
        why = "A proof is being made for another command: wait for it"
    elif command.now >= command.ts_expires:
        why = "The command is too old: its sender stopped waiting for it"
    asked = f"verify by {command.operator} ({command.reason})"
    if why is not None:
        log = happened.Log(Severity.WARN, f"Refused to {asked}: {why}")
        return recovery, (log, happened.Answer(command.command_id, False, why))
    waiting = _replace(proving.soon(recovery.proving, command.now), command_id=command.command_id)
    log = happened.Log(Severity.INFO, f"Asking the venues: {asked}")
    return _replace(recovery, proving=waiting), (log,)


def _revised(
    recovery: Recovery, command: happened.Commanded, _: Rules
) -> tuple[Recovery, tuple[Action, ...], str]:
    now, instrument_id = command.now, command.instrument_id
    report = recovery.report
    if report is None:
        raise overrides.RefusedError(
            f"Recovery epoch {recovery.epoch} has not completed: try again when it has"
        )
    if command.action == "release":
        report = overrides.released(
            report, instrument_id, command.reason, command.operator, now, command.duration
        )
        text = f"Released {instrument_id} for {command.duration / 60e9:g} min"
    else:
        report = overrides.withdrawn(report, instrument_id, now)
        text = f"Blocked {instrument_id} again"
    return _replace(recovery, report=report), (happened.Revise(report),), text


def _resumed(
    recovery: Recovery, command: happened.Commanded, rules: Rules
) -> tuple[Recovery, tuple[Action, ...], str]:
    overrides.may_resume(recovery.phase, recovery.epoch, recovery.is_trader_running)
    if recovery.fenced:
        raise overrides.RefusedError(recovery.fenced)
    required = recovery.required_accounts(rules, command.known)
    if recovery.is_broken:
        required |= command.known
    resumed, actions = _opened(recovery, command, rules, recovery.trigger, required=required)
    kept = {"reports": recovery.reports, "ts_reconciled": recovery.ts_reconciled}
    resumed = _replace(resumed, openings=(), **kept)
    return resumed, actions, f"Opened recovery epoch {resumed.epoch}"


def _approved(
    recovery: Recovery, command: happened.Commanded, rules: Rules
) -> tuple[Recovery, tuple[Action, ...], str]:
    report, instrument_id = recovery.report, command.instrument_id
    if report is None:
        raise overrides.RefusedError(
            f"Recovery epoch {recovery.epoch} has not completed: try again when it has"
        )
    if rules.policy.shadow:
        raise overrides.RefusedError("The node repairs nothing: it runs in `shadow`")
    if not rules.policy.plans:
        raise overrides.RefusedError('The node repairs nothing: set `repair` to "ask" or "auto"')
    steps = planned(report.repairs, instrument_id)
    where = f" for {instrument_id}" if instrument_id else ""
    if not (steps and recovery.is_trader_running and recovery.phase is RecoveryPhase.COMPLETE):
        raise overrides.RefusedError(f"No repair is planned{where}: look at the report")
    if plan_id(steps) != command.plan_id:
        raise overrides.RefusedError(f"The plan{where} is another by now: look at it again")
    approval = Approval(
        command.operator, command.reason, command.now, command.plan_id, instrument_id
    )
    accounts = frozenset(step.account_id for step in steps)
    opened, actions = _opened(recovery, command, rules, "proof", concerned=accounts)
    opened = _replace(opened, approval=approval, is_approved=True, openings=())
    what = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    return opened, actions, f"Opened recovery epoch {opened.epoch} to carry out {what}"


def _expired(recovery: Recovery, report: RecoveryReport, now: int) -> Decision:
    later = overrides.expired(report, now)
    logs = tuple(
        happened.Log(Severity.WARN, f"Blocked {after.instrument_id} again: the release expired")
        for before, after in zip(report.overrides, later.overrides, strict=True)
        if before != after
    )
    return _replace(recovery, report=later), (*logs, happened.Revise(later)) if logs else ()

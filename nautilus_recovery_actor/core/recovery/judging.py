"""
From the opening of an epoch to its end.
"""

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.recovery.operators import expire
from nautilus_recovery_actor.core.recovery.proofs import ask_if_due
from nautilus_recovery_actor.core.recovery.repairing import begin
from nautilus_recovery_actor.core.recovery.repairing import due
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules
from nautilus_recovery_actor.core.recovery.state import advance
from nautilus_recovery_actor.core.recovery.state import demand
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.core.verdict import Judgment


_replace = msgspec.structs.replace


def on_woken(recovery: Recovery, woke: epoch.Woke, rules: Rules) -> Decision:
    """The time has come that the recovery waited for."""
    if recovery.report is not None:
        recovery, actions = expire(recovery, recovery.report, woke.now)
        recovery, asking = ask_if_due(recovery, woke.now, rules)
        return recovery, (*actions, *asking)
    if woke.flagged:
        recovery, _ = advance(recovery, epoch.Seen(), rules)
    recovery, actions = advance(recovery, woke, rules)
    if any(isinstance(action, happened.Ask | happened.Judge) for action in actions):
        recovery = demand(recovery, woke.disconnected)
    return recovery, actions


def on_answered(recovery: Recovery, answered: happened.Answered, rules: Rules) -> Decision:
    """The venues have answered in the epoch."""
    if recovery.report is not None:
        return recovery, ()
    recovery = _replace(
        recovery, answers=(*recovery.answers, *answered.answers), outdated=frozenset()
    )
    return advance(recovery, epoch.Answered(answered.now, answered.flagged), rules)


def on_judged(recovery: Recovery, judged: happened.Judged, rules: Rules) -> Decision:
    """The host has judged: the epoch ends, repairs, or checks again."""
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
        recovery, actions = advance(recovery, epoch.Again(judged.now), rules)
        return recovery, actions if was_rechecking else (_rechecks(recovery, blocking, rules),)
    if recovery.fenced and not rules.policy.shadow:
        return advance(recovery, epoch.Fenced(recovery.fenced), rules)
    recovery, logs, steps = due(recovery, judged, rules)
    if steps:
        return begin(recovery, judged, steps, rules)
    is_pending = judged.judgment.is_pending
    what = epoch.Judged(judged.now, report.failure, report.message, bool(blocking), is_pending)
    recovery, actions = advance(recovery, what, rules)
    if recovery.phase is RecoveryPhase.COMPLETE:
        report = _replace(report, ts_completed=judged.now)
        recovery = _replace(recovery, report=report, reports={}, answers=(), carried=())
        return recovery, (*logs, happened.End(MessageKind.COMPLETE, report))
    if was_rechecking or not recovery.is_rechecking:
        return recovery, (*logs, *actions)
    return recovery, (*logs, _rechecks(recovery, blocking, rules))


def _rechecks(recovery: Recovery, blocking: int, rules: Rules) -> happened.Log:
    text = (
        f"Recovery epoch {recovery.epoch}: {counted(blocking, 'blocking difference')}, "
        f"checking again for {seconds(rules.timing.verify / 1e9)}"
    )
    return happened.Log(Severity.WARN, text)


def _unexplored(recovery: Recovery, judgment: Judgment, rules: Rules) -> frozenset[tuple[str, str]]:
    return judgment.plan.unexplored - recovery.explored if rules.timing.asks else frozenset()


def on_described(recovery: Recovery, described: happened.Described, rules: Rules) -> Decision:
    """A failure is described: the epoch ends with it."""
    reason, message = described.failure.reason, described.failure.message
    report = _replace(described.report, failure=reason, message=message, ts_completed=described.now)
    actions: tuple[Action, ...] = (happened.End(MessageKind.FAILED, report),)
    if rules.shuts_down and not described.failure.is_stopping:
        actions += (happened.Shutdown(f"RecoveryFailed {reason}: {message}"),)
    return _replace(recovery, report=report), actions

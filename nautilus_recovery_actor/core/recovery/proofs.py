"""
Between two epochs: when the venues are asked again, and what their answer opens.
"""

import msgspec

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import proving
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.recovery.opening import open_next
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules


_replace = msgspec.structs.replace


def ask_if_due(recovery: Recovery, now: int, rules: Rules) -> Decision:
    """Ask the venues, if it is time."""
    wake_at = recovery.proving.wake_at
    if recovery.report is None or wake_at is None or wake_at > now:
        return recovery, ()
    missed = frozenset(proving.silent(recovery.report))
    explored = recovery.proving.unexplored_at(now)
    asking = _replace(recovery, proving=proving.asked(recovery.proving, now, rules.pace))
    return asking, (happened.Prove(missed or None, explored),)


def on_proved(recovery: Recovery, proved: happened.Proved, rules: Rules) -> Decision:
    """The venues have answered at run time."""
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
    opened, actions = open_next(
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


def follow(
    before: Recovery,
    after: Recovery,
    happening: Happening,
    actions: tuple[Action, ...],
    rules: Rules,
) -> Decision:
    """Let what is asked at run time follow what has become of the recovery."""
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

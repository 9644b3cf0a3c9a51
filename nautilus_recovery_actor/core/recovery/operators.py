"""
What an operator asks for, and what becomes of that.
"""

import msgspec

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core import proving
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.recovery.opening import open_next
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.core.report import Approval
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import counted


# A command is sent again by whoever is not sure that it arrived
_KEPT_COMMANDS = 1_000

_replace = msgspec.structs.replace


def on_commanded(recovery: Recovery, command: happened.Commanded, rules: Rules) -> Decision:
    """An operator asks for something."""
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
    resumed, actions = open_next(recovery, command, rules, recovery.trigger, required=required)
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
    opened, actions = open_next(recovery, command, rules, "proof", concerned=accounts)
    opened = _replace(opened, approval=approval, is_approved=True, openings=())
    return (
        opened,
        actions,
        f"Opened recovery epoch {opened.epoch} to carry out {counted(len(steps), 'step')}",
    )


def expire(recovery: Recovery, report: RecoveryReport, now: int) -> Decision:
    """End the releases whose time has passed."""
    later = overrides.expired(report, now)
    logs = tuple(
        happened.Log(Severity.WARN, f"Blocked {after.instrument_id} again: the release expired")
        for before, after in zip(report.overrides, later.overrides, strict=True)
        if before != after
    )
    return _replace(recovery, report=later), (*logs, happened.Revise(later)) if logs else ()

"""
Which steps of a plan are due, and what becomes of them.
"""

from collections.abc import Iterable
from collections.abc import Iterator

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules
from nautilus_recovery_actor.core.recovery.state import advance
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned


# How often an epoch repairs: what another trade made of a difference is planned anew
MOST_REPAIRINGS = 6

_replace = msgspec.structs.replace


def due(
    recovery: Recovery, judged: happened.Judged, rules: Rules
) -> tuple[Recovery, tuple[Action, ...], tuple[Step, ...]]:
    """Return the steps that are made now: nobody has to be asked, or somebody was."""
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


def begin(
    recovery: Recovery, judged: happened.Judged, steps: tuple[Step, ...], rules: Rules
) -> Decision:
    """Have steps carried out."""
    recovery, actions = advance(recovery, epoch.Repairing(judged.now), rules)
    tried, repairings = {**recovery.tried, **dict.fromkeys(steps, "")}, recovery.repairings + 1
    recovery = _replace(recovery, under_way=steps, tried=tried, repairings=repairings)
    logs = tuple(
        happened.Log(Severity.WARN, f"Repair of {step.told.instrument_id}: {step.told.detail}")
        for step in steps
    )
    return recovery, (*logs, happened.Repair(steps), *actions)


def on_repaired(recovery: Recovery, repaired: happened.Repaired, rules: Rules) -> Decision:
    """Steps were carried out, or the first of them that could not be is known."""
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
    recovery, actions = advance(recovery, epoch.Repaired(repaired.now, repaired.flagged), rules)
    return recovery, (*logs, *actions)

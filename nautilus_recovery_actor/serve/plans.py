"""
What differs, and the repairs that are planned: each is told once, and both belong together.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.outside.record.status import NodeStatus


# How many differences of a trader are told, and how many steps with each
_DIFFERENCES = 6
_STEPS = 2

_Place = tuple[str, str]


def lines(status: NodeStatus, report: RecoveryReport | None) -> Iterator[tuple[Severity, str]]:
    """Yield what blocks, each with its plan, and the repairs that are left."""
    found = [one for one in report.discrepancies if one.is_blocking] if report else []
    told = set[_Place]()
    for one in found[:_DIFFERENCES]:
        steps = _planned(status, _place(one))
        if not steps:
            yield Severity.BLOCK, wording.discrepancy_line(one)
        elif _place(one) in told:
            yield Severity.BLOCK, wording.difference(one)
        else:
            yield Severity.BLOCK, _with_plan(one, steps)
        told.add(_place(one))
    if (more := len(found) - _DIFFERENCES) > 0:
        yield Severity.WARN, f"More differences that block, only in the report: {more}"
    left = [one for one in status.repairs if _is_left(one, told)]
    yield from wording.repair_lines(left, status.trader_id)


def _place(one: Discrepancy | RepairStep) -> _Place:
    return one.account_id, one.instrument_id


def _planned(status: NodeStatus, place: _Place) -> list[RepairStep]:
    return [one for one in status.repairs if one.state == "planned" and _place(one) == place]


def _is_left(step: RepairStep, told: set[_Place]) -> bool:
    return step.state == "refused" or (step.state == "planned" and _place(step) not in told)


def _with_plan(found: Discrepancy, steps: list[RepairStep]) -> str:
    plan = "; ".join(step.detail for step in steps[:_STEPS])
    if (more := len(steps) - _STEPS) > 0:
        plan = f"{plan}; {counted(more, 'more step')}"
    how = "`nautilus-recovery repair`"
    return f"{wording.difference(found)}. Repair planned, carried out by {how}: {plan}"

"""
The lines of the monitor in a node's log.
"""

import traceback
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.log import Log


_BEGUN = {
    "startup": "the node starts",
    "mass_status": "a venue reports anew, or its client was disconnected",
    "synthetic_fill": "the engine made up a fill, or an earlier one is in doubt",
    "proof": "the venue and the cache may differ",
}
_NAMED = 5


def write(log: Log, severity: Severity, line: str) -> None:
    """Write a line at the level of its severity."""
    match severity:
        case Severity.INFO:
            log.info(line)
        case Severity.WARN:
            log.warning(line)
        case Severity.BLOCK:
            log.error(line)


def beginning(report: RecoveryReport, concerned: Collection[str] | None) -> str:
    """Return that an epoch begins, why, on which accounts, and what is held meanwhile."""
    why = _BEGUN.get(report.trigger, report.trigger)
    whose = ""
    if concerned:
        more = f" and {len(concerned) - _NAMED} more" if len(concerned) > _NAMED else ""
        whose = f", of {', '.join(sorted(concerned)[:_NAMED])}{more}"
    held = "Recoverable strategies send only exits until it ends"
    if report.shadow:
        held = wording.SHADOW
    return f"Recovery epoch {report.epoch} begins ({report.trigger}: {why}{whose}). {held}"


def left_no_report(epoch: int) -> str:
    """Return that the newest epoch of the runs before was cut short."""
    why = "the node was killed, or Redis has lost what it wrote"
    return f"Recovery epoch {epoch} left no report: {why}"


def asked(command: OperatorCommand) -> str:
    """Return what is asked, by whom and why."""
    return f"{command.action} by {command.operator} ({command.reason})"


class NodeLog:
    """The log of a node, which says by itself what was raised, and where."""

    def __init__(self, log: Callable[[], Any]) -> None:
        self._log = log

    def info(self, message: str, /) -> None:
        """Write what is as it should be."""
        self._log().info(message)

    def warning(self, message: str, /) -> None:
        """Write what may need somebody."""
        self._log().warning(message)

    def error(self, message: str, /) -> None:
        """Write what does need somebody."""
        self._log().error(message)

    def exception(self, message: str, ex: Exception, /) -> None:
        """Write what was raised."""
        raised = "".join(traceback.format_exception(ex))
        self._log().error(f"{message}: {ex!r}\n{raised}")

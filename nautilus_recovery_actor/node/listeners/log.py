"""
The node's log.
"""

from collections.abc import Collection

from nautilus_trader.common.component import Logger
from nautilus_trader.common.enums import LogColor

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News


_BEGUN = {
    "startup": "the node starts",
    "mass_status": "a venue reports anew, or its client was disconnected",
    "synthetic_fill": "the engine made up a fill, or an earlier one is in doubt",
    "proof": "the venue and the cache may differ",
}
_NAMED = 5


class LogListener(Listener):
    """Puts the result of each epoch into the log."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def hear(self, news: News) -> None:
        """Log the report of an epoch that ended."""
        if news.message.kind not in (MessageKind.COMPLETE, MessageKind.FAILED):
            return
        color = LogColor.GREEN if news.report.failure is None else LogColor.NORMAL
        for severity, line in wording.lines(news.report):
            write(self._log, severity, line, color)
        for block in wording.blocks(news.report):
            self._log.info(block, color)


def write(log: Logger, severity: Severity, line: str, color: LogColor = LogColor.NORMAL) -> None:
    """Write a line at the level of its severity."""
    match severity:
        case Severity.INFO:
            log.info(line, color)
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

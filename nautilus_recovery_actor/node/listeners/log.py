"""
The node's log.
"""

from nautilus_trader.common.component import Logger
from nautilus_trader.common.enums import LogColor

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News


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

"""
The journal: what a restart, and whoever looks from outside, finds of a recovery.
"""

from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News


class HistoryListener(Listener):
    """Records each report that is final or was revised."""

    def __init__(self, journal: RecoveryJournal) -> None:
        self._journal = journal

    def hear(self, news: News) -> None:
        """Record it."""
        if news.message.kind is not MessageKind.STARTED:
            self._journal.record(news.report)

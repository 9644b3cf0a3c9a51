"""
Who is informed of a recovery, and in which order.

To add one (metrics, an alert): write its file here, and a line into `listeners`.
"""

from collections.abc import Sequence

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import MessageBus

from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.listeners.bus import BusListener
from nautilus_recovery_actor.node.listeners.gates import GateListener
from nautilus_recovery_actor.node.listeners.history import HistoryListener
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News
from nautilus_recovery_actor.node.listeners.log import LogListener
from nautilus_recovery_actor.node.listeners.signals import SignalListener


__all__ = ["Audience", "Listener", "News", "listeners"]


def listeners(monitor: Actor, msgbus: MessageBus, journal: RecoveryJournal) -> tuple[Listener, ...]:
    """Return who is informed, in that order: nothing may keep the news from a gate."""
    return (
        GateListener(monitor.log, msgbus),
        BusListener(monitor.log, msgbus),
        LogListener(monitor.log),
        HistoryListener(journal),
        SignalListener(monitor),
    )


class Audience:
    """Informs every listener, whatever another one raises."""

    def __init__(self, monitor: Actor, members: Sequence[Listener]) -> None:
        self._log = monitor.log
        self._members = members
        self.is_busy = False  # While news are on their way, the next ones would overtake them

    def open(self) -> None:
        """Let each listener register what it needs on the bus."""
        for member in self._members:
            member.open()

    def close(self) -> None:
        """Let each listener take that back."""
        for member in self._members:
            member.close()

    def inform(self, news: News) -> None:
        """Inform every listener of `news`."""
        was_busy, self.is_busy = self.is_busy, True
        try:
            for member in self._members:
                try:
                    member.hear(news)
                except Exception as e:
                    name = type(member).__name__
                    self._log.exception(f"{name} raised on {news.message.kind}", e)
        finally:
            self.is_busy = was_busy

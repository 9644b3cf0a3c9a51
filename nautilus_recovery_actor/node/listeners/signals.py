"""
The blinker signals of this process.
"""

from typing import Any

from blinker import NamedSignal
from nautilus_trader.common.actor import Actor

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News


_SIGNALS = {
    MessageKind.STARTED: signals.recovery_started,
    MessageKind.COMPLETE: signals.recovery_completed,
    MessageKind.FAILED: signals.recovery_failed,
    MessageKind.OVERRIDDEN: signals.recovery_overridden,
}


class SignalListener(Listener):
    """Sends each message as its signal, and then what a final report is made of."""

    def __init__(self, monitor: Actor) -> None:
        self._monitor = monitor

    def hear(self, news: News) -> None:
        """Send the signals."""
        kind = news.message.kind
        self._send(_SIGNALS[kind], event=news.message)
        if kind not in (MessageKind.COMPLETE, MessageKind.FAILED):
            return
        if signals.fill_reconciled.receivers:
            for fill in news.report.fills:
                self._send(signals.fill_reconciled, fill=fill)
        if signals.discrepancy_found.receivers:
            for found in news.report.discrepancies:
                self._send(signals.discrepancy_found, discrepancy=found)

    def _send(self, signal: NamedSignal, **values: Any) -> None:
        signals.send(signal, self._monitor, self._monitor.log.exception, **values)

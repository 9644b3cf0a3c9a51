"""
A plain strategy, or any actor, that listens to the recovery on the message bus.

It is only informed: its orders are not held back, and whoever writes to an external stream of the
node can publish there too. For orders there is `RecoverableStrategy`, which hears its own monitor.
"""

from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryStarted


class BusListener(Strategy):
    """
    Keeps the newest word of the monitor.
    """

    def on_start(self) -> None:
        """
        Subscribe on the bus itself, and ask for what was said before.
        """
        self.is_recovered = False
        for kind in (RecoveryStarted, RecoveryComplete, RecoveryFailed):
            self.msgbus.subscribe(kind.topic(), self.on_recovery)
        self.msgbus.send("RecoveryMonitor.ask", self.on_recovery)

    def on_recovery(self, event: RecoveryStarted | RecoveryComplete | RecoveryFailed) -> None:
        """
        Follow the newest epoch; a message may come twice.
        """
        self.is_recovered = isinstance(event, RecoveryComplete)
        self.log.info(f"{type(event).__name__} of epoch {event.epoch}: {event.report.message}")
        for found in event.report.discrepancies:
            self.log.warning(f"{found.kind} {found.instrument_id}: {found.detail}")

    def on_stop(self) -> None:
        """
        Stop listening.
        """
        for kind in (RecoveryStarted, RecoveryComplete, RecoveryFailed):
            self.msgbus.unsubscribe(kind.topic(), self.on_recovery)

"""
How a strategy hears of what its gate answered, also while it starts or stops.
"""

from typing import TypeAlias

from nautilus_trader.common.enums import ComponentState
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.names import ORDER_EVENTS


Answer: TypeAlias = OrderDenied | OrderModifyRejected | OrderCancelRejected


class Telling:
    """Passes answers on to a strategy, which drops its own events unless it runs."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._untold: list[Answer] = []

    def publish(self, denied: OrderDenied) -> None:
        """Publish a denial, once the strategy can hear it."""
        if self._strategy.state == ComponentState.STARTING:
            self._untold.append(denied)
            return
        self._strategy.msgbus.publish(f"{ORDER_EVENTS}{self._strategy.id}", denied)
        self._tell(denied)

    def send(self, rejected: OrderModifyRejected | OrderCancelRejected) -> None:
        """Let the execution engine apply and publish a rejection, as that of a venue."""
        self._strategy.msgbus.send(EXEC_ENGINE_PROCESS, rejected)
        self._tell(rejected)

    def catch_up(self) -> None:
        """Publish what was denied while the strategy started."""
        untold, self._untold = self._untold, []
        for answer in untold:
            self.publish(answer)

    def after_stop(self) -> None:
        """Call the hooks for what was answered in `on_stop`."""
        untold, self._untold = self._untold, []
        for answer in untold:
            self._call_hooks(answer)

    def _tell(self, answer: Answer) -> None:
        # Nobody else tells a strategy that stops, or has stopped, that it could not get out
        if self._strategy.state == ComponentState.STOPPING:
            self._untold.append(answer)
        elif self._strategy.state == ComponentState.STOPPED:
            self._call_hooks(answer)

    def _call_hooks(self, answer: Answer) -> None:
        strategy = self._strategy
        try:
            match answer:
                case OrderDenied():
                    strategy.on_order_denied(answer)
                case OrderModifyRejected():
                    strategy.on_order_modify_rejected(answer)
                case OrderCancelRejected():
                    strategy.on_order_cancel_rejected(answer)
            strategy.on_order_event(answer)
            strategy.on_event(answer)
        except Exception as e:
            strategy.log.exception(f"A hook raised on {answer!r}", e)

"""
The orders of a strategy that a crash left without an answer, or without a trace.
"""

from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.names import TAKEN_ENDPOINT
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.unanswered import is_unresolved
from nautilus_recovery_actor.host.unanswered import lost_orders


class UnansweredOrders:
    """The orders of a strategy that the newest recovery could not account for."""

    __slots__ = ("_strategy", "report")

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        # Of the newest recovery that completed
        self.report: RecoveryReport | None = None

    @property
    def lost(self) -> tuple[LostOrder, ...]:
        """The orders that it lost, as the newest report has them."""
        return lost_orders(self.report, self._strategy.id.value)

    def take(self, lost: tuple[LostOrder, ...]) -> None:
        """Say that the strategy has taken lost orders, and that this is stored."""
        msgbus = self._strategy.msgbus
        if TAKEN_ENDPOINT in msgbus.endpoints():
            msgbus.send(TAKEN_ENDPOINT, lost)

    @property
    def unresolved(self) -> list[Order]:
        """The orders submitted before that, whose answer is still not known."""
        cache, own = self._strategy.cache, self._strategy.id
        if not cache.client_order_ids(strategy_id=own):  # Less to ask, and most have none
            return []
        asked = 0 if self.report is None else self.report.ts_started
        return [
            order
            for order in cache.orders(strategy_id=own)
            if order.ts_init < asked and is_unresolved(order, Order.status_string, cache.order)
        ]

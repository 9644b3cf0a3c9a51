"""
The orders of a strategy that a crash left without an answer, or without a trace.
"""

from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.names import TAKEN_ENDPOINT
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport


# Handed over, and no venue has answered. What the cache took for initialized may have been sent:
# it writes behind.
_UNRESOLVED = frozenset({OrderStatus.INITIALIZED, OrderStatus.RELEASED, OrderStatus.SUBMITTED})


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
        if self.report is None or not self.report.lost_orders:
            return ()
        own = self._strategy.id.value
        return tuple(lost for lost in self.report.lost_orders if lost.strategy_id == own)

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
            if order.ts_init < asked and self._is_unresolved(order)
        ]

    def _is_unresolved(self, order: Order) -> bool:
        if order.status not in _UNRESOLVED:
            return False
        if order.status != OrderStatus.INITIALIZED or order.parent_order_id is None:
            return True
        # An exit waits in the node for its entry
        parent = self._strategy.cache.order(order.parent_order_id)
        return parent is None or parent.is_closed or parent.status in _UNRESOLVED

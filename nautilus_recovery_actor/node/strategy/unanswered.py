"""
The orders of a strategy that a crash left without an answer, or without a trace.
"""

from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport


# Handed over, and no venue has answered. What the cache took for initialized may have been sent:
# it writes behind.
_UNRESOLVED = frozenset({OrderStatus.INITIALIZED, OrderStatus.RELEASED, OrderStatus.SUBMITTED})


class UnansweredOrders:
    """The orders of a strategy that the newest recovery could not account for."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._ts_asked = 0
        self.lost: tuple[LostOrder, ...] = ()

    def take(self, report: RecoveryReport) -> None:
        """Take what a recovery that completed has found."""
        self._ts_asked = report.ts_started
        self.lost = report.lost_orders  # Next to always there are none
        if self.lost:
            own = self._strategy.id.value
            self.lost = tuple(lost for lost in self.lost if lost.strategy_id == own)

    @property
    def unresolved(self) -> list[Order]:
        """The orders submitted before that, whose answer is still not known."""
        return [
            order
            for order in self._strategy.cache.orders(strategy_id=self._strategy.id)
            if order.ts_init < self._ts_asked and self._is_unresolved(order)
        ]

    def _is_unresolved(self, order: Order) -> bool:
        if order.status not in _UNRESOLVED:
            return False
        if order.status != OrderStatus.INITIALIZED or order.parent_order_id is None:
            return True
        # An exit waits in the node for its entry
        parent = self._strategy.cache.order(order.parent_order_id)
        return parent is None or parent.is_closed or parent.status in _UNRESOLVED

"""
A strategy that is told which of its orders it cannot account for, before it may send others.
"""

from collections.abc import Callable

from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.messages import RecoveryComplete
from nautilus_recovery_actor.report import LostOrder


# Handed over, and no venue has answered. What the cache took for initialized may have been sent:
# it writes behind.
_UNRESOLVED = frozenset({OrderStatus.INITIALIZED, OrderStatus.RELEASED, OrderStatus.SUBMITTED})


class AccountableStrategy(Strategy):
    """
    What `RecoverableStrategy` does about the orders that a crash left without an answer.

    Parameters
    ----------
    config : StrategyConfig
        The configuration.

    """

    def __init__(self, config: StrategyConfig) -> None:
        super().__init__(config)
        self.__ts_asked = 0
        self.__lost: tuple[LostOrder, ...] = ()

    @property
    def unresolved_orders(self) -> list[Order]:
        """
        The orders that this strategy submitted before the newest recovery began, and of which it is
        not known yet whether they came to the venue.

        An order leaves the list when the venue, or the engine's own check, answers.

        Returns
        -------
        list[Order]

        """
        return [
            order
            for order in self.cache.orders(strategy_id=self.id)
            if order.ts_init < self.__ts_asked and self.__is_unresolved(order)
        ]

    @property
    def lost_orders(self) -> tuple[LostOrder, ...]:
        """
        The orders of this strategy that the newest recovery found at the venue, and that the cache
        never saw. The engine takes them for external ones.

        Returns
        -------
        tuple[LostOrder, ...]

        """
        return self.__lost

    def on_orders_unresolved(self, orders: list[Order]) -> None:
        """
        Override to learn which submits have no answer, before trading is enabled.

        Called if there are any, after `on_position_recovered`. Any of them can be at the venue:
        sending one again may double it.

        Parameters
        ----------
        orders : list[Order]
            See `unresolved_orders`.

        """

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        """
        Override to learn which orders of this strategy the cache lost, before trading is enabled.

        Called if there are any, after `on_orders_unresolved`.

        Parameters
        ----------
        orders : tuple[LostOrder, ...]
            See `lost_orders`.

        """

    def _tell_unaccounted(self, event: RecoveryComplete, call: Callable[..., None]) -> None:
        self.__ts_asked = event.report.ts_started
        lost_orders = event.report.lost_orders
        self.__lost = lost_orders and tuple(
            lost for lost in lost_orders if lost.strategy_id == self.id.value
        )
        if unresolved := self.unresolved_orders:
            names = ", ".join(order.client_order_id.value for order in unresolved)
            self.log.warning(f"Submitted before, and no answer is known: {names}")
            call("on_orders_unresolved", unresolved)
        if self.__lost:
            call("on_orders_lost", self.__lost)

    def __is_unresolved(self, order: Order) -> bool:
        if order.status not in _UNRESOLVED:
            return False
        if order.status != OrderStatus.INITIALIZED or order.parent_order_id is None:
            return True
        # An exit waits in the node for its entry
        parent = self.cache.order(order.parent_order_id)
        return parent is None or parent.is_closed or parent.status in _UNRESOLVED

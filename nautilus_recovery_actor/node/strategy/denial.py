"""
What a closed gate answers: a denial to an order, a rejection to a modification.
"""

from nautilus_trader.common.enums import ComponentState
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.node.messages import RecoveryMessage


class Denial:
    """Answers natively what a strategy must not send; in shadow mode it only says so."""

    def __init__(self, strategy: Strategy, following: Following[RecoveryMessage]) -> None:
        self._strategy = strategy
        self._following = following
        self._shadowed: set[ClientOrderId] = set()
        self._unpublished: list[OrderDenied] = []

    def deny(self, orders: list[Order]) -> bool:
        """Deny orders of which at least one must not be sent, and return whether that was done."""
        gate = self._following.gate
        reason = next(filter(None, (gate.reason(order.instrument_id) for order in orders)))
        if self._following.is_shadow:
            for order in orders:
                self._say_in_shadow(order, reason)
            return False
        for order in orders:
            if order.status == OrderStatus.INITIALIZED:
                self._signal(order, reason)
        for order in orders:
            self._deny(order, reason)
        return True

    def _deny(self, order: Order, reason: str) -> None:
        strategy = self._strategy
        if order.status != OrderStatus.INITIALIZED:
            strategy.log.error(
                f"Cannot submit {order.client_order_id}: it is already {order.status_string()}"
            )
            return
        strategy.msgbus.publish(f"{ORDER_EVENTS}{strategy.id}", order.init_event)
        if not strategy.cache.order_exists(order.client_order_id):
            strategy.cache.add_order(order)
        denied = OrderDenied(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            reason=reason,
            event_id=UUID4(),
            ts_init=strategy.clock.timestamp_ns(),
        )
        order.apply(denied)
        strategy.cache.update_order(order)
        self._publish(denied)

    def _publish(self, denied: OrderDenied) -> None:
        # A strategy drops its own events while it starts, and its denials must arrive
        if self._strategy.state == ComponentState.STARTING:
            self._unpublished.append(denied)
        else:
            self._strategy.msgbus.publish(f"{ORDER_EVENTS}{self._strategy.id}", denied)

    def catch_up(self) -> None:
        """Publish what was denied while the strategy started."""
        denials, self._unpublished = self._unpublished, []
        for denial in denials:
            self._publish(denial)

    def reject_modify(self, order: Order) -> bool:
        """Reject a modification that must not be sent, and return whether that was done."""
        strategy = self._strategy
        reason = self._following.gate.reason(order.instrument_id)
        if self._following.is_shadow:
            self._say_in_shadow(order, reason)
            return False
        self._signal(order, reason)
        now = strategy.clock.timestamp_ns()
        # An order that is open cannot be denied, so the answer is that of the risk engine
        rejected = OrderModifyRejected(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            account_id=order.account_id,
            reason=reason,
            event_id=UUID4(),
            ts_event=now,
            ts_init=now,
        )
        strategy.msgbus.send(EXEC_ENGINE_PROCESS, rejected)
        return True

    def _say_in_shadow(self, order: Order, reason: str | None) -> None:
        if order.client_order_id in self._shadowed:
            return  # Once is enough for an order that is modified again and again
        self._shadowed.add(order.client_order_id)
        self._strategy.log.warning(f"Shadow mode lets {order.client_order_id} pass: {reason}")
        self._signal(order, reason)

    def _signal(self, order: Order, reason: str | None) -> None:
        log = self._strategy.log
        signals.send(
            signals.order_denied, self._strategy, log.exception, order=order, reason=reason
        )

"""
The native events by which a closed gate answers.
"""

from typing import TypeVar

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.orders import Order


_E = TypeVar("_E", OrderModifyRejected, OrderCancelRejected)


def denied(order: Order, reason: str, now: int) -> OrderDenied:
    """Return the denial of an order."""
    return OrderDenied(
        trader_id=order.trader_id,
        strategy_id=order.strategy_id,
        instrument_id=order.instrument_id,
        client_order_id=order.client_order_id,
        reason=reason,
        event_id=UUID4(),
        ts_init=now,
    )


def modify_rejected(order: Order, reason: str, now: int) -> OrderModifyRejected:
    """Return the rejection of a change: an order that is open cannot be denied."""
    return _rejected(OrderModifyRejected, order, reason, now)


def cancel_rejected(order: Order, reason: str, now: int) -> OrderCancelRejected:
    """Return the rejection of a cancel."""
    return _rejected(OrderCancelRejected, order, reason, now)


def _rejected(kind: type[_E], order: Order, reason: str, now: int) -> _E:
    return kind(
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

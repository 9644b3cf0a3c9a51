"""
What is read of NautilusTrader's own orders and reports, and what of it must not be compared.
"""

from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.enums import TrailingOffsetType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.node.evidence.reports import venue_order
from nautilus_recovery_actor.node.observing import orders
from tests.node.support import ACCOUNT
from tests.node.support import ETH


TRIGGER, PX = Price.from_str("1900.00"), Price.from_str("1890.00")
QTY = Quantity.from_str("2.000")


def reported(
    order_type: OrderType, status: OrderStatus = OrderStatus.PARTIALLY_FILLED, **fields: Any
) -> VenueOrder:
    """
    Return what is read of a report of an order that rests with a trigger at 1900.
    """
    report = OrderStatusReport(
        account_id=AccountId(ACCOUNT),
        instrument_id=ETH,
        venue_order_id=VenueOrderId("V-1"),
        order_side=OrderSide.SELL,
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        order_status=status,
        quantity=QTY,
        filled_qty=Quantity.from_str("0.500"),
        trigger_price=TRIGGER,
        trigger_type=TriggerType.LAST_PRICE,
        report_id=UUID4(),
        ts_accepted=1,
        ts_last=1,
        ts_init=1,
        **fields,
    )
    return venue_order(report)


def cached(order: Order) -> CachedOrder:
    return orders.cached_order(order, (), 0)


def factory() -> OrderFactory:
    return OrderFactory(TraderId("TESTER-001"), StrategyId("S-001"), TestClock())


def test_the_fields_that_are_compared_are_those_of_the_order() -> None:
    """On both sides: side, quantity, filled quantity, price and trigger."""
    found = reported(OrderType.STOP_LIMIT, price=PX)
    assert (found.side, found.qty, found.filled_qty) == ("SELL", Decimal(2), Decimal("0.5"))
    assert (found.px, found.trigger_px) == (Decimal(1890), Decimal(1900))
    order = factory().stop_limit(ETH, OrderSide.SELL, QTY, PX, TRIGGER)
    own = cached(order)
    assert (own.side, own.qty, own.filled_qty) == ("SELL", Decimal(2), Decimal(0))
    assert (own.px, own.trigger_px) == (Decimal(1890), Decimal(1900))


def test_the_trigger_of_a_trailing_order_is_not_compared() -> None:
    """It moves at the venue, and nobody tells the node."""
    trailing: dict[str, Any] = {
        "trailing_offset": Decimal(10),
        "trailing_offset_type": TrailingOffsetType.PRICE,
    }
    assert reported(OrderType.TRAILING_STOP_MARKET, **trailing).trigger_px is None
    order = factory().trailing_stop_market(
        ETH, OrderSide.SELL, QTY, trigger_price=TRIGGER, **trailing
    )
    assert order.has_trigger_price
    assert cached(order).trigger_px is None


def test_a_quantity_in_the_quote_currency_is_not_compared() -> None:
    """The venue reports the base quantity that it came to."""
    order = factory().market(ETH, OrderSide.BUY, Quantity.from_str("2000"), quote_quantity=True)
    assert cached(order).qty is None


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        (OrderStatus.SUBMITTED, True),
        (OrderStatus.ACCEPTED, True),
        (OrderStatus.TRIGGERED, True),
        (OrderStatus.CANCELED, False),
        (OrderStatus.REJECTED, False),
    ],
)
def test_what_a_venue_calls_submitted_rests_there(status: OrderStatus, is_open: bool) -> None:
    """The adapter of Interactive Brokers calls a stop so that waits for its trigger."""
    assert reported(OrderType.STOP_MARKET, status).is_open is is_open

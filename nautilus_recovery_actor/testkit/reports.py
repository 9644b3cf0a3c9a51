"""
Translate between the records of a paper venue and NautilusTrader's objects.
"""

from datetime import UTC
from datetime import datetime
from decimal import Decimal

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.enums import TimeInForce as NautilusTimeInForce
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.enums import order_side_to_str
from nautilus_trader.model.enums import order_type_to_str
from nautilus_trader.model.enums import time_in_force_to_str
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import Symbol
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order as NautilusOrder

from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.records import TimeInForce


class UnsupportedOrderError(Exception):
    """Raised for an order that a paper venue does not take."""


class Translation:
    """The words of one account at a paper venue, in NautilusTrader's."""

    def __init__(
        self, venue: str, account_id: AccountId, price_precision: int, size_precision: int
    ) -> None:
        self._venue = Venue(venue)
        self._account_id = account_id
        self._price_precision = price_precision
        self._size_precision = size_precision

    def instrument_id(self, symbol: str) -> InstrumentId:
        """Return the instrument ID of a symbol."""
        return InstrumentId(Symbol(symbol), self._venue)

    def price(self, px: Decimal) -> Price:
        """Return a price."""
        return Price.from_str(f"{px:.{self._price_precision}f}")

    def quantity(self, qty: Decimal) -> Quantity:
        """Return a quantity."""
        return Quantity.from_str(f"{qty:.{self._size_precision}f}")

    def position_id(self, symbol: str, leg: Leg | None) -> PositionId | None:
        """Return the venue position ID of a leg, ``None`` for a net position."""
        if leg is None or leg is Leg.NET:
            return None
        return PositionId(f"{self.instrument_id(symbol)}-{self._account_id}-{leg.value}")

    def order_report(self, order: Order, ts_init: int) -> OrderStatusReport:
        """Return the status report of an order."""
        return OrderStatusReport(
            account_id=self._account_id,
            instrument_id=self.instrument_id(order.symbol),
            venue_order_id=VenueOrderId(order.venue_order_id),
            client_order_id=_client_order_id(order.client_order_id),
            venue_position_id=self.position_id(order.symbol, order.leg),
            order_side=OrderSide[order.side.value],
            order_type=OrderType[order.kind.value],
            time_in_force=NautilusTimeInForce[order.tif.value],
            order_status=OrderStatus[order.state.value],
            quantity=self.quantity(order.qty),
            filled_qty=self.quantity(order.filled_qty),
            price=None if order.px is None else self.price(order.px),
            trigger_price=None if order.trigger_px is None else self.price(order.trigger_px),
            trigger_type=(
                TriggerType.NO_TRIGGER if order.trigger_px is None else TriggerType.LAST_PRICE
            ),
            expire_time=(
                None
                if order.expire_ns is None
                else datetime.fromtimestamp(order.expire_ns / 1e9, tz=UTC)
            ),
            avg_px=order.avg_px,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            cancel_reason=order.reason or None,
            report_id=UUID4(),
            ts_accepted=order.ts_accepted,
            ts_triggered=order.ts_triggered if order.kind is OrderKind.STOP_LIMIT else None,
            ts_last=order.ts_last,
            ts_init=ts_init,
        )

    def fill_report(self, fill: Fill, ts_init: int) -> FillReport:
        """Return the report of a fill."""
        return FillReport(
            account_id=self._account_id,
            instrument_id=self.instrument_id(fill.symbol),
            venue_order_id=VenueOrderId(fill.venue_order_id),
            client_order_id=_client_order_id(fill.client_order_id),
            venue_position_id=self.position_id(fill.symbol, fill.leg),
            trade_id=TradeId(fill.trade_id),
            order_side=OrderSide[fill.side.value],
            last_qty=self.quantity(fill.qty),
            last_px=self.price(fill.px),
            commission=self.commission(fill),
            liquidity_side=self.liquidity_side(fill),
            report_id=UUID4(),
            ts_event=fill.ts,
            ts_init=ts_init,
        )

    def position_report(self, position: Position, ts_init: int) -> PositionStatusReport:
        """Return the status report of a position."""
        side = PositionSide.FLAT
        if position.qty:
            side = PositionSide.LONG if position.qty > 0 else PositionSide.SHORT
        return PositionStatusReport(
            account_id=self._account_id,
            instrument_id=self.instrument_id(position.symbol),
            venue_position_id=self.position_id(position.symbol, position.leg),
            position_side=side,
            quantity=self.quantity(abs(position.qty)),
            avg_px_open=position.avg_px,
            report_id=UUID4(),
            ts_last=position.ts_last or ts_init,
            ts_init=ts_init,
        )

    def commission(self, fill: Fill) -> Money:
        """Return the commission of a fill."""
        return Money(fill.fee, Currency.from_str(fill.currency))

    def liquidity_side(self, fill: Fill) -> LiquiditySide:
        """Return whether a fill made or took liquidity."""
        return LiquiditySide.MAKER if fill.is_maker else LiquiditySide.TAKER


def new_order(order: NautilusOrder, position_id: PositionId | None = None) -> NewOrder:
    """Return the order to send to the venue for an order of a node."""
    kind = order_type_to_str(order.order_type)
    tif = time_in_force_to_str(order.time_in_force)
    if kind not in OrderKind.__members__ or tif not in TimeInForce.__members__:
        raise UnsupportedOrderError(f"a paper venue does not accept {kind} orders with {tif}")
    if order.is_quote_quantity:
        raise UnsupportedOrderError("a paper venue does not accept a quantity of quote currency")

    ending = str(position_id).rpartition("-")[2]
    is_one_cancels_other = order.contingency_type in (ContingencyType.OCO, ContingencyType.OUO)
    return NewOrder(
        symbol=order.instrument_id.symbol.value,
        side=Side(order_side_to_str(order.side)),
        qty=order.quantity.as_decimal(),
        kind=OrderKind(kind),
        px=order.price.as_decimal() if order.has_price else None,
        trigger_px=order.trigger_price.as_decimal() if order.has_trigger_price else None,
        client_order_id=order.client_order_id.value,
        tif=TimeInForce(tif),
        expire_ns=order.expire_time_ns if tif == TimeInForce.GTD.value else None,
        reduce_only=order.is_reduce_only,
        post_only=order.is_post_only,
        leg=Leg(ending) if ending in (Leg.LONG.value, Leg.SHORT.value) else None,
        cancels=(
            tuple(i.value for i in order.linked_order_ids or ()) if is_one_cancels_other else ()
        ),
    )


def _client_order_id(value: str | None) -> ClientOrderId | None:
    return None if value is None else ClientOrderId(value)

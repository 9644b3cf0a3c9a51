"""
The native events that a repair consists of, flagged as reconciliation.
"""

from decimal import Decimal
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderExpired
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.events import OrderUpdated
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import MarketOrder
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import End
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Update
from nautilus_recovery_actor.node.observing.fills import MOVED
from nautilus_recovery_actor.node.observing.fills import REPAIRED
from nautilus_recovery_actor.node.observing.fills import UNTOLD
from nautilus_recovery_actor.node.observing.moves import first_of
from nautilus_recovery_actor.node.observing.moves import next_of
from nautilus_recovery_actor.node.observing.moves import tags_of


# As the engine tags the orders that it makes up to align a position
_TAGS = ["RECONCILIATION"]
# More digits than any venue has in a price, and fewer than NautilusTrader can hold
_MAX_PRECISION = 9


class RepairEvents:
    """Makes them."""

    def __init__(
        self, trader_id: TraderId, cache: CacheFacade, clock: Clock, moves: set[str]
    ) -> None:
        self._trader_id = trader_id
        self._cache = cache
        self._clock = clock
        # All that may be half done, the last that was begun
        self._moves = moves
        self._move = ""

    def order_for(self, book: Book, instrument: Instrument) -> MarketOrder:
        """Return an order that nobody sent, to book a fill of it."""
        return MarketOrder(
            trader_id=self._trader_id,
            strategy_id=StrategyId(book.strategy_id),
            instrument_id=instrument.id,
            client_order_id=self._client_order_id(book),
            order_side=OrderSide.BUY if book.qty > 0 else OrderSide.SELL,
            quantity=instrument.make_qty(abs(book.qty)),
            time_in_force=TimeInForce.GTC,
            init_id=UUID4(),
            ts_init=self._clock.timestamp_ns(),
            tags=_TAGS if book.goes_to is None else [*_TAGS, *tags_of(*book.goes_to)],
        )

    def _client_order_id(self, book: Book) -> ClientOrderId:
        if book.goes_to is not None:
            self._move = f"{MOVED}{UUID4().value}"
            self._moves.add(self._move)
            return first_of(self._move)
        if book.completes is not None:
            return next_of(self._cache, book.completes or self._move)
        return ClientOrderId(f"{_prefix(book)}{UUID4().value}")

    def booked(
        self,
        order: MarketOrder,
        instrument: Instrument,
        account_id: AccountId,
        position_id: PositionId | None,
        px: Decimal,
    ) -> tuple[OrderEvent, OrderEvent]:
        """Return what accepts and fills such an order, at no cost."""
        common = self._common(order, account_id, self._clock.timestamp_ns())
        common["venue_order_id"] = VenueOrderId(UUID4().value)
        accepted = OrderAccepted(**common)
        filled = OrderFilled(
            **{**common, "event_id": UUID4()},
            trade_id=TradeId(UUID4().value),
            position_id=position_id,
            order_side=order.side,
            order_type=order.order_type,
            last_qty=order.quantity,
            last_px=_exact(instrument, px),
            currency=instrument.quote_currency,
            commission=Money(0, instrument.get_cost_currency()),
            liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
        )
        return accepted, filled

    def filled(self, order: Order, report: FillReport, instrument: Instrument) -> OrderFilled:
        """Return what applies a trade of the venue to an order of the cache."""
        return OrderFilled(
            **self._common(order, report.account_id, report.ts_event),
            # One that is over cannot get a new one any more
            venue_order_id=order.venue_order_id or report.venue_order_id,
            trade_id=report.trade_id,
            position_id=self._cache.position_id(order.client_order_id) or report.venue_position_id,
            order_side=order.side,
            order_type=order.order_type,
            last_qty=report.last_qty,
            last_px=report.last_px,
            currency=instrument.quote_currency,
            commission=report.commission,
            liquidity_side=report.liquidity_side,
        )

    def inferred(
        self, order: Order, infer: Infer, account_id: AccountId, instrument: Instrument
    ) -> OrderFilled:
        """Return what fills an order of the cache as the venue says, at no cost."""
        now = self._clock.timestamp_ns()
        known = self._cache.position_id(order.client_order_id)
        if known is None and infer.position_id is not None:
            known = PositionId(infer.position_id)
        return OrderFilled(
            **self._common(order, account_id, now),
            venue_order_id=order.venue_order_id or VenueOrderId(infer.venue_order_id),
            trade_id=TradeId(UUID4().value),
            position_id=known,
            order_side=order.side,
            order_type=order.order_type,
            last_qty=instrument.make_qty(abs(infer.qty)),
            last_px=_exact(instrument, infer.px),
            currency=instrument.quote_currency,
            commission=Money(0, instrument.get_cost_currency()),
            liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
        )

    def accepted(
        self, order: Order, account_id: AccountId, venue_order_id: VenueOrderId, ts_event: int
    ) -> OrderAccepted:
        """Return what gives an order that was on its way its id at the venue."""
        return OrderAccepted(
            **self._common(order, account_id, ts_event), venue_order_id=venue_order_id
        )

    def updated(
        self, order: Order, account_id: AccountId, update: Update, ts_event: int
    ) -> OrderUpdated:
        """Return what gives an order its new id and values at the venue."""
        px, trigger_px = (
            order.price if order.has_price else None,
            order.trigger_price if order.has_trigger_price else None,
        )
        return OrderUpdated(
            **self._common(order, account_id, ts_event),
            venue_order_id=VenueOrderId(update.venue_order_id),
            quantity=order.quantity
            if update.qty is None
            else Quantity(update.qty, order.quantity.precision),
            price=px if update.px is None or px is None else Price(update.px, px.precision),
            trigger_price=trigger_px
            if update.trigger_px is None or trigger_px is None
            else Price(update.trigger_px, trigger_px.precision),
        )

    def ended(self, order: Order, account_id: AccountId, end: End) -> OrderEvent:
        """Return what ends an order."""
        common = self._common(order, account_id, self._clock.timestamp_ns())
        if end.status == "REJECTED":
            return OrderRejected(reason="unknown to the venue", **common)
        kind = OrderExpired if end.status == "EXPIRED" else OrderCanceled
        return kind(venue_order_id=order.venue_order_id, **common)

    def _common(self, order: Order, account_id: AccountId, ts_event: int) -> dict[str, Any]:
        return {
            "trader_id": order.trader_id,
            "strategy_id": order.strategy_id,
            "instrument_id": order.instrument_id,
            "client_order_id": order.client_order_id,
            "account_id": account_id,
            "event_id": UUID4(),
            "ts_event": ts_event,
            "ts_init": self._clock.timestamp_ns(),
            "reconciliation": True,
        }


def _prefix(book: Book) -> str:
    if book.is_untold:
        return UNTOLD
    return MOVED if book.is_real else REPAIRED


def _exact(instrument: Instrument, px: Decimal) -> Price:
    # An average has more digits than a price: without them it would make PnL of its own
    exponent = px.normalize().as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    precision = min(max(digits, instrument.price_precision), _MAX_PRECISION)
    return Price.from_str(f"{px:.{precision}f}")

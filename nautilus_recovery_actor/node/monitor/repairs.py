"""
Carries out what the core found to make the cache equal to the venue.
"""

from collections.abc import Iterable
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import MarketOrder
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.repair import Merge


# As the engine tags the orders that it makes up to align a position
_TAGS = ["RECONCILIATION"]
# More digits than any venue has in a price, and fewer than NautilusTrader can hold
_MAX_PRECISION = 9


class Repairs:
    """Lets the execution engine book what is to be moved, so that strategies see native events."""

    def __init__(
        self, trader_id: TraderId, cache: CacheFacade, msgbus: MessageBus, clock: Clock
    ) -> None:
        self._trader_id = trader_id
        self._cache = cache
        self._msgbus = msgbus
        self._clock = clock

    def carry_out(self, merges: Iterable[Merge]) -> None:
        """Move each part from the position that is nobody's to that of its strategy."""
        for merge in merges:
            source = self._cache.position(PositionId(merge.source))
            target = self._cache.position(PositionId(merge.target))
            if source is None or target is None:
                raise RuntimeError(f"a position of {merge.instrument_id} is gone: {merge}")
            self._book(source, -merge.qty, merge)
            self._book(target, merge.qty, merge)

    def _book(self, position: Position, qty: Decimal, merge: Merge) -> None:
        instrument = self._cache.instrument(position.instrument_id)
        if instrument is None:
            raise RuntimeError(f"{position.instrument_id} is not loaded")
        now, account_id = self._clock.timestamp_ns(), AccountId(merge.account_id)
        order = MarketOrder(
            trader_id=self._trader_id,
            strategy_id=position.strategy_id,
            instrument_id=position.instrument_id,
            client_order_id=ClientOrderId(f"M-{UUID4().value}"),
            order_side=OrderSide.BUY if qty > 0 else OrderSide.SELL,
            quantity=instrument.make_qty(abs(qty)),
            time_in_force=TimeInForce.GTC,
            init_id=UUID4(),
            ts_init=now,
            tags=_TAGS,
        )
        self._cache.add_order(order, position.id)
        venue_order_id = VenueOrderId(UUID4().value)
        accepted = OrderAccepted(
            trader_id=self._trader_id,
            strategy_id=position.strategy_id,
            instrument_id=position.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            account_id=account_id,
            event_id=UUID4(),
            ts_event=now,
            ts_init=now,
            reconciliation=True,
        )
        filled = OrderFilled(
            trader_id=self._trader_id,
            strategy_id=position.strategy_id,
            instrument_id=position.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            account_id=account_id,
            trade_id=TradeId(UUID4().value),
            position_id=position.id,
            order_side=order.side,
            order_type=order.order_type,
            last_qty=order.quantity,
            last_px=_exact(instrument, merge.px),
            currency=instrument.quote_currency,
            commission=Money(0, instrument.get_cost_currency()),
            liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
            event_id=UUID4(),
            ts_event=now,
            ts_init=now,
            reconciliation=True,
        )
        for event in (accepted, filled):
            self._msgbus.send(EXEC_ENGINE_PROCESS, event)


def _exact(instrument: Instrument, px: Decimal) -> Price:
    # An average has more digits than a price: without them it would make PnL of its own
    exponent = px.normalize().as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    precision = min(max(digits, instrument.price_precision), _MAX_PRECISION)
    return Price.from_str(f"{px:.{precision}f}")

"""
The past of single instruments at their venues: what the cache lacks of it, and the reports of that.
"""

from collections.abc import Collection
from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core import corrections
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.node.evidence.known import KnownToCache
from nautilus_recovery_actor.node.evidence.reports import rebuilt
from nautilus_recovery_actor.node.evidence.reports import venue_order
from nautilus_recovery_actor.node.observing.fills import is_made_up
from nautilus_recovery_actor.node.observing.fills import signed_qty


# Whatever the engine is given: this is only read
_READ_BY = frozenset(
    {
        Correction.DUPLICATE_FILL,
        Correction.CLIENT_ORDER_ID_CUT,
        Correction.VENUE_ORDER_ID_CHANGED,
        Correction.PRICE_IS_AVERAGE,
        Correction.ALREADY_APPLIED,
    }
)


class Past:
    """Keeps what was reported, so that a repair can give the engine just that."""

    def __init__(self, cache: CacheFacade) -> None:
        self._cache = cache
        self._orders: dict[tuple[str, str], OrderStatusReport] = {}
        self._fills: dict[tuple[str, str, str], FillReport] = {}
        self._trades: dict[InstrumentId, dict[tuple[TradeId, OrderSide], OrderFilled]] = {}

    def order(self, account_id: str, venue_order_id: str) -> OrderStatusReport | None:
        """Return what was reported of an order."""
        return self._orders.get((account_id, venue_order_id))

    def fill(self, account_id: str, venue_order_id: str, trade_id: str) -> FillReport | None:
        """Return what was reported of a trade."""
        return self._fills.get((account_id, venue_order_id, trade_id))

    def forget(self) -> None:
        """Let go of it."""
        self._orders.clear()
        self._fills.clear()
        self._trades.clear()

    def take(
        self,
        accounts: Collection[str],
        orders: Iterable[OrderStatusReport],
        fills: Iterable[FillReport],
        *,
        is_price_average: bool = False,
    ) -> tuple[dict[str, list[VenueOrder]], dict[str, list[VenueTrade]]]:
        """Keep what was reported, and return what the cache lacks of it, by account."""
        self._trades.clear()
        newest: dict[str, OrderStatusReport] = {}
        for report in orders:
            known = newest.get(report.venue_order_id.value)
            if known is None or report.ts_last >= known.ts_last:
                newest[report.venue_order_id.value] = report
        done = corrections.correct(
            newest.values(),
            fills,
            (),
            KnownToCache(self._cache, accounts, self._is_real),
            rebuilt,
            _READ_BY,
            is_price_average=is_price_average,
        )
        found: dict[str, list[VenueOrder]] = {}
        for report in done.orders:
            account_id = report.account_id.value
            self._orders[account_id, report.venue_order_id.value] = report
            found.setdefault(account_id, []).append(venue_order(report))
        reports = {report.venue_order_id: report for report in done.orders}
        traded: dict[str, list[VenueTrade]] = {}
        lacking: dict[ClientOrderId, Decimal] = {}
        for fill in sorted(done.fills, key=attrgetter("ts_event")):
            order = self._order_of(fill, reports.get(fill.venue_order_id))
            if order is not None:
                # What was inferred of an order is in it already, under another trade id
                key = order.client_order_id
                left = lacking.get(key, _lacking(order, reports.get(fill.venue_order_id)))
                left -= fill.last_qty.as_decimal()
                if fill.trade_id in order.trade_ids or left < 0:
                    continue
                lacking[key] = left
            elif (fill.trade_id, fill.order_side) in self._applied(fill.instrument_id):
                continue  # The venue gave its order another id
            account_id = fill.account_id.value
            self._fills[account_id, fill.venue_order_id.value, fill.trade_id.value] = fill
            traded.setdefault(account_id, []).append(self._trade(fill, order))
        return found, traded

    def _is_real(self, position: Position) -> bool:
        # What is made up may stand for a trade that is older
        return not all(is_made_up(self._cache, fill) for fill in position.events)

    def _order_of(self, fill: FillReport, report: OrderStatusReport | None) -> Order | None:
        told = None if report is None else report.client_order_id
        for each in (fill.client_order_id, told, self._cache.client_order_id(fill.venue_order_id)):
            order = None if each is None else self._cache.order(each)
            if order is not None and order.instrument_id == fill.instrument_id:
                return order
        return None

    def _trade(self, fill: FillReport, order: Order | None) -> VenueTrade:
        position_id = fill.venue_position_id
        if order is not None:
            position_id = self._cache.position_id(order.client_order_id) or position_id
        return VenueTrade(
            instrument_id=fill.instrument_id.value,
            trade_id=fill.trade_id.value,
            venue_order_id=fill.venue_order_id.value,
            client_order_id=None if order is None else order.client_order_id.value,
            strategy_id=None if order is None else order.strategy_id.value,
            position_id=None if position_id is None else position_id.value,
            qty=signed_qty(fill),
            px=fill.last_px.as_decimal(),
            is_newer=fill.ts_event > self._newest(fill.instrument_id),
            status=None if order is None else OrderStatus(order.status).name,
        )

    def _newest(self, instrument_id: InstrumentId) -> int:
        # When the venue made the newest trade that the cache has of an instrument
        return max((fill.ts_event for fill in self._applied(instrument_id).values()), default=0)

    def _applied(self, instrument_id: InstrumentId) -> dict[tuple[TradeId, OrderSide], OrderFilled]:
        # The trades that the cache has of it. Both sides of one with oneself have its id
        if instrument_id not in self._trades:
            self._trades[instrument_id] = {
                (event.trade_id, event.order_side): event
                for order in self._cache.orders(instrument_id=instrument_id)
                for event in order.events
                if type(event) is OrderFilled and not is_made_up(self._cache, event)
            }
        return self._trades[instrument_id]


def _lacking(order: Order, report: OrderStatusReport | None) -> Decimal:
    filled = order.quantity if report is None else max(report.filled_qty, order.filled_qty)
    lacking: Decimal = filled.as_decimal() - order.filled_qty.as_decimal()
    return lacking

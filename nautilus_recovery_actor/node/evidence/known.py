"""
The cache, as the core's corrections look at it.
"""

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Container
from collections.abc import Iterable
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.node.observing.accounts import base_currency
from nautilus_recovery_actor.node.observing.accounts import is_cash
from nautilus_recovery_actor.node.observing.orders import account_of


class KnownToCache:
    """
    What the cache knows of a client's accounts, its positions as they are now.

    A trade is past if a position that `is_real` has it, or is younger.
    """

    def __init__(
        self,
        cache: CacheFacade,
        accounts: Collection[str],
        is_real: Callable[[Position], bool] = lambda _: True,
    ) -> None:
        self.order = cache.order
        self._cache = cache
        self._accounts = accounts
        self._is_cash = any(is_cash(cache, AccountId(account_id)) for account_id in accounts)
        self._held: dict[InstrumentId, Decimal] = defaultdict(Decimal)
        self._open: dict[InstrumentId, list[Position]] = defaultdict(list)
        for position in cache.positions_open():
            if position.account_id.value in accounts:
                self._held[position.instrument_id] += position.signed_decimal_qty()
                if is_real(position):
                    self._open[position.instrument_id].append(position)
        self._traded: dict[InstrumentId, tuple[frozenset[TradeId], int]] = {}
        self._bases: dict[str, Decimal] = defaultdict(Decimal)
        if self._is_cash:
            for instrument_id, qty in self._held.items():
                if (base := self._currency(instrument_id)) is not None:
                    self._bases[base] += qty

    def order_at_venue(self, venue_order_id: VenueOrderId) -> Order | None:
        """Return the order of that venue order id."""
        client_order_id: ClientOrderId | None = self._cache.client_order_id(venue_order_id)
        return None if client_order_id is None else self._cache.order(client_order_id)

    def unanswered(self, instrument_id: InstrumentId) -> Iterable[Order]:
        """Return the orders of an instrument that no venue has given an id."""
        orders = self._cache.orders_inflight(instrument_id=instrument_id)
        return [
            order
            for order in orders
            if order.venue_order_id is None and account_of(order) in self._accounts
        ]

    def held(self, instrument_id: InstrumentId) -> Decimal:
        """Return the signed quantity held of an instrument."""
        return self._held.get(instrument_id, Decimal(0))

    def is_past(self, fill: FillReport) -> bool:
        """Return whether a trade is in an open position, or older than all of them."""
        instrument_id = fill.instrument_id
        if not self._open.get(instrument_id):
            return False
        if instrument_id not in self._traded:
            positions = self._open[instrument_id]
            trades = frozenset(each for position in positions for each in position.trade_ids)
            self._traded[instrument_id] = trades, min(one.ts_opened for one in positions)
        trades, ts_opened = self._traded[instrument_id]
        return fill.trade_id in trades or fill.ts_event < ts_opened

    def base(self, instrument_id: InstrumentId) -> tuple[str, Decimal] | None:
        """Return the base currency of an instrument of a cash account, and what is held of it."""
        base = self._currency(instrument_id) if self._is_cash else None
        return None if base is None else (base, self._bases.get(base, Decimal(0)))

    def _currency(self, instrument_id: InstrumentId) -> str | None:
        base = base_currency(self._cache, instrument_id)
        return None if base is None else str(base.code)

    def instruments_held(self) -> dict[InstrumentId, Decimal]:
        """Return what is held of each instrument, in all."""
        return dict(self._held)

    def is_warm(self, instrument_id: InstrumentId) -> bool:
        """Return whether the cache has any order of an instrument."""
        return bool(self._cache.client_order_ids(instrument_id=instrument_id))


def missing_orders(
    cache: CacheFacade, accounts: Container[str], reported: Iterable[OrderStatusReport]
) -> list[Order]:
    """
    Return the orders that a venue should know, open or in flight and not emulated, and that it did
    not report.
    """
    reports = list(reported)
    ids = cache.client_order_ids_open() | cache.client_order_ids_inflight()
    ids -= {report.client_order_id for report in reports}
    numbered = {report.venue_order_id for report in reports} if ids else ()
    return [
        order
        for order in map(cache.order, ids)
        if order is not None
        and order.venue_order_id not in numbered
        and not order.is_active_local
        and account_of(order) in accounts
    ]

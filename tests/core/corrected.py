"""
Reports of a venue and orders of a cache, made by hand as corrections look at them.
"""

from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, order=True)
class Id:
    """
    An identifier.
    """

    value: str


ACCOUNT, OTHER_ACCOUNT = Id("BINANCE-001"), Id("BINANCE-002")
BTC, ETH, ETH_USDC = Id("BTCUSDT.BINANCE"), Id("ETHUSDT.BINANCE"), Id("ETHUSDC.BINANCE")
OPEN = ("ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "PENDING_CANCEL")
CLOSED = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")


@dataclass
class OrderReport:
    """
    What a venue says of an order.
    """

    account_id: Id = ACCOUNT
    instrument_id: Id = ETH
    client_order_id: Id | None = Id("O-1")
    venue_order_id: Id = Id("V-1")
    order_side: str = "SELL"
    order_status: str = "ACCEPTED"
    quantity: Decimal = Decimal(2)
    filled_qty: Decimal = Decimal(0)
    price: Decimal | None = None
    trigger_price: Decimal | None = Decimal(1500)
    avg_px: Decimal | None = None

    @property
    def is_open(self) -> bool:
        return self.order_status in OPEN


@dataclass
class FillReport:
    """
    What a venue says of a trade.
    """

    account_id: Id = ACCOUNT
    instrument_id: Id = ETH
    venue_order_id: Id = Id("V-1")
    trade_id: Id = Id("T-1")
    last_qty: Decimal = Decimal(1)
    last_px: Decimal = Decimal(2000)


@dataclass
class PositionReport:
    """
    What a venue says of a position.
    """

    signed_decimal_qty: Decimal
    instrument_id: Id = ETH
    account_id: Id = ACCOUNT


@dataclass
class CachedOrder:
    """
    An order of the cache: by default the stop of which `OrderReport` is the report.
    """

    instrument_id: Id = ETH
    client_order_id: Id = Id("O-1")
    venue_order_id: Id | None = Id("V-1")
    venue_order_ids: list[Id] = field(default_factory=list)
    side: str = "SELL"
    status: str = "ACCEPTED"
    quantity: Decimal = Decimal(2)
    filled_qty: Decimal = Decimal(0)
    price: Decimal | None = None
    trigger_price: Decimal | None = Decimal(1500)
    trade_ids: list[Id] = field(default_factory=list)

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED


class Cache:
    """
    What a cache knows: orders, what is held of each instrument, and the bases if it holds cash.
    """

    def __init__(
        self,
        *orders: CachedOrder,
        held: Mapping[Id, Decimal] | None = None,
        bases: Mapping[Id, str] | None = None,
        past: Collection[Id] = (),
    ) -> None:
        self._past = past
        self._orders = {order.client_order_id: order for order in orders}
        self._at_venue = {
            venue_order_id: order
            for order in orders
            for venue_order_id in (*order.venue_order_ids, order.venue_order_id)
            if venue_order_id is not None
        }
        self._held = held or {}
        self._bases = bases or {}

    def order(self, client_order_id: Id) -> Any:
        return self._orders.get(client_order_id)

    def order_at_venue(self, venue_order_id: Id) -> Any:
        return self._at_venue.get(venue_order_id)

    def unanswered(self, instrument_id: Id) -> list[Any]:
        return [
            order
            for order in self._orders.values()
            if order.instrument_id == instrument_id and order.venue_order_id is None
        ]

    def held(self, instrument_id: Id) -> Decimal:
        return self._held.get(instrument_id, Decimal(0))

    def is_past(self, fill: Any) -> bool:
        return fill.trade_id in self._past

    def base(self, instrument_id: Id) -> tuple[str, Decimal] | None:
        base = self._bases.get(instrument_id)
        if base is None:
            return None
        shared = (qty for each, qty in self._held.items() if self._bases.get(each) == base)
        return base, sum(shared, Decimal(0))


def rebuilt(report: Any, changes: Mapping[str, Any]) -> Any:
    """
    Return a report with other values for some of its fields.
    """
    return replace(report, **changes)

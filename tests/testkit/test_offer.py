"""
What a paper venue says that it takes and refuses is what it does.
"""

import itertools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.enums import TrailingOffsetType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TraderId

from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit.data import PaperVenueDataClient
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.offer import REFUSES
from nautilus_recovery_actor.testkit.offer import TAKES
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.reports import UnsupportedOrderError
from nautilus_recovery_actor.testkit.reports import new_order


D = Decimal
ETH = paper_instrument("ETHUSDT-PERP")
ACCOUNT = "PAPER-001"
PROBES: dict[str, Callable[[], None]] = {}
# A trigger needs to be on its own side of the price
ABOVE, BELOW = "2100.00", "1900.00"


class Venue:
    """
    An exchange with a price of 2000, and the orders of NautilusTrader that are sent to it.
    """

    def __init__(self, oms: Oms = Oms.NETTING) -> None:
        self.events: list[ExchangeEvent] = []
        self.exchange = Exchange(self.events.append, clock=lambda: 1)
        self.exchange.open_account(ACCOUNT, oms)
        self.exchange.set_price("ETHUSDT-PERP", D(2000))
        self.make = OrderFactory(TraderId("T-1"), StrategyId("S-1"), TestClock())

    def send(self, order: Any) -> Order:
        return self.exchange.submit(ACCOUNT, new_order(order))

    def now(self, order: Order) -> Order:
        return self.exchange.account(ACCOUNT).orders[order.venue_order_id]

    def qty(self, leg: Leg = Leg.NET) -> Decimal:
        return self.exchange.account(ACCOUNT).positions["ETHUSDT-PERP", leg].qty

    def refusal(self) -> str:
        last = self.events[-1]
        assert isinstance(last, CommandRejected)
        return last.reason

    def market(self, side: OrderSide = OrderSide.BUY, qty: int = 1, **fields: Any) -> Order:
        return self.send(self.make.market(ETH.id, side, ETH.make_qty(qty), **fields))

    def limit(self, px: str, side: OrderSide = OrderSide.BUY, qty: int = 1, **f: Any) -> Order:
        limit = self.make.limit(ETH.id, side, ETH.make_qty(qty), ETH.make_price(D(px)), **f)
        return self.send(limit)

    def stop(self, px: str, side: OrderSide = OrderSide.SELL, **fields: Any) -> Order:
        made = self.make.stop_market(ETH.id, side, ETH.make_qty(1), ETH.make_price(D(px)), **fields)
        return self.send(made)


def made(venue: Venue, kind: str, tif: str) -> Any:
    """
    Return an order of a type and a time in force, ``None`` if NautilusTrader makes none.
    """
    px, trigger = ETH.make_price(D(BELOW)), ETH.make_price(D(ABOVE))
    offset = {"trailing_offset": D(10), "trailing_offset_type": TrailingOffsetType.PRICE}
    fields: dict[str, Any] = {
        "MARKET": {},
        "LIMIT": {"price": px},
        "STOP_MARKET": {"trigger_price": trigger},
        "STOP_LIMIT": {"price": trigger, "trigger_price": trigger},
        "MARKET_TO_LIMIT": {},
        "MARKET_IF_TOUCHED": {"trigger_price": px},
        "LIMIT_IF_TOUCHED": {"price": px, "trigger_price": px},
        "TRAILING_STOP_MARKET": offset,
        "TRAILING_STOP_LIMIT": {**offset, "limit_offset": D(10)},
    }[kind]
    if tif == "GTD":
        fields["expire_time"] = TestClock().utc_now().replace(year=2040)
    make = getattr(venue.make, kind.lower())
    try:
        return make(
            ETH.id, OrderSide.BUY, ETH.make_qty(1), time_in_force=TimeInForce[tif], **fields
        )
    except (TypeError, ValueError):
        return None


def probe(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def add(function: Callable[[], None]) -> Callable[[], None]:
        PROBES[name] = function
        return function

    return add


def listed(name: str) -> set[str]:
    """
    Return the words in capitals of a line, before its explanation.
    """
    return set(re.findall(r"\b[A-Z_]{3,}\b", TAKES[name].partition(";")[0]))


def told(name: str) -> re.Pattern[str]:
    """
    Return a pattern of the reason that a line gives.
    """
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(REFUSES[name])))


def every_order() -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
    """
    Send every order that NautilusTrader can make, and return what was taken and what was not.
    """
    taken: set[tuple[str, str]] = set()
    refused: dict[tuple[str, str], str] = {}
    for kind, tif in itertools.product(OrderType.__members__, TimeInForce.__members__):
        venue = Venue()
        order = made(venue, kind, tif)
        if order is None:
            continue
        try:
            sent = venue.send(order)
        except UnsupportedOrderError as e:
            refused[kind, tif] = str(e)
        else:
            assert sent.state is not OrderState.REJECTED, (kind, tif, sent.reason)
            taken.add((kind, tif))
    return taken, refused


@probe("order types")
def order_types() -> None:
    taken, refused = every_order()
    assert {kind for kind, _ in taken} == listed("order types")
    assert {kind for kind, _ in refused} - listed("order types")


@probe("time in force")
def time_in_force() -> None:
    taken, _ = every_order()
    assert {tif for _, tif in taken} == listed("time in force")
    venue = Venue()
    assert venue.limit(BELOW, time_in_force=TimeInForce.DAY).state is OrderState.ACCEPTED


@probe("post-only")
def post_only() -> None:
    venue = Venue()
    assert venue.limit(ABOVE, post_only=True).state is OrderState.REJECTED
    assert venue.limit(BELOW, post_only=True).state is OrderState.ACCEPTED


@probe("reduce-only")
def reduce_only() -> None:
    venue = Venue()
    venue.market()
    order = venue.market(OrderSide.SELL, 3, reduce_only=True)
    assert (order.filled_qty, order.state) == (D(1), OrderState.CANCELED)
    assert venue.qty() == 0


@probe("amend")
def amend() -> None:
    venue = Venue()
    limit, stop = venue.limit(BELOW), venue.stop(BELOW)
    venue.exchange.modify(ACCOUNT, limit.venue_order_id, qty=D(5), px=D(1800))
    venue.exchange.modify(ACCOUNT, stop.venue_order_id, trigger_px=D(1700))
    assert (venue.now(limit).qty, venue.now(limit).px) == (D(5), D(1800))
    assert venue.now(stop).trigger_px == 1700


@probe("cancel")
def cancel() -> None:
    venue = Venue()
    orders = [venue.limit(BELOW), venue.limit(BELOW), venue.stop(BELOW)]
    venue.exchange.cancel(ACCOUNT, orders[0].venue_order_id)
    venue.exchange.cancel_all(ACCOUNT, "ETHUSDT-PERP", Side.SELL)
    states = [venue.now(o).state for o in orders]
    assert states == [OrderState.CANCELED, OrderState.ACCEPTED, OrderState.CANCELED]


def bracket(venue: Venue) -> list[Order]:
    orders = venue.make.bracket(
        ETH.id,
        OrderSide.BUY,
        ETH.make_qty(1),
        entry_order_type=OrderType.LIMIT,
        entry_price=ETH.make_price(D(BELOW)),
        sl_trigger_price=ETH.make_price(D("1800")),
        tp_price=ETH.make_price(D(ABOVE)),
    ).orders
    return [venue.send(order) for order in orders]


@probe("OCO, OUO")
def one_cancels_other() -> None:
    venue = Venue()
    _, stop, target = bracket(venue)
    venue.exchange.set_price("ETHUSDT-PERP", D(1850))  # The entry fills
    venue.exchange.set_price("ETHUSDT-PERP", D(2200))
    assert venue.now(target).state is OrderState.FILLED
    assert venue.now(stop).state is OrderState.CANCELED


@probe("OTO")
def one_triggers_other() -> None:
    venue = Venue()
    assert {order.state for order in bracket(venue)} == {OrderState.ACCEPTED}


@probe("positions")
def positions() -> None:
    assert listed("positions") == set(Oms.__members__)
    for side, leg in ((OrderSide.BUY, Leg.LONG), (OrderSide.SELL, Leg.SHORT)):
        venue = Venue(Oms.HEDGING)
        venue.market(side)
        assert abs(venue.qty(leg)) == 1


@probe("fills")
def fills() -> None:
    venue = Venue()
    assert venue.market(qty=10_000).avg_px == 2_000
    order = venue.limit(BELOW, qty=3)
    venue.exchange.fill(ACCOUNT, order.venue_order_id, D(1))
    assert venue.now(order).state is OrderState.PARTIALLY_FILLED


@probe("trigger")
def trigger() -> None:
    venue = Venue()
    orders = [
        venue.stop(BELOW, trigger_type=t) for t in (TriggerType.MARK_PRICE, TriggerType.LAST_PRICE)
    ]
    venue.exchange.set_price("ETHUSDT-PERP", D(BELOW))
    assert {venue.now(o).state for o in orders} == {OrderState.FILLED}


@probe("iceberg")
def iceberg() -> None:
    order = Venue().limit(ABOVE, qty=10, display_qty=ETH.make_qty(1))
    assert order.filled_qty == 10


@probe("money")
def money() -> None:
    venue = Venue()
    before = dict(venue.exchange.account(ACCOUNT).totals)
    assert venue.market(qty=1_000_000).state is OrderState.FILLED
    assert venue.exchange.account(ACCOUNT).totals == before


@probe("data")
def data() -> None:
    """What a data client does not take, it inherits."""
    own = {
        name.removeprefix("_subscribe_").removeprefix("_request_")
        for name in dir(PaperVenueDataClient)
        if name.startswith(("_subscribe_", "_request_"))
        and getattr(PaperVenueDataClient, name) is not getattr(LiveMarketDataClient, name)
    }
    assert own == {"instrument", "instruments", "quote_ticks", "trade_ticks", "bars"}


@probe("instruments")
def instruments() -> None:
    assert (ETH.price_precision, ETH.size_precision) == (2, 3)
    assert ETH.settlement_currency.code == "USDT"
    assert not ETH.is_inverse


@pytest.mark.parametrize("name", TAKES)
def test_each_line_of_what_it_takes_is_so(name: str) -> None:
    """A line without a probe fails."""
    PROBES[name]()


def refusals() -> dict[str, list[str]]:
    """
    Return the reasons that the venue gives, by the line that lists them.
    """
    _, refused = every_order()
    venue = Venue()
    first = venue.market(qty=2)
    again = NewOrder(symbol="ETHUSDT-PERP", side=Side.BUY, qty=D(1), client_order_id="A")
    venue.exchange.submit(ACCOUNT, again)
    unknown = NewOrder(symbol="NONE", side=Side.BUY, qty=D(1))
    quoted = venue.make.market(ETH.id, OrderSide.BUY, ETH.make_qty(1), quote_quantity=True)
    with pytest.raises(UnsupportedOrderError) as quote:
        venue.send(quoted)
    partly = venue.limit(BELOW, qty=3)
    venue.exchange.fill(ACCOUNT, partly.venue_order_id, D(2))
    told_of = {}
    for name, order_id, qty in (
        ("a change or cancel of an unknown order", "NONE", D(1)),
        ("a change or cancel of a closed order", first.venue_order_id, D(1)),
        ("a change to less than is filled", partly.venue_order_id, D(1)),
    ):
        venue.exchange.modify(ACCOUNT, order_id, qty=qty)
        told_of[name] = [venue.refusal()]
    for name, order_id in (
        ("a change or cancel of an unknown order", "NONE"),
        ("a change or cancel of a closed order", first.venue_order_id),
    ):
        venue.exchange.cancel(ACCOUNT, order_id)
        told_of[name].append(venue.refusal())
    return {
        "another order type or time in force": list(refused.values()),
        "a quote quantity": [str(quote.value)],
        "a client order ID that was used before": [venue.exchange.submit(ACCOUNT, again).reason],
        "a market order in a symbol without a price": [
            venue.exchange.submit(ACCOUNT, unknown).reason
        ],
        "post-only that would fill at once": [venue.limit(ABOVE, post_only=True).reason],
        "IOC or FOK that does not fill at once": [
            venue.limit(BELOW, time_in_force=TimeInForce[tif]).reason for tif in ("IOC", "FOK")
        ],
        "reduce-only with nothing to reduce": [
            Venue().market(OrderSide.SELL, reduce_only=True).reason
        ],
        **told_of,
    }


def test_each_line_of_what_it_refuses_is_the_reason_that_is_given() -> None:
    """Each is provoked, by whatever NautilusTrader can send."""
    given = refusals()
    assert given.keys() == REFUSES.keys()
    for name, reasons in given.items():
        assert reasons, name
        for reason in reasons:
            assert told(name).fullmatch(reason), (name, reason)

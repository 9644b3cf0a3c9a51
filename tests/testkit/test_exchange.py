from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.exchange import ExchangeError
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.records import TimeInForce


D = Decimal
ETH = "ETHUSDT-PERP"


class Bench:
    """
    An exchange with one account, a price of 2000 and a list of what it published.
    """

    def __init__(self, oms: Oms = Oms.NETTING, fee_rate: str = "0") -> None:
        self.events: list[ExchangeEvent] = []
        self.exchange = Exchange(self.events.append, clock=lambda: 1, fee_rate=D(fee_rate))
        self.exchange.open_account("PAPER-001", oms)
        self.account = self.exchange.account("PAPER-001")
        self.exchange.set_price(ETH, D(2000))

    def submit(self, side: str, qty: str, kind: str = "MARKET", **fields: Any) -> Order:
        new = NewOrder(symbol=ETH, side=Side(side), qty=D(qty), kind=OrderKind(kind), **fields)
        return self.exchange.submit("PAPER-001", new)

    def order(self, order_id: str) -> Order:
        order = self.account.find(order_id)
        assert order is not None
        return order

    def position(self, leg: Leg = Leg.NET) -> Decimal:
        return self.account.positions[ETH, leg].qty

    def kinds(self) -> list[str]:
        return [e.kind.value for e in self.events if isinstance(e, OrderEvent)]


def test_a_market_order_fills_at_the_price() -> None:
    bench = Bench()
    order = bench.submit("BUY", "1.5")
    assert (order.state, order.avg_px, bench.position()) == (OrderState.FILLED, D(2000), D("1.5"))
    assert bench.kinds() == ["ACCEPTED", "FILLED"]


def test_a_market_order_without_a_price_is_rejected_and_not_kept() -> None:
    bench = Bench()
    new = NewOrder(symbol="NEW", side=Side.BUY, qty=D(1))
    order = bench.exchange.submit("PAPER-001", new)
    assert (order.state, order.reason) == (OrderState.REJECTED, "no price for NEW")
    assert bench.account.orders == {}


def test_a_limit_order_rests_and_fills_at_its_own_price() -> None:
    bench = Bench()
    order = bench.submit("BUY", "1", "LIMIT", px=D(1990))
    assert order.state is OrderState.ACCEPTED
    bench.exchange.set_price(ETH, D(1980))
    assert bench.order(order.venue_order_id).avg_px == D(1990)
    assert bench.account.fills[0].is_maker


def test_a_marketable_limit_order_fills_at_the_better_price() -> None:
    order = Bench().submit("BUY", "1", "LIMIT", px=D(2010))
    assert order.avg_px == D(2000)


def test_a_stop_order_triggers_at_its_price_and_not_before() -> None:
    bench = Bench()
    bench.submit("BUY", "1")
    stop = bench.submit("SELL", "1", "STOP_MARKET", trigger_px=D(1900), reduce_only=True)
    bench.exchange.set_price(ETH, D("1900.01"))
    assert bench.order(stop.venue_order_id).state is OrderState.ACCEPTED
    bench.exchange.set_price(ETH, D(1890))
    assert bench.order(stop.venue_order_id).avg_px == D(1890)
    assert bench.position() == D(0)


def test_a_stop_limit_order_is_triggered_and_then_rests() -> None:
    bench = Bench()
    stop = bench.submit("SELL", "1", "STOP_LIMIT", trigger_px=D(1900), px=D(1895))
    bench.exchange.set_price(ETH, D(1890))
    assert bench.order(stop.venue_order_id).state is OrderState.TRIGGERED
    bench.exchange.set_price(ETH, D(1896))
    assert bench.order(stop.venue_order_id).avg_px == D(1895)
    assert bench.kinds() == ["ACCEPTED", "TRIGGERED", "FILLED"]


def test_a_duplicate_client_order_id_is_rejected_and_the_first_order_is_untouched() -> None:
    bench = Bench()
    bench.submit("BUY", "1", "LIMIT", px=D(1), client_order_id="A")
    second = bench.submit("SELL", "2", "LIMIT", px=D(9999), client_order_id="A")
    assert second.reason == "duplicate client order ID A"
    assert bench.order("A").qty == D(1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"qty": "0"}, "quantity 0 is not positive"),
        ({"kind": "LIMIT"}, "LIMIT needs a price"),
        ({"kind": "STOP_MARKET"}, "STOP_MARKET needs a trigger price"),
        (
            {"kind": "LIMIT", "px": D(2001), "post_only": True},
            "post-only order would take liquidity at 2000",
        ),
    ],
)
def test_an_order_that_cannot_be_taken_is_rejected_with_the_reason(
    fields: dict[str, Any], reason: str
) -> None:
    assert Bench().submit("BUY", **{"qty": "1", **fields}).reason == reason


def test_an_order_is_filled_in_parts_on_request() -> None:
    bench = Bench()
    order = bench.submit("BUY", "3", "LIMIT", px=D(1990), client_order_id="A")
    bench.exchange.fill("PAPER-001", "A", D(1), D(1980))
    assert bench.order("A").state is OrderState.PARTIALLY_FILLED
    bench.exchange.fill("PAPER-001", order.venue_order_id)
    filled = bench.order("A")
    assert (filled.state, filled.filled_qty) == (OrderState.FILLED, D(3))
    assert filled.avg_px == (D(1980) + 2 * D(1990)) / 3


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda b: b.exchange.fill("PAPER-001", "A", D(2)), "cannot fill 2 of A: 1 is left"),
        (lambda b: b.exchange.fill("PAPER-001", "B"), "account PAPER-001 has no order B"),
        (lambda b: b.exchange.expire("PAPER-001", "B"), "account PAPER-001 has no order B"),
        (
            lambda b: b.exchange.account("X"),
            "no account X (known accounts: PAPER-001): open it first",
        ),
        (
            lambda b: b.exchange.open_account("PAPER-001", Oms.HEDGING),
            (
                "account PAPER-001 is NETTING, not HEDGING: "
                "use the same OMS everywhere, or use another account ID"
            ),
        ),
    ],
)
def test_an_impossible_control_says_why(act: Callable[[Bench], object], message: str) -> None:
    bench = Bench()
    bench.submit("BUY", "1", "LIMIT", px=D(1990), client_order_id="A")
    with pytest.raises(ExchangeError) as error:
        act(bench)
    assert str(error.value) == message


def test_modify_changes_an_order_and_matches_it_again() -> None:
    bench = Bench()
    bench.submit("BUY", "1", "LIMIT", px=D(1990), client_order_id="A")
    bench.exchange.modify("PAPER-001", "A", qty=D(2))
    assert (bench.order("A").qty, bench.order("A").state) == (D(2), OrderState.ACCEPTED)
    bench.exchange.modify("PAPER-001", "A", px=D(2005))
    assert bench.order("A").state is OrderState.FILLED


def test_modifying_or_canceling_what_is_not_open_is_refused() -> None:
    bench = Bench()
    bench.submit("BUY", "1", client_order_id="A")
    bench.exchange.modify("PAPER-001", "A", qty=D(2))
    bench.exchange.cancel("PAPER-001", "A")
    bench.exchange.cancel("PAPER-001", "B")
    refused = [e for e in bench.events if isinstance(e, CommandRejected)]
    assert [(e.command, e.client_order_id, e.reason) for e in refused] == [
        ("MODIFY", "A", "order is FILLED"),
        ("CANCEL", "A", "order is FILLED"),
        ("CANCEL", "B", "no such order"),
    ]


def test_cancel_all_takes_a_symbol_and_a_side() -> None:
    bench = Bench()
    bench.submit("BUY", "1", "LIMIT", px=D(1), client_order_id="A")
    bench.submit("SELL", "1", "LIMIT", px=D(9999), client_order_id="B")
    bench.exchange.cancel_all("PAPER-001", ETH, Side.SELL)
    assert bench.order("A").state is OrderState.ACCEPTED
    assert bench.order("B").state is OrderState.CANCELED


def test_a_reduce_only_order_never_opens_a_position() -> None:
    bench = Bench()
    bench.submit("BUY", "1")
    order = bench.submit("SELL", "3", reduce_only=True)
    assert (order.state, order.filled_qty) == (OrderState.CANCELED, D(1))
    assert bench.position() == D(0)


def test_an_order_held_back_is_matched_once_it_is_released() -> None:
    bench = Bench()
    new = NewOrder(symbol=ETH, side=Side.BUY, qty=D(1), client_order_id="A")
    bench.exchange.submit("PAPER-001", new, hold=True)
    assert bench.kinds() == []
    bench.exchange.release("PAPER-001")
    assert bench.kinds() == ["ACCEPTED", "FILLED"]


def test_an_order_that_is_filled_cancels_those_linked_to_it() -> None:
    bench = Bench()
    bench.submit("BUY", "1")
    bench.submit("SELL", "1", "LIMIT", px=D(2100), client_order_id="TP", cancels=("SL",))
    bench.submit(
        "SELL", "1", "STOP_MARKET", trigger_px=D(1900), client_order_id="SL", cancels=("TP",)
    )
    bench.exchange.set_price(ETH, D(1890))
    assert bench.order("SL").state is OrderState.FILLED
    assert bench.order("TP").state is OrderState.CANCELED


def test_an_ioc_order_that_does_not_match_is_canceled() -> None:
    order = Bench().submit("BUY", "1", "LIMIT", px=D(1), tif=TimeInForce.IOC)
    assert order.state is OrderState.CANCELED


def test_a_gtd_order_expires_when_its_time_has_come() -> None:
    bench = Bench()
    order = bench.submit("BUY", "1", "LIMIT", px=D(1), tif=TimeInForce.GTD, expire_ns=100)
    bench.exchange.expire_due(99)
    assert bench.order(order.venue_order_id).state is OrderState.ACCEPTED
    bench.exchange.expire_due(100)
    assert bench.order(order.venue_order_id).state is OrderState.EXPIRED


def test_a_position_that_goes_through_zero_has_the_new_price() -> None:
    bench = Bench()
    bench.submit("BUY", "1")
    bench.exchange.set_price(ETH, D(2100))
    bench.submit("SELL", "3")
    position = bench.account.positions[ETH, Leg.NET]
    assert (position.qty, position.avg_px) == (D(-2), D(2100))
    assert bench.account.totals["USDT"] == D(1_000_100)


def test_fees_are_taken_from_the_balance() -> None:
    bench = Bench(fee_rate="0.001")
    bench.submit("BUY", "1")
    assert bench.account.fills[0].fee == D(2)
    assert bench.account.totals["USDT"] == D(999_998)


def test_a_hedging_account_holds_both_legs() -> None:
    bench = Bench(Oms.HEDGING)
    bench.submit("BUY", "2")
    bench.submit("SELL", "3")
    assert (bench.position(Leg.LONG), bench.position(Leg.SHORT)) == (D(2), D(-3))
    bench.submit("SELL", "2", reduce_only=True)
    bench.submit("BUY", "1", leg=Leg.SHORT)
    assert (bench.position(Leg.LONG), bench.position(Leg.SHORT)) == (D(0), D(-2))


def test_a_leg_never_goes_through_zero() -> None:
    bench = Bench(Oms.HEDGING)
    bench.submit("BUY", "1")
    order = bench.submit("SELL", "5", leg=Leg.LONG)
    assert (order.filled_qty, order.state) == (D(1), OrderState.CANCELED)


def test_times_are_strictly_increasing_though_the_clock_stands_still() -> None:
    bench = Bench()
    bench.submit("BUY", "1")
    times = [e.ts for e in bench.events]
    assert times == sorted(set(times))


# -- PROPERTIES ------------------------------------------------------------------------------------


def _market_without_px(order: NewOrder) -> NewOrder:
    if order.kind in (OrderKind.MARKET, OrderKind.STOP_MARKET):
        return replace(order, px=None)
    return order


prices = st.integers(1, 40).map(lambda n: D(n) * 100)
quantities = st.integers(1, 50).map(lambda n: D(n) / 10)
orders = st.builds(
    NewOrder,
    symbol=st.just(ETH),
    side=st.sampled_from(Side),
    qty=quantities,
    kind=st.sampled_from(OrderKind),
    px=prices,
    trigger_px=prices,
    reduce_only=st.booleans(),
    leg=st.sampled_from([None, Leg.LONG, Leg.SHORT]),
).map(_market_without_px)
steps = st.lists(
    st.one_of(
        orders,
        prices,
        st.tuples(st.sampled_from(["fill", "cancel", "modify"]), st.integers(0, 20), quantities),
    ),
    max_size=40,
)


def _play(bench: Bench, steps: list[Any]) -> None:
    for step in steps:
        match step:
            case NewOrder():
                bench.exchange.submit("PAPER-001", step)
            case Decimal():
                bench.exchange.set_price(ETH, step)
            case (name, index, qty):
                if index >= len(bench.account.orders):
                    continue
                order_id = list(bench.account.orders)[index]
                try:
                    if name == "fill":
                        bench.exchange.fill("PAPER-001", order_id, qty)
                    elif name == "modify":
                        bench.exchange.modify("PAPER-001", order_id, qty=qty)
                    else:
                        bench.exchange.cancel("PAPER-001", order_id)
                except ExchangeError:
                    continue


def _equity(account: Account, px: Decimal) -> Decimal:
    unrealized = sum((p.qty * px - p.cost for p in account.positions.values()), D(0))
    return account.totals["USDT"] + unrealized


@given(steps=steps, oms=st.sampled_from(Oms))
def test_no_money_is_made_or_lost_but_by_price_and_fee(steps: list[Any], oms: Oms) -> None:
    bench = Bench(oms, fee_rate="0.0005")
    _play(bench, steps)
    px = bench.exchange.prices[ETH]
    gained = sum((f.qty * f.side.sign * (px - f.px) - f.fee for f in bench.account.fills), D(0))
    assert abs(_equity(bench.account, px) - 1_000_000 - gained) < D("1e-15")


@given(steps=steps, oms=st.sampled_from(Oms))
def test_a_position_is_the_sum_of_its_fills(steps: list[Any], oms: Oms) -> None:
    bench = Bench(oms)
    _play(bench, steps)
    for (symbol, leg), position in bench.account.positions.items():
        fills = [f for f in bench.account.fills if (f.symbol, f.leg) == (symbol, leg)]
        assert position.qty == sum((f.qty * f.side.sign for f in fills), D(0))
        assert leg is not Leg.LONG or position.qty >= 0
        assert leg is not Leg.SHORT or position.qty <= 0
        assert (position.qty == 0) == (position.cost == 0)


@given(steps=steps, oms=st.sampled_from(Oms))
def test_an_order_is_the_sum_of_its_fills_and_of_its_events(steps: list[Any], oms: Oms) -> None:
    bench = Bench(oms)
    _play(bench, steps)
    last = {e.order.venue_order_id: e.order for e in bench.events if isinstance(e, OrderEvent)}
    for order in bench.account.orders.values():
        fills = [f for f in bench.account.fills if f.venue_order_id == order.venue_order_id]
        assert order.filled_qty == sum((f.qty for f in fills), D(0)) <= order.qty
        assert (order.state is OrderState.FILLED) == (order.filled_qty == order.qty)
        assert last[order.venue_order_id] == order

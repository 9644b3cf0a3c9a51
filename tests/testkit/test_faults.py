from decimal import Decimal

import msgspec
import pytest

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import reported_fills
from nautilus_recovery_actor.testkit.faults import reported_orders
from nautilus_recovery_actor.testkit.faults import reported_positions
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Side


D = Decimal
ETH = "ETHUSDT-PERP"


@pytest.fixture
def exchange() -> Exchange:
    """
    Return an exchange where an account is LONG 1, with a stop and a limit order open.
    """
    exchange = Exchange(lambda _: None, clock=lambda: 1)
    exchange.open_account("A-1")
    exchange.set_price(ETH, D(2000))
    for new in (
        NewOrder(symbol=ETH, side=Side.BUY, qty=D(1), client_order_id="ENTRY"),
        NewOrder(
            symbol=ETH,
            side=Side.SELL,
            qty=D(1),
            kind=OrderKind.STOP_MARKET,
            trigger_px=D(1900),
            client_order_id="STOP",
        ),
        NewOrder(
            symbol=ETH,
            side=Side.BUY,
            qty=D(2),
            kind=OrderKind.LIMIT,
            px=D(1000),
            client_order_id="LIMIT",
        ),
    ):
        exchange.submit("A-1", new)
    return exchange


@pytest.fixture
def account(exchange: Exchange) -> Account:
    return exchange.accounts["A-1"]


def _orders(account: Account, faults: Faults, **query: object) -> list[str | None]:
    return [o.client_order_id for o in reported_orders(account, faults, **query)]  # type: ignore[arg-type]


def _fills(account: Account, faults: Faults) -> list[str | None]:
    return [f.client_order_id for f in reported_fills(account, faults)]


def _positions(account: Account, faults: Faults, symbol: str | None = None) -> list[Decimal]:
    return [p.qty for p in reported_positions(account, faults, symbol)]


def test_without_faults_everything_is_reported(account: Account) -> None:
    assert _orders(account, Faults()) == ["ENTRY", "STOP", "LIMIT"]
    assert _orders(account, Faults(), open_only=True) == ["STOP", "LIMIT"]
    assert _orders(account, Faults(), order_id="STOP") == ["STOP"]
    assert _orders(account, Faults(), symbol="BTCUSDT-PERP") == []
    assert _fills(account, Faults()) == ["ENTRY"]
    assert _positions(account, Faults()) == [D(1)]


def test_an_old_closed_order_is_outside_the_lookback_and_an_old_open_one_is_not(
    exchange: Exchange, account: Account
) -> None:
    assert _orders(account, Faults(), since_ns=exchange.now()) == ["STOP", "LIMIT"]


def test_a_flat_position_is_in_no_mass_status_but_in_the_answer_to_its_own_query(
    exchange: Exchange, account: Account
) -> None:
    exchange.set_price(ETH, D(1890))
    assert _positions(account, Faults()) == []
    assert _positions(account, Faults(), ETH) == [D(0)]
    assert _positions(account, Faults(silent_when_flat=True), ETH) == []


def test_lost_fills_take_their_orders_and_the_flat_position_with_them(
    exchange: Exchange, account: Account
) -> None:
    faults = Faults(lose_fills_since=exchange.now())
    exchange.set_price(ETH, D(1890))
    assert _orders(account, faults) == ["ENTRY", "LIMIT"]
    assert _fills(account, faults) == ["ENTRY"]
    assert _positions(account, faults) == []
    assert _positions(account, faults, ETH) == []


def test_orders_canceled_since_the_mark_are_lost_too(exchange: Exchange, account: Account) -> None:
    faults = Faults(lose_fills_since=exchange.now())
    exchange.cancel("A-1", "LIMIT")
    assert _orders(account, faults) == ["ENTRY", "STOP"]


def test_hidden_fills_leave_the_orders_filled(account: Account) -> None:
    faults = Faults(hide_fill_reports=True)
    assert _fills(account, faults) == []
    assert reported_orders(account, faults)[0].filled_qty == D(1)


def test_every_fill_is_reported_twice(account: Account) -> None:
    assert _fills(account, Faults(duplicate_fill_reports=True)) == ["ENTRY", "ENTRY"]


def test_a_phantom_position_is_reported_with_the_real_ones(account: Account) -> None:
    faults = Faults(phantom_positions=(Position(symbol="XXX", qty=D(-5)),))
    assert _positions(account, faults) == [D(1), D(-5)]
    assert _positions(account, faults, "XXX") == [D(-5)]


def test_a_position_is_reported_with_another_quantity_and_the_same_price(account: Account) -> None:
    [position] = reported_positions(account, Faults(override_positions={ETH: D(-3)}))
    assert (position.qty, position.avg_px) == (D(-3), D(2000))
    assert account.positions[ETH, Leg.NET].qty == D(1)


def test_one_leg_is_reported_with_another_quantity() -> None:
    exchange = Exchange(lambda _: None, clock=lambda: 1)
    exchange.open_account("H-1", Oms.HEDGING)
    account = exchange.account("H-1")
    exchange.set_position("H-1", ETH, D(2), D(2000))
    exchange.set_position("H-1", ETH, D(-1), D(2000))
    assert _positions(account, Faults(override_positions={f"{ETH}:SHORT": D(-4)})) == [D(2), D(-4)]


def test_hidden_orders_are_left_out_with_their_fills(account: Account) -> None:
    faults = Faults(hide_orders=("ENTRY", "PAPER-2"))
    assert _orders(account, faults) == ["LIMIT"]
    assert _fills(account, faults) == []


def test_hidden_positions_are_left_out_of_every_answer(account: Account) -> None:
    faults = Faults(hide_positions=(ETH,))
    assert _positions(account, faults) == []
    assert _positions(account, faults, ETH) == []


def test_an_order_without_an_answer_is_in_no_report(exchange: Exchange, account: Account) -> None:
    new = NewOrder(symbol=ETH, side=Side.BUY, qty=D(1), client_order_id="HELD")
    exchange.submit("A-1", new, hold=True)
    assert "HELD" not in _orders(account, Faults())


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `lose_fill`"):
        msgspec.convert({"lose_fill": 1}, Faults)

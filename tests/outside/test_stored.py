from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.accounts import restored_account
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.positions import Terms
from nautilus_recovery_actor.outside.store.positions import instrument_terms
from nautilus_recovery_actor.outside.store.positions import restored_position


ENCODERS: list[Callable[[Any], bytes]] = [msgspec.msgpack.encode, msgspec.json.encode]
LINEAR = Terms(
    size_precision=3,
    multiplier=1.0,
    is_inverse=False,
    currency="USDT",
    precision=2,
    commission_currency="ETH",
)


def event(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    """
    Return an event as NautilusTrader writes it.
    """
    return {
        "type": kind,
        "trader_id": "T-1",
        "strategy_id": "S-001",
        "instrument_id": "ETHUSDT.PAPER",
        "client_order_id": "O-1",
        "event_id": f"E-{number}",
        "ts_event": f"{number}000000000",
        "ts_init": f"1970-01-01T00:00:{number:02}.5Z",
        **fields,
    }


def initialized(order_type: str = "LIMIT", **fields: Any) -> dict[str, Any]:
    options = {"price": "100.00", "trigger_price": "90.00"}
    return event(
        "OrderInitialized",
        1,
        **{
            "order_side": "BUY",
            "order_type": order_type,
            "quantity": "2.000",
            "emulation_trigger": "NO_TRIGGER",
            "options": options,
            **fields,
        },
    )


def filled(
    number: int, side: str = "BUY", qty: str = "1.000", px: str = "100", **fields: Any
) -> Any:
    return event(
        "OrderFilled",
        number,
        **{
            "venue_order_id": "V-1",
            "account_id": "PAPER-001",
            "trade_id": f"T-{number}",
            "position_id": "P-1",
            "order_side": side,
            "last_qty": qty,
            "last_px": px,
            "commission": "0.10 USDT",
            **fields,
        },
    )


def answered(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return event(kind, number, **{"venue_order_id": "V-1", "account_id": "PAPER-001", **fields})


def order_of(*events: dict[str, Any]) -> RestoredOrder:
    """
    Return the order that mixed encodings of events make.
    """
    return restored_order(ENCODERS[i % 2](event) for i, event in enumerate(events))


def position_of(*fills: dict[str, Any], terms: Terms = LINEAR) -> Any:
    return restored_position((ENCODERS[i % 2](f) for i, f in enumerate(fills)), lambda _: terms)


def account_of(*states: dict[str, Any]) -> RestoredAccount:
    return restored_account(ENCODERS[i % 2](state) for i, state in enumerate(states))


def state(*balances: tuple[str, str, str, str], **fields: Any) -> dict[str, Any]:
    return {
        "type": "AccountState",
        "account_id": "PAPER-001",
        "account_type": "MARGIN",
        "base_currency": None,
        "balances": [
            dict(zip(("currency", "total", "locked", "free"), balance, strict=True))
            for balance in balances
        ],
        "ts_event": "5",
        "ts_init": "6",
        **fields,
    }


# -- VALUES --


@pytest.mark.parametrize(
    ("when", "ns"),
    [
        (5, 5),
        ("0", 0),
        ("1795412537011851764", 1795412537011851764),
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-11-23T05:42:12.407839783Z", 1795412532407839783),
    ],
)
def test_a_timestamp_is_a_number_its_digits_or_iso_8601(when: int | str, ns: int) -> None:
    """
    To the nanosecond.
    """
    assert decoding.nanoseconds(when) == ns


@pytest.mark.parametrize(
    "when",
    [
        *("", "x", "-1", "1.5", "9" * 19, "9" * 70, "2026-02-30T00:00:00Z", "1969-12-31T00:00:00Z"),
        *("2026-11-23T05:42:12", "2026-11-23T05:42:12.Z", "2026-11-23T05:42:12.1234567890Z"),
    ],
)
def test_what_is_no_timestamp_is_broken(when: str) -> None:
    """
    Also one that no clock can show.
    """
    with pytest.raises(BrokenEntryError, match="not a timestamp"):
        decoding.nanoseconds(when)


@pytest.mark.parametrize("text", ["", "x", "NaN", "inf", "1e41", "1e-41", "1" * 61, "1e999999999"])
def test_what_is_no_sensible_number_is_broken(text: str) -> None:
    """
    One that would fill the memory when it is shown is none.
    """
    with pytest.raises(BrokenEntryError, match="not a number"):
        decoding.number(text)
    with pytest.raises(BrokenEntryError, match="not a number"):
        decoding.quantity(text)


def test_numbers_are_exact() -> None:
    """
    Decimals stay decimals, and zero is one.
    """
    assert str(decoding.number("1.500")) == "1.500"
    assert str(decoding.number("0.00000000")) == "0"
    assert decoding.number("1e40") == Decimal("1e40")
    assert decoding.money("-1.50 USDT") == (Decimal("-1.50"), "USDT")
    with pytest.raises(BrokenEntryError, match="not an amount of money"):
        decoding.money("1.50")
    with pytest.raises(BrokenEntryError, match="a negative quantity"):
        decoding.quantity("-0.001")


# -- ORDERS --


def test_an_order_is_what_its_events_make_of_it() -> None:
    """
    Whichever encoding each event is in.
    """
    order = order_of(
        initialized("STOP_LIMIT"),
        event("OrderSubmitted", 2, account_id="PAPER-001"),
        answered("OrderAccepted", 3),
        answered("OrderUpdated", 4, quantity="4.000", price="101", trigger_price="91"),
        answered("OrderTriggered", 5),
        filled(6),
        answered("OrderPendingCancel", 7),
    )
    assert order == RestoredOrder(
        client_order_id="O-1",
        strategy_id="S-001",
        instrument_id="ETHUSDT.PAPER",
        order_type="STOP_LIMIT",
        side="BUY",
        quantity=Decimal(4),
        leaves_qty=Decimal(3),
        ts_init=1_500_000_000,
        ts_last=7_000_000_000,
        status="PENDING_CANCEL",
        filled_qty=Decimal(1),
        price=Decimal(101),
        trigger_price=Decimal(91),
        venue_order_id="V-1",
        account_id="PAPER-001",
        position_id="P-1",
    )
    assert order.is_open
    assert order.is_inflight
    assert not order.is_closed


def test_what_was_pending_ends_as_it_was() -> None:
    """
    A refused change leaves the status of before it.
    """
    to_venue = (
        initialized(),
        event("OrderSubmitted", 2, account_id="A-1"),
        answered("OrderAccepted", 3),
    )
    for asked, refused in (
        ("OrderPendingUpdate", "OrderModifyRejected"),
        ("OrderPendingCancel", "OrderCancelRejected"),
    ):
        other = {"OrderModifyRejected": "OrderCancelRejected"}.get(refused, "OrderModifyRejected")
        asking = (*to_venue, answered(asked, 4), answered(asked, 5))
        pending = order_of(*asking)
        assert order_of(*asking, answered(refused, 6)).status == "ACCEPTED"
        assert order_of(*asking, answered(other, 6)).status == pending.status
        assert pending.status == asked.removeprefix("OrderPending").upper().join(("PENDING_", ""))


def test_an_emulated_order_is_in_the_node_and_becomes_one_of_another_type() -> None:
    """
    All but its history begins anew when it is released.
    """
    held = (initialized("STOP_LIMIT", emulation_trigger="LAST_PRICE"), event("OrderEmulated", 2))
    order = order_of(*held)
    assert (order.status, order.emulation_trigger) == ("EMULATED", "LAST_PRICE")
    assert not any((order.is_open, order.is_inflight, order.is_closed))
    limit = initialized("LIMIT", event_id="E-3", ts_init="3")
    order = order_of(*held, limit, event("OrderReleased", 4))
    assert (order.status, order.order_type) == ("RELEASED", "LIMIT")
    assert (order.price, order.trigger_price) == (Decimal(100), None)
    assert order.emulation_trigger is None
    assert (order.ts_init, order.ts_last) == (1_500_000_000, 4_500_000_000)
    with pytest.raises(BrokenEntryError, match="cannot become 'STOP_MARKET'"):
        order_of(*held, initialized("STOP_MARKET", event_id="E-3"))
    with pytest.raises(BrokenEntryError, match="LIMIT order without a price"):
        order_of(*held, initialized("LIMIT", event_id="E-3", options={}))


@pytest.mark.parametrize("kind", ["Denied", "Rejected", "Canceled", "Expired"])
def test_an_order_that_is_over_is_closed(kind: str) -> None:
    """
    And nothing but a late fill can follow.
    """
    over = (initialized(), answered(f"Order{kind}", 2))
    order = order_of(*over)
    assert (order.status, order.is_closed) == (kind.upper(), True)
    with pytest.raises(BrokenEntryError, match=f"ACCEPTED cannot follow {kind.upper()}"):
        order_of(*over, answered("OrderAccepted", 3))


def test_a_fill_of_all_closes_an_order_and_more_than_all_leaves_nothing() -> None:
    """
    What is left is never below zero.
    """
    sent = (initialized(), answered("OrderAccepted", 2))
    order = order_of(*sent, filled(3), filled(4))
    assert (order.status, order.filled_qty, order.leaves_qty) == ("FILLED", Decimal(2), Decimal(0))
    order = order_of(*sent, filled(3, qty="5"))
    assert (order.status, order.filled_qty, order.leaves_qty) == ("FILLED", Decimal(5), Decimal(0))
    smaller = answered("OrderUpdated", 4, quantity="0.5")
    assert order_of(*sent, filled(3), smaller).leaves_qty == 0


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "no event"),
        ([event("OrderEmulated", 1)], "not OrderInitialized"),
        ([initialized(order_side="BOTH")], "unknown order side"),
        ([initialized("ICEBERG")], "unknown order type"),
        ([initialized("STOP_MARKET", options={})], "without its price"),
        ([initialized("LIMIT", options={})], "without its price"),
        ([initialized(quantity="0")], "quantity zero"),
        ([initialized(), event("OrderEmulated", 1)], "twice"),
        ([initialized(), event("OrderEmulated", 2, client_order_id="O-2")], "another order"),
        ([initialized(), event("OrderEmulated", 2, ts_init="x")], "not a timestamp"),
        ([initialized(), answered("OrderTriggered", 2)], "cannot be triggered"),
        (
            [initialized(), answered("OrderAccepted", 2), filled(3), filled(4, trade_id="T-3")],
            "trade",
        ),
        (
            [
                initialized(),
                answered("OrderAccepted", 2),
                answered("OrderExpired", 3, venue_order_id="V"),
            ],
            "the venue order ID changes",
        ),
    ],
)
def test_what_is_no_order_is_broken(events: list[dict[str, Any]], why: str) -> None:
    """
    Each with its reason.
    """
    with pytest.raises(BrokenEntryError, match=why):
        order_of(*events)


# -- POSITIONS AND ACCOUNTS --


def test_a_position_is_what_its_fills_add_up_to() -> None:
    """
    The mean price, what was won less the commissions, and a new beginning after it was closed.
    """
    position = position_of(filled(1), filled(2, px="110"), filled(3, "SELL", px="120"))
    assert (position.side, position.signed_qty, position.avg_px_open) == ("LONG", 1, 105.0)
    assert (position.realized_pnl, position.currency) == (Decimal("14.70"), "USDT")
    again = position_of(filled(1), filled(2, "SELL"), filled(3, "SELL", "3", "90"))
    assert (again.side, again.signed_qty, again.avg_px_open) == ("SHORT", -3, 90.0)
    assert (again.realized_pnl, again.ts_opened) == (Decimal("-0.10"), 3_000_000_000)
    flat = position_of(filled(1), filled(2, "SELL"))
    assert (flat.side, flat.is_open, flat.signed_qty) == ("FLAT", False, 0)


def test_a_commission_in_what_was_bought_makes_the_position_smaller_where_it_does() -> None:
    """
    The terms decide.
    """
    bought = filled(1, qty="1.000", commission="0.00100000 ETH")
    assert position_of(bought).signed_qty == Decimal("0.999")
    terms = msgspec.structs.replace(LINEAR, commission_currency=None)
    assert position_of(bought, terms=terms).signed_qty == 1


def test_an_inverse_position_wins_in_its_base_currency() -> None:
    """
    A hundred contracts from 100 to 200 win half a coin.
    """
    terms = Terms(size_precision=0, multiplier=1.0, is_inverse=True, currency="BTC", precision=8)
    fills = (filled(1, qty="100"), filled(2, "SELL", "100", "200"))
    assert position_of(*fills, terms=terms).realized_pnl == Decimal("0.5")
    short = (filled(1, "SELL", "100"), filled(2, "BUY", "100", "200"))
    assert position_of(*short, terms=terms).realized_pnl == Decimal("-0.5")
    free = filled(2, "SELL", "100", "0")
    assert position_of(filled(1, qty="100"), free, terms=terms).realized_pnl == 0


@pytest.mark.parametrize(
    ("fills", "why"),
    [
        ([], "no fill"),
        ([answered("OrderCanceled", 1)], "not OrderFilled"),
        ([filled(1, position_id=None)], "without a position"),
        ([filled(1), filled(1)], "event 'E-1' appears twice"),
        ([filled(1), filled(2, trade_id="T-1")], "trade 'T-1' appears twice"),
        ([filled(1, "NO_ORDER_SIDE")], "unknown fill side"),
        ([filled(1, px="NaN")], "not a number"),
    ],
)
def test_what_is_no_position_is_broken(fills: list[dict[str, Any]], why: str) -> None:
    """
    Each with its reason.
    """
    with pytest.raises(BrokenEntryError, match=why):
        position_of(*fills)


def test_what_an_account_has_of_each_currency_is_what_was_said_last() -> None:
    """
    A state that names one currency leaves the others.
    """
    account = account_of(
        state(("USDT", "9", "1", "8"), ("BTC", "2", "0", "2")),
        state(("USDT", "-5", "0", "-5"), ts_event="7"),
    )
    assert (account.account_id, account.account_type, account.ts_last) == ("PAPER-001", "MARGIN", 7)
    assert {c: b.total for c, b in account.balances.items()} == {"USDT": -5, "BTC": 2}


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ([], "no state"),
        ([state(account_type="CREDIT")], "unknown account type"),
        ([state(), state(account_id="B-1")], "the state of another account"),
        ([state(("USDT", "9", "1", "9"))], "total 9 less locked 1 is not free 9"),
        (
            [state(("USDT", "-9", "0", "-9"), account_type="CASH")],
            "a negative cash balance: -9 USDT",
        ),
        (
            [state(base_currency="USD"), state(("EUR", "1", "0", "1"), base_currency="USD")],
            "other than 'USD'",
        ),
    ],
)
def test_what_is_no_account_is_broken(states: list[dict[str, Any]], why: str) -> None:
    """
    Each with its reason.
    """
    with pytest.raises(BrokenEntryError, match=why):
        account_of(*states)


@pytest.mark.parametrize(
    ("fields", "currency"),
    [
        ({"quote_currency": "USDT", "base_currency": "BTC"}, "USDT"),
        ({"quote_currency": "USD", "base_currency": "BTC", "is_inverse": True}, "BTC"),
        ({"currency": "GBP"}, "GBP"),
        (
            {
                "type": "CryptoFuture",
                "underlying": "BTC",
                "quote_currency": "USD",
                "settlement_currency": "ETH",
            },
            "ETH",
        ),
    ],
)
def test_an_instrument_tells_in_which_currency_is_won(
    fields: dict[str, Any], currency: str
) -> None:
    """
    With its decimals.
    """
    value = msgspec.json.encode({"type": "X", "id": "X.Y", "multiplier": "5", **fields})
    terms = instrument_terms(
        decoding.instrument(value), {currency: 3}.__getitem__, takes_commission=True
    )
    assert (terms.currency, terms.precision, terms.multiplier) == (currency, 3, 5.0)
    assert terms.commission_currency is None


def test_an_instrument_without_a_currency_is_broken() -> None:
    """
    Nothing can be won with it.
    """
    instrument = decoding.instrument(b'{"type": "X", "id": "X.Y"}')
    with pytest.raises(BrokenEntryError, match="without a currency"):
        instrument_terms(instrument, lambda _: 2, takes_commission=True)


# -- THE WHOLE --


def test_a_time_is_told_in_its_two_largest_units() -> None:
    """
    As a person says it.
    """
    told = {
        0: "less than 1 s",
        59: "59 s",
        60: "1 min",
        303: "5 min 3 s",
        3_600: "1 h",
        11_520: "3 h 12 min",
        90_000: "1 d 1 h",
    }
    assert {secs: duration(secs * 10**9) for secs in told} == told
    assert duration(-1) == "less than 1 s"
    lengths = [duration(secs * 10**9) for secs in range(0, 200_000, 7_000)]
    assert all(one != other for one, other in pairwise(lengths))


def test_the_essence_is_one_line() -> None:
    """
    What is open, in flight and held, each with its number.
    """
    sent = event("OrderSubmitted", 2, account_id="A-1")
    accepted = (initialized(), answered("OrderAccepted", 2))
    inventory = Inventory(
        trader_id="T-1",
        ts=20_000_000_000,
        last_written=8_000_000_000,
        accounts=(account_of(state()),),
        positions=(position_of(filled(1)),),
        orders=(
            order_of(*accepted),
            order_of(*accepted, answered("OrderPendingCancel", 3)),
            order_of(initialized(), sent),
            order_of(initialized()),
        ),
    )
    assert inventory.summary() == (
        "T-1 would restore 1 open position, 2 open orders (1 of them in flight), 1 order in "
        "flight, 1 order held by the node, 1 account; last written 12 s ago"
    )
    assert Inventory(trader_id="T-1", ts=1).summary() == (
        "T-1 would restore 0 open positions, 0 open orders, 0 accounts; no events are stored"
    )


# -- WHAT NO NODE WROTE --


VALID = [
    *map(initialized, ("LIMIT", "STOP_LIMIT", "MARKET")),
    *(answered(k, 3) for k in ("OrderAccepted", "OrderUpdated", "OrderTriggered", "OrderCanceled")),
    filled(4),
    state(("USDT", "9", "1", "8")),
    {"type": "CurrencyPair", "id": "A.B", "quote_currency": "USDT", "size_precision": 3},
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """
    Return a value that is nearly one of NautilusTrader's.
    """
    fields = dict(draw(st.sampled_from(VALID)))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=4,
    )
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2)):
        fields[name] = draw(junk | st.sampled_from(["NaN", "1e999999999", "9" * 99, "\x1b[2J"]))
    data = bytearray(draw(st.sampled_from(ENCODERS))(fields))
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data))) or None])


@given(st.lists(damaged() | st.binary(max_size=40), max_size=4))
def test_whatever_is_stored_is_an_entry_or_broken(values: list[bytes]) -> None:
    """
    Damaged, truncated and foreign values end in a result that can be told, or in a reason.
    """
    for fold in (
        restored_order,
        restored_account,
        lambda v: restored_position(v, lambda _: LINEAR),
        lambda v: [decode(x) for x in v for decode in (decoding.instrument, decoding.currency)],
    ):
        try:
            made = fold([ENCODERS[0](initialized()), *values] if fold is restored_order else values)
        except BrokenEntryError as e:
            told = str(e).encode()
        else:
            told = msgspec.json.encode(made)
        assert len(told) < 20_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[" * 100_000,
        b'{"type": "OrderEmulated", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0",
        b'{"type": "OrderEmulated", "ts_init": ' + b"9" * 100_000 + b"}",
        b'{"type": "OrderEmulated", "event_id": "\xff"}',
        b'{"type": "OrderEmulated", "event_id": "\\ud800"}',
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa8balances\xdd\xff\xff\xff\xff",
        b'{"type": "OrderEmulated", "type": "OrderFilled"}',
    ],
)
def test_hostile_values_are_broken(data: bytes) -> None:
    """
    Deep nesting, huge numbers and lengths, other alphabets, keys twice.
    """
    for decode in (
        decoding.order_event,
        decoding.account_state,
        decoding.instrument,
        decoding.currency,
    ):
        with pytest.raises(BrokenEntryError, match="as NautilusTrader writes it"):
            decode(data)

"""
Broken entries of a store of 2.0: what ``inspect`` says of each is what a node of 2.0 does with it.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.over.conftest import Run
from tests.over.support import Two
from tests.over.support import store_of_two
from tests.over.test_inspect import KEY
from tests.over.test_inspect import TRADER
from tests.over.test_inspect import inspected
from tests.over.test_inspect import with_two


ORDER = "orders:O-20261129-234837-001-001-2"
DENIED = "orders:O-20261129-234837-001-001-1"
POSITION_ID = "ETHUSDT-PERP.BINANCE-Leaver-001"
POSITION = f"positions:{POSITION_ID}"
INSTRUMENT = "instruments:ETHUSDT-PERP.BINANCE"
ACCOUNT = "accounts:BINANCE-USDT_FUTURES-master"
CURRENCY = "currencies:ETH"
_encode = msgspec.msgpack.encode
_Break = Callable[[redis.Redis], object]


def full(key: str) -> str:
    return f"{KEY}:{key}"


def value_of(client: redis.Redis, key: str, index: int) -> Any:
    """Return one value of a list, or that of a string."""
    if client.type(full(key)) == b"string":
        return client.get(full(key))
    return client.lindex(full(key), index)


def store(client: Any, key: str, index: int, value: bytes) -> None:
    if client.type(full(key)) == b"string":
        client.set(full(key), value)
    else:
        client.lset(full(key), index, value)


def torn(key: str, index: int = -1) -> _Break:
    return lambda client: store(client, key, index, value_of(client, key, index)[:30])


def empty(key: str, index: int = -1) -> _Break:
    return lambda client: store(client, key, index, b"")


def field(key: str, index: int, **fields: Any) -> _Break:
    def change(client: redis.Redis) -> None:
        value = msgspec.msgpack.decode(value_of(client, key, index))
        is_bare = "ts_init" in value or "code" in value
        inner = value if is_bare else next(iter(value.values()))
        for name, one in fields.items():
            if one is ...:
                del inner[name]
            else:
                inner[name] = one
        store(client, key, index, _encode(value))

    return change


def twice(key: str) -> _Break:
    return lambda client: client.rpush(full(key), value_of(client, key, -1))


def of_another_type(key: str) -> _Break:
    def change(client: redis.Redis) -> None:
        is_string = client.type(full(key)) == b"string"
        client.delete(full(key))
        client.rpush(full(key), b"x") if is_string else client.set(full(key), b"x")

    return change


def gone(key: str) -> _Break:
    return lambda client: client.delete(full(key))


def put(key: str, value: bytes) -> _Break:
    return lambda client: client.set(full(key), value)


def snapshot(value: bytes) -> _Break:
    return lambda client: client.rpush(full(f"snapshots:{POSITION}"), value)


# What is left out, while the node starts with the rest
LEFT_OUT: dict[str, tuple[_Break, set[str]]] = {
    "the first event of an order is gone": (lambda c: c.lpop(full(ORDER)), {ORDER}),
    "an event is torn": (torn(ORDER), {ORDER}),
    "an event is empty": (empty(ORDER), {ORDER}),
    "an event is there twice": (twice(ORDER), {ORDER}),
    "an event lacks a field": (field(DENIED, 1, reason=...), {DENIED}),
    "an event of another order": (field(ORDER, 0, client_order_id="O-9"), {ORDER}),
    "an event of another strategy": (field(ORDER, 0, strategy_id="X-1"), {ORDER}),
    "an unknown side": (field(ORDER, 0, order_side="UP"), {ORDER}),
    "an unknown time in force": (field(ORDER, 0, time_in_force="XXX"), {ORDER}),
    "a time that is none": (field(ORDER, 1, ts_event="yesterday"), {ORDER}),
    "a negative quantity": (field(ORDER, 0, quantity="-1"), {ORDER}),
    "an event ID that is none": (field(ORDER, 0, event_id="xx"), {ORDER}),
    "an instrument ID that is none": (field(ORDER, 0, instrument_id="NODOT"), {ORDER}),
    "an order of another Redis type": (of_another_type(ORDER), {ORDER}),
    "a fill is torn": (torn(POSITION), {POSITION}),
    "a fill is there twice": (twice(POSITION), {POSITION}),
    "an unknown currency": (field(POSITION, 0, commission="1 ZZZ"), {POSITION}),
    "a position of another Redis type": (of_another_type(POSITION), {POSITION}),
    "no instrument": (gone(INSTRUMENT), {POSITION}),
    "a torn instrument": (torn(INSTRUMENT), {INSTRUMENT, POSITION}),
    "an empty instrument": (empty(INSTRUMENT), {INSTRUMENT, POSITION}),
    "an instrument of another Redis type": (of_another_type(INSTRUMENT), {INSTRUMENT, POSITION}),
    "a torn snapshot": (snapshot(b"\x81"), {POSITION}),
    "snapshots of another Redis type": (put(f"snapshots:{POSITION}", b"x"), {POSITION}),
    "a torn state of an account": (torn(ACCOUNT), {ACCOUNT}),
    "the state of another account": (field(ACCOUNT, 1, account_id="OTHER-1"), {ACCOUNT}),
}
# With these it does not start
STOPS: dict[str, tuple[_Break, str]] = {
    "a torn currency": (torn(CURRENCY), CURRENCY),
    "an empty currency": (empty(CURRENCY), CURRENCY),
    "a currency under another name": (
        lambda c: c.set(full(CURRENCY), value_of(c, "currencies:USDT", 0)),
        CURRENCY,
    ),
    "an unknown kind of currency": (field(CURRENCY, 0, currency_type="FOO"), CURRENCY),
    "an order without an ID": (lambda c: c.rpush(full("orders:"), b"x"), "orders:"),
    "an account without its venue": (lambda c: c.rpush(full("accounts:foo"), b"x"), "accounts:foo"),
    "the first fill has no position": (field(POSITION, 0, position_id=None), POSITION),
    "a torn end of an instrument": (
        put("instrument_closes:ETHUSDT-PERP.BINANCE", b"\x81"),
        "instrument_closes:ETHUSDT-PERP.BINANCE",
    ),
    "an index of another Redis type": (
        of_another_type("index:order_position"),
        "index:order_position",
    ),
}
# What it does not mind
LOADED: dict[str, _Break] = {
    "no event was lost": lambda _: None,
    "the last event is gone": lambda c: c.rpop(full(ORDER)),
    "a fill of another position": lambda c: (
        twice(POSITION)(c),
        field(POSITION, 1, position_id="P-9", trade_id="T-9")(c),
    ),
    "no currencies": lambda c: c.delete(full(CURRENCY), full("currencies:USDT")),
    "a state is there twice": twice(ACCOUNT),
    "no index": lambda c: c.delete(*c.keys(full("index:*"))),
    "sets of another Redis type": of_another_type("index:orders"),
    "a bare code": put(CURRENCY, _encode("ETH")),
}


def broken(valkey: EmbeddedValkey, run: Run, change: _Break) -> tuple[dict[str, Any], set[str]]:
    """Store what 2.0 wrote, break it, and return what `inspect` says, and the keys it names."""
    with valkey.client() as client:
        store_of_two(client, TRADER)
        change(client)
    found = inspected(run)
    assert found["restored_by"] == "2.0"
    return found, {one["key"].removeprefix(f"{KEY}:") for one in found["broken"]}


def started(valkey: EmbeddedValkey) -> dict[str, Any] | None:
    """Return what a node of 2.0 has loaded, ``None`` if it did not start."""
    try:
        two = Two(redis_port=valkey.port, trader_id=TRADER, is_whole=True)
    except AssertionError:
        return None  # The process has ended
    return two.facts.get("loaded")


ALL = {
    *(f"orders:O-20261129-234837-001-001-{number}" for number in (1, 2, 3)),
    *(POSITION, INSTRUMENT, ACCOUNT),
}


def names(loaded: dict[str, Any]) -> set[str]:
    return {f"{kind}:{name}" for kind, entries in loaded.items() for name in entries}


@with_two
@pytest.mark.long
@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_2_0_leaves_out_is_said(valkey: EmbeddedValkey, run: Run, name: str) -> None:
    """It logs an error, and starts with the rest."""
    change, lost = LEFT_OUT[name]
    found, said = broken(valkey, run, change)

    # A position without an instrument is named, though nothing is wrong with it
    assert said == lost
    assert not any(one["stops_start"] for one in found["broken"])
    loaded = started(valkey)
    assert loaded is not None
    assert names(loaded) == ALL - lost - ({INSTRUMENT} if name == "no instrument" else set())


@with_two
@pytest.mark.long
@pytest.mark.parametrize("name", STOPS)
def test_what_stops_a_start_of_2_0_is_said_and_can_be_taken_out(
    valkey: EmbeddedValkey, run: Run, name: str
) -> None:
    """It names nothing, or its process ends; without the entry it starts."""
    change, key = STOPS[name]
    found, said = broken(valkey, run, change)

    assert said == {key}
    assert found["broken"][0]["stops_start"]
    assert started(valkey) is None

    assert run("forget", "--all-that-stop", "--trader", TRADER, "--apply")[0] == 0
    assert not inspected(run)["broken"]
    assert started(valkey) is not None


@with_two
@pytest.mark.long
@pytest.mark.parametrize("name", LOADED)
def test_what_2_0_does_not_mind_is_not_broken(valkey: EmbeddedValkey, run: Run, name: str) -> None:
    """Nothing is said of what it loads."""
    _, said = broken(valkey, run, LOADED[name])

    assert said == set()
    loaded = started(valkey)
    assert loaded is not None
    assert names(loaded) == ALL


def test_each_kind_of_damage_is_told_apart(valkey: EmbeddedValkey, run: Run) -> None:
    """Torn, without its beginning, of no currency; and what the index names and is gone."""

    def change(client: redis.Redis) -> None:
        torn(ORDER)(client)
        client.lpop(full(DENIED))
        torn(CURRENCY)(client)
        client.sadd(full("index:orders"), "O-GONE")

    found, said = broken(valkey, run, change)
    code, out, _ = run("inspect", "--trader", TRADER, columns=200)

    assert said == {ORDER, DENIED, CURRENCY}
    assert [one["key"] for one in found["broken"] if one["stops_start"]] == [full(CURRENCY)]
    assert [(one["index"], one["named"]) for one in found["missing"]] == [
        (full("index:orders"), ["O-GONE"])
    ]
    assert code == 1
    assert f"{TRADER} would not start: NautilusTrader fails on 1 broken entry." in out
    assert "it starts with Denied, not Initialized" in out
    assert "--all-that-stop" in out


def position_state(**fields: Any) -> dict[str, Any]:
    """Return a position as 2.0 keeps it whole."""
    common = {
        "trader_id": TRADER,
        "strategy_id": "Leaver-001",
        "instrument_id": "ETHUSDT-PERP.BINANCE",
        "account_id": "BINANCE-USDT_FUTURES-master",
        "opening_order_id": "O-20261129-234837-001-001-2",
        "closing_order_id": None,
        "entry": "SELL",
        "side": "SHORT",
        "signed_qty": -0.25,
        "quantity": "0.250",
        "peak_qty": "1.000",
        "quote_currency": "USDT",
        "base_currency": "ETH",
        "settlement_currency": "USDT",
        "avg_px_open": 1910.5,
        "avg_px_close": None,
        "realized_return": 0.0,
        "realized_pnl": "-1.25000000 USDT",
        "duration_ns": 0,
        "ts_opened": "2026-11-29T23:48:37.428000000Z",
        "ts_closed": None,
        "ts_init": "2026-11-29T23:48:37.428000000Z",
        "ts_last": "2026-11-29T23:58:37.428000000Z",
    }
    return {**common, **fields}


def snapshot_of(replay_state: dict[str, Any] | None) -> bytes:
    fields: dict[str, Any] = {"position_id": POSITION_ID, "unrealized_pnl": None, "commissions": []}
    return _encode(position_state(**fields, replay_state=replay_state))


@with_two
def test_a_position_whose_trades_were_taken_back_is_that_of_its_snapshot(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """Its fills alone would tell another one, and 2.0 does not look at them."""
    whole = position_state(
        id=POSITION_ID,
        events=[],
        adjustments=[],
        replay_events=[],
        fill_voids=[],
        price_precision=2,
        size_precision=3,
        multiplier="1",
        is_inverse=False,
        is_currency_pair=False,
        instrument_class="SWAP",
        trade_ids=[],
        buy_qty="0.000",
        sell_qty="0.250",
        commissions={},
    )

    def change(client: redis.Redis) -> None:
        snapshot(snapshot_of(whole))(client)
        snapshot(snapshot_of(None))(client)  # Of the configuration that keeps each change

    found, said = broken(valkey, run, change)
    loaded = started(valkey)

    assert said == set()
    assert loaded is not None
    of_two = loaded["positions"][POSITION_ID]
    assert (of_two["side"], of_two["quantity"]) == ("SHORT", "0.250")
    [position] = found["positions"]
    assert (position["side"], position["signed_qty"]) == ("SHORT", "-0.250")
    assert (position["avg_px_open"], position["ts_last"]) == (
        float(of_two["avg_px_open"]),
        of_two["ts_last"],
    )
    assert f"{position['realized_pnl']} USDT" == of_two["realized_pnl"]

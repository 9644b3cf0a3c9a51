"""
``inspect`` on a store of 2.0: what it says is what a node of 2.0 restores.
"""

import math
from collections.abc import Callable
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import migration
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.over.conftest import Run
from tests.over.made_up import MadeUp
from tests.over.support import PYTHON_OF_TWO
from tests.over.support import Two
from tests.over.test_migration import left


TRADER = "OVER-001"
KEY = f"trader-{TRADER}"
with_two = pytest.mark.skipif(
    not PYTHON_OF_TWO.exists(), reason=f"no environment of 2.0 at {PYTHON_OF_TWO}"
)
_fields = decoding.decoder(dict[str, Any])
_CONVERTED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "instruments": migration.instrument,
    "accounts": migration.account_state,
    "orders": migration.order_event,
    "positions": migration.fill,
}


def rewrite(client: redis.Redis, key: bytes, change: Callable[[bytes], bytes]) -> None:
    """Store an entry with each of its values changed."""
    values: Any = client.lrange(key, 0, -1) if client.type(key) == b"list" else [client.get(key)]
    changed = [change(value) for value in values]
    if client.type(key) == b"list":
        client.delete(key)
        client.rpush(key, *changed)
    else:
        client.set(key, changed[0])


def keys(client: redis.Redis, kind: str) -> Iterator[tuple[bytes, str]]:
    for key in sorted(client.scan_iter(f"{KEY}:{kind}:*")):
        yield key, key.decode().removeprefix(f"{KEY}:{kind}:")


def convert_all(client: redis.Redis, encoding: str) -> None:
    """
    Turn what 1.x stored into what 2.0 would have, whether it restores the same of it or not: what
    `migrate` refuses is here, too.
    """
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    for kind, convert in _CONVERTED.items():
        for key, _ in keys(client, kind):
            rewrite(client, key, lambda value: encode(convert(_fields(value))))  # noqa: B023
    for key, code in keys(client, "currencies"):
        rewrite(client, key, lambda v: encode(migration.currency(code, _fields(v))))  # noqa: B023


def inspected(run: Run, *arguments: str) -> dict[str, Any]:
    out = run("inspect", "--trader", TRADER, "--json", *arguments)[1]
    found: dict[str, Any] = msgspec.json.decode(out)
    return found


def loaded_by_two(valkey: EmbeddedValkey, encoding: str = "msgpack") -> tuple[Any, str]:
    two = Two(redis_port=valkey.port, trader_id=TRADER, encoding=encoding, is_whole=True)
    return two.facts.get("loaded"), two.log


_CLOSED = {"DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED", "VOIDED"}
_ORDER = {
    "strategy_id": "strategy_id",
    "instrument_id": "instrument_id",
    "order_type": "type",
    "side": "side",
    "status": "status",
    "ts_init": "ts_init",
    "ts_last": "ts_last",
    "emulation_trigger": "emulation_trigger",
    "venue_order_id": "venue_order_id",
    "account_id": "account_id",
    "position_id": "position_id",
}
_NUMBERS = {name: name for name in ("quantity", "leaves_qty", "filled_qty", "price")}


def number(value: Any) -> Decimal | None:
    return None if value in {None, "None"} else Decimal(str(value))


def order_said(order: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: number(order.get(name)) for name in (*_NUMBERS, "trigger_price")}
    return {name: order.get(name) for name in _ORDER} | numbers


def order_loaded(order: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: number(order[name]) for name in (*_NUMBERS, "trigger_price")}
    others = {
        name: None if order[theirs] in {"None", "NO_TRIGGER"} else order[theirs]
        for name, theirs in _ORDER.items()
    }
    return others | numbers


def assert_positions_equal(said: list[dict[str, Any]], loaded: dict[str, Any]) -> None:
    held = {name: one for name, one in loaded.items() if one["side"] != "FLAT"}
    assert {one["position_id"] for one in said} == held.keys()
    for one in said:
        other = held[one["position_id"]]
        for name in ("strategy_id", "instrument_id", "account_id", "side", "ts_opened", "ts_last"):
            assert one[name] == other[name], (name, one, other)
        signed = Decimal(other["quantity"]) * (1 if other["side"] == "LONG" else -1)
        assert Decimal(one["signed_qty"]) == signed
        assert math.isclose(one["avg_px_open"], float(other["avg_px_open"]), rel_tol=1e-12)
        amount, currency = other["realized_pnl"].split()
        assert (Decimal(one["realized_pnl"]), one["currency"]) == (Decimal(amount), currency)


def assert_equal(
    found: dict[str, Any], loaded: dict[str, Any], stored: dict[str, set[str]]
) -> None:
    """Compare what `inspect` says with what a node loaded, and with what it left out."""
    assert (found["written_by"], found["restored_by"]) == (["2.0"], "2.0")
    broken = {one["key"].removeprefix(f"{KEY}:") for one in found["broken"]}
    for kind in ("orders", "positions", "accounts", "instruments"):
        gone = {f"{kind}:{name}" for name in stored[kind] - loaded[kind].keys()}
        assert {one for one in broken if one.startswith(f"{kind}:")} == gone
    said = {one["client_order_id"]: order_said(one) for one in found["orders"]}
    open_ = {k: one for k, one in loaded["orders"].items() if one["status"] not in _CLOSED}
    assert said.keys() == open_.keys()
    other_than = [
        (name, field, value, order_loaded(open_[name])[field])
        for name, one in said.items()
        for field, value in one.items()
        if value != order_loaded(open_[name])[field]
    ]
    assert other_than == []
    assert found["closed_orders"] == len(loaded["orders"]) - len(open_)
    assert_positions_equal(found["positions"], loaded["positions"])
    assert found["closed_positions"] == len(loaded["positions"]) - len(found["positions"])
    for account in found["accounts"]:
        other = loaded["accounts"][account["account_id"]]
        assert account["account_type"] == other["type"]
        amounts = {
            code: [Decimal(one[name]) for name in ("total", "locked", "free")]
            for code, one in account["balances"].items()
        }
        assert amounts == {
            code: [Decimal(one.split()[0]) for one in balance]
            for code, balance in other["balances"].items()
        }
    assert found["instruments"] == len(loaded["instruments"])


def stored_ids(client: redis.Redis) -> dict[str, set[str]]:
    return {kind: {name for _, name in keys(client, kind)} for kind in _CONVERTED}


def assert_said_is_loaded(valkey: EmbeddedValkey, run: Run, seed: int, encoding: str) -> None:
    left(valkey, seed, encoding, orders=60)
    with valkey.client() as client:
        convert_all(client, encoding)
        stored = stored_ids(client)
    found = inspected(run)
    loaded, log = loaded_by_two(valkey, encoding)
    assert loaded, [
        one for one in log.splitlines() if "Watcher" in one or "Error" in one or "Traceback" in one
    ][:12]
    assert len(found["orders"]) > 10
    assert found["positions"]
    assert_equal(found, loaded, stored)


@with_two
def test_it_says_what_2_0_restores(valkey: EmbeddedValkey, run: Run) -> None:
    """Orders, positions, balances, and each entry that 2.0 leaves out."""
    assert_said_is_loaded(valkey, run, 1, "msgpack")


@with_two
@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_it_says_what_2_0_restores_of_any_random_history(
    valkey: EmbeddedValkey, run: Run, seed: int, encoding: str
) -> None:
    """The same, for histories of all types of orders and instruments."""
    assert_said_is_loaded(valkey, run, seed, encoding)


# An inverse premium, and a quanto: what no instrument of the test kit has
_ALSO: dict[str, dict[str, Any]] = {
    "CryptoOption": {"is_inverse": True},
    "CryptoFuture": {"settlement_currency": "ETH"},
}


def make_up(client: redis.Redis, seed: int, encoding: str) -> None:
    """Add orders and positions that no world of 1.x leaves, in the instruments that are there."""
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    instruments = []
    for key, name in keys(client, "instruments"):
        value: Any = client.get(key)
        instrument = _fields(value)
        [(variant, fields)] = instrument.items()
        fields.update(_ALSO.get(variant, {}))
        client.set(key, encode(instrument))
        names = ("quote_currency", "currency", "base_currency", "underlying", "settlement_currency")
        found = [fields[one] for one in names if fields.get(one)]
        # The underlying of some is no currency
        instruments.append(
            (name, [code for code in found if len(code) in {3, 4} and code != "SR3"])
        )
    made_up = MadeUp(seed, instruments)
    for _ in range(1_000):
        events = made_up.order()
        [init] = events[0].values()
        client.rpush(f"{KEY}:orders:{init['client_order_id']}", *map(encode, events))
    for _ in range(150):
        name, fills = made_up.position()
        client.rpush(f"{KEY}:positions:{name}", *(encode(migration.fill(one)) for one in fills))


def assert_made_up_is_said(valkey: EmbeddedValkey, run: Run, seed: int, encoding: str) -> None:
    left(valkey, seed, encoding, orders=15)
    with valkey.client() as client:
        convert_all(client, encoding)
        make_up(client, seed, encoding)
        stored = stored_ids(client)
    found = inspected(run)
    loaded, log = loaded_by_two(valkey, encoding)
    assert loaded, [
        one for one in log.splitlines() if "Watcher" in one or "Error" in one or "Traceback" in one
    ][:12]
    assert found["closed_positions"] > 3
    assert len(found["positions"]) > 80
    assert len(found["orders"]) > 200
    assert_equal(found, loaded, stored)


@with_two
def test_it_says_what_2_0_makes_of_any_events(valkey: EmbeddedValkey, run: Run) -> None:
    """Also where 1.x and 2.0 differ: fills after a cancel, trades taken back, turned positions."""
    assert_made_up_is_said(valkey, run, 1, "msgpack")


@with_two
@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_it_says_what_2_0_makes_of_any_events_at_all(
    valkey: EmbeddedValkey, run: Run, seed: int
) -> None:
    """The same, many times."""
    assert_made_up_is_said(valkey, run, seed, "json" if seed % 2 else "msgpack")

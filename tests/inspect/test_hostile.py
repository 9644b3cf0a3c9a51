"""
A store that a stranger filled: there is always an answer, soon, and in little memory.
"""

import io
import time
import tracemalloc
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fuzzing.targets import SEPARATOR
from fuzzing.targets import survive
from nautilus_recovery_actor.console import inventory_tables
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.inventory import Inventory
from tests.fuzz import CORPUS
from tests.outside.test_stored import damaged


KINDS = [
    *("currencies", "instruments", "synthetics", "accounts", "orders", "positions", "general"),
    *("strategies", "actors", "snapshots:orders", "health", "index", "index:order_position"),
    *("index:order_client", ""),
]
TYPES = ["string", "list", "set", "hash", "zset", "stream"]


def put(client: redis.Redis, key: bytes, kind: str, value: bytes) -> None:
    """
    Store a value as one Redis type or another.
    """
    client.delete(key)
    match kind:
        case "string":
            client.set(key, value)
        case "list":
            client.rpush(key, *(value.split(SEPARATOR)))
        case "set":
            client.sadd(key, value)
        case "hash":
            client.hset(key, value, value)
        case "zset":
            client.zadd(key, {value: 1})
        case "stream":
            client.xadd(key, {b"x": value})


def shown(inventory: Inventory) -> str:
    """
    Return what a person sees of it, and check that a machine sees as much.
    """
    msgspec.json.decode(msgspec.json.encode(inventory))
    out = io.StringIO()
    inventory_tables.show(inventory, 50, Console(file=out, width=80))
    return out.getvalue()


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.text(max_size=12).map(str.encode) | st.binary(max_size=12),
            st.sampled_from(TYPES) | st.just("list"),
            damaged() | st.binary(max_size=60) | st.sampled_from(CORPUS),
        ),
        max_size=12,
    )
)
def test_a_strangers_entries_are_told_of(
    client: redis.Redis, trader_id: str, entries: list[tuple[str, bytes, str, bytes]]
) -> None:
    """Any value of any type under any name: all that is told can be printed."""
    prefix = f"trader-{trader_id}:"
    for key in client.scan_iter(f"{prefix}*"):
        client.delete(key)
    for kind, identifier, type_, value in entries:
        put(client, f"{prefix}{kind}:".encode() + identifier, type_, value)
    inventory = reader.read(client, Namespace(trader_id=trader_id))
    if inventory is not None:
        text = shown(inventory)
        assert all(c.isprintable() or c == "\n" for c in text)
        assert max(map(cell_len, text.splitlines())) <= 80


@pytest.mark.parametrize("data", CORPUS)
def test_what_the_fuzzer_begins_with_is_survived(data: bytes) -> None:
    """Each value of the corpus, whole and cut short."""
    for length in {len(data), len(data) // 2, len(data) - 1}:
        survive(data[:length])


def test_a_huge_value_is_not_read(client: redis.Redis, trader_id: str) -> None:
    """Its size is asked for before."""
    prefix = f"trader-{trader_id}:"
    for kind in ("orders", "instruments"):
        client.set(f"{prefix}{kind}:HUGE.X", bytes(80 * 2**20))
    tracemalloc.start()
    inventory = reader.read(client, Namespace(trader_id=trader_id))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inventory is not None
    assert [entry.why for entry in inventory.broken] == ["not read: 80 MiB, the limit is 64"] * 2
    assert peak < 2**20
    client.delete(f"{prefix}orders:HUGE.X", f"{prefix}instruments:HUGE.X")


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "elements"), [("accounts", 25_000), ("orders", 25_000), ("positions", 25_000)]
)
def test_a_long_list_is_read_in_parts(
    client: redis.Redis, trader_id: str, kind: str, elements: int
) -> None:
    """The memory it takes does not grow with the list but by what tells its events apart."""
    key = f"trader-{trader_id}:{kind}:LONG-1"
    client.set(
        f"trader-{trader_id}:instruments:X.Y", b'{"type": "Equity", "id": "X.Y", "currency": "USD"}'
    )
    for start in range(0, elements, 5_000):
        client.rpush(key, *(event_of(kind, i) for i in range(start, start + 5_000)))
    size = client.memory_usage(key) or 0
    assert size > 6 * 2**20
    tracemalloc.start()
    began = time.monotonic()
    inventory = reader.read(client, Namespace(trader_id=trader_id))
    took = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inventory is not None
    assert inventory.broken == ()
    assert len(inventory.accounts) + len(inventory.orders) + len(inventory.positions) == 1
    assert peak < 2 * size
    assert took < 30
    client.delete(key)


@pytest.mark.long
def test_a_long_list_that_is_none_is_given_up_at_its_first_element(
    client: redis.Redis, trader_id: str
) -> None:
    """Millions of elements are not fetched to find that out."""
    key = f"trader-{trader_id}:orders:LONG-1"
    fill = "for _ = 1, 400 do redis.call('RPUSH', KEYS[1], unpack(ARGV)) end"
    client.eval(fill, 1, key, *[b"x"] * 5_000)
    tracemalloc.start()
    inventory = reader.read(client, Namespace(trader_id=trader_id))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inventory is not None
    assert len(inventory.broken) == 1
    assert peak < 80 * 2**20
    client.delete(key)


def event_of(kind: str, number: int) -> bytes:
    """
    Return an event number of a list that means something.
    """
    common: dict[str, Any] = {
        "trader_id": "T-1",
        "strategy_id": "S-1",
        "instrument_id": "X.Y",
        "client_order_id": "LONG-1",
        "account_id": "LONG-1",
        "venue_order_id": "V-1",
        "event_id": f"9c405f7e-e4c7-484e-97ee-{number:012}",
        "ts_event": "1",
        "ts_init": "1",
    }
    if kind == "accounts":
        balance = {"total": "1", "locked": "0", "free": "1", "currency": "USD"}
        fields: dict[str, Any] = {
            "type": "AccountState",
            "account_type": "MARGIN",
            "base_currency": None,
            "balances": [balance],
            "info": {"padding": "x" * 80},
        }
    elif kind == "orders" and number < 2:
        fields = {
            "type": ("OrderInitialized", "OrderAccepted")[number],
            "order_side": "BUY",
            "order_type": "MARKET",
            "quantity": "100000",
            "emulation_trigger": "NO_TRIGGER",
            "options": {},
        }
    else:
        fields = {
            "type": "OrderFilled",
            "trade_id": f"T-{number}",
            "position_id": "LONG-1",
            "order_side": "BUY",
            "last_qty": "1",
            "last_px": "1.5",
            "commission": "0.01 USD",
        }
    return msgspec.msgpack.encode({**common, **fields})

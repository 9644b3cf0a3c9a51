"""
Entries of which a node makes nothing: what is said of each is what NautilusTrader then does.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.test_equal import restored
from tests.inspect.test_equal import told
from tests.inspect.world import INSTRUMENTS
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load


class Store:
    """
    The stored entries of a trader, to break one of them.
    """

    def __init__(self, client: Any, trader_id: str) -> None:
        self.client = client
        self.prefix = f"trader-{trader_id}:"
        self.order = self.key("orders:*")
        self.position = self.key("positions:*")
        self.account = f"{self.prefix}accounts:CASH-002"
        (fill,) = client.lrange(self.position, 0, 0)
        self.instrument = msgspec.msgpack.decode(fill)["instrument_id"]

    def key(self, pattern: str) -> str:
        found = sorted(self.client.scan_iter(self.prefix + pattern), key=self.client.llen)
        return str(found[-1].decode())

    def put(self, key: str | bytes, value: bytes = b"x") -> None:
        self.client.delete(key)
        self.client.set(key, value)

    def change(self, key: str, place: int, **fields: Any) -> Any:
        event = msgspec.msgpack.decode(self.client.lindex(key, place))
        event = {k: v for k, v in {**event, **fields}.items() if v is not None}
        return self.client.lset(key, place, msgspec.msgpack.encode(event))

    def again(self, key: str, place: int = -1) -> Any:
        return self.client.rpush(key, self.client.lindex(key, place))


def balances(**amounts: str) -> list[dict[str, str]]:
    return [{"type": "AccountBalance", "currency": "USD", **amounts}]  # Or another currency


# What is done, and what is said of it. NautilusTrader does not start.
STOPS: dict[str, tuple[Callable[[Store], Any], str]] = {
    "order of another type": (lambda s: s.put(s.order), "its Redis type is not"),
    "position of another type": (lambda s: s.put(s.position), "its Redis type is not"),
    "account of another type": (lambda s: s.put(s.account), "its Redis type is not"),
    "map of another type": (
        lambda s: s.put(f"{s.prefix}index:order_position"),
        "it is a string, not a hash",
    ),
    "clients of another type": (
        lambda s: s.put(f"{s.prefix}index:order_client"),
        "it is a string, not a hash",
    ),
    "rubbish": (lambda s: s.client.lset(s.order, 1, b"\0x"), "not JSON"),
    "truncated": (
        lambda s: s.client.lset(s.order, 1, s.client.lindex(s.order, 1)[:-5]),
        "truncated",
    ),
    "an event twice": (lambda s: s.again(s.order), "twice"),
    "no beginning": (lambda s: s.client.lpop(s.order), "not OrderInitialized"),
    "an unknown event": (lambda s: s.change(s.order, 1, type="OrderForgotten"), "OrderForgotten"),
    "an impossible event": (
        lambda s: s.change(s.order, 1, type="OrderReleased", event_id=None),
        "event_id",
    ),
    "no such day": (lambda s: s.change(s.order, 1, ts_init="2026-02-30T00:00:00Z"), "timestamp"),
    "no number": (lambda s: s.change(s.order, 0, quantity="abc"), "not a number: 'abc'"),
    "below zero": (lambda s: s.change(s.order, 0, quantity="-1"), "a negative quantity"),
    "nothing": (lambda s: s.change(s.order, 0, quantity="0"), "an order with quantity zero"),
    "no type": (lambda s: s.change(s.order, 0, order_type=None), "order_type"),
    "another order's event": (
        lambda s: s.change(s.order, 1, client_order_id="O-OTHER"),
        "an event of another order",
    ),
    "no text": (lambda s: s.put(f"{s.prefix}orders:".encode() + b"\xff\xfe"), "not UTF-8"),
    "no text elsewhere": (lambda s: s.put(f"{s.prefix}general:".encode() + b"\xff"), "not UTF-8"),
    "a fill twice": (lambda s: s.again(s.position), "twice"),
    "no fill": (lambda s: s.change(s.position, 0, type="OrderCanceled"), "not OrderFilled"),
    "no price": (lambda s: s.change(s.position, 0, last_px="1,5"), "not a number: '1,5'"),
    "no position": (lambda s: s.change(s.position, 0, position_id=None), "without a position"),
    "no state": (lambda s: s.client.rpush(s.account, b"x"), "not JSON"),
    "wrong sum": (
        lambda s: s.change(s.account, 0, balances=balances(total="5", locked="1", free="1")),
        "total 5 less locked 1 is not free 1",
    ),
    "debts": (
        lambda s: s.change(s.account, 0, balances=balances(total="-5", locked="0", free="-5")),
        "a negative cash balance",
    ),
    "a second currency": (
        lambda s: (
            s.again(s.account),
            s.change(
                s.account, -1, balances=balances(total="5", locked="1", free="4", currency="EUR")
            ),
        ),
        "other than 'USD'",
    ),
}
# What is done, and what is said of it. NautilusTrader starts without the entry.
LEFT_OUT: dict[str, tuple[Callable[[Store], Any], str]] = {
    "a colon in an order's ID": (
        lambda s: s.client.rename(s.order, f"{s.prefix}orders:A:B"),
        "colon",
    ),
    "a colon in a position's ID": (
        lambda s: s.client.rename(s.position, f"{s.prefix}positions:A:B"),
        "colon",
    ),
    "no instrument": (
        lambda s: s.client.delete(f"{s.prefix}instruments:{s.instrument}"),
        "is not stored",
    ),
    "rubbish for an instrument": (lambda s: s.put(f"{s.prefix}instruments:XYZ.SIM"), "not JSON"),
    "a list for an instrument": (
        lambda s: s.client.rpush(f"{s.prefix}instruments:XYZ.SIM", b"x"),
        "its Redis type is not",
    ),
    "rubbish for a currency": (lambda s: s.put(f"{s.prefix}currencies:XYZ"), "not JSON"),
}
# What is done, and none of it matters
HARMLESS: dict[str, Callable[[Store], Any]] = {
    "an order under another key": lambda s: s.client.rename(s.order, f"{s.prefix}orders:O-OTHER"),
    "a stranger's keys": lambda s: s.put(f"{s.prefix}orders_old:O-1"),
    "no kind": lambda s: s.put(f"{s.prefix}orders"),
    "a strange name beside": lambda s: s.put(s.prefix.encode() + b"\xff:\xff"),
    "a list for a general object": lambda s: s.client.rpush(f"{s.prefix}general:x", b"x"),
    "an index of open orders that is none": lambda s: s.put(f"{s.prefix}index:orders_open"),
}


@pytest.fixture
def store(valkey: EmbeddedValkey, client: redis.Redis, trader_id: str) -> Store:
    world = World(1, trader_id, adapter(valkey, trader_id))
    world.instruments = [i for i in INSTRUMENTS if ":" not in i.id.value]
    world.live(orders=15)
    world.close(valkey)
    return Store(client, trader_id)


@pytest.mark.parametrize("name", STOPS)
def test_an_entry_that_stops_the_start_is_told(
    valkey: EmbeddedValkey, store: Store, trader_id: str, name: str
) -> None:
    """NautilusTrader raises when it loads, and the inspector says so and reads on."""
    destroy, why = STOPS[name]
    destroy(store)
    inventory = reader.read(store.client, Namespace(trader_id=trader_id))
    assert inventory is not None
    (entry,) = inventory.broken
    assert entry.stops_start
    assert why in entry.why
    assert f"{trader_id} would not start" in inventory.summary()
    assert inventory.orders
    database = adapter(valkey, trader_id)
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever NautilusTrader raises)
        load(database)
    database.close()


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_entry_that_a_node_starts_without_is_told(
    valkey: EmbeddedValkey, store: Store, trader_id: str, name: str
) -> None:
    """NautilusTrader loads all but what depends on it, and so does the inspector."""
    destroy, why = LEFT_OUT[name]
    destroy(store)
    inventory = reader.read(store.client, Namespace(trader_id=trader_id))
    assert inventory is not None
    assert inventory.broken
    assert all(why in entry.why and not entry.stops_start for entry in inventory.broken)
    database = adapter(valkey, trader_id)
    assert told(inventory) == restored(load(database))
    database.close()


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_node_does_not_look_at_is_not_told(
    valkey: EmbeddedValkey, store: Store, trader_id: str, name: str
) -> None:
    """Nothing is broken that a node does without."""
    HARMLESS[name](store)
    inventory = reader.read(store.client, Namespace(trader_id=trader_id))
    assert inventory is not None
    assert inventory.broken == ()
    database = adapter(valkey, trader_id)
    assert told(inventory) == restored(load(database))
    database.close()

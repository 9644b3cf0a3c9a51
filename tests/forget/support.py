"""
What the tests of `forget` share: a node that leaves something behind, and all that is stored.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from typing import Protocol
from uuid import uuid4

import msgspec

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Watched
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import watched


TRADER = "TESTER-001"
PREFIX = f"trader-{TRADER}:"
POSITION = f"{PREFIX}positions:ETHUSDT-PERP.PAPER-TRADER-001"
ACCOUNT = f"{PREFIX}accounts:PAPER-001"
GARBAGE = b"\0x"

_READ: dict[bytes, Callable[[Any, bytes], Any]] = {
    b"string": lambda client, key: client.get(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    b"stream": lambda client, key: client.xrange(key),
}


class Run(Protocol):
    def __call__(self, *arguments: str, columns: int = 80) -> tuple[int, str, str]: ...


def stored(valkey: EmbeddedValkey, start: str = "") -> dict[bytes, tuple[bytes, Any, int]]:
    """
    Return every key that begins so, with its type, its value and its time to live.
    """
    with valkey.client() as client:
        found: dict[bytes, tuple[bytes, Any, int]] = {}
        for key in client.scan_iter(f"{start}*"):
            kind: Any = client.type(key)
            lives: Any = client.ttl(key)
            found[key] = (kind, _READ[kind](client, key), lives)
        return found


async def until_written(node: Watched, valkey: EmbeddedValkey) -> None:
    """
    Wait until all that a node has written by now is stored, which is so in the order of its writes.
    """
    key = f"written-{uuid4().hex}"
    node.node.cache.add(key, b"1")
    with valkey.client() as client:
        await node.run.until(lambda: client.exists(f"{PREFIX}general:{key}"))


def without_record(found: dict[bytes, Any]) -> dict[bytes, Any]:
    """
    Return what is stored, without what the monitor writes while a node runs.
    """
    return {key: value for key, value in found.items() if b":recovery:" not in key}


def is_startable(valkey: EmbeddedValkey, trader_id: str = TRADER) -> bool:
    """
    Return whether the inspector says that a node would start.
    """
    with valkey.client() as client:
        inventory = reader.read(client, Namespace(trader_id=trader_id))
    assert inventory is not None
    return not inventory.stops_start


async def trade(venue: PaperVenue, valkey: EmbeddedValkey) -> dict[str, str]:
    """
    Run a node that leaves LONG 2.4 behind, of a market order and of a bid that is filled in part, a
    bid without a fill, and a stop; return the keys of the orders.
    """
    async with watched(venue, valkey, strategy := heir(), trader_id=TRADER) as node:
        await node.result()
        await node.run.until(lambda: strategy.gate.is_open)
        orders = {
            "filled": strategy.market(),
            "partly": strategy.limit("1500.00"),
            "bid": strategy.limit("1400.00"),
            "stop": strategy.stop_loss("1300.00"),
        }
        strategy.submit_order(orders["filled"])
        await node.run.until(lambda: orders["filled"].is_closed)
        for name in ("partly", "bid", "stop"):
            strategy.submit_order(orders[name])
        await node.run.until(lambda: all(order.is_open for order in list(orders.values())[1:]))
        venue.fill(orders["partly"].client_order_id.value, "0.4")
        await node.run.until(lambda: orders["partly"].filled_qty.as_double() == 0.4)
    return {name: f"{PREFIX}orders:{order.client_order_id}" for name, order in orders.items()}


def left_behind(venue: PaperVenue, valkey: EmbeddedValkey) -> dict[str, str]:
    """
    Run that node to its end.
    """
    return asyncio.run(trade(venue, valkey))


async def restarted(venue: PaperVenue, valkey: EmbeddedValkey, **claims: Any) -> RecoveryComplete:
    """
    Start a node on what is stored, and return how it recovered: it trades afterwards.
    """
    async with watched(venue, valkey, strategy := heir(**claims), trader_id=TRADER) as node:
        event: RecoveryComplete = await node.result()
        assert isinstance(event, RecoveryComplete)
        await node.run.until(lambda: strategy.gate.is_open)
        assert event.blocked_instruments == frozenset()
        assert await may_trade(node, venue, strategy)
    return event


def again(client: Any, key: str, place: int = -1) -> Any:
    """
    Append an event once more, as another node of the trader makes it of the same report.
    """
    event = msgspec.msgpack.decode(client.lindex(key, place))
    event["event_id"] = str(uuid4())
    event["ts_init"] = str(int(event["ts_init"]) + 7)
    return client.rpush(key, msgspec.msgpack.encode(event))

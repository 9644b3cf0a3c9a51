"""
What is told of what a killed node left is what the next one has.
"""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests.inspect import nodes
from tests.inspect.test_equal import restored
from tests.inspect.test_equal import told


@pytest.mark.parametrize(
    "cache",
    [
        {"encoding": "msgpack", "timestamps_as_iso8601": True},
        {"encoding": "json", "use_trader_prefix": False},
    ],
    ids=["msgpack", "json"],
)
def test_what_a_killed_node_left_is_told_as_the_next_node_has_it(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    client: redis.Redis,
    trader_id: str,
    cache: dict[str, Any],
) -> None:
    """A position, an open order and an emulated one, from a real node through kill -9."""
    fields: dict[str, Any] = {
        "port": venue.port,
        "account_id": venue.account_id,
        "database": msgspec.structs.asdict(valkey.database_config()),
        "trader_id": trader_id,
        "cache": cache,
    }
    namespace = Namespace(
        trader_id=trader_id, use_trader_prefix=cache.get("use_trader_prefix", True)
    )
    with NodeProcess("tests.inspect.nodes:leaver", **fields) as process:
        process.wait_for("left")
        valkey.wait_for(lambda r: r.exists(namespace.key("index:positions_open")))
        valkey.wait_for(lambda r: r.exists(namespace.key("index:orders_open")))
        valkey.wait_for(lambda r: r.exists(namespace.key("index:orders_emulated")))
        process.kill()
    inventory = reader.read(client, namespace)
    assert inventory is not None
    (position,) = inventory.positions
    assert (position.side, position.signed_qty) == ("LONG", Decimal(2))
    assert sorted(order.status for order in inventory.orders) == ["ACCEPTED", "EMULATED"]
    assert "1 open position, 1 open order, 1 order held by the node" in inventory.summary()

    async def after() -> dict[str, Any]:
        node = nodes.leaver(**fields)
        try:
            return restored(node.cache)
        finally:
            node.kernel.dispose()

    assert told(inventory) == asyncio.run(after())

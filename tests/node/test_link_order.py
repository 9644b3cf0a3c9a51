"""
What a node is offered of the monitor's connections, in whatever order and below whatever instance.
"""

import asyncio
from typing import Any

import msgspec
import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.live.config import TradingNodeConfig

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.node.test_checkpoints import KEY
from tests.node.test_checkpoints import leave
from tests.node.test_durable import Saver
from tests.node.test_durable import accepted
from tests.node.test_durable import ids
from tests.node.test_durable import paused
from tests.node.test_durable import saver


def config_of(venue: PaperVenue, valkey: EmbeddedValkey, **fields: Any) -> TradingNodeConfig:
    clients = [venue.exec_config(symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))]
    return paper_node_config(clients, database=valkey.database_config(), **fields)


async def holds_until_stored(
    node: Watched, venue: PaperVenue, valkey: EmbeddedValkey, strategy: Saver, other: Recorder
) -> None:
    """
    Check that what follows a checkpoint waits until the server has that.
    """
    await node.result()
    with paused(valkey):
        strategy.remember()
        strategy.submit_order(held := strategy.limit("1900.00"))
        other.submit_order(quick := other.limit("1800.00"))
        await accepted(node, quick)
        assert venue.submitted() == ids(quick)
    await accepted(node, held)


def test_below_an_instance_of_its_own_a_checkpoint_is_written_where_the_cache_looks_for_it(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    async def scenario() -> None:
        instance_id, number = UUID4(), b"1"
        try:
            config = config_of(venue, valkey, instance_id=instance_id)
            assert config.cache is not None
            cache = msgspec.structs.replace(config.cache, use_instance_id=True)
            node = paper_node(msgspec.structs.replace(config, cache=cache))
        except RuntimeError as e:
            assert "Index unknown" in str(e)  # noqa: PT017
            pytest.skip("This NautilusTrader cannot load a cache below an instance")
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        strategy, other = saver(), Recorder()
        for one in (strategy, other):
            node.trader.add_strategy(one)
        found = Watched(node, monitor)
        async with running(node) as found.run:
            await holds_until_stored(found, venue, valkey, strategy, other)
            key = KEY.replace(":general", f":{instance_id}:general")
            with valkey.client() as client:
                values = [client.get(f"{key}:{slot}") for slot in (0, 1)]
            assert [decode(value).state for value in values if value] == [{"number": number}]

    asyncio.run(scenario())


def test_a_monitor_that_is_added_after_a_strategy_writes_its_checkpoints_too(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    async def scenario() -> None:
        node = paper_node(config_of(venue, valkey))
        strategy, other = saver(), Recorder()
        for one in (strategy, other):
            node.trader.add_strategy(one)
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        found = Watched(node, monitor)
        async with running(node) as found.run:
            await holds_until_stored(found, venue, valkey, strategy, other)

    asyncio.run(scenario())


def test_after_the_wait_for_a_lease_a_strategy_begins_with_what_was_stored_meanwhile(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The cache was loaded before, while the other node still wrote."""

    async def scenario() -> None:
        await leave(venue, valkey, 1)
        keys = [f"{KEY}:0", f"{KEY}:1"]
        with valkey.client() as client:
            older = [client.get(key) for key in keys]
            await leave(venue, valkey, 2)
            newer = [client.get(key) for key in keys]
            put(client, keys, older)
            node = paper_node(config_of(venue, valkey))
            put(client, keys, newer)
            lease = {"token": "other", "fence": 9, "lasts": 1_500, "host": "elsewhere"}
            client.hset("trader-TESTER-001:recovery:lease", mapping=lease)
            client.pexpire("trader-TESTER-001:recovery:lease", 1_500)
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        node.trader.add_strategy(strategy := saver())
        found = Watched(node, monitor)
        async with running(node) as found.run:
            await found.result()
            assert strategy.number == 2

    asyncio.run(scenario())


def put(client: Any, keys: list[str], values: list[bytes | None]) -> None:
    for key, value in zip(keys, values, strict=True):
        if value is None:
            client.delete(key)
        else:
            client.set(key, value)

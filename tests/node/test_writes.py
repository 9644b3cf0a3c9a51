"""
What is written past the cache's buffer: one batch after the other, the newest values, by who may.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.common.component import Logger
from nautilus_trader.config import CacheConfig

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor.core.checkpoint import Checkpoint
from nautilus_recovery_actor.core.checkpoint import encode
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.writes import Place
from nautilus_recovery_actor.link.writes import Writes
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.node.test_checkpoints import KEY
from tests.node.test_checkpoints import Keeper
from tests.node.test_checkpoints import keeper
from tests.node.test_checkpoints import leave
from tests.node.test_checkpoints import stored
from tests.node.test_durable import paused
from tests.node.test_durable import saver


def general(key: str) -> str:
    return f"trader-TESTER-001:general:{key}"


def writes(valkey: EmbeddedValkey, token: str = "", *, is_taken: bool = False) -> Writes:
    server = Server(valkey.url, Namespace(trader_id="TESTER-001"))
    place = Place(lambda: token, lambda: is_taken, is_restored=True)
    return Writes(server, place, Logger("Writes"))


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await asyncio.sleep(0.005)


def test_of_each_key_the_newest_value_is_written_and_all_who_wait_are_told(
    valkey: EmbeddedValkey,
) -> None:
    """While one batch is on the way the next one gathers, and none overtakes another."""
    client: Any = valkey.client()

    async def scenario() -> None:
        found = writes(valkey)
        found.begin(asyncio.get_running_loop())
        told: list[str] = []
        with paused(valkey):
            found.put("a", b"1", lambda: told.append("a1"))
            await until(lambda: not found._pending)
            found.put("a", b"2", lambda: told.append("a2"))
            found.put("b", b"3", lambda: told.append("b3"))
            found.put("a", b"4", lambda: told.append("a4"))
            assert told == []
            assert client.get(general("a")) is None
        await until(lambda: len(told) == 4)
        assert told[0] == "a1"
        assert {*told[1:]} == {"a2", "b3", "a4"}
        assert (client.get(general("a")), client.get(general("b"))) == (b"4", b"3")
        assert client.hget("trader-TESTER-001:recovery:written", "number") == b"2"
        found.close()
        await found.disconnect()

    asyncio.run(scenario())


def test_what_is_not_written_yet_is_written_at_the_end(valkey: EmbeddedValkey) -> None:
    """Also what is on its way, and what the loop never came to."""
    client: Any = valkey.client()

    async def scenario() -> None:
        found = writes(valkey)
        found.begin(asyncio.get_running_loop())
        with paused(valkey):
            found.put("a", b"1")
            await until(lambda: not found._pending)
            found.put("b", b"2")
        found.close()
        assert (client.get(general("a")), client.get(general("b"))) == (b"1", b"2")
        await found.disconnect()

    asyncio.run(scenario())


def test_what_comes_late_over_a_connection_that_broke_changes_nothing(
    valkey: EmbeddedValkey,
) -> None:
    """It was sent again meanwhile, or something newer was."""
    client: Any = valkey.client()
    keys = ["lease", "written", "key"]
    assert client.eval(scripts.WRITE, 3, *keys, "", "W", 2, "new") == 1
    assert client.eval(scripts.WRITE, 3, *keys, "", "W", 1, "old") == 0
    assert client.get("key") == b"new"
    assert client.eval(scripts.WRITE, 3, *keys, "", "V", 1, "another's") == 1
    assert client.get("key") == b"another's"


def test_who_does_not_hold_the_lease_writes_nothing(valkey: EmbeddedValkey) -> None:
    """It waits until it does, and for good once somebody else has had it."""
    client: Any = valkey.client()
    lease = "trader-TESTER-001:recovery:lease"

    async def scenario() -> None:
        found = writes(valkey, "mine")
        found.begin(asyncio.get_running_loop())
        told: list[str] = []
        found.put("a", b"1", lambda: told.append("a1"))
        await until(lambda: found.problem)
        assert client.get(general("a")) is None
        client.hset(lease, "token", "mine")
        await until(lambda: told)
        assert client.get(general("a")) == b"1"
        assert found.problem == ""
        client.hset(lease, "token", "another's")
        found.put("a", b"2")
        found.close()
        assert client.get(general("a")) == b"1"
        await found.disconnect()

        out = writes(valkey, "mine", is_taken=True)
        out.begin(asyncio.get_running_loop())
        out.put("a", b"3")
        out.close()
        await out.disconnect()
        assert client.get(general("a")) == b"1"

    asyncio.run(scenario())


def test_a_thousand_strategies_do_not_make_one_wait_for_all_their_bytes(
    valkey: EmbeddedValkey,
) -> None:
    """A batch is about as large as one checkpoint may be."""

    async def scenario() -> None:
        found = writes(valkey)
        told: list[int] = []
        for number in range(5):
            value = b"x" * 600_000
            found.put(str(number), value, lambda number=number: told.append(number))  # type: ignore[misc]
        found.begin(asyncio.get_running_loop())
        await until(lambda: len(told) == 5)
        assert told == [0, 1, 2, 3, 4]
        assert found._number == 5
        found.close()
        await found.disconnect()

    asyncio.run(scenario())


@pytest.mark.parametrize("is_cached", [True, False])
def test_checkpoints_on_a_server_of_their_own_are_read_at_the_next_start(
    venue: PaperVenue, valkey: EmbeddedValkey, is_cached: bool
) -> None:
    """Whether the cache has another one, or none at all; the newest of both counts."""

    async def scenario() -> None:
        with EmbeddedValkey(arguments=("--save", "")) as other:
            monitor = monitor_config(database=other.database_config())
            cache = valkey if is_cached else None
            async with watched(venue, cache, strategy := keeper(), monitor=monitor) as node:
                await node.result()
                strategy.number = 5
                strategy.checkpoint()
            assert stored(other) == [(1, b"5")]
            assert stored(valkey) == []
            async with watched(venue, cache, strategy := keeper(), monitor=monitor) as node:
                await node.result()
                assert strategy.loaded == [{"number": b"5"}]
            if is_cached:
                await leave(venue, valkey, 6)
                client: Any = valkey.client()
                newer = Checkpoint(run=9, sequence=1, ts=0, state={"number": b"6"})
                client.set(f"{KEY}:1", encode(newer))
                async with watched(venue, cache, strategy := keeper(), monitor=monitor) as node:
                    await node.result()
                    assert strategy.loaded == [{"number": b"6"}]

    asyncio.run(scenario())


@pytest.mark.parametrize("action", ["hold", "start"])
def test_a_server_of_their_own_that_does_not_answer_is_as_a_checkpoint_that_cannot_be_read(
    venue: PaperVenue, action: Any
) -> None:
    """What it has may be newer than what is known."""

    async def scenario() -> None:
        gone = EmbeddedValkey(arguments=("--save", ""))
        monitor = monitor_config(database=gone.database_config(), lease=False)
        gone.close()
        strategy = keeper(on_bad_checkpoint=action)
        async with watched(venue, None, strategy, monitor=monitor) as node:
            await node.result()
            reason = strategy.gate.reason() or ""
            assert reason.startswith("RECOVERY_BAD_CHECKPOINT: ") is (action == "hold")
            assert strategy.gate.is_open is (action == "start")

    asyncio.run(scenario())


def test_without_a_lease_they_are_written_all_the_same(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Past the buffer, which would hold them back for a minute."""

    async def scenario() -> None:
        strategy = keeper()
        cache = CacheConfig(database=valkey.database_config(), buffer_interval_ms=60_000)
        monitor = monitor_config(lease=False)
        async with watched(venue, valkey, strategy, monitor=monitor, cache=cache) as node:
            await node.result()
            strategy.number = 3
            strategy.checkpoint()
            await node.run.until(lambda: stored(valkey) == [(1, b"3")])

    asyncio.run(scenario())


def test_without_a_database_a_checkpoint_holds_nothing(venue: PaperVenue) -> None:
    """There is nothing to wait for."""

    async def scenario() -> None:
        async with watched(venue, None, strategy := saver()) as node:
            await node.result()
            strategy.remember()
            strategy.submit_order(order := strategy.limit("1900.00"))
            assert node.node.cache.order_exists(order.client_order_id)
            await node.run.until(lambda: order.is_open)

    asyncio.run(scenario())


def test_the_last_checkpoint_of_a_stop_is_on_the_server_when_the_node_is_gone(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Also if the loop ends before the server has answered."""

    class Stopping(Keeper):
        def on_stop(self) -> None:
            self.number = 7

    async def scenario() -> None:
        config = RecoverableStrategyConfig(strategy_id="Keeper", checkpoint_secs=None)
        async with watched(venue, valkey, Stopping(config)) as node:
            await node.result()
            node.node.trader.stop()
            node.node.trader.dispose()
            assert stored(valkey) == [(1, b"7")]  # In the same turn of the loop

    asyncio.run(scenario())

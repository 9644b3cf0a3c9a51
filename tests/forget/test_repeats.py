"""
A list with the same event twice: what is repeated goes, and what happened stays.
"""

import asyncio
from typing import Any

import msgspec
import pytest
import redis
from nautilus_trader.model.enums import OrderSide

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.repeats import order_without_repeats
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from tests.forget.support import PREFIX
from tests.forget.support import TRADER
from tests.forget.support import Run
from tests.forget.support import again
from tests.forget.support import is_startable
from tests.forget.support import restarted
from tests.forget.support import stored
from tests.inspect.test_broken import Store
from tests.inspect.world import INSTRUMENTS
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.node.support import ETH
from tests.node.support import heir
from tests.node.support import watched


def told(client: redis.Redis) -> dict[str, Any]:
    inventory = reader.read(client, Namespace(trader_id=TRADER))
    assert inventory is not None
    found: dict[str, Any] = msgspec.to_builtins(inventory)
    return {key: value for key, value in found.items() if key not in {"ts", "last_written"}}


@pytest.mark.parametrize("seed", range(4))
def test_what_two_nodes_wrote_of_every_order_goes_and_the_rest_is_as_it_was(
    valkey: EmbeddedValkey, run: Run, seed: int
) -> None:
    """Each list that repeated fills have broken is again what it was before they came."""
    world = World(seed, TRADER, adapter(valkey, TRADER))
    world.instruments = [i for i in INSTRUMENTS if ":" not in i.id.value]
    world.live(orders=20)
    world.close(valkey)
    with valkey.client() as client:
        before = told(client)
        lists = stored(valkey, f"{PREFIX}positions:") | stored(valkey, f"{PREFIX}orders:")
        for key, (_, values, _) in lists.items():
            for place, value in enumerate(values):
                if msgspec.msgpack.decode(value)["type"] == "OrderFilled":
                    again(client, key.decode(), place)
        assert not is_startable(valkey)
        assert run("--all-that-stop", "--apply")[0] == 0
        assert told(client) == before
        broken = {key for key, value in stored(valkey).items() if lists.get(key, value) != value}
        assert not broken


def test_a_position_is_not_freed_of_repeats_that_its_orders_do_not_confirm(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """It goes as a whole then, with its orders."""
    world = World(1, TRADER, adapter(valkey, TRADER))
    world.instruments = [i for i in INSTRUMENTS if ":" not in i.id.value]
    world.live(orders=15)
    world.close(valkey)
    with valkey.client() as client:
        store = Store(client, TRADER)
        fill = msgspec.msgpack.decode(client.lindex(store.position, 0))
        client.delete(f"{PREFIX}orders:{fill['client_order_id']}")
        again(client, store.position, 0)
        assert run("--all-that-stop", "--apply")[0] == 0
        assert not client.exists(store.position)
    assert is_startable(valkey)


def test_what_is_not_a_repeat_is_left_alone() -> None:
    """Another mistake beside it means that nothing can be freed."""
    assert order_without_repeats([b"\0x", b"\0x"], restored_order) is None


def test_a_position_that_1_221_reversed_into_its_own_size_starts_again(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """Its list is what 1.231 would have kept: what came after the reversal."""

    async def reverse() -> None:
        async with watched(venue, valkey, strategy := heir(), trader_id=TRADER) as node:
            await node.result()
            await node.run.until(lambda: strategy.gate.is_open)
            for side, qty in ((OrderSide.BUY, 1), (OrderSide.SELL, 2)):
                quantity = paper_instrument(ETH.symbol.value).make_qty(qty)
                strategy.submit_order(strategy.order_factory.market(ETH, side, quantity))
                await node.run.until(
                    lambda: all(order.is_closed for order in strategy.cache.orders())
                )

    asyncio.run(reverse())
    key = f"{PREFIX}positions:ETHUSDT-PERP.PAPER-TRADER-001"
    with valkey.client() as client:
        if client.llen(key) == 1:  # As 1.231 leaves it: make it what 1.221 does
            split = msgspec.msgpack.decode(client.lindex(key, 0))
            buy = {**split, "order_side": "BUY", "trade_id": "T-0", "event_id": "E-0"}
            closing = {**split, "event_id": "E-1"}
            client.lpush(key, *(msgspec.msgpack.encode(one) for one in (closing, buy)))
        before = stored(valkey)
        newest = client.lindex(key, -1)
        assert not is_startable(valkey)
        assert run("--all-that-stop", "--apply")[0] == 0
        assert client.lrange(key, 0, -1) == [newest]
        assert run("--undo", "--apply")[0] == 0
        assert stored(valkey) == before
        assert run("--all-that-stop", "--apply")[0] == 0
    event = asyncio.run(restarted(venue, valkey))
    assert event.outcome == "CLEAN"

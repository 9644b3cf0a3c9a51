"""
What a kill between two writes leaves in Redis.
"""

import asyncio

import pytest
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeError
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests.facts.support import ETH
from tests.facts.support import REUSES_CACHED_ORDERS
from tests.facts.support import Trader
from tests.facts.support import node_at
from tests.facts.support import trading


def test_an_order_of_which_only_the_position_was_stored_ends_every_start(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    It is written first which position an order is for, and then the order. A kill between the two,
    and the venue has the order: reconciliation raises when it adds it.
    """

    async def scenario() -> None:
        sent: list[ClientOrderId] = []
        async with trading(venue, trader := Trader(), trader_id=trader_id) as run:
            trader.submit_order(order := trader.limit())
            await run.until(lambda: order.status_string() == "ACCEPTED")
            sent.append(order.client_order_id)
        with valkey.client() as client:
            client.hset(f"trader-{trader_id}:index:order_position", sent[0].value, "P-1")
        for _ in range(2):
            node = node_at(venue, Trader(), valkey=valkey, trader_id=trader_id)
            async with running(node, wait=False) as run:
                with pytest.raises(NodeError, match="already contained in '_index_order_position'"):
                    await run.started()

    asyncio.run(scenario())


def test_a_fill_that_was_stored_with_its_order_alone_is_not_repaired(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    It is written with the order and then with the position. After a kill between the two the engine
    that reuses cached orders takes the filled order for the repair of the position: it starts with
    a position that lacks the fill. The other one adds a fill that it makes up.
    """

    async def scenario() -> None:
        async with trading(venue, trader := Trader(), valkey=valkey, trader_id=trader_id) as run:
            orders = [trader.market("2"), trader.market("1")]
            for order in orders:
                trader.submit_order(order)
            await run.until(lambda: all(order.is_closed for order in orders))
            (position,) = run.node.cache.positions_open()
        with valkey.client() as client:
            client.rpop(f"trader-{trader_id}:positions:{position.id}")
        async with trading(venue, trader := Trader(), valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            expected = 2 if REUSES_CACHED_ORDERS else 3
            assert trader.portfolio.net_position(ETH) == expected

    asyncio.run(scenario())

"""
What is told of a position that was reversed is what the next node makes of it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.nautilus_pyo3 import NAUTILUS_VERSION
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.inspect.test_equal import restored
from tests.inspect.test_equal import told
from tests.node.support import ETH


# It stores the fill twice, and takes that for a trade that came twice
_IS_1_221 = NAUTILUS_VERSION.startswith("1.221")


class Reverser(Strategy):
    """
    Buys one, and sells `sold` as soon as it has it.
    """

    sold = 2

    def on_start(self) -> None:
        self.send(OrderSide.BUY, 1)

    def on_order_filled(self, event: OrderFilled) -> None:
        if event.order_side == OrderSide.BUY:
            self.send(OrderSide.SELL, self.sold)

    def send(self, side: OrderSide, qty: int) -> None:
        quantity = paper_instrument(ETH.symbol.value).make_qty(qty)
        self.submit_order(self.order_factory.market(ETH, side, quantity))


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        paper.set_price(ETH.symbol.value, 2000)
        yield paper


@pytest.mark.parametrize("sold", [2, 3])
def test_a_reversed_position_is_told_as_the_next_node_makes_it(
    venue: PaperVenue, valkey: EmbeddedValkey, client: redis.Redis, trader_id: str, sold: int
) -> None:
    """On 1.221 no node starts with one that was reversed into its own size."""

    def node() -> TradingNode:
        return paper_node(
            paper_node_config(
                [venue.exec_config(symbols=(ETH.symbol.value,))],
                trader_id=trader_id,
                database=valkey.database_config(),
            )
        )

    async def reverse() -> None:
        first, strategy = node(), Reverser(StrategyConfig(use_uuid_client_order_ids=True))
        strategy.sold = sold
        first.trader.add_strategy(strategy)
        async with running(first) as run:
            await run.until(lambda: strategy.portfolio.is_net_short(ETH))

    async def again() -> dict[str, Any]:
        second = node()
        try:
            return restored(second.cache)
        finally:
            second.kernel.dispose()

    asyncio.run(reverse())
    inventory = reader.read(client, Namespace(trader_id=trader_id))
    assert inventory is not None
    if _IS_1_221 and sold == 2:
        (broken,) = inventory.broken
        assert broken.stops_start
        assert broken.why.endswith("twice")
        with pytest.raises(KeyError, match="Duplicate TradeId"):
            asyncio.run(again())
    else:
        assert [position.signed_qty for position in inventory.positions] == [1 - sold]
        assert told(inventory) == asyncio.run(again())

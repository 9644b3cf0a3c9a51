"""
The nodes of an example, in a process that is killed.
"""

from decimal import Decimal

from ema_cross import node
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.orders import OrderList

from nautilus_recovery_actor.testkit import EmbeddedValkey


# No price of the paper venue comes that far
WIDE = {"stop_distance": Decimal(50), "target_distance": Decimal(50)}


def ema_node(port: int, url: str) -> TradingNode:
    return node(port, EmbeddedValkey(url=url), **WIDE)


def ema_node_that_sends_nothing(port: int, url: str) -> TradingNode:
    made = ema_node(port, url)
    (strategy,) = made.trader.strategies()

    def stop_before_it_is_sent(bracket: OrderList) -> None:
        for order in bracket.orders:
            strategy.cache.add_order(order)

    strategy.submit_order_list = stop_before_it_is_sent
    return made

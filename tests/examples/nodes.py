"""
The nodes of an example, in a process that is killed, and its backtest in one of its own.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from ema_cross import backtest
from ema_cross import node
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderType
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


def backtest_result() -> dict[str, Any]:
    engine = backtest(log_level="OFF")
    orders = engine.cache.orders()
    filled = [order for order in orders if order.status_string() == "FILLED"]
    (strategy,) = engine.trader.strategies()
    (position,) = engine.cache.positions_open()
    return {
        "orders": len(orders),
        "filled": dict(Counter(OrderType(order.order_type).name for order in filled)),
        "is_protected": strategy.is_protected(position),
    }

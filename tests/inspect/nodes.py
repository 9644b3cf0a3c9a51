"""
A node that leaves something of each kind behind.
"""

from typing import Any

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.node.support import ETH


class Leaver(Strategy):
    """
    Buys, leaves a bid at the venue, and has an order emulated.
    """

    def on_start(self) -> None:
        instrument = paper_instrument(ETH.symbol.value)
        qty, px = instrument.make_qty, instrument.make_price
        factory = self.order_factory
        self.submit_order(factory.market(ETH, OrderSide.BUY, qty(2)))
        self.submit_order(factory.limit(ETH, OrderSide.BUY, qty(1), px(1900)))
        held = {"emulation_trigger": TriggerType.LAST_PRICE}
        self.submit_order(factory.stop_market(ETH, OrderSide.SELL, qty(2), px(1700), **held))

    def on_order_accepted(self, _: Any) -> None:
        self.look()

    def on_order_filled(self, _: Any) -> None:
        self.look()

    def look(self) -> None:
        if self.cache.positions_open() and self.cache.orders_open():
            emit("left")


def leaver(
    port: int, account_id: str, database: dict[str, Any], trader_id: str, cache: dict[str, Any]
) -> TradingNode:
    """
    Return the node; its strategy trades if it is the first of the trader.
    """
    redis = DatabaseConfig(**database)
    client: dict[str, Any] = {
        "port": port,
        "account_id": account_id,
        "symbols": (ETH.symbol.value,),
    }
    node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(**client)],
            [PaperVenueDataClientConfig(port=port, symbols=(ETH.symbol.value,))],
            trader_id=trader_id,
            database=redis,
            cache=CacheConfig(database=redis, **cache),
        )
    )
    if not node.cache.orders():
        config = StrategyConfig(order_id_tag="001", use_uuid_client_order_ids=True)
        node.trader.add_strategy(Leaver(config))
    return node

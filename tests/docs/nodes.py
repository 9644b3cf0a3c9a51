"""
Nodes that run as the pages say, in processes of their own.
"""

import os
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import PositionOpened
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


SYMBOL = "ETHUSDT-PERP"
ETH = InstrumentId.from_str(f"{SYMBOL}.PAPER")
TRADER = "LIVE-001"  # The trader of the pages


class Protected(RecoverableStrategy):
    """
    Buys once, rests a stop, and writes all that a strategy can write.
    """

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_save(self) -> dict[str, bytes]:
        return {"state": b"kept"}

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        positions = [position.signed_decimal_qty() for position in self.cache.positions_open()]
        emit("recovered", epoch=event.epoch, outcome=event.outcome, positions=positions)

    def on_trading_enabled(self) -> None:
        if self.cache.orders():
            return
        instrument = self.cache.instrument(ETH)
        qty = instrument.make_qty(Decimal(2))
        bid = self.order_factory.limit(ETH, OrderSide.BUY, qty, instrument.make_price(1000))
        self.submit_order(bid)
        self.submit_order(self.order_factory.market(ETH, OrderSide.BUY, qty))

    def on_position_opened(self, event: PositionOpened) -> None:
        price = self.cache.instrument(ETH).make_price(1900)
        position = self.cache.position(event.position_id)
        order, position_id = self.closing_order(position, trigger_price=price)
        self.submit_order(order, position_id)

    def on_order_accepted(self, event: OrderAccepted) -> None:
        order = self.cache.order(event.client_order_id)
        if order.has_price:
            self.cancel_order(order)

    def on_order_canceled(self, event: OrderCanceled) -> None:
        self.cache.purge_order(event.client_order_id, purge_from_database=True)
        self.checkpoint()
        emit("purged", order_id=event.client_order_id)


def protected(port: int, database: dict[str, Any], encoding: str = "json") -> TradingNode:
    """
    Return a node with a cache and a message bus in one Redis.
    """
    redis = DatabaseConfig(**database)
    node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            trader_id=TRADER,
            database=redis,
            message_bus=MessageBusConfig(database=redis, encoding=encoding, autotrim_mins=60),
            save_state=True,
            load_state=True,
        )
    )
    node.trader.add_actor(RecoveryMonitorActor(RecoveryMonitorConfig(settle_ms=50)))
    node.trader.add_strategy(Protected(RecoverableStrategyConfig(strategy_id="Protected-000")))
    return node


def checked() -> TradingNodeConfig:
    """
    Return a configuration that nothing is wrong with, on the server of the environment.
    """
    parts = urlsplit(os.environ["CHECKED_URL"])
    return TradingNodeConfig(
        trader_id=TRADER,
        cache=CacheConfig(
            database=DatabaseConfig(
                host=parts.hostname,
                port=parts.port,
                username=parts.username,
                password=parts.password,
            )
        ),
        actors=[
            ImportableActorConfig(
                actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                config={},
            )
        ],
    )

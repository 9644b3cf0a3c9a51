"""
A bot of one's own, to try on a paper venue: kill it, trade behind its back, start it again.

``nautilus-recovery paper --valkey`` in one terminal, ``python own_bot.py`` in another; and before
its start, ``nautilus-recovery check own_bot:config``. Without its Redis server the bot ends with a
line that says so: `TradingNode` by itself would wait for it without end.
"""

import sys
from typing import Any

from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor import testkit


VENUE: dict[str, Any] = {"port": 7777, "symbols": ("ETHUSDT-PERP",)}
REDIS_PORT = 7778
ETH = InstrumentId.from_str("ETHUSDT-PERP.PAPER")


class OwnBot(RecoverableStrategy):
    """Holds one ETH, with a stop-loss 5% below."""

    def on_start(self) -> None:
        """Watch the price. An order sent from here would be denied."""
        self.subscribe_quote_ticks(ETH)

    def on_trading_enabled(self) -> None:
        """Buy, unless it holds one already: this is called after each recovery."""
        if self.cache.positions_open(strategy_id=self.id):
            return
        self.cancel_all_orders(ETH)  # The stop-loss of a position that is gone
        qty = self.cache.instrument(ETH).make_qty(1)
        self.submit_order(self.order_factory.market(ETH, OrderSide.BUY, qty))

    def on_order_filled(self, event: OrderFilled) -> None:
        """Rest the stop-loss."""
        if event.order_side != OrderSide.BUY:
            return
        trigger = self.cache.instrument(ETH).make_price(0.95 * event.last_px.as_double())
        self.submit_order(
            self.order_factory.stop_market(
                ETH, OrderSide.SELL, event.last_qty, trigger, reduce_only=True
            )
        )

    def on_stop(self) -> None:
        """Leave the position and its stop-loss to the next run."""
        self.unsubscribe_quote_ticks(ETH)


config = TradingNodeConfig(
    trader_id="OWN-001",
    cache=recovery_cache_config(port=REDIS_PORT),
    exec_engine=recovery_exec_engine_config(),
    data_clients={"PAPER": testkit.PaperVenueDataClientConfig(**VENUE)},
    exec_clients={"PAPER": testkit.PaperVenueExecClientConfig(**VENUE)},
    actors=[
        ImportableActorConfig(
            actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
            config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
            config={},
        )
    ],
    strategies=[
        ImportableStrategyConfig(
            strategy_path="own_bot:OwnBot",
            config_path="nautilus_recovery_actor:RecoverableStrategyConfig",
            config={"external_order_claims": [ETH.value]},
        )
    ],
)


def node() -> TradingNode:
    """Return the node, built."""
    built = TradingNode(config=config)
    built.add_data_client_factory("PAPER", testkit.PaperVenueLiveDataClientFactory)
    built.add_exec_client_factory("PAPER", testkit.PaperVenueLiveExecClientFactory)
    built.build()
    return built


if __name__ == "__main__":
    sys.exit(run_supervised(node))

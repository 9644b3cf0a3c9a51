"""
The strategy file of the tests on NautilusTrader 2.0, on a node of 1.x.
"""

from typing import Any

from nautilus_trader.adapters.binance import BinanceLiveDataClientFactory
from nautilus_trader.adapters.binance import BinanceLiveExecClientFactory
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from tests.node2.trial import INSTRUMENT
from tests.node2.trial import trial
from tests.node2.trial import warmed
from tests.restart.node import node_config


def node(
    venue_port: int, database: dict[str, Any], trader_id: str, *, is_warmed: bool = False
) -> TradingNode:
    """Return a node with that strategy."""
    made = TradingNode(node_config(venue_port, DatabaseConfig(**database), trader_id, "ERROR"))
    made.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    made.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    made.trader.add_actor(RecoveryMonitorActor(RecoveryMonitorConfig(settle_ms=50)))
    made.trader.add_strategy(
        (warmed() if is_warmed else trial())(
            RecoverableStrategyConfig(
                strategy_id="Trial",
                order_id_tag="001",
                external_order_claims=[InstrumentId.from_str(INSTRUMENT)],
            )
        )
    )
    made.build()
    return made

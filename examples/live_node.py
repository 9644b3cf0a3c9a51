"""
A live node with the recovery monitor and a Redis cache.

Run it as it is and it trades at a paper venue: ``python examples/live_node.py``. To trade for real,
put the configurations and factories of your adapter where those of the paper venue are.
"""

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import LiveDataClientConfig
from nautilus_trader.config import LiveExecClientConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueLiveDataClientFactory
from nautilus_recovery_actor.testkit import PaperVenueLiveExecClientFactory


INSTRUMENT_ID = "ETHUSDT-PERP.PAPER"


def node_config(
    data_client: LiveDataClientConfig, exec_client: LiveExecClientConfig, database: DatabaseConfig
) -> TradingNodeConfig:
    """
    Return the configuration of the node.
    """
    return TradingNodeConfig(
        trader_id="LIVE-001",
        cache=recovery_cache_config(database=database),
        exec_engine=recovery_exec_engine_config(),
        data_clients={"PAPER": data_client},
        exec_clients={"PAPER": exec_client},
        actors=[
            ImportableActorConfig(
                actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                config={"startup_timeout_secs": 120.0},
            )
        ],
        strategies=[
            ImportableStrategyConfig(
                strategy_path="gated_strategy:GatedStrategy",
                config_path="gated_strategy:GatedStrategyConfig",
                config={"instrument_id": INSTRUMENT_ID, "external_order_claims": [INSTRUMENT_ID]},
            )
        ],
    )


def main() -> None:
    """
    Run the node until it is interrupted.
    """
    with PaperVenue() as venue, EmbeddedValkey() as valkey:
        venue.set_price("ETHUSDT-PERP", 2000)
        node = TradingNode(
            config=node_config(
                venue.data_config(symbols=("ETHUSDT-PERP",)),
                venue.exec_config(symbols=("ETHUSDT-PERP",)),
                valkey.database_config(),
            )
        )
        node.add_data_client_factory("PAPER", PaperVenueLiveDataClientFactory)
        node.add_exec_client_factory("PAPER", PaperVenueLiveExecClientFactory)
        node.build()
        try:
            node.run()
        finally:
            node.dispose()


if __name__ == "__main__":
    main()

"""
A live node with the recovery monitor and a Redis cache.

Run it as it is and it trades at a paper venue: ``python examples/live_node.py``. To trade for real,
put the configurations and factories of your adapter where those of the paper venue are.

Check it before it starts, in this directory: ``nautilus-recovery check live_node:config`` looks at
its configuration and at the server that ``REDIS_URL`` names, ``live_node:node`` builds it too.
"""

import os
from urllib.parse import urlsplit

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import PaperVenueLiveDataClientFactory
from nautilus_recovery_actor.testkit import PaperVenueLiveExecClientFactory


INSTRUMENT_ID = "ETHUSDT-PERP.PAPER"
SYMBOLS = ("ETHUSDT-PERP",)


def config(port: int = 0, database: DatabaseConfig | None = None) -> TradingNodeConfig:
    """
    Return the configuration of the node, by default with the server at ``REDIS_URL``.
    """
    return TradingNodeConfig(
        trader_id="LIVE-001",
        cache=recovery_cache_config(database=database or redis_server()),
        exec_engine=recovery_exec_engine_config(),
        data_clients={"PAPER": PaperVenueDataClientConfig(port=port, symbols=SYMBOLS)},
        exec_clients={"PAPER": PaperVenueExecClientConfig(port=port, symbols=SYMBOLS)},
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


def node(port: int = 0, database: DatabaseConfig | None = None) -> TradingNode:
    """
    Return the node, built. It connects when it runs.
    """
    made = TradingNode(config=config(port, database))
    made.add_data_client_factory("PAPER", PaperVenueLiveDataClientFactory)
    made.add_exec_client_factory("PAPER", PaperVenueLiveExecClientFactory)
    made.build()
    return made


def redis_server() -> DatabaseConfig:
    """
    Return where the cache is: at ``REDIS_URL``, or on this machine.
    """
    url = urlsplit(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
    return DatabaseConfig(
        type="redis",
        host=url.hostname or "127.0.0.1",
        port=url.port or 6379,
        username=url.username,
        password=url.password,
        ssl=url.scheme == "rediss",
    )


def main() -> None:
    """
    Run the node until it is interrupted.
    """
    with PaperVenue() as venue, EmbeddedValkey() as valkey:
        venue.set_price("ETHUSDT-PERP", 2000)
        made = node(venue.port, valkey.database_config())
        try:
            made.run()
        finally:
            made.dispose()


if __name__ == "__main__":
    main()

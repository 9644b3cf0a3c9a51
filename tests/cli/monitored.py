"""
Nodes whose record is read from outside.
"""

from typing import Any

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.live.node import TradingNode

import nautilus_recovery_actor  # noqa: F401 (its bus streams the messages)
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.repair.dying import die_after


MONITOR = {"settle_ms": 50, "startup_timeout_secs": 20.0, "verify_timeout_secs": 0.3}


def monitored(
    port: int,
    database: dict[str, Any],
    trader_id: str,
    monitor: dict[str, Any] | None = None,
    bus: dict[str, Any] | None = None,
    generate_missing_orders: bool = True,
    log_level: str = "ERROR",
    **cache: Any,
) -> TradingNode:
    """
    Return a node with a monitor, whose cache is in a Redis, and its message bus too if `bus` says.
    """
    redis = DatabaseConfig(**database)
    actor = ImportableActorConfig(
        actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
        config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
        config={**MONITOR, **(monitor or {})},
    )
    fields: dict[str, Any] = {}
    if bus is not None:
        fields["message_bus"] = MessageBusConfig(database=redis, **bus)
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))],
        trader_id=trader_id,
        log_level=log_level,
        cache=CacheConfig(database=redis, **cache),
        actors=[actor],
        exec_engine=LiveExecEngineConfig(
            reconciliation=True, generate_missing_orders=generate_missing_orders
        ),
        **fields,
    )
    return paper_node(config)


def dying(*, after: int, is_stored: bool, **arguments: Any) -> TradingNode:
    """
    Return a node with a monitor that is killed in the middle of a repair.
    """
    die_after(after, is_stored=is_stored)
    return monitored(**arguments)


def unmonitored(port: int, database: dict[str, Any], trader_id: str) -> TradingNode:
    """
    Return a node without a monitor.
    """
    return paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))],
            trader_id=trader_id,
            database=DatabaseConfig(**database),
        )
    )

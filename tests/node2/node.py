"""
A node of 2.0 on its native Binance adapter, at the stand-in for the venue.
"""

import os
import signal
import threading
from contextlib import suppress
from typing import Any

from nautilus_trader.adapters.binance import BinanceDataClientConfig
from nautilus_trader.adapters.binance import BinanceDataClientFactory
from nautilus_trader.adapters.binance import BinanceExecutionClientConfig
from nautilus_trader.adapters.binance import BinanceExecutionClientFactory
from nautilus_trader.adapters.binance import BinanceInstrumentProviderConfig
from nautilus_trader.adapters.binance import BinanceProductType
from nautilus_trader.common import Environment
from nautilus_trader.common import LoggerConfig
from nautilus_trader.infrastructure import RedisCacheConfig
from nautilus_trader.live import LiveNode
from nautilus_trader.live import LiveNodeBuilder
from nautilus_trader.live import LiveRiskEngineConfig
from nautilus_trader.model import AccountId
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import StrategyId
from nautilus_trader.model import TraderId
from nautilus_trader.trading import Strategy
from nautilus_trader.trading import StrategyConfig

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import add_recovery_monitor
from nautilus_recovery_actor import run_node
from nautilus_recovery_actor import signals
from nautilus_recovery_actor import with_recovery
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.testkit import emit
from tests.node2.trial import INSTRUMENT
from tests.node2.trial import trial
from tests.node2.ways import ways


ACCOUNT = "BINANCE-001"
AFTER_A_KILL = 2


def database(redis_port: int) -> RedisCacheConfig:
    return RedisCacheConfig(host="127.0.0.1", port=redis_port)


def builder(
    venue_port: int,
    redis_port: int,
    trader_id: str,
    level: str = "WARN",
    reconciliation_secs: int = 2,
    server: RedisCacheConfig | None = None,
    post_stop_secs: int = 0,
    is_bare: bool = False,
) -> LiveNodeBuilder:
    """Return the builder of a node, with no more of this package than its cache and bus."""
    address = f"127.0.0.1:{venue_port}"
    venue: dict[str, Any] = {
        "product_type": BinanceProductType.USD_M,
        "base_url_http": f"http://{address}",
        "base_url_ws": f"ws://{address}/ws",
        "api_key": "key",
        "api_secret": "secret",
        "instrument_provider": BinanceInstrumentProviderConfig(load_all=True),
    }
    made: Any = (
        LiveNode.builder("two", TraderId(trader_id), Environment.LIVE)
        .with_logging(LoggerConfig.from_spec(f"stdout={level}"))
        .with_timeout_connection(5)
        .with_timeout_reconciliation(reconciliation_secs)
        .with_timeout_portfolio(2)
        .with_timeout_disconnection_secs(1)
        .with_delay_post_stop_secs(post_stop_secs)
        .with_delay_shutdown_secs(0)
        # No market data come, and without a price it denies every market order
        .with_risk_engine_config(LiveRiskEngineConfig(bypass=True))
    )
    execution = BinanceExecutionClientConfig(
        account_id=AccountId(ACCOUNT), use_ws_trading=False, **venue
    )
    return (
        (made if is_bare else with_recovery(made, server or database(redis_port)))
        .add_data_client("BINANCE", BinanceDataClientFactory(), BinanceDataClientConfig(**venue))
        .add_exec_client("BINANCE", BinanceExecutionClientFactory(), execution)
    )


def strategy_config(kind: Any = StrategyConfig, **fields: Any) -> StrategyConfig:
    made: StrategyConfig = kind(
        strategy_id=StrategyId("Trial-001"),
        order_id_tag="001",
        external_order_instrument_ids=[InstrumentId.from_str(INSTRUMENT)],
        **fields,
    )
    return made


def run(
    venue_port: int,
    redis_port: int,
    trader_id: str = "TWO-001",
    *,
    is_monitored: bool = True,
    is_bare: bool = False,
    way: str = "",
    post_stop_secs: int = 0,
    settings: dict[str, Any] | None = None,
    server_pid: int = 0,
    is_stalled: bool = False,
) -> None:
    """Run a node with the trial strategy until it is stopped."""
    os.environ["SERVER_PID"] = str(server_pid)

    def stall(_: Any, event: Any) -> None:
        if is_stalled and event.epoch == AFTER_A_KILL:
            os.kill(server_pid, signal.SIGSTOP)

    signals.recovery_started.connect(stall)
    made = builder(
        venue_port, redis_port, trader_id, post_stop_secs=post_stop_secs, is_bare=is_bare
    )
    node = made.build()
    if is_monitored:
        fields = {"verify_timeout_secs": 1.0, "heartbeat_secs": 0.5, **(settings or {})}
        config = RecoveryMonitorConfig(database=database(redis_port), **fields)
        monitor = add_recovery_monitor(node, config)
        emit("registered")
    judge, own = verdict.judge, threading.get_ident()

    def judged(observation: Observation, policy: Policy) -> Judgment:
        emit("judged", is_beside=threading.get_ident() != own)
        return judge(observation, policy)

    verdict.judge = judged
    signals.recovery_failed.connect(_on_failed)
    signals.storage_changed.connect(_on_storage)
    kind: Any = trial(RecoverableStrategy if is_monitored else Strategy)
    if way:
        kind = ways(kind)[way]
    node.add_strategy(kind(strategy_config()))
    try:
        if is_monitored:
            run_node(node)
        else:
            node.run()
    finally:
        emit(
            "held",
            positions=[
                f"{one.strategy_id} {one.signed_qty}" for one in node.cache.positions_open()
            ],
            open=[str(one.client_order_id) for one in node.cache.orders_open()],
            phase=str(monitor.phase) if is_monitored else "",
        )


def unmonitored(venue_port: int, redis_port: int, trader_id: str = "TWO-001") -> None:
    """Run a recoverable strategy on a node that has no monitor."""
    node = builder(venue_port, redis_port, trader_id).build()
    node.add_strategy(trial()(strategy_config()))
    node.run()


def _on_storage(_: Any, incident: Any) -> None:
    emit("storage", kind=str(incident.kind), is_over=incident.is_over)


def _on_failed(_: Any, event: Any) -> None:
    emit("signal", reason=str(event.reason), message=event.message)


def late(venue_port: int, redis_port: int, trader_id: str = "TWO-001") -> None:
    """Have a node watched that has run already."""
    node = builder(venue_port, redis_port, trader_id).build()
    add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port)))
    node.add_strategy(trial()(strategy_config()))
    with suppress(RuntimeError):  # Of its stop
        run_node(node)
    for _ in range(2):
        try:
            add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port)))
        except RuntimeError as e:
            emit("refused", error=str(e))

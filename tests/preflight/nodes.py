"""
What the tests look at: configurations in which there is nothing to find, and parts of others.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import NautilusConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import Finding
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import preflight
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.outside.checks.client_rules import RULES as CLIENT_RULES
from nautilus_recovery_actor.outside.checks.config_rules import RULES as CONFIG_RULES
from nautilus_recovery_actor.outside.checks.link_rules import RULES as LINK_RULES
from nautilus_recovery_actor.outside.checks.stored_rules import RULES as STORED_RULES
from nautilus_recovery_actor.outside.checks.strategy_rules import RULES as STRATEGY_RULES
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


ETH = "ETHUSDT-PERP.PAPER"
BTC = "BTCUSDT-PERP.PAPER"
RULES = (*CONFIG_RULES, *CLIENT_RULES, *STRATEGY_RULES, *STORED_RULES, *LINK_RULES)
CODES = {rule.code for rule in RULES}

_HERE = "tests.preflight.nodes"


class Monitor(RecoveryMonitorActor):
    """
    A monitor of a user's own.
    """


class Other(Actor):
    """
    An actor that is no monitor.
    """


class KeyedConfig(StrategyConfig, frozen=True):
    """
    Quotes its secret in an error.
    """

    api_key: str = ""

    def __post_init__(self) -> None:
        raise ValueError(f"the key {self.api_key} is too short")


class LegConfig(NautilusConfig, frozen=True):
    """
    A configuration within another.
    """

    instrument_id: InstrumentId
    name: str = ""


class TradesConfig(RecoverableStrategyConfig, frozen=True):
    """
    Names instruments in every way.
    """

    instrument_id: InstrumentId | None = None
    bar_type: BarType | None = None
    instrument_ids: list[str] = []
    legs: dict[str, str] = {}
    hedge: LegConfig | None = None
    hedges: list[LegConfig] = []
    note: str = ""


class Trades(RecoverableStrategy):
    """
    A recoverable strategy that buys when trading is enabled, once.
    """

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_trading_enabled(self) -> None:
        if self.cache.orders():
            positions = self.cache.positions_open()
            emit("recovered", qty=str(sum(position.signed_qty for position in positions)))
            return
        instrument = paper_instrument("ETHUSDT-PERP")
        order = self.order_factory.market(instrument.id, OrderSide.BUY, instrument.make_qty(2))
        self.submit_order(order)

    def on_order_filled(self, event: Any) -> None:
        emit("filled", client_order_id=event.client_order_id.value)


class PlainConfig(StrategyConfig, frozen=True):
    """
    A plain strategy's.
    """

    instrument_id: InstrumentId | None = None


class Keyed(Strategy):
    """
    A strategy whose configuration raises.
    """


class Plain(Strategy):
    """
    A strategy that knows nothing of recoveries.
    """


def actor(name: str = "RecoveryMonitorActor", path: str = "", **config: Any) -> Any:
    """
    Return the configuration of an actor, by default the monitor.
    """
    return ImportableActorConfig(
        actor_path=path or f"nautilus_recovery_actor:{name}",
        config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
        config=config,
    )


def strategy(kind: str = "Trades", tag: str = "001", **config: Any) -> Any:
    """
    Return the configuration of a strategy.
    """
    return ImportableStrategyConfig(
        strategy_path=f"{_HERE}:{kind}",
        config_path=f"{_HERE}:{kind}Config",
        config={"order_id_tag": tag, **config},
    )


def good(
    database: DatabaseConfig | None = None,
    *,
    cache: Mapping[str, Any] = MappingProxyType({}),
    engine: Mapping[str, Any] = MappingProxyType({}),
    without_cache: bool = False,
    **fields: Any,
) -> TradingNodeConfig:
    """
    Return a configuration in which there is nothing to find, but for what is given.
    """
    of_cache = {"database": database, "buffer_interval_ms": None, **cache}
    defaults: dict[str, Any] = {
        "trader_id": "CHECKED-001",
        "cache": None if without_cache else recovery_cache_config(**of_cache),
        "exec_engine": recovery_exec_engine_config(**engine),
        "actors": [actor()],
        "strategies": [strategy(instrument_id=ETH, external_order_claims=[ETH])],
        "save_state": True,
        "load_state": True,
    }
    return TradingNodeConfig(**{**defaults, **fields})


def found(*args: Any, **kwargs: Any) -> dict[str, Finding]:
    """
    Return what `preflight` finds by code, what it says of the server itself aside.
    """
    report = preflight(*args, **kwargs)
    return {finding.code: finding for finding in report.findings if finding.code in CODES}


def recovering(
    port: int, database: dict[str, Any], heartbeat_secs: float, **cache: Any
) -> TradingNode:
    """
    Return a node that is made with the presets.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))],
        trader_id="PRESET-001",
        cache=recovery_cache_config(database=DatabaseConfig(**database), **cache),
        exec_engine=recovery_exec_engine_config(),
        actors=[actor(settle_ms=50, heartbeat_secs=heartbeat_secs)],
        strategies=[strategy(instrument_id=ETH, external_order_claims=[ETH])],
    )
    return paper_node(config)

"""
From the actors and strategies of a node, or their configurations, to what is known of them.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.config import msgspec_encoding_hook
from nautilus_trader.common.config import resolve_config_path
from nautilus_trader.common.config import resolve_path
from nautilus_trader.config import ActorConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.node.adapters import name_of
from nautilus_recovery_actor.node.config import RecoverableStrategyConfig
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.monitor.actor import RecoveryMonitorActor
from nautilus_recovery_actor.node.strategy.strategy import RecoverableStrategy
from nautilus_recovery_actor.outside.checks.instruments import instruments_in
from nautilus_recovery_actor.outside.checks.native_ids import check_bar_types
from nautilus_recovery_actor.outside.checks.node_facts import MonitorFacts
from nautilus_recovery_actor.outside.checks.node_facts import StrategyFacts


def monitor_databases(actors: Iterable[object]) -> Iterator[DatabaseConfig]:
    """Yield the databases of monitors' own, as far as they can be seen."""
    given: list[object] = []
    with suppress(Exception):
        given += actors
    for actor in given:
        with suppress(Exception, SystemExit):  # Reported elsewhere
            kind, config = _actor(actor)
            own = isinstance(config, RecoveryMonitorConfig) and config.database
            if own and issubclass(kind, RecoveryMonitorActor):
                yield own


def monitor_facts(actor: object) -> MonitorFacts | None:
    """Return what is known of an actor, ``None`` if it is not a monitor."""
    kind, config = _actor(actor)
    if not issubclass(kind, RecoveryMonitorActor):
        return None
    if not isinstance(config, RecoveryMonitorConfig):
        return MonitorFacts(name=kind.__name__)
    return MonitorFacts(
        name=kind.__name__,
        shadow=config.shadow,
        startup_timeout_secs=config.startup_timeout_secs,
        heartbeat_secs=config.heartbeat_secs,
        accounts=None if config.accounts is None else frozenset(config.accounts),
        has_lease=config.lease,
        server=None if config.database is None else address(database_url(config.database)),
    )


def _actor(actor: object) -> tuple[type[Any], Any]:
    kind: type[Any]
    config: Any
    if isinstance(actor, RecoveryMonitorConfig):
        kind, config = RecoveryMonitorActor, actor
    elif isinstance(actor, ImportableActorConfig):
        kind, config = _resolved(actor.actor_path, actor, Actor)
    elif isinstance(actor, Actor):
        kind, config = type(actor), getattr(actor, "config", None)
    else:
        raise TypeError(
            f"it must be an actor, a RecoveryMonitorConfig or an ImportableActorConfig, "
            f"was {type(actor).__name__}"
        )
    return kind, config


def strategy_facts(strategy: object, index: int, venues: set[str], trader_id: str) -> StrategyFacts:
    """Return what is known of a strategy."""
    if isinstance(strategy, ImportableStrategyConfig):
        kind, config = _resolved(strategy.strategy_path, strategy, Strategy)
    elif isinstance(strategy, Strategy):
        kind, config = type(strategy), strategy.config
    elif isinstance(strategy, StrategyConfig):
        is_recoverable = isinstance(strategy, RecoverableStrategyConfig)
        kind, config = RecoverableStrategy if is_recoverable else Strategy, strategy
    else:
        raise TypeError(
            f"it must be a strategy, its configuration or an ImportableStrategyConfig, "
            f"was {type(strategy).__name__}"
        )
    # As the trader names it, or has named it
    tag = config.order_id_tag or f"{index:03}"
    own = str(config.strategy_id or kind.__name__)
    name = f"{own if config.order_id_tag else own.partition('-')[0]}-{tag}"
    if isinstance(strategy, Strategy) and strategy.is_initialized:
        name, tag = strategy.id.value, strategy.order_id_tag
    return StrategyFacts(
        name=name,
        is_recoverable=issubclass(kind, RecoverableStrategy),
        trades=instruments_in(config, venues),
        claims=frozenset(map(str, config.external_order_claims or ())),
        has_uuid_order_ids=config.use_uuid_client_order_ids,
        oms_type=name_of(config.oms_type) if config.oms_type else None,
        order_id=_order_id(config, trader_id, tag),
    )


def _order_id(config: StrategyConfig, trader_id: str, tag: str) -> str:
    # As NautilusTrader's generator makes the first of the year
    trader_tag = trader_id.rpartition("-")[2]
    made = f"O-20260101-000000-{trader_tag}-{tag}-1"
    return made if config.use_hyphens_in_client_order_ids else made.replace("-", "")


def label(component: object) -> str:
    """Return by what a reader knows a component."""
    if isinstance(component, ImportableActorConfig):
        return str(component.actor_path)
    if isinstance(component, ImportableStrategyConfig):
        return str(component.strategy_path)
    return type(component).__name__


def _resolved(
    path: str, importable: ImportableActorConfig | ImportableStrategyConfig, base: type[Any]
) -> tuple[type[Any], Any]:
    # As NautilusTrader's factories do, short of making the component
    kind = resolve_path(path)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise TypeError(f"'{path}' is not a {base.__name__}")
    config_kind = resolve_config_path(importable.config_path)
    required = StrategyConfig if base is Strategy else ActorConfig
    if not issubclass(config_kind, required):
        raise TypeError(f"'{importable.config_path}' is not a {required.__name__}")
    check_bar_types(importable.config)
    encoded = msgspec.json.encode(importable.config, enc_hook=msgspec_encoding_hook)
    return kind, config_kind.parse(encoded)

"""
From the configuration of a node to what is known of it. Nothing is started, and nothing raises:
what cannot be read is itself a fact.
"""

import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from nautilus_trader import __version__
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import LiveDataEngineConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import LiveRiskEngineConfig
from nautilus_trader.config import NautilusConfig
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.node.presets import ARE_BUFFERED_WRITES_ON_TIME
from nautilus_recovery_actor.outside.checks.client_facts import client_facts
from nautilus_recovery_actor.outside.checks.component_facts import label
from nautilus_recovery_actor.outside.checks.component_facts import monitor_facts
from nautilus_recovery_actor.outside.checks.component_facts import strategy_facts
from nautilus_recovery_actor.outside.checks.node_facts import ClientFacts
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import Seen
from nautilus_recovery_actor.outside.checks.node_facts import UnusableFacts


_VERSION = tuple(map(int, __version__.split(".")[:2]))

# Seen: with such keys 1.221 raises "Index unknown" when a node is made, 1.231 loads them
LOADS_INSTANCE_KEYS = _VERSION >= (1, 231)

Redact = Callable[[object], str]


class FactsReader:
    """Reads the facts of one node."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        self._settings: list[UnusableFacts] = []

    def read(
        self,
        config: TradingNodeConfig,
        actors: Iterable[object],
        strategies: Iterable[object],
        *,
        is_halted: bool,
        seen: Seen = Seen.GIVEN,
    ) -> NodeFacts:
        """Return what is known of a node."""
        fields: dict[str, Any] = {"is_halted": is_halted, "seen": seen}
        for subject, read in _SECTIONS.items():
            try:
                fields |= read(config)
            except Exception as e:
                self._settings.append(UnusableFacts(subject=subject, why=self._redact(e)))
        clients: tuple[ClientFacts, ...] = fields.get("clients", ())
        venues = set[str]().union(*(client.venues for client in clients))
        trader_id = str(config.trader_id)
        monitors, unusable_actors = self._split(
            "actors", actors, lambda actor, _: monitor_facts(actor)
        )
        found, unusable_strategies = self._split(
            "strategies",
            strategies,
            lambda strategy, index: strategy_facts(strategy, index, venues, trader_id),
        )
        return NodeFacts(
            **fields,
            has_actors=bool(monitors or unusable_actors),
            monitors=tuple(monitor for monitor in monitors if monitor is not None),
            strategies=found,
            unusable_actors=unusable_actors,
            unusable_strategies=unusable_strategies,
            unusable_settings=tuple(self._settings),
        )

    def _split(
        self, subject: str, components: Iterable[object], read: Callable[[object, int], Any]
    ) -> tuple[tuple[Any, ...], tuple[UnusableFacts, ...]]:
        facts, unusable = [], []
        try:
            components = list(components)
        except Exception as e:
            return (), (UnusableFacts(subject=subject, why=self._redact(e)),)
        for index, component in enumerate(components):
            try:
                facts.append(read(component, index))
            except (Exception, SystemExit) as e:  # What is imported may do anything
                name = f"{subject}[{index}]: {label(component)}"
                unusable.append(UnusableFacts(subject=self._redact(name), why=self._redact(e)))
        return tuple(facts), tuple(unusable)


def checked(config: Any, kind: type[NautilusConfig], name: str) -> Any:
    """
    Return a configuration whose values have the types that it declares, which only decoding checks.
    """
    if not isinstance(config, kind):
        raise TypeError(f"`{name}` must be a {kind.__name__}, was {type(config).__name__}")
    return type(config).parse(config.json())


# -- SECTIONS --


def _exec_engine(config: TradingNodeConfig) -> dict[str, Any]:
    engine = checked(config.exec_engine, LiveExecEngineConfig, "exec_engine")
    fields = LiveExecEngineConfig.__struct_fields__
    return {
        "load_cache": engine.load_cache,
        "reconciliation": engine.reconciliation,
        "lookback_mins": engine.reconciliation_lookback_mins,
        "reconciled_instruments": frozenset(map(str, engine.reconciliation_instrument_ids or ())),
        "filter_position_reports": engine.filter_position_reports,
        "filter_unclaimed_external_orders": engine.filter_unclaimed_external_orders,
        "generate_missing_orders": engine.generate_missing_orders,
        "open_check_interval_secs": engine.open_check_interval_secs,
        "open_check_open_only": engine.open_check_open_only,
        "is_database_purged": engine.purge_from_database and any(_purges(engine)),
        "has_position_check": "position_check_interval_secs" in fields,  # Not on 1.221
        "position_check_interval_secs": getattr(engine, "position_check_interval_secs", None),
    }


def _purges(engine: LiveExecEngineConfig) -> Iterator[bool]:
    # Of what the venue reports no more at a start, nothing can be booked again
    for kind in ("orders", "positions"):
        after_mins = getattr(engine, f"purge_closed_{kind}_buffer_mins") or 0
        lookback_mins = engine.reconciliation_lookback_mins or math.inf
        yield bool(getattr(engine, f"purge_closed_{kind}_interval_mins")) and (
            after_mins < lookback_mins
        )


def _cache(config: TradingNodeConfig) -> dict[str, Any]:
    if config.cache is None:
        return {"database_type": None}
    cache = checked(config.cache, CacheConfig, "cache")
    encoding = cache.encoding.lower()
    if encoding not in ("msgpack", "json"):
        raise ValueError(f"`encoding` must be 'msgpack' or 'json', was '{cache.encoding}'")
    return {
        "database_type": None if cache.database is None else cache.database.type,
        "server": None if cache.database is None else address(database_url(cache.database)),
        "has_account_events": cache.persist_account_events,
        "encoding": encoding,
        "flush_on_start": cache.flush_on_start,
        "has_new_instance_id": cache.use_instance_id and config.instance_id is None,
        "has_unloadable_keys": cache.use_instance_id and not LOADS_INSTANCE_KEYS,
        "buffer_interval_ms": cache.buffer_interval_ms,
        "are_buffered_writes_on_time": ARE_BUFFERED_WRITES_ON_TIME,
    }


def _risk_engine(config: TradingNodeConfig) -> dict[str, Any]:
    engine = checked(config.risk_engine, LiveRiskEngineConfig, "risk_engine")
    return {"is_risk_bypassed": engine.bypass}


def _state(config: TradingNodeConfig) -> dict[str, Any]:
    return {"save_state": bool(config.save_state), "load_state": bool(config.load_state)}


def _clients(config: TradingNodeConfig) -> dict[str, Any]:
    return {"clients": client_facts(config)}


def _data_engine(config: TradingNodeConfig) -> dict[str, Any]:
    engine = checked(config.data_engine, LiveDataEngineConfig, "data_engine")
    return {"validate_data_sequence": engine.validate_data_sequence}


_SECTIONS: dict[str, Callable[[TradingNodeConfig], dict[str, Any]]] = {
    "exec_engine": _exec_engine,
    "cache": _cache,
    "risk_engine": _risk_engine,
    "save_state": _state,
    "data_engine": _data_engine,
    "exec_clients": _clients,
}

"""
The configuration of a node as a restart needs it: what is found in it, changed where it can be.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.node.presets import recovery_cache_config
from nautilus_recovery_actor.node.presets import recovery_exec_engine_config
from nautilus_recovery_actor.outside.checks.component_facts import strategy_facts
from nautilus_recovery_actor.outside.checks.findings import Finding


Path = tuple[str | int, ...]
Findings = Callable[[TradingNodeConfig], list[Finding]]

_MONITOR = ImportableActorConfig(
    actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
    config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
    config={},
)
_DATABASE = DatabaseConfig(host="127.0.0.1", port=6379)
_KEPT_OPEN = (
    "After as many checks NautilusTrader marks an order REJECTED that the venue did not report, "
    "even if it rests there."
)
_WEIGHTS = {Severity.BLOCK: 10_000, Severity.WARN: 100, Severity.INFO: 1}
# More rounds than there are settings
_MAX_CHANGES = 200


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that is changed, or a part that is added."""

    # Where it is, such as ``("exec_engine",)``
    path: Path
    # Which setting there, empty for the whole part
    field: str
    was: Any
    now: Any
    why: str


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and all that was changed in it."""

    config: TradingNodeConfig
    changes: tuple[Change, ...] = ()
    # What is still found, and cannot be changed in a configuration alone
    left: tuple[Finding, ...] = ()

    def set(self, path: Path, why: str, **values: Any) -> "Draft":
        """Return it with other values of the fields of one part."""
        part = _part(self.config, path)
        made = tuple(
            Change(path=path, field=name, was=_value(part, name), now=value, why=why)
            for name, value in values.items()
            if _value(part, name) != value
        )
        if not made:
            return self
        config = _put(self.config, path, _with(part, values))
        return msgspec.structs.replace(self, config=config, changes=self.changes + made)

    def add(self, path: Path, part: Any, why: str) -> "Draft":
        """Return it with one more part of a list."""
        parts = [*_part(self.config, path), part]
        made = Change(path=(*path, len(parts) - 1), field="", was=None, now=part, why=why)
        config = _put(self.config, path, parts)
        return msgspec.structs.replace(self, config=config, changes=(*self.changes, made))


def drafted(config: TradingNodeConfig, findings: Findings) -> Draft:
    """Return the configuration with everything changed that can be."""
    draft = Draft(config=config)
    for _ in range(_MAX_CHANGES):
        found = findings(draft.config)
        changed = next(filter(None, (_changed(draft, one, findings) for one in found)), None)
        if changed is None:
            break
        draft = changed
    if draft.config.exec_engine.open_check_interval_secs:
        default = LiveExecEngineConfig().open_check_missing_retries
        if draft.config.exec_engine.open_check_missing_retries == default:
            retries = recovery_exec_engine_config().open_check_missing_retries
            draft = draft.set(("exec_engine",), _KEPT_OPEN, open_check_missing_retries=retries)
    return msgspec.structs.replace(draft, left=tuple(findings(draft.config)))


def _changed(draft: Draft, found: Finding, findings: Findings) -> Draft | None:
    before = _weight(findings(draft.config))
    for change in _CHANGES.get(found.code, ()):
        changed = change(draft, found)
        # What only makes place for something as bad is left to the user
        if changed is not draft and _weight(findings(changed.config)) < before:
            return changed
    return None


def _weight(found: list[Finding]) -> int:
    return sum(_WEIGHTS[one.severity] for one in found)


# -- CHANGES --


def _sets(part: str, **values: Any) -> Callable[[Draft, Finding], Draft]:
    def change(draft: Draft, found: Finding) -> Draft:
        path: Path = (part,) if part else ()
        return draft.set(path, f"{found.consequence} ({found.code})", **values)

    return change


def _give_database(draft: Draft, found: Finding) -> Draft:
    why = f"{found.consequence} Name your server. ({found.code})"
    if draft.config.cache is None:
        return draft.set((), why, cache=recovery_cache_config(database=_DATABASE))
    return draft.set(("cache",), why, database=_DATABASE)


def _add_monitor(draft: Draft, found: Finding) -> Draft:
    return draft.add(("actors",), _MONITOR, f"{found.consequence} ({found.code})")


def _keep_lease(draft: Draft, found: Finding) -> Draft:
    for index, actor in enumerate(draft.config.actors):
        if actor.config.get("lease") is False:
            draft = draft.set(("actors", index), f"{found.consequence} ({found.code})", lease=True)
    return draft


def _load_instruments(draft: Draft, found: Finding) -> Draft:
    name = found.subject.removeprefix("exec_clients: ")
    provider: Any = InstrumentProviderConfig(load_all=True)
    client = draft.config.exec_clients[name]
    if isinstance(_inner(client), dict):
        provider = {"load_all": True}
    elif isinstance(given := getattr(client, "instrument_provider", None), msgspec.Struct):
        provider = msgspec.structs.replace(given, load_all=True)
    why = f"{found.consequence} ({found.code})"
    return draft.set(("exec_clients", name), why, instrument_provider=provider)


def _in_strategy(**values: Any) -> Callable[[Draft, Finding], Draft]:
    def change(draft: Draft, found: Finding) -> Draft:
        for index, name, _ in _strategies(draft.config):
            if name == found.subject:
                why = f"{found.consequence} ({found.code})"
                return draft.set(("strategies", index), why, **values)
        return draft

    return change


def _claim(draft: Draft, found: Finding) -> Draft:
    # Whoever trades it alone; of two, the first, which the finding about both leaves to the user
    for index, _, strategy in _strategies(draft.config):
        if found.subject in strategy.trades:
            claims = sorted({*strategy.claims, found.subject})
            why = f"{found.consequence} ({found.code})"
            return draft.set(("strategies", index), why, external_order_claims=claims)
    return draft


def _reconcile_all(draft: Draft, found: Finding) -> Draft:
    why = f"{found.consequence} ({found.code})"
    return draft.set(("exec_engine",), why, reconciliation_instrument_ids=None)


# One after another, until one of them makes it better
_CHANGES: dict[str, Sequence[Callable[[Draft, Finding], Draft]]] = {
    "NO_DATABASE": (_give_database,),
    "FLUSH_ON_START": (_sets("cache", flush_on_start=False),),
    "INSTANCE_ID_IN_KEYS": (_sets("cache", use_instance_id=False),),
    "ACCOUNT_EVENTS_NOT_KEPT": (_sets("cache", persist_account_events=True),),
    "BUFFERED_WRITES_WAIT": (_sets("cache", buffer_interval_ms=None),),
    "SANDBOX_WITH_DATABASE": (_sets("cache", database=None),),
    "CACHE_NOT_LOADED": (_sets("exec_engine", load_cache=True),),
    "RECONCILIATION_OFF": (_sets("exec_engine", reconciliation=True),),
    "POSITION_REPORTS_FILTERED": (_sets("exec_engine", filter_position_reports=False),),
    "MISSING_ORDERS_NOT_GENERATED": (_sets("exec_engine", generate_missing_orders=True),),
    "SPOT_POSITIONS_MADE_UP": (_sets("exec_engine", generate_missing_orders=False),),
    "EXTERNAL_ORDERS_FILTERED": (_sets("exec_engine", filter_unclaimed_external_orders=False),),
    "OPEN_CHECK_OFF": (
        _sets("exec_engine", open_check_interval_secs=10.0, open_check_open_only=False),
        _sets("exec_engine", open_check_interval_secs=10.0, open_check_open_only=True),
    ),
    "OPEN_CHECK_MISSES_ENDED_ORDERS": (_sets("exec_engine", open_check_open_only=False),),
    "MADE_UP_ORDERS_CHECKED": (_sets("exec_engine", open_check_open_only=True),),
    "POSITION_CHECK_OFF": (_sets("exec_engine", position_check_interval_secs=60.0),),
    "POSITION_CHECK_MAKES_UP_FILLS": (_sets("exec_engine", position_check_interval_secs=None),),
    "PURGED_FROM_DATABASE": (_sets("exec_engine", purge_from_database=False),),
    "INSTRUMENT_NOT_RECONCILED": (_reconcile_all,),
    "RISK_ENGINE_BYPASSED": (_sets("risk_engine", bypass=False),),
    "STATE_NOT_KEPT": (_sets("", save_state=True, load_state=True),),
    "MONITOR_MISSING": (_add_monitor,),
    "MONITOR_NOT_SEEN": (_add_monitor,),
    "LEASE_OFF": (_keep_lease,),
    "UNLOADED_INSTRUMENTS_DROPPED": (_load_instruments,),
    "LEGS_NETTED": (_in_strategy(oms_type="HEDGING"),),
    "CLIENT_ORDER_IDS_CUT": (_in_strategy(use_uuid_client_order_ids=True),),
    "CLIENT_ORDER_IDS_CAN_REPEAT": (_in_strategy(use_uuid_client_order_ids=True),),
    "INSTRUMENT_NOT_CLAIMED": (_claim,),
}


# -- PARTS --


def _strategies(config: TradingNodeConfig) -> Iterator[tuple[int, str, Any]]:
    venues = {venue for name in config.exec_clients or () for venue in (name, name.split("-")[0])}
    for index, one in enumerate(config.strategies):
        if isinstance(one, ImportableStrategyConfig):
            with suppress(Exception, SystemExit):  # Found already: it is not usable
                facts = strategy_facts(one, index, venues, str(config.trader_id))
                yield index, facts.name, facts


def _inner(part: Any) -> Any:
    return part.get("config") if isinstance(part, dict) else getattr(part, "config", None)


def _value(part: Any, name: str) -> Any:
    inner = _inner(part)
    if isinstance(inner, dict):
        return inner.get(name)
    return part.get(name) if isinstance(part, dict) else getattr(part, name, None)


def _with(part: Any, values: dict[str, Any]) -> Any:
    inner = _inner(part)
    if isinstance(inner, dict):
        values = {"config": {**inner, **values}}
    return {**part, **values} if isinstance(part, dict) else msgspec.structs.replace(part, **values)


def _part(config: Any, path: Path) -> Any:
    for name in path:
        is_container = isinstance(config, dict | list)
        config = config.__getitem__(name) if is_container else getattr(config, str(name))
    return config


def _put(config: Any, path: Path, part: Any) -> Any:
    if not path:
        return part
    name, *rest = path
    inner = _put(_part(config, (name,)), tuple(rest), part)
    if isinstance(config, list):
        return [inner if index == name else one for index, one in enumerate(config)]
    if isinstance(config, dict):
        return {**config, name: inner}
    return msgspec.structs.replace(config, **{str(name): inner})

"""
From the configurations of execution clients to what is known of them.
"""

from collections.abc import Iterator
from typing import Any

from nautilus_trader import __version__
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor.node import adapters
from nautilus_recovery_actor.node.adapters import Adapter
from nautilus_recovery_actor.node.adapters import adapter_of
from nautilus_recovery_actor.node.adapters import name_of
from nautilus_recovery_actor.node.adapters import setting
from nautilus_recovery_actor.outside.checks.node_facts import ClientFacts


# Seen: a Bybit client without `product_types` has a cash account on 1.221, all products on 1.231
_IS_BYBIT_SPOT_BY_DEFAULT = tuple(map(int, __version__.split(".")[:2])) < (1, 231)
# Where adapters keep the configuration of their instrument provider
_PROVIDERS = ("instrument_provider", "instrument_config")
# What it says of the instruments to load; the last two are Interactive Brokers' and Polymarket's
_LOADED = ("load_all", "load_ids", "load_contracts", "event_slug_builder")
# What follows the name of the client in the ID of its account
_NUMBERS = {
    "bybit": "UNIFIED",
    "deribit": "master",
    "hyperliquid": "master",
    "kraken": "UNIFIED",
    "okx": "master",
    "polymarket": "001",
}


def client_facts(config: TradingNodeConfig) -> tuple[ClientFacts, ...]:
    """Return what is known of the execution clients of a node."""
    return tuple(_client(name, client) for name, client in dict(config.exec_clients or {}).items())


def _client(name: str, config: Any) -> ClientFacts:
    adapter = adapter_of(config)
    oms_type = _oms_type(adapter, config)
    has_spot = _has_spot(adapter, config)
    reports_balances, answers_flat, reports_positions = False, False, True
    if adapter is not None:
        switch = adapter.cash_positions_setting
        reports_balances = switch is not None and bool(setting(config, switch))
        answers_flat = adapter.answers_cash_flat and has_spot and not reports_balances
        reports_positions = adapter.reports_positions and (
            not has_spot or adapter.reports_cash_positions or reports_balances
        )
    return ClientFacts(
        name=name,
        adapter=adapter,
        venues=frozenset(_venues(name, adapter, config)),
        issuers=frozenset(_issuers(name, adapter, config)),
        is_cash=has_spot and _is_cash(adapter, config),
        reports_positions=reports_positions,
        reports_balances=reports_balances,
        answers_flat=answers_flat,
        oms_type=oms_type,
        has_legs=oms_type == "HEDGING" and adapter is not adapters.BINANCE_FUTURES,
        may_have_legs=_may_have_legs(adapter, config),
        account_ids=_account_ids(name, adapter, config),
        loads_instruments=_loads_instruments(config),
    )


def _has_spot(adapter: Adapter | None, config: Any) -> bool:
    if adapter is adapters.BYBIT:
        products = _names(setting(config, "product_types"))
        return not products or "SPOT" in products
    if adapter is adapters.OKX:
        products = _names(setting(config, "instrument_types")) or {"SPOT"}
        return "SPOT" in products and not setting(config, "use_spot_margin")
    if adapter in {adapters.KRAKEN, adapters.KRAKEN_SPOT}:
        return name_of(setting(config, "spot_account_type") or "CASH") == "CASH"
    return adapter in {adapters.BINANCE_SPOT, adapters.POLYMARKET}


def _is_cash(adapter: Adapter | None, config: Any) -> bool:
    if adapter is adapters.BINANCE_SPOT:
        return name_of(setting(config, "account_type") or "SPOT") == "SPOT"
    if adapter is adapters.BYBIT:
        products = _names(setting(config, "product_types"))
        return products == {"SPOT"} if products else _IS_BYBIT_SPOT_BY_DEFAULT
    if adapter is adapters.OKX:
        return _names(setting(config, "instrument_types")) in ({"SPOT"}, set())
    return adapter is not adapters.KRAKEN


def _oms_type(adapter: Adapter | None, config: Any) -> str:
    if adapter is adapters.BINANCE_FUTURES:
        return "HEDGING"  # In one-way mode too
    return name_of(setting(config, "oms_type") or "NETTING")


def _may_have_legs(adapter: Adapter | None, config: Any) -> bool:
    if adapter is adapters.BINANCE_FUTURES:
        return setting(config, "use_reduce_only") is False  # Which hedge mode demands
    if adapter is adapters.BYBIT:
        modes = setting(config, "position_mode")
        return "BOTH_SIDES" in _names(modes.values() if modes else ())
    return False


def _loads_instruments(config: Any) -> bool:
    providers = [setting(config, name) for name in _PROVIDERS]
    return any(setting(provider, name) for provider in providers for name in _LOADED)


def _venues(name: str, adapter: Adapter | None, config: Any) -> Iterator[str]:
    routing = setting(setting(config, "routing"), "venues")
    own = adapter.venue if adapter is not None else None
    for venue in (name, client_name(name), setting(config, "venue"), own, *(routing or ())):
        if venue:
            yield str(venue)


def _issuers(name: str, adapter: Adapter | None, config: Any) -> Iterator[str]:
    # Who issues the IDs of the accounts that the client has
    issuer, _, number = str(setting(config, "account_id") or "").partition("-")
    if issuer and number:
        yield issuer
    else:
        yield from _venues(name, adapter, config)


def client_name(key: str) -> str:
    """Return the name that a node gives to the client of a key of `exec_clients`."""
    return key.partition("-")[0]


def _account_ids(name: str, adapter: Adapter | None, config: Any) -> frozenset[str] | None:
    # As the execution clients of the adapters make them (1.221 and 1.231)
    given = setting(config, "account_id")
    client = client_name(name)
    if isinstance(given, str) and "-" in given:
        return frozenset({given})
    if adapter in {adapters.BINANCE_FUTURES, adapters.BINANCE_SPOT}:
        kind = name_of(setting(config, "account_type") or "SPOT")
        return frozenset({f"{client}-{kind}-master"})
    if adapter is adapters.SANDBOX:
        return frozenset({f"{setting(config, 'venue')}-001"})
    if adapter is adapters.BETFAIR:
        return frozenset({"BETFAIR-001"})
    number = None if adapter is None else _NUMBERS.get(adapter.package)
    return None if number is None else frozenset({f"{client}-{number}"})


def _names(values: Any) -> set[str]:
    return {name_of(value) for value in values or ()}

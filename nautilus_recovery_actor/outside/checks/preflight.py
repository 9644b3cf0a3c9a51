"""
Everything that is checked before a node starts.
"""

import os
import time
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import chain
from typing import Any

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.names import GUARD_ENDPOINT
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.node.internals import NODE_CONFIG
from nautilus_recovery_actor.node.internals import node_config
from nautilus_recovery_actor.outside.checks.client_rules import client_findings
from nautilus_recovery_actor.outside.checks.component_facts import monitor_databases
from nautilus_recovery_actor.outside.checks.config_facts import FactsReader
from nautilus_recovery_actor.outside.checks.config_rules import CONFIG_UNREADABLE
from nautilus_recovery_actor.outside.checks.config_rules import config_findings
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.outside.checks.link_rules import link_findings
from nautilus_recovery_actor.outside.checks.major_rules import major_findings
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import Seen
from nautilus_recovery_actor.outside.checks.redact import error_text
from nautilus_recovery_actor.outside.checks.redact import is_secret
from nautilus_recovery_actor.outside.checks.redact import secrets_in
from nautilus_recovery_actor.outside.checks.redact import without_secrets
from nautilus_recovery_actor.outside.checks.server import look_at_login
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.outside.checks.server_catalog import KEYS_ABSENT
from nautilus_recovery_actor.outside.checks.server_catalog import KEYS_ELSEWHERE
from nautilus_recovery_actor.outside.checks.stored_facts import read_inventory
from nautilus_recovery_actor.outside.checks.stored_facts import read_stored
from nautilus_recovery_actor.outside.checks.stored_rules import ENTRIES_NOT_READ
from nautilus_recovery_actor.outside.checks.stored_rules import STORED_DATA_UNREADABLE
from nautilus_recovery_actor.outside.checks.stored_rules import account_findings
from nautilus_recovery_actor.outside.checks.stored_rules import entry_findings
from nautilus_recovery_actor.outside.checks.stored_rules import loss_findings
from nautilus_recovery_actor.outside.checks.stored_rules import owner_findings
from nautilus_recovery_actor.outside.checks.stored_rules import stored_findings
from nautilus_recovery_actor.outside.checks.strategy_rules import strategy_findings


_ORDER = (Severity.BLOCK, Severity.WARN, Severity.INFO)
_MIN_ENV_SECRET = 4  # A shorter one would mask half of the text


def preflight(
    config: TradingNodeConfig | TradingNode,
    strategies: Iterable[object] = (),
    *,
    actors: Iterable[object] = (),
    is_halted: bool = False,
    is_live_ok: bool = False,
    is_partial: bool = False,
    timeout_secs: float = 5.0,
) -> PreflightReport:
    """
    Find what makes the restart of a node unsafe, before it starts.

    Nothing is started and nothing is written. The trader's entries are read from the server of the
    cache, so call this where the node will run. A wrong configuration does not raise: what cannot
    be checked is itself a finding.

    Parameters
    ----------
    config : TradingNodeConfig or TradingNode
        The configuration of the node; or a node that is not running, with all that was added to it.
    strategies : Iterable, default ()
        The strategies that are added to the node besides those of the configuration: instances,
        their configurations, or `ImportableStrategyConfig`. A `StrategyConfig` alone counts as
        that of a recoverable strategy only if it is a `RecoverableStrategyConfig`.
    actors : Iterable, default ()
        The actors that are added besides: instances, `ImportableActorConfig`, or a
        `RecoveryMonitorConfig` for the monitor.
    is_halted : bool, default False
        If `halt_until_recovered` is called for the node, which a configuration does not show.
    is_live_ok : bool, default False
        If a node with this trader ID may be running while its configuration is checked.
    is_partial : bool, default False
        If the program may add actors and strategies that are not given here. What is missing then
        is reported as not seen. Of a node that is given all is seen.
    timeout_secs : float, default 5.0
        How long each of three reads from the server may take (seconds): its health, what concerns
        the configuration, and every entry. A server that never answers is asked only once.

    Notes
    -----
    Which instruments a strategy trades is read from its configuration: every `InstrumentId` and
    `BarType` in it, every string that is a bar type, and every string that is an instrument ID if
    the field's name contains ``instrument`` or the venue is that of an execution client of the
    node. Strategies that a controller adds at run time are not seen.

    """
    found = list(
        _findings(config, strategies, actors, is_halted, is_live_ok, is_partial, timeout_secs)
    )
    return PreflightReport(
        trader_id=_trader_id(config),
        findings=tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity))),
        ts=time.time_ns(),
    )


def settings_findings(
    config: TradingNodeConfig,
    strategies: Iterable[object] = (),
    *,
    node: TradingNode | None = None,
    is_halted: bool = False,
    is_partial: bool = False,
) -> list[Finding]:
    """Return what is found in a configuration, or in another one for a node, without its server."""
    actors: list[object] = []
    strategies = [*strategies]
    secrets = [*_secrets(config), *secrets_in(_configs(strategies))]
    seen = Seen.PART if is_partial else Seen.GIVEN
    given = None if node is None else node_config(node)
    if node is not None and given is not None:
        seen = Seen.ALL
        is_halted = is_halted or GUARD_ENDPOINT in node.kernel.msgbus.endpoints()
        # Those of its configuration come first
        actors = node.kernel.trader.actors()[len(given.actors) :]
        strategies = node.kernel.trader.strategies()[len(given.strategies) :]

    def redact(what: object) -> str:
        text = error_text(what) if isinstance(what, BaseException) else str(what)
        return without_secrets(text, secrets)

    facts = FactsReader(redact).read(
        config,
        chain(config.actors, actors),
        chain(config.strategies, strategies),
        is_halted=is_halted,
        seen=seen,
    )
    return [*_settings_findings(facts)]


def _settings_findings(node: NodeFacts) -> Iterator[Finding]:
    yield from config_findings(node)
    yield from client_findings(node)
    yield from strategy_findings(node)
    yield from link_findings(node)


def _findings(
    config: Any,
    strategies: Iterable[object],
    actors: Iterable[object],
    is_halted: bool,
    is_live_ok: bool,
    is_partial: bool,
    timeout_secs: float,
) -> Iterator[Finding]:
    secrets = [*_secrets(config)]
    try:
        strategies, actors = [*strategies], [*actors]
        secrets += secrets_in([_configs(strategies), _configs(actors)])
    except Exception as e:
        yield CONFIG_UNREADABLE.found("strategies", without_secrets(error_text(e), secrets))
        return

    def redact(what: object) -> str:
        text = error_text(what) if isinstance(what, BaseException) else str(what)
        return without_secrets(text, secrets)

    if not isinstance(config, TradingNodeConfig | TradingNode):
        yield CONFIG_UNREADABLE.found(
            "config", f"It must be a TradingNodeConfig, was {type(config).__name__}."
        )
        return
    try:
        seen = Seen.PART if is_partial else Seen.GIVEN
        if isinstance(config, TradingNode):
            seen = Seen.ALL
            kernel = config.kernel
            is_halted = is_halted or GUARD_ENDPOINT in kernel.msgbus.endpoints()
            own_actors, own_strategies = kernel.trader.actors(), kernel.trader.strategies()
            config = node_config(config)
            if config is None:
                yield CONFIG_UNREADABLE.found("config", NODE_CONFIG.line())
                return
        else:
            own_actors, own_strategies = config.actors, config.strategies
        node = FactsReader(redact).read(
            config,
            chain(own_actors, actors),
            chain(own_strategies, strategies),
            is_halted=is_halted,
            seen=seen,
        )
    except Exception as e:
        yield CONFIG_UNREADABLE.found("config", redact(e))
        return
    yield from _settings_findings(node)
    if node.database_type == "redis" and not any(
        f.subject == "cache" for f in node.unusable_settings
    ):
        yield from _server_findings(config, node, redact, is_live_ok, timeout_secs)
    for database in monitor_databases(chain(own_actors, actors)):
        yield from _own_server_findings(database, node, str(config.trader_id), timeout_secs)


def _server_findings(
    config: TradingNodeConfig, node: NodeFacts, redact: Any, is_live_ok: bool, timeout_secs: float
) -> Iterator[Finding]:
    cache: Any = config.cache
    if problems := look_at_login(cache.database):
        yield from problems
        return
    url = database_url(cache.database)
    instance_id = config.instance_id if cache.use_instance_id else None
    namespace = Namespace(
        trader_id=str(config.trader_id),
        instance_id=None if instance_id is None else str(instance_id),
        use_trader_prefix=cache.use_trader_prefix,
    )
    is_blocked = False
    deadline = time.monotonic() + timeout_secs
    for finding in look_at_server(url, namespace, timeout_secs, is_live_ok):
        is_blocked |= finding.severity == Severity.BLOCK
        yield finding
    if is_blocked and time.monotonic() >= deadline:
        return  # It never answers
    where = f"Redis at {address(url)}"
    try:
        stored = read_stored(url, namespace, node.lookback_mins, timeout_secs)
    except Exception as e:
        if not is_blocked:  # Else that already says why
            yield STORED_DATA_UNREADABLE.found(where, redact(e))
        return
    yield from stored_findings(node, stored)
    try:
        inventory = read_inventory(url, namespace, timeout_secs)
    except Exception as e:
        yield ENTRIES_NOT_READ.found(where, redact(e))
        return
    if inventory is not None:
        yield from major_findings(where, inventory)
        yield from entry_findings(where, [one for one in inventory.broken if not one.is_of_two])
        yield from owner_findings(node, inventory)
        yield from account_findings(node, inventory)
        yield from loss_findings(where, inventory)


def _own_server_findings(
    database: DatabaseConfig, node: NodeFacts, trader_id: str, timeout_secs: float
) -> Iterator[Finding]:
    # Of a monitor, whose entries are few and not looked at
    if problems := look_at_login(database):
        yield from problems
        return
    url = database_url(database)
    if address(url) != node.server:
        namespace = Namespace(trader_id=trader_id)
        for finding in look_at_server(url, namespace, timeout_secs, is_live_ok=True):
            if finding.code not in {KEYS_ABSENT.code, KEYS_ELSEWHERE.code}:
                yield finding


def _secrets(config: Any) -> Iterator[str]:
    yield from secrets_in(node_config(config) if isinstance(config, TradingNode) else config)
    for name, value in os.environ.items():
        if is_secret(name) and len(value) >= _MIN_ENV_SECRET:
            yield value


def _configs(given: Iterable[object]) -> list[Any]:
    return [getattr(each, "config", each) for each in given]


def _trader_id(config: Any) -> str:
    return str(getattr(config, "trader_id", ""))

"""
What is found in the configuration of a node alone.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import Seen


CONFIG_UNREADABLE = Rule(
    code="CONFIG_UNREADABLE",
    severity=Severity.BLOCK,
    consequence="What was not checked may make the restart unsafe or keep the node from starting.",
    remedy="Fix it, and check again.",
)
RECONCILIATION_OFF = Rule(
    code="RECONCILIATION_OFF",
    severity=Severity.BLOCK,
    consequence="Nothing is compared with the venue: the node trades on what it last knew.",
    remedy="Set LiveExecEngineConfig(reconciliation=True), or use recovery_exec_engine_config().",
)
CACHE_NOT_LOADED = Rule(
    code="CACHE_NOT_LOADED",
    severity=Severity.BLOCK,
    consequence="The node starts empty, without knowing who owns positions and what protects them.",
    remedy="Set LiveExecEngineConfig(load_cache=True), which is the default.",
)
NO_DATABASE = Rule(
    code="NO_DATABASE",
    severity=Severity.BLOCK,
    consequence="Nothing survives the process: every start is from scratch.",
    remedy="Give the cache a Redis or Valkey server: recovery_cache_config(host=..., port=...).",
)
FLUSH_ON_START = Rule(
    code="FLUSH_ON_START",
    severity=Severity.BLOCK,
    consequence="The start deletes every key on the server, including those of other traders.",
    remedy="Set CacheConfig(flush_on_start=False), which is the default.",
)
INSTANCE_ID_IN_KEYS = Rule(
    code="INSTANCE_ID_IN_KEYS",
    severity=Severity.BLOCK,
    consequence="The node cannot find or load what the last one stored.",
    remedy="Set CacheConfig(use_instance_id=False), which is the default.",
)
BUFFERED_WRITES_WAIT = Rule(
    code="BUFFERED_WRITES_WAIT",
    severity=Severity.WARN,
    consequence="A buffered write is only sent with the next one: a kill loses the last events.",
    remedy="Set buffer_interval_ms=None on this version of NautilusTrader.",
)
ACCOUNT_EVENTS_NOT_KEPT = Rule(
    code="ACCOUNT_EVENTS_NOT_KEPT",
    severity=Severity.WARN,
    consequence="A restart knows neither which accounts must report nor their balances before.",
    remedy="Set CacheConfig(persist_account_events=True), which is the default.",
)
POSITION_REPORTS_FILTERED = Rule(
    code="POSITION_REPORTS_FILTERED",
    severity=Severity.WARN,
    consequence="A position that differs from the venue's is neither noticed nor aligned.",
    remedy="Set filter_position_reports=False, and trade each account from one node only.",
)
MISSING_ORDERS_NOT_GENERATED = Rule(
    code="MISSING_ORDERS_NOT_GENERATED",
    severity=Severity.WARN,
    consequence="A position that differs from the venue's is logged and stays as it is.",
    remedy="Set generate_missing_orders=True, which is the default.",
)
EXTERNAL_ORDERS_FILTERED = Rule(
    code="EXTERNAL_ORDERS_FILTERED",
    severity=Severity.WARN,
    consequence="Orders that the cache lost, or that others placed, stay unknown while they fill.",
    remedy="Set filter_unclaimed_external_orders=False, and claim what the strategies trade.",
)
OPEN_CHECK_OFF = Rule(
    code="OPEN_CHECK_OFF",
    severity=Severity.WARN,
    consequence="An order whose event is lost at run time stays open in the cache until a restart.",
    remedy="Set open_check_interval_secs=10, or use recovery_exec_engine_config().",
)
PURGED_FROM_DATABASE = Rule(
    code="PURGED_FROM_DATABASE",
    severity=Severity.WARN,
    consequence="A restart books orders again that the venue's history still has, as EXTERNAL's.",
    remedy="Set purge_from_database=False, or purge only after the lookback (..._buffer_mins).",
)
DATA_SEQUENCE_VALIDATED = Rule(
    code="DATA_SEQUENCE_VALIDATED",
    severity=Severity.INFO,
    consequence="On 1.231 request_bars() gets none that are older than a live one; a warm-up does.",
    remedy="Have it False, the default, if a strategy or an actor requests bars by itself.",
)
RISK_ENGINE_BYPASSED = Rule(
    code="RISK_ENGINE_BYPASSED",
    severity=Severity.WARN,
    consequence="halt_until_recovered() cannot work, and no order is checked before it is sent.",
    remedy="Set LiveRiskEngineConfig(bypass=False), which is the default.",
)
ACTOR_UNUSABLE = Rule(
    code="ACTOR_UNUSABLE",
    severity=Severity.BLOCK,
    consequence="The node does not start, or starts without this actor, which may be the monitor.",
    remedy="Fix its path or its configuration, and check where the node's code is installed.",
)
MONITOR_MISSING = Rule(
    code="MONITOR_MISSING",
    severity=Severity.BLOCK,
    consequence="Nothing verifies the recovery: recoverable strategies never trade, others do.",
    remedy="Add a RecoveryMonitorActor to `actors`, or pass it to preflight(actors=...).",
)
MONITOR_NOT_SEEN = Rule(
    code="MONITOR_NOT_SEEN",
    severity=Severity.WARN,
    consequence="Unless the program adds one, nothing verifies the recovery.",
    remedy="Check the node itself: give a function that returns the TradingNode, or runs it.",
)
STRATEGIES_NOT_SEEN = Rule(
    code="STRATEGIES_NOT_SEEN",
    severity=Severity.INFO,
    consequence="Whether strategies wait for the recovery, and what is theirs, is not checked.",
    remedy="Check the node itself: give a function that returns the TradingNode, or runs it.",
)
MONITOR_TWICE = Rule(
    code="MONITOR_TWICE",
    severity=Severity.BLOCK,
    consequence="The second monitor is rejected, and the node does not start.",
    remedy="Keep only one RecoveryMonitorActor in the node.",
)
MONITOR_IN_SHADOW = Rule(
    code="MONITOR_IN_SHADOW",
    severity=Severity.WARN,
    consequence="The monitor reports what it would block, and blocks nothing.",
    remedy="Set RecoveryMonitorConfig(shadow=False) once you trust its reports.",
)

_SEEN_LATER = ", with node.trader.add_actor or add_strategy, which a configuration does not show"

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def config_findings(node: NodeFacts) -> Iterator[Finding]:
    """Return what is found in a node's configuration, its strategies aside."""
    for setting in node.unusable_settings:
        yield CONFIG_UNREADABLE.found(setting.subject, setting.why)
    yield from _exec_engine(node)
    yield from _cache(node)
    yield from _monitor(node)
    yield from _strategies(node)
    if node.validate_data_sequence:
        yield DATA_SEQUENCE_VALIDATED.found(
            "data_engine.validate_data_sequence", "The sequence of data is validated."
        )
    if node.is_risk_bypassed:
        yield RISK_ENGINE_BYPASSED.found("risk_engine.bypass", "The risk engine is bypassed.")


def _exec_engine(node: NodeFacts) -> Iterator[Finding]:
    if not node.load_cache:
        yield CACHE_NOT_LOADED.found("exec_engine.load_cache", "The cache is not loaded.")
    if not node.reconciliation:
        yield RECONCILIATION_OFF.found("exec_engine.reconciliation", "Reconciliation is off.")
    if node.filter_position_reports:
        yield POSITION_REPORTS_FILTERED.found(
            "exec_engine.filter_position_reports", "The venue's position reports are dropped."
        )
    if not node.generate_missing_orders and not _is_spot_alone(node):
        yield MISSING_ORDERS_NOT_GENERATED.found(
            "exec_engine.generate_missing_orders",
            "Positions are not aligned with those at the venue.",
        )
    if node.filter_unclaimed_external_orders:
        yield EXTERNAL_ORDERS_FILTERED.found(
            "exec_engine.filter_unclaimed_external_orders",
            "Orders that no strategy claims are dropped.",
        )
    if not node.open_check_interval_secs:
        yield OPEN_CHECK_OFF.found(
            "exec_engine.open_check_interval_secs", "Open orders are not checked at run time."
        )
    if node.is_database_purged:
        yield PURGED_FROM_DATABASE.found(
            "exec_engine.purge_from_database",
            "What is closed is deleted from the database while the lookback still covers it.",
        )


def _cache(node: NodeFacts) -> Iterator[Finding]:
    if node.database_type is None and node.is_sandbox_alone:
        return  # Which could not continue with what is restored
    if node.database_type is None:
        yield NO_DATABASE.found("cache.database", "The cache has no database.")
        return
    if node.database_type != "redis":
        yield NO_DATABASE.found(
            "cache.database.type", f"NautilusTrader has no database of type '{node.database_type}'."
        )
    if node.flush_on_start:
        yield FLUSH_ON_START.found("cache.flush_on_start", "The database is flushed on start.")
    if node.has_new_instance_id:
        yield INSTANCE_ID_IN_KEYS.found(
            "cache.use_instance_id",
            "The keys contain the instance ID, and each start has a new one.",
        )
    elif node.has_unloadable_keys:
        yield INSTANCE_ID_IN_KEYS.found(
            "cache.use_instance_id",
            "This version of NautilusTrader cannot load keys that contain the instance ID.",
        )
    if not node.has_account_events:
        yield ACCOUNT_EVENTS_NOT_KEPT.found(
            "cache.persist_account_events", "The states of accounts are not stored."
        )
    if node.buffer_interval_ms and not node.are_buffered_writes_on_time:
        monitor = node.monitors[0] if node.monitors else None
        until = f"for up to {seconds(monitor.heartbeat_secs)} here" if monitor else "indefinitely"
        yield BUFFERED_WRITES_WAIT.found(
            "cache.buffer_interval_ms",
            f"Writes are buffered for {node.buffer_interval_ms} ms, the last of them {until}.",
        )


def _monitor(node: NodeFacts) -> Iterator[Finding]:
    for actor in node.unusable_actors:
        yield ACTOR_UNUSABLE.found(actor.subject, actor.why)
    if not node.monitors and node.seen is Seen.PART and not node.has_actors:
        yield MONITOR_NOT_SEEN.found(
            "actors", f"The configuration has no actor; the program may add some{_SEEN_LATER}."
        )
    elif not node.monitors:
        yield MONITOR_MISSING.found("actors", "The node has no RecoveryMonitorActor.")
    if len(node.monitors) > 1:
        names = ", ".join(monitor.name for monitor in node.monitors)
        yield MONITOR_TWICE.found("actors", f"The node has {len(node.monitors)} monitors: {names}.")
    for monitor in node.monitors:
        if monitor.shadow:
            yield MONITOR_IN_SHADOW.found(f"actors: {monitor.name}", "It is in shadow mode.")


def _strategies(node: NodeFacts) -> Iterator[Finding]:
    is_any = node.strategies or node.unusable_strategies
    if node.seen is Seen.PART and not is_any:
        yield STRATEGIES_NOT_SEEN.found(
            "strategies",
            f"The configuration has no strategy; the program may add some{_SEEN_LATER}.",
        )


def _is_spot_alone(node: NodeFacts) -> bool:
    # Nothing that can be aligned
    return bool(node.clients) and all(
        client.answers_flat or client.reports_balances or not client.reports_positions
        for client in node.clients
    )

"""
What is known of a node before it starts: plain facts, from which the findings are deduced.
"""

import msgspec


class MonitorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery monitor among the actors of a node."""

    # Its class
    name: str
    # `RecoveryMonitorConfig.shadow`
    shadow: bool = False
    # `RecoveryMonitorConfig.startup_timeout_secs`
    startup_timeout_secs: float = 120.0
    # `RecoveryMonitorConfig.heartbeat_secs`
    heartbeat_secs: float = 5.0


class StrategyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of a node."""

    # Its ID, or its class if that is given by the node
    name: str
    # If it is a `RecoverableStrategy`
    is_recoverable: bool
    # The instruments that its configuration names
    trades: frozenset[str] = frozenset()
    # Its `external_order_claims`
    claims: frozenset[str] = frozenset()
    # `StrategyConfig.use_uuid_client_order_ids`
    has_uuid_order_ids: bool = False


class UnusableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a configuration that cannot be looked at."""

    # Which one
    subject: str
    # What went wrong, in one line without a secret
    why: str


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    The configuration of a node, as far as a restart depends on it. The defaults are those of a node
    in which there is nothing to find.
    """

    # The type of the cache's database, ``None`` if there is none
    database_type: str | None = "redis"
    # `CacheConfig.encoding`
    encoding: str = "msgpack"
    # `CacheConfig.flush_on_start`
    flush_on_start: bool = False
    # If the keys have the instance ID and each start has a new one
    has_new_instance_id: bool = False
    # If the keys have the instance ID and this version of NautilusTrader cannot load such
    has_unloadable_keys: bool = False
    # `CacheConfig.buffer_interval_ms`
    buffer_interval_ms: int | None = None
    # If this version of NautilusTrader writes what is buffered when the interval has passed
    are_buffered_writes_on_time: bool = True
    # `ExecEngineConfig.load_cache`
    load_cache: bool = True
    # `LiveExecEngineConfig.reconciliation`, like the next seven
    reconciliation: bool = True
    # ``None`` for all that the venue has
    lookback_mins: int | None = None
    # Empty for all of them
    reconciled_instruments: frozenset[str] = frozenset()
    filter_position_reports: bool = False
    filter_unclaimed_external_orders: bool = False
    generate_missing_orders: bool = True
    open_check_interval_secs: float | None = 10.0
    position_check_interval_secs: float | None = 60.0
    # If this version of NautilusTrader can check positions at run time
    has_position_check: bool = True
    # `RiskEngineConfig.bypass`
    is_risk_bypassed: bool = False
    # Of `NautilusKernelConfig`
    save_state: bool = True
    load_state: bool = True
    # The venues whose account is known to hold legs, not net positions
    hedged_venues: frozenset[str] = frozenset()
    # The recovery monitors
    monitors: tuple[MonitorFacts, ...] = ()
    strategies: tuple[StrategyFacts, ...] = ()
    # What cannot be looked at
    unusable_actors: tuple[UnusableFacts, ...] = ()
    unusable_strategies: tuple[UnusableFacts, ...] = ()
    unusable_settings: tuple[UnusableFacts, ...] = ()
    # If `halt_until_recovered` is called for the node
    is_halted: bool = False


class StoredFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the server holds of a trader."""

    # When it was looked at (UNIX ns)
    now: int
    # The last heartbeat of a monitor (UNIX ns)
    ts_last_alive: int | None = None
    # The orders on record
    order_count: int = 0
    # Those that can be within the look-back
    recent_order_count: int = 0
    # The closed ones among all
    closed_order_count: int = 0
    # Those of the entries that were looked at
    encodings: frozenset[str] = frozenset()

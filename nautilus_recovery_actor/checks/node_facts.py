"""
What is known of a node before it starts: plain facts, from which the findings are deduced.
"""

import msgspec


class MonitorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    A recovery monitor among the actors of a node.

    Parameters
    ----------
    name : str
        Its class.
    shadow : bool, default False
        `RecoveryMonitorConfig.shadow`.
    startup_timeout_secs : float, default 120.0
        `RecoveryMonitorConfig.startup_timeout_secs`.
    heartbeat_secs : float, default 5.0
        `RecoveryMonitorConfig.heartbeat_secs`.

    """

    name: str
    shadow: bool = False
    startup_timeout_secs: float = 120.0
    heartbeat_secs: float = 5.0


class StrategyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    A strategy of a node.

    Parameters
    ----------
    name : str
        Its ID, or its class if that is given by the node.
    is_recoverable : bool
        If it is a `RecoverableStrategy`.
    trades : frozenset[str], default frozenset()
        The instruments that its configuration names.
    claims : frozenset[str], default frozenset()
        Its `external_order_claims`.
    has_uuid_order_ids : bool, default False
        `StrategyConfig.use_uuid_client_order_ids`.

    """

    name: str
    is_recoverable: bool
    trades: frozenset[str] = frozenset()
    claims: frozenset[str] = frozenset()
    has_uuid_order_ids: bool = False


class UnusableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    A part of a configuration that cannot be looked at.

    Parameters
    ----------
    subject : str
        Which one.
    why : str
        What went wrong, in one line without a secret.

    """

    subject: str
    why: str


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    The configuration of a node, as far as a restart depends on it. The defaults are those of a node
    in which there is nothing to find.

    Parameters
    ----------
    database_type : str, optional
        The type of the cache's database, ``None`` if there is none.
    encoding : str, default "msgpack"
        `CacheConfig.encoding`.
    flush_on_start : bool, default False
        `CacheConfig.flush_on_start`.
    has_new_instance_id : bool, default False
        If the keys have the instance ID and each start has a new one.
    has_unloadable_keys : bool, default False
        If the keys have the instance ID and this version of NautilusTrader cannot load such.
    buffer_interval_ms : int, optional
        `CacheConfig.buffer_interval_ms`.
    are_buffered_writes_on_time : bool, default True
        If this version of NautilusTrader writes what is buffered when the interval has passed.
    load_cache : bool, default True
        `ExecEngineConfig.load_cache`.
    reconciliation : bool, default True
        `LiveExecEngineConfig.reconciliation`, like the next seven.
    lookback_mins : int, optional
        ``None`` for all that the venue has.
    reconciled_instruments : frozenset[str], default frozenset()
        Empty for all of them.
    filter_position_reports : bool, default False
    filter_unclaimed_external_orders : bool, default False
    generate_missing_orders : bool, default True
    open_check_interval_secs : float, optional
    position_check_interval_secs : float, optional
    has_position_check : bool, default True
        If this version of NautilusTrader can check positions at run time.
    is_risk_bypassed : bool, default False
        `RiskEngineConfig.bypass`.
    save_state, load_state : bool, default True
        Of `NautilusKernelConfig`.
    hedged_venues : frozenset[str], default frozenset()
        The venues whose account is known to hold legs, not net positions.
    monitors : tuple[MonitorFacts, ...], default ()
        The recovery monitors.
    strategies : tuple[StrategyFacts, ...], default ()
        The strategies.
    unusable_actors, unusable_strategies, unusable_settings : tuple[UnusableFacts, ...], default ()
        What cannot be looked at.
    is_halted : bool, default False
        If `halt_until_recovered` is called for the node.

    """

    database_type: str | None = "redis"
    encoding: str = "msgpack"
    flush_on_start: bool = False
    has_new_instance_id: bool = False
    has_unloadable_keys: bool = False
    buffer_interval_ms: int | None = None
    are_buffered_writes_on_time: bool = True
    load_cache: bool = True
    reconciliation: bool = True
    lookback_mins: int | None = None
    reconciled_instruments: frozenset[str] = frozenset()
    filter_position_reports: bool = False
    filter_unclaimed_external_orders: bool = False
    generate_missing_orders: bool = True
    open_check_interval_secs: float | None = 10.0
    position_check_interval_secs: float | None = 60.0
    has_position_check: bool = True
    is_risk_bypassed: bool = False
    save_state: bool = True
    load_state: bool = True
    hedged_venues: frozenset[str] = frozenset()
    monitors: tuple[MonitorFacts, ...] = ()
    strategies: tuple[StrategyFacts, ...] = ()
    unusable_actors: tuple[UnusableFacts, ...] = ()
    unusable_strategies: tuple[UnusableFacts, ...] = ()
    unusable_settings: tuple[UnusableFacts, ...] = ()
    is_halted: bool = False


class StoredFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the server holds of a trader.

    Parameters
    ----------
    now : int
        When it was looked at (UNIX ns).
    ts_last_alive : int, optional
        The last heartbeat of a monitor (UNIX ns).
    order_count : int, default 0
        The orders on record.
    recent_order_count : int, default 0
        Those that can be within the look-back.
    closed_order_count : int, default 0
        The closed ones among all.
    encodings : frozenset[str], default frozenset()
        Those of the entries that were looked at.

    """

    now: int
    ts_last_alive: int | None = None
    order_count: int = 0
    recent_order_count: int = 0
    closed_order_count: int = 0
    encodings: frozenset[str] = frozenset()

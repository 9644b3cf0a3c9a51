"""
What is known of a node before it starts: plain facts, from which the findings are deduced.
"""

from enum import StrEnum

import msgspec

from nautilus_recovery_actor.node.adapters import BINANCE_FUTURES
from nautilus_recovery_actor.node.adapters import BINANCE_SPOT
from nautilus_recovery_actor.node.adapters import Adapter


class Seen(StrEnum):
    """
    How much of a node's actors and strategies is known.

    ``ALL``: those of the node itself. ``GIVEN``: what the caller gave. ``PART``: those of its
    configuration, beside which the program may add others.
    """

    ALL = "ALL"
    GIVEN = "GIVEN"
    PART = "PART"


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
    # `RecoveryMonitorConfig.accounts`
    accounts: frozenset[str] | None = None
    # `RecoveryMonitorConfig.lease`
    has_lease: bool = True
    # Where its own database is, ``None`` if that is the cache's
    server: str | None = None


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
    # `StrategyConfig.oms_type`, ``None`` if that is left to the client
    oms_type: str | None = None
    # A client order ID as the node makes it
    order_id: str = "O-20260101-120000-001-000-1"


class ClientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An execution client of a node."""

    # Its key in `TradingNodeConfig.exec_clients`
    name: str
    # ``None`` if it is not one of NautilusTrader's that are in the table
    adapter: Adapter | None = None
    # Those whose instruments it trades, and those of its account IDs, as far as that can be seen
    venues: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()
    # The IDs of its accounts, ``None`` if they are known at run time only
    account_ids: frozenset[str] | None = None
    # If its account is one of spot alone
    is_cash: bool = False
    # If all positions of the account are reported, as far as that is known
    reports_positions: bool = True
    # If it is set to report balances as positions
    reports_balances: bool = False
    # If the answer for one instrument of spot is "flat", whatever is held
    answers_flat: bool = False
    # How the client holds positions where a strategy does not say it
    oms_type: str = "NETTING"
    # If the account holds legs, and if its settings look as if it did
    has_legs: bool = False
    may_have_legs: bool = False
    # If its configuration names the instruments to load, or all
    loads_instruments: bool = False

    def trades(self, instrument_id: str) -> bool:
        """Return whether an instrument is one that the client trades, as far as its ID shows."""
        # The symbol may have dots, the venue has none
        symbol, _, venue = instrument_id.rpartition(".")
        if venue not in self.venues:
            return False
        if self.adapter in {BINANCE_FUTURES, BINANCE_SPOT}:  # Two accounts at one venue
            is_future = symbol.endswith("-PERP") or "_" in symbol
            return is_future is (self.adapter is BINANCE_FUTURES)
        return True

    @property
    def is_wallet(self) -> bool:
        """Whether it is an account of spot alone that knows balances, and no positions."""
        return self.is_cash and (self.reports_balances or not self.reports_positions)

    @property
    def label(self) -> str:
        """Where it is in the configuration."""
        return f"exec_clients: {self.name}"


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
    # Where it is, without anything secret
    server: str | None = None
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
    # `CacheConfig.persist_account_events`
    has_account_events: bool = True
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
    open_check_open_only: bool = False
    position_check_interval_secs: float | None = None
    # If what is closed is deleted from the database while the lookback still covers it
    is_database_purged: bool = False
    # If this version of NautilusTrader can check positions at run time
    has_position_check: bool = True
    # `DataEngineConfig.validate_data_sequence`
    validate_data_sequence: bool = False
    # `RiskEngineConfig.bypass`
    is_risk_bypassed: bool = False
    # Of `NautilusKernelConfig`
    save_state: bool = True
    load_state: bool = True
    clients: tuple[ClientFacts, ...] = ()
    # How much is known of the next three
    seen: Seen = Seen.GIVEN
    # If there is any actor
    has_actors: bool = False
    # The recovery monitors
    monitors: tuple[MonitorFacts, ...] = ()
    strategies: tuple[StrategyFacts, ...] = ()
    # What cannot be looked at
    unusable_actors: tuple[UnusableFacts, ...] = ()
    unusable_strategies: tuple[UnusableFacts, ...] = ()
    unusable_settings: tuple[UnusableFacts, ...] = ()
    # If `halt_until_recovered` is called for the node
    is_halted: bool = False

    @property
    def is_sandbox_alone(self) -> bool:
        """Whether nothing of the node is left to continue with after a restart."""
        adapters = [client.adapter for client in self.clients]
        return bool(adapters) and all(
            one is not None and one.forgets_at_restart for one in adapters
        )

    @property
    def hedged_venues(self) -> frozenset[str]:
        """The venues whose account is known to hold legs, not net positions."""
        venues = (client.venues for client in self.clients if client.has_legs)
        return frozenset().union(*venues)


class StoredFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the server holds of a trader."""

    # When it was looked at (UNIX ns)
    now: int
    # The last heartbeat of a monitor (UNIX ns)
    ts_last_alive: int | None = None
    # The orders on record
    order_count: int = 0
    # The orders that can be within the look-back
    recent_order_count: int = 0
    # The closed ones among all
    closed_order_count: int = 0
    # Those of the entries that were looked at
    encodings: frozenset[str] = frozenset()

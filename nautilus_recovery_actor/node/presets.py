"""
NautilusTrader configurations that a restart can rely on.
"""

from collections.abc import Iterable
from typing import Any

from nautilus_trader import __version__
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig


# Seen: 1.221 writes what is buffered with the next write only (upstream #3426), 1.231 on time. The
# loop that writes is compiled, and no attribute shows what it does: so this is true of what was
# seen, and of nothing before.
ARE_BUFFERED_WRITES_ON_TIME = tuple(map(int, __version__.split(".")[:2])) >= (1, 231)
_BUFFER_MS = 100


def recovery_cache_config(
    host: str | None = None,
    port: int | None = None,
    username: str | None = None,
    password: str | None = None,
    ssl: bool | None = None,
    *,
    database: DatabaseConfig | None = None,
    **overrides: Any,
) -> CacheConfig:
    """
    Return the configuration of a cache that is still there after a crash.

    Parameters
    ----------
    host : str, optional
        The host of the Redis or Valkey server, by default this machine.
    port : int, optional
        Its port, by default 6379.
    username : str, optional
        The ACL user.
    password : str, optional
        The password.
    ssl : bool, optional
        If the connection is made with TLS.
    database : DatabaseConfig, optional
        The server, in place of the five above.
    **overrides
        Any other argument of `CacheConfig`, in place of these:

        - ``encoding="msgpack"``: half the size of JSON, and quicker to load. Do not change it while
          there is stored data: the node cannot be built then.
        - ``timestamps_as_iso8601=True``: stored times are readable, and exact to the nanosecond.
          NautilusTrader reads both forms, so this can be changed at any time.
        - ``buffer_interval_ms=100``: writes leave in batches, so that a burst of events costs the
          node little; a kill loses at most the last 100 milliseconds, which the venue's report
          restores. ``None`` before 1.231, where a buffered write may leave only with the next one,
          however short the interval (seen on 1.221), so that a kill loses the last event before a
          quiet period.
        - ``flush_on_start=False``: a flush deletes every key on the server, for all traders.
        - ``use_trader_prefix=True``: the keys of traders on one server are kept apart.
        - ``use_instance_id=False``: with it each start begins empty, or fails (1.221).
        - ``persist_account_events=True``: a recovery compares with the balances before.

    Raises
    ------
    TypeError
        If `CacheConfig` has no such argument, or the server is given twice.

    """
    server = {"host": host, "port": port, "username": username, "password": password, "ssl": ssl}
    given: dict[str, Any] = {name: part for name, part in server.items() if part is not None}
    if database is not None and given:
        raise TypeError(
            f"recovery_cache_config() got both a `database` and {_names(given)}: give only one"
        )
    defaults: dict[str, Any] = {
        "database": database or DatabaseConfig(**given),
        "encoding": "msgpack",
        "timestamps_as_iso8601": True,
        "buffer_interval_ms": _BUFFER_MS if ARE_BUFFERED_WRITES_ON_TIME else None,
        "flush_on_start": False,
        "use_trader_prefix": True,
        "use_instance_id": False,
        "persist_account_events": True,
    }
    _check("recovery_cache_config", CacheConfig, overrides)
    return CacheConfig(**{**defaults, **overrides})


def recovery_exec_engine_config(**overrides: Any) -> LiveExecEngineConfig:
    """
    Return the configuration of an execution engine that reconciles, at the start and at run time.

    Parameters
    ----------
    **overrides
        Any argument of `LiveExecEngineConfig`, in place of these:

        - ``load_cache=True``: the venue's report is applied to what the cache holds.
        - ``reconciliation=True``: without it nothing is compared with the venue.
        - ``reconciliation_lookback_mins=None``: everything that the venue has. A lookback shorter
          than the time away misses fills, and one shorter than the age of a position makes 1.231
          invent the opening fill that it lacks, if Redis is lost or nothing is corrected (seen on a
          real node: made-up fills, although the cache held the real ones). Set it only where the
          start takes too long, to more than the longest time away and the age of the oldest
          position; `preflight` estimates that.
        - ``reconciliation_startup_delay_secs=10.0``: the checks below wait this long after
          reconciliation, because events still in flight look like differences to them.
        - ``generate_missing_orders=True``: a position that differs from the venue's is aligned with
          a made-up fill; without it the difference is logged and remains.
        - ``filter_unclaimed_external_orders=False`` and ``filter_position_reports=False``: what is
          filtered out is never compared.
        - ``open_check_interval_secs=10.0``: an order whose event was lost at run time is noticed.
          The slow end of what NautilusTrader recommends (5 to 10), for the venue's rate limits.
        - ``open_check_open_only=False``: an order that ended at the venue is noticed too; a check
          of open orders alone never finds it. Each check then asks for all orders of the last
          ``open_check_lookback_mins`` (60), which costs rate limit: on Binance a query per symbol
          with orders, so use a longer interval with many symbols. With Interactive Brokers set it
          to ``True``: that adapter reports an order made up from each position otherwise.
        - ``open_check_missing_retries=1_000_000``: an order that the venue does not report stays
          open. NautilusTrader's default of 5 marks it ``REJECTED`` after as many checks, even if
          it rests there and the venue merely did not answer for a minute (seen on 1.221 and
          1.231), or the adapter never reports it (Sandbox). What is missing is for the monitor.
        - ``position_check_interval_secs`` is left off: where a venue reports no positions (spot,
          Sandbox), that check makes up a fill that closes what is held. The monitor compares the
          positions itself.

    Raises
    ------
    TypeError
        If `LiveExecEngineConfig` has no such argument.

    """
    defaults: dict[str, Any] = {
        "load_cache": True,
        "reconciliation": True,
        "reconciliation_lookback_mins": None,
        "reconciliation_startup_delay_secs": 10.0,
        "generate_missing_orders": True,
        "filter_unclaimed_external_orders": False,
        "filter_position_reports": False,
        "open_check_interval_secs": 10.0,
        "open_check_open_only": False,
        "open_check_missing_retries": 1_000_000,
    }
    _check("recovery_exec_engine_config", LiveExecEngineConfig, overrides)
    return LiveExecEngineConfig(**{**defaults, **overrides})


def _check(name: str, kind: type[Any], overrides: dict[str, Any]) -> None:
    unknown = overrides.keys() - set(kind.__struct_fields__)
    if unknown:
        raise TypeError(
            f"{name}() got {_names(sorted(unknown))}, which this version of {kind.__name__} lacks: "
            f"it has {', '.join(kind.__struct_fields__)}"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

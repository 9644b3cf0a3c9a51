"""
What is found where the configuration of a node meets what the server holds of its trader.
"""

from collections.abc import Iterator
from collections.abc import Sequence

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.text import roughly
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import StoredFacts
from nautilus_recovery_actor.outside.checks.start_cost import start_secs
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry


LONG_START_SECS = 20.0
_NAMED_ENTRIES = 3
_NS_IN_MIN = 60_000_000_000
_MINS_IN_HOUR = 60
_MINS_IN_DAY = 1_440

REDIS_CLIENT_MISSING = Rule(
    code="REDIS_CLIENT_MISSING",
    severity=Severity.BLOCK,
    consequence="Whether the server can be relied on, and what it holds, is not known.",
    remedy="Install it: pip install 'nautilus_recovery_actor[cli]'.",
)
LOOKBACK_TOO_SHORT = Rule(
    code="LOOKBACK_TOO_SHORT",
    severity=Severity.WARN,
    consequence="Fills from before the look-back are missed, or replaced by made-up ones.",
    remedy="Set reconciliation_lookback_mins=None for this start, or to more than that.",
)
LAST_ALIVE_UNKNOWN = Rule(
    code="LAST_ALIVE_UNKNOWN",
    severity=Severity.WARN,
    consequence="If the node was away for longer than the look-back, fills are missed.",
    remedy="Set reconciliation_lookback_mins=None until a RecoveryMonitorActor has run once.",
)
ENCODING_CHANGED = Rule(
    code="ENCODING_CHANGED",
    severity=Severity.WARN,
    consequence="NautilusTrader cannot decode what is stored, and the node cannot be made.",
    remedy="Set the encoding back, or let the old one end flat and start with another trader ID.",
)
SLOW_START = Rule(
    code="SLOW_START",
    severity=Severity.WARN,
    consequence="The event loop is blocked for so long: no data, no commands, no shutdown.",
    remedy="Shorten the look-back to what is safe, or delete old closed orders beforehand.",
)
STARTUP_TIMEOUT_TOO_SHORT = Rule(
    code="STARTUP_TIMEOUT_TOO_SHORT",
    severity=Severity.WARN,
    consequence="The recovery fails with TIMEOUT although reconciliation goes on.",
    remedy="Raise RecoveryMonitorConfig(startup_timeout_secs=...).",
)
STORED_DATA_UNREADABLE = Rule(
    code="STORED_DATA_UNREADABLE",
    severity=Severity.WARN,
    consequence="How long the node was away, and how long its start takes, is not known.",
    remedy="Look at the server's log and at the rights of its user, and check again.",
)
ENTRY_STOPS_START = Rule(
    code="ENTRY_STOPS_START",
    severity=Severity.BLOCK,
    consequence="NautilusTrader raises when it loads the entry, at every start.",
    remedy="See all with `nautilus-recovery inspect`; move the entry away when you know why.",
)
ENTRY_LEFT_OUT = Rule(
    code="ENTRY_LEFT_OUT",
    severity=Severity.WARN,
    consequence="The node starts without it: an order, a position or an instrument is missing.",
    remedy="See all with `nautilus-recovery inspect`, and look at the venue for what is missing.",
)
ENTRIES_NOT_READ = Rule(
    code="ENTRIES_NOT_READ",
    severity=Severity.INFO,
    consequence="Whether NautilusTrader can load every entry is not known.",
    remedy="See with `nautilus-recovery inspect`, or allow more time.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def stored_findings(node: NodeFacts, stored: StoredFacts) -> Iterator[Finding]:
    """Return what is found in the stored data, for this configuration."""
    if node.reconciliation and node.lookback_mins:
        yield from _lookback(node.lookback_mins, stored)
    others = sorted(stored.encodings - {node.encoding})
    if others:
        yield ENCODING_CHANGED.found(
            "cache.encoding",
            f"It is {node.encoding}, and there are entries stored as {', '.join(others)}.",
        )
    yield from _cost(node, stored)


def entry_findings(where: str, broken: Sequence[BrokenEntry]) -> Iterator[Finding]:
    """Return what is found of the entries of which a node makes nothing."""
    for rule, stops_start in ((ENTRY_STOPS_START, True), (ENTRY_LEFT_OUT, False)):
        entries = [entry for entry in broken if entry.stops_start is stops_start]
        if entries:
            named = "; ".join(f"{entry.key}: {entry.why}" for entry in entries[:_NAMED_ENTRIES])
            more = len(entries) - _NAMED_ENTRIES
            yield rule.found(where, f"{named}{f'; and {more:,} more' if more > 0 else ''}.")


def _lookback(lookback_mins: int, stored: StoredFacts) -> Iterator[Finding]:
    subject = "exec_engine.reconciliation_lookback_mins"
    if stored.ts_last_alive is None:
        if stored.order_count:
            yield LAST_ALIVE_UNKNOWN.found(
                subject,
                f"It is {_span(lookback_mins)}, there are {stored.order_count:,} orders on record, "
                f"and no heartbeat.",
            )
        return
    away_mins = (stored.now - stored.ts_last_alive) / _NS_IN_MIN
    if away_mins > lookback_mins:
        yield LOOKBACK_TOO_SHORT.found(
            subject,
            f"It is {_span(lookback_mins)}, and the node was last alive {_span(away_mins)} ago.",
        )


def _cost(node: NodeFacts, stored: StoredFacts) -> Iterator[Finding]:
    secs = start_secs(stored.recent_order_count)
    closed = f"{stored.closed_order_count:,} closed orders are on record"
    within = f"{stored.recent_order_count:,} orders can be within the look-back"
    if secs >= LONG_START_SECS:
        yield SLOW_START.found(
            "exec_engine.reconciliation",
            f"{closed}, and {within}: the start takes about {roughly(secs)}.",
        )
    for monitor in node.monitors:
        if secs >= monitor.startup_timeout_secs:
            yield STARTUP_TIMEOUT_TOO_SHORT.found(
                f"actors: {monitor.name}",
                f"The start takes about {roughly(secs)}, and startup_timeout_secs is "
                f"{monitor.startup_timeout_secs:g}.",
            )


def _span(mins: float) -> str:
    if mins < 2 * _MINS_IN_HOUR:
        return f"{mins:.0f} min"
    if mins < 2 * _MINS_IN_DAY:
        return f"{mins / _MINS_IN_HOUR:.1f} h"
    return f"{mins / _MINS_IN_DAY:.1f} days"

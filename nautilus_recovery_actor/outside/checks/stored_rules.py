"""
What is found where the configuration of a node meets what the server holds of its trader.
"""

from collections.abc import Iterator
from collections.abc import Sequence

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import Seen
from nautilus_recovery_actor.outside.checks.node_facts import StoredFacts
from nautilus_recovery_actor.outside.checks.start_cost import start_secs
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.text import roughly


LONG_START_SECS = 20.0
_NAMED_ENTRIES = 3
_NS_IN_MIN = 60_000_000_000
_MINS_IN_HOUR = 60
_MINS_IN_DAY = 1_440

LOOKBACK_TOO_SHORT = Rule(
    code="LOOKBACK_TOO_SHORT",
    severity=Severity.WARN,
    consequence="Fills from before the lookback are missed, or replaced by made-up ones.",
    remedy="For this start, set reconciliation_lookback_mins to None or to more than that.",
)
LAST_ALIVE_UNKNOWN = Rule(
    code="LAST_ALIVE_UNKNOWN",
    severity=Severity.WARN,
    consequence="If the node was away for longer than the lookback, fills are missed.",
    remedy="Set reconciliation_lookback_mins=None until a RecoveryMonitorActor has run once.",
)
ENCODING_CHANGED = Rule(
    code="ENCODING_CHANGED",
    severity=Severity.WARN,
    consequence="NautilusTrader cannot decode what is stored, and the node fails to start.",
    remedy="Restore the encoding, or close all positions first and start with a new trader ID.",
)
SLOW_START = Rule(
    code="SLOW_START",
    severity=Severity.WARN,
    consequence="The event loop is blocked for that long: no data, no commands, no shutdown.",
    remedy="Shorten the lookback to what is safe.",
)
STARTUP_TIMEOUT_TOO_SHORT = Rule(
    code="STARTUP_TIMEOUT_TOO_SHORT",
    severity=Severity.WARN,
    consequence="The recovery fails with TIMEOUT while reconciliation is still running.",
    remedy="Raise RecoveryMonitorConfig(startup_timeout_secs=...).",
)
STORED_DATA_UNREADABLE = Rule(
    code="STORED_DATA_UNREADABLE",
    severity=Severity.WARN,
    consequence="It is unknown how long the node was away and how long its start will take.",
    remedy="Check the server's log and the permissions of its user, then check again.",
)
ENTRY_STOPS_START = Rule(
    code="ENTRY_STOPS_START",
    severity=Severity.BLOCK,
    consequence="NautilusTrader raises an error on the entry at every start.",
    remedy="See `nautilus-recovery inspect`, then take them out with `nautilus-recovery forget`.",
)
ENTRY_LEFT_OUT = Rule(
    code="ENTRY_LEFT_OUT",
    severity=Severity.WARN,
    consequence="The node starts without it: an order, a position or an instrument is missing.",
    remedy="List all with `nautilus-recovery inspect`, and look at the venue for what is missing.",
)
STRATEGY_ABSENT = Rule(
    code="STRATEGY_ABSENT",
    severity=Severity.WARN,
    consequence="Nobody on the node manages them: no stop is moved and no position is closed.",
    remedy="Add a strategy with that ID (strategy_id, order_id_tag), or close and cancel first.",
)
UNCLAIMED_STORED = Rule(
    code="UNCLAIMED_STORED",
    severity=Severity.WARN,
    consequence="No strategy manages them: no stop is moved and no position is closed.",
    remedy="Close and cancel at the venue: external_order_claims only takes what comes later.",
)
ACCOUNT_ABSENT = Rule(
    code="ACCOUNT_ABSENT",
    severity=Severity.WARN,
    consequence="No client reports it, so the recovery fails with NOT_RECONCILED.",
    remedy="Add its client, or list the others in RecoveryMonitorConfig(accounts=[...]).",
)
ENTRIES_LOST = Rule(
    code="ENTRIES_LOST",
    severity=Severity.WARN,
    consequence="The node starts without them and says nothing: they are nobody's from then on.",
    remedy="Restore the server's backup, or look at the venue before you start.",
)
ENTRIES_NOT_READ = Rule(
    code="ENTRIES_NOT_READ",
    severity=Severity.INFO,
    consequence="It is unknown whether NautilusTrader can load every entry.",
    remedy="Check with `nautilus-recovery inspect`, or allow more time.",
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
            f"It is {node.encoding}, but some entries are stored as {', '.join(others)}.",
        )
    yield from _cost(node, stored)


def entry_findings(where: str, broken: Sequence[BrokenEntry]) -> Iterator[Finding]:
    """Return what is found in the entries that a node cannot load."""
    for rule, stops_start in ((ENTRY_STOPS_START, True), (ENTRY_LEFT_OUT, False)):
        entries = [entry for entry in broken if entry.stops_start is stops_start]
        if entries:
            named = "; ".join(f"{entry.key}: {entry.why}" for entry in entries[:_NAMED_ENTRIES])
            more = len(entries) - _NAMED_ENTRIES
            yield rule.found(where, f"{named}{f'; and {more:,} more' if more > 0 else ''}.")


def owner_findings(node: NodeFacts, inventory: Inventory) -> Iterator[Finding]:
    """Return what is stored of strategies that the node does not have, or of none."""
    known = {strategy.name for strategy in node.strategies}
    is_known = bool(known or node.seen is Seen.ALL) and not node.unusable_strategies
    for strategy_id, positions, orders in inventory.by_strategy():
        parts = [counted(len(positions), "open position")] if positions else []
        parts += [counted(len(orders), "order")] if orders else []
        what = " and ".join(parts)
        verb = "are" if len(positions) + len(orders) > 1 else "is"
        touched = {position.instrument_id for position in positions}
        instruments = sorted(touched | {order.instrument_id for order in orders})
        named = ", ".join(instruments[:_NAMED_ENTRIES])
        more = len(instruments) - _NAMED_ENTRIES
        where = f"{named}{f' and {more} more' if more > 0 else ''}"
        if strategy_id in UNCLAIMED_STRATEGIES:
            yield UNCLAIMED_STORED.found(
                strategy_id, f"{what} {verb} stored that no strategy has claimed: {where}."
            )
        elif is_known and strategy_id not in known:
            yield STRATEGY_ABSENT.found(
                strategy_id,
                f"It is not in the configuration, and {what} of it {verb} stored: {where}.",
            )


def account_findings(node: NodeFacts, inventory: Inventory) -> Iterator[Finding]:
    """Return what is stored of accounts that no client of the configuration has."""
    for account in inventory.accounts if node.clients else ():
        is_required = all(
            m.accounts is None or account.account_id in m.accounts for m in node.monitors
        )
        issuer = account.account_id.partition("-")[0]
        own = [client for client in node.clients if issuer in client.issuers]
        if not is_required or any(
            client.account_ids is None or account.account_id in client.account_ids for client in own
        ):
            continue
        what = f"the clients are {', '.join(client.name for client in node.clients)}"
        if own:
            known = sorted(set[str]().union(*(client.account_ids or () for client in own)))
            what = f"{' and '.join(c.name for c in own)} now has {', '.join(known)}"
        yield ACCOUNT_ABSENT.found(account.account_id, f"It is stored, and {what}.")


def loss_findings(where: str, inventory: Inventory) -> Iterator[Finding]:
    """Return what the index names of orders and positions that is not stored."""
    if inventory.lost:
        parts = (
            f"{entry.index} {', '.join(entry.named[:_NAMED_ENTRIES])}"
            + (
                f" and {entry.count - _NAMED_ENTRIES:,} more"
                if entry.count > _NAMED_ENTRIES
                else ""
            )
            for entry in inventory.missing
        )
        yield ENTRIES_LOST.found(
            where, f"Its index names {inventory.lost} not stored: {'; '.join(parts)}."
        )


def _there_are(orders: int) -> str:
    return f"there {'is' if orders == 1 else 'are'} {counted(orders, 'order')}"


def _lookback(lookback_mins: int, stored: StoredFacts) -> Iterator[Finding]:
    subject = "exec_engine.reconciliation_lookback_mins"
    if stored.ts_last_alive is None:
        if stored.order_count:
            yield LAST_ALIVE_UNKNOWN.found(
                subject,
                f"It is {_span(lookback_mins)}, and {_there_are(stored.order_count)} on "
                f"record but no heartbeat.",
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
    within = f"up to {stored.recent_order_count:,} orders are within the lookback"
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

"""
A report as a row among others, and its parts that no log says, in words.
"""

from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.outside.record.status import NodeStatus


_NS = 1_000_000_000


class Row(msgspec.Struct, frozen=True):
    """One report in a table, each field as text."""

    # The number of the recovery
    epoch: str
    # When it began (UTC)
    began: str
    # How long it took
    took: str
    # Its outcome, or the reason of its failure
    result: str
    # What happened in short
    story: str


def row(report: RecoveryReport) -> Row:
    """Return the row of a report."""
    return Row(
        epoch=str(report.epoch),
        began=moment(report.ts_started),
        took=took(report),
        result=wording.result(report),
        story=wording.summary(report),
    )


def took(report: RecoveryReport) -> str:
    """Return how long a recovery took."""
    if report.ts_completed is None:
        return "-"
    spent = max(report.ts_completed - report.ts_started, 0)
    return f"{spent / _NS:.1f} s" if spent < 60 * _NS else duration(spent)


def account_line(account: AccountRecovery) -> str:
    """Return what an account reported, and what proves it."""
    line = f"{account.account_id} ({account.venue}): "
    proof = wording.proof_of(account)
    if account.ts_report is None:
        line += "no mass status" if account.answers else "did not report"
    else:
        line += (
            f"reported {moment(account.ts_report)}; open orders: {account.orders_open}, "
            f"fills: {account.fills}, positions: {account.positions}"
        )
    if proof:
        line += f"; {proof}"
    if account.is_connected is not None:
        line += "; connected" if account.is_connected else "; not connected"
    return line


def fill_line(fill: ReconciledFill) -> str:
    """Return a fill and what it belongs to."""
    return (
        f"{fill.origin} {moment(fill.ts_event)} {traded(fill.qty)} {fill.instrument_id} at "
        f"{fill.px:f}, {fill.strategy_id}, {fill.client_order_id} ({fill.venue_order_id}), "
        f"trade {fill.trade_id}"
    )


def traded(qty: Decimal) -> str:
    """Return a signed quantity that was traded."""
    return f"{'SELL' if qty < 0 else 'BUY'} {abs(qty):f}"


def incident_line(incident: StorageIncident) -> str:
    """Return what is the matter with the server of a cache."""
    return f"{incident.kind} since {moment(incident.ts)} UTC: {incident.text}"


def stale_line(stale: Discrepancy) -> str:
    """Return what was restored from a cache that was old."""
    return f"{stale.kind} {stale.account_id}: {stale.cache}, {stale.venue}"


def orphans_line(status: NodeStatus) -> str:
    """Return the exits that had no position when the recovery ended: nobody has looked since."""
    named = wording.concerned(status.orphan_exits)
    return f"Exits without a position {_as_of(status)}: {named}"


def absent_line(status: NodeStatus) -> str:
    """Return what nobody had answered for when the recovery ended: nobody has looked since."""
    named = wording.concerned(status.absent_strategies)
    return f"Of strategies that the node did not run {_as_of(status)}: {named}"


def _as_of(status: NodeStatus) -> str:
    ended = "" if status.ts_completed is None else f" ({moment(status.ts_completed)} UTC)"
    return f"at the last recovery{ended}"

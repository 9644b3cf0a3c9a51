"""
A report as lines for a log: what happened, what changed, what is not right, what to do.
"""

from decimal import Decimal

from nautilus_recovery_actor.enums import Severity
from nautilus_recovery_actor.report import Discrepancy
from nautilus_recovery_actor.report import PositionChange
from nautilus_recovery_actor.report import RecoveryReport


def lines(report: RecoveryReport) -> list[tuple[Severity, str]]:
    """
    Return the lines of `report`, each with how much it matters.

    Parameters
    ----------
    report : RecoveryReport
        The report.

    Returns
    -------
    list[tuple[Severity, str]]

    """
    result = report.failure or report.outcome
    if report.failure is not None:
        severity = Severity.BLOCK
    else:
        severity = Severity.WARN if report.blocked_instruments else Severity.INFO
    told = [(severity, f"Recovery epoch {report.epoch} {result}: {report.message}")]
    if report.fill_counts:
        counts = ", ".join(f"{count} {origin}" for origin, count in report.fill_counts.items())
        told.append((Severity.INFO, f"Fills while away: {counts}"))
    told += [
        (Severity.INFO, _position_line(change))
        for change in report.positions
        if change.qty_before != change.qty_after or change.qty_after != change.qty_venue
    ]
    told += [
        (Severity.INFO if found.resolved else found.severity, _discrepancy_line(found))
        for found in report.discrepancies
    ]
    return told


def _position_line(change: PositionChange) -> str:
    return (
        f"Position {change.position_id} ({change.account_id}): "
        f"{_plain(change.qty_before)} -> {_plain(change.qty_after)}, "
        f"venue {_plain(change.qty_venue)}"
    )


def _discrepancy_line(found: Discrepancy) -> str:
    subject = found.client_order_id or found.position_id or found.instrument_id
    resolved = "Resolved: " if found.resolved else ""
    return (
        f"{resolved}{found.kind} {subject or found.account_id} ({found.account_id}): "
        f"venue {found.venue or '-'}, cache {found.cache or '-'}. {found.detail}"
    )


def _plain(quantity: Decimal | None) -> str:
    if quantity is None:
        return "not reported"
    return f"{quantity:+f}" if quantity else "flat"

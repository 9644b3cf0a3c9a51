"""
How one difference is told.
"""

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy


def difference(
    kind: DiscrepancyKind,
    account_id: str,
    instrument_id: str,
    *,
    venue: str,
    cache: str,
    detail: str,
    position_id: str | None = None,
    client_order_id: str | None = None,
    severity: Severity | None = None,
) -> Discrepancy:
    """
    Return a discrepancy with the severity of its kind, or with a lower one where it is harmless.
    """
    return Discrepancy(
        kind=kind,
        severity=severity or kind.default_severity,
        account_id=account_id,
        instrument_id=instrument_id,
        position_id=position_id,
        client_order_id=client_order_id,
        venue=venue,
        cache=cache,
        detail=detail,
    )

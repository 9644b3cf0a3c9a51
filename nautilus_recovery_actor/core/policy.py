"""
What the configuration says about judging, and the one place where a difference gets its severity.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy


class Policy(msgspec.Struct, frozen=True):
    """How to judge."""

    # The severities that differ from their defaults
    severities: Mapping[DiscrepancyKind, Severity] = {}
    # If an account that never reported may trade
    allow_unreconciled: bool = False
    # How many fills a report holds, the newest
    max_report_fills: int = 1000
    # If everything is reported and nothing blocked
    shadow: bool = False
    # If it is planned how the cache becomes equal to the venue
    plans: bool = False
    # If what is real, and booked where it does not belong, is moved without a word
    repairs: bool = False
    # By how much average open prices may differ, as a part of the venue's
    avg_px_tolerance: Decimal = Decimal("0.001")

    def difference(
        self,
        kind: DiscrepancyKind,
        account_id: str,
        instrument_id: str = "",
        *,
        venue: str,
        cache: str = "",
        detail: str,
        position_id: str | None = None,
        client_order_id: str | None = None,
        is_harmless: bool = False,
    ) -> Discrepancy:
        """Return a difference with the severity that it has under this policy."""
        return Discrepancy(
            kind=kind,
            severity=Severity.INFO if is_harmless else self._severity(kind),
            account_id=account_id,
            instrument_id=instrument_id,
            position_id=position_id,
            client_order_id=client_order_id,
            venue=venue,
            cache=cache,
            detail=detail,
        )

    def _severity(self, kind: DiscrepancyKind) -> Severity:
        is_allowed = self.allow_unreconciled and kind is DiscrepancyKind.NO_MASS_STATUS
        return self.severities.get(kind, Severity.WARN if is_allowed else kind.default_severity)

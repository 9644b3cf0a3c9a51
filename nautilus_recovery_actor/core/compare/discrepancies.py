"""
What differs between the venues' reports and the cache, and how much each difference matters.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.compare.orders import order_discrepancies
from nautilus_recovery_actor.core.compare.positions import position_discrepancies
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import origins
from nautilus_recovery_actor.core.report import Discrepancy


class Policy(msgspec.Struct, frozen=True):
    """How to judge."""

    # The severities that differ from their defaults
    severities: Mapping[DiscrepancyKind, Severity] = {}
    # If an account that never reported may trade
    allow_unreconciled: bool = False
    # How many fills a report holds, the newest
    max_report_fills: int = 1000
    # If nothing is to be blocked, only told
    shadow: bool = False
    # By how much average open prices may differ, as a part of the venue's
    avg_px_tolerance: Decimal = Decimal("0.001")

    def severity(self, kind: DiscrepancyKind) -> Severity:
        """Return the severity of `kind` under this policy."""
        if kind is DiscrepancyKind.NO_MASS_STATUS and self.allow_unreconciled:
            return self.severities.get(kind, Severity.WARN)
        return self.severities.get(kind, kind.default_severity)


def discrepancies(observation: Observation, policy: Policy) -> Iterator[Discrepancy]:
    """Yield every difference, in no particular order."""
    yield from _unproven(observation, policy)
    fill_origins = origins(observation)
    for report in observation.reports:
        for found in (
            *position_discrepancies(observation, report, fill_origins, policy.avg_px_tolerance),
            *order_discrepancies(observation, report),
        ):
            is_harmless = found.severity is not found.kind.default_severity
            severity = found.severity if is_harmless else policy.severity(found.kind)
            yield msgspec.structs.replace(found, severity=severity)


def _unproven(observation: Observation, policy: Policy) -> Iterator[Discrepancy]:
    # Of an account that did not report nothing can be compared
    reported = {report.account_id for report in observation.reports}
    for account_id in observation.required_accounts - reported:
        is_edited = account_id in observation.edited_accounts
        yield _no_mass_status(
            policy,
            account_id,
            venue="an edited report" if is_edited else "no report",
            detail=f"The engine may have edited the mass status of {account_id} before it was "
            "seen: nothing in it is proven; its adapter must fill it by `add_order_reports` and "
            "`add_fill_reports`"
            if is_edited
            else f"{account_id} sent no mass status: nothing of it is proven; "
            "look for its client's errors in the log and restart",
        )
    carried = [
        found
        for found in observation.carried
        if found.account_id not in reported
        and not found.resolved
        and (found.instrument_id or found.account_id not in observation.required_accounts)
    ]
    yield from carried
    told = {
        (found.account_id, found.instrument_id)
        for found in carried
        if found.kind is DiscrepancyKind.NO_MASS_STATUS
    }
    made_up = {
        (fill.account_id, fill.instrument_id)
        for fill in observation.fills
        if fill.is_made_up and fill.account_id not in reported
    }
    for account_id, instrument_id in made_up - told:
        yield _no_mass_status(
            policy,
            account_id,
            instrument_id,
            cache="aligned by a synthetic fill",
            detail="The engine made up a fill to align this position, and no mass status has come "
            "since: look at the venue; the next mass status is verified",
        )


def _no_mass_status(
    policy: Policy,
    account_id: str,
    instrument_id: str = "",
    *,
    venue: str = "no report",
    cache: str = "",
    detail: str,
) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.NO_MASS_STATUS,
        severity=policy.severity(DiscrepancyKind.NO_MASS_STATUS),
        account_id=account_id,
        instrument_id=instrument_id,
        venue=venue,
        cache=cache,
        detail=detail,
    )

"""
What differs between the venues' reports and the cache.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.compare.orders import order_discrepancies
from nautilus_recovery_actor.core.compare.positions import position_discrepancies
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.origins import Traced
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


def discrepancies(observation: Observation, fills: Traced, policy: Policy) -> Iterator[Discrepancy]:
    """Yield every difference, in no particular order."""
    yield from _unproven(observation, policy)
    for report in observation.reports:
        yield from position_discrepancies(observation, report, fills, policy)
        yield from order_discrepancies(observation, report, policy)


def _unproven(observation: Observation, policy: Policy) -> Iterator[Discrepancy]:
    # Of an account that did not report nothing can be compared
    reported = {report.account_id for report in observation.reports}
    for account_id in observation.required_accounts - reported:
        is_edited = account_id in observation.edited_accounts
        yield policy.difference(
            DiscrepancyKind.NO_MASS_STATUS,
            account_id,
            venue="an edited report" if is_edited else "no report",
            cache="",
            detail=f"The engine may have edited the mass status of {account_id} before it was "
            "seen: nothing in it is proven; its adapter must fill it by `add_order_reports` and "
            "`add_fill_reports`"
            if is_edited
            else f"{account_id} sent no mass status, so nothing about it is proven: "
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
    known = {
        (found.account_id, found.instrument_id)
        for found in carried
        if found.kind is DiscrepancyKind.NO_MASS_STATUS
    }
    made_up = {
        (fill.account_id, fill.instrument_id)
        for fill in observation.fills
        if fill.is_made_up and fill.account_id not in reported
    }
    for account_id, instrument_id in made_up - known:
        yield policy.difference(
            DiscrepancyKind.NO_MASS_STATUS,
            account_id,
            instrument_id,
            venue="no report",
            cache="aligned by a synthetic fill",
            detail="The engine made up a fill to align this position, and no mass status has come "
            "since: look at the venue; the next mass status is verified",
        )

"""
What differs between the venues' reports and the cache, and what no report has proven.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.compare.orders import order_discrepancies
from nautilus_recovery_actor.core.compare.owners import concerns
from nautilus_recovery_actor.core.compare.positions import position_discrepancies
from nautilus_recovery_actor.core.compare.stale import stale_caches
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_SILENT = (
    "{} sent no mass status, so nothing about it is proven: check the log for errors of its "
    "client; once it answers, trading goes on by itself, or, where the trader did not start, after "
    "a restart"
)
_EDITED = (
    "The engine may have edited the mass status of {} before it was seen, so nothing in it is "
    "proven: its client must make it by `generate_mass_status`, or send it to the engine's endpoint"
)


def discrepancies(
    observation: Observation, origins: Origins, policy: Policy
) -> Iterator[Discrepancy]:
    """Yield every difference, and what is of concern besides, in no particular order."""
    found = list(_differences(observation, origins, policy))
    yield from found
    yield from concerns(observation, found, policy)
    yield from stale_caches(observation, policy)


def _differences(
    observation: Observation, origins: Origins, policy: Policy
) -> Iterator[Discrepancy]:
    yield from _unproven(observation, origins, policy)
    for report in observation.reports:
        yield from position_discrepancies(observation, report, origins, policy)
        yield from order_discrepancies(observation, report, policy)


def _unproven(observation: Observation, origins: Origins, policy: Policy) -> Iterator[Discrepancy]:
    # Nothing of an account that did not report can be compared
    reported = {report.account_id for report in observation.reports}
    required = observation.required_accounts
    for account_id in required - reported:
        yield policy.difference(
            Kind.NO_MASS_STATUS,
            account_id,
            venue="an edited report" if account_id in observation.edited_accounts else "no report",
            detail=(_EDITED if account_id in observation.edited_accounts else _SILENT).format(
                account_id
            ),
        )
    carried = [
        found
        for found in observation.carried
        if found.account_id not in reported
        and found.kind.is_difference
        and not found.resolved
        and (found.instrument_id or found.account_id not in required)
    ]
    yield from carried
    known = {
        (found.account_id, found.instrument_id)
        for found in carried
        if found.kind is Kind.NO_MASS_STATUS
    }
    aligned = {
        (fill.account_id, fill.instrument_id)
        for fill, origin in origins.fills
        if origin is FillOrigin.SYNTHETIC and fill.account_id not in reported
    }
    for account_id, instrument_id in aligned - known:
        yield policy.difference(
            Kind.NO_MASS_STATUS,
            account_id,
            instrument_id,
            venue="no report",
            cache="aligned by a synthetic fill",
            detail="The engine made up a fill to align this position, and no mass status has "
            "arrived since: check the venue; it is blocked until a proof holds",
        )

"""
Where the fills of a recovery came from: one rule, asked once a judgment.
"""

import re
from typing import TypeAlias

from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueReport


# An order or a trade that the engine wrote into a mass status to complete a partial window of fills
# (seen on 1.231).
SYNTHETIC_ID = re.compile(r"S-[0-9a-f]+-[0-9a-f]+")


Traced: TypeAlias = tuple[tuple[ObservedFill, FillOrigin], ...]


def traced(observation: Observation) -> Traced:
    """
    Return each flagged fill with where it came from.

    A trade that the venue reported is real. A fill of a reported order without a reported trade is
    inferred from the order's status. A fill of an order that no venue reported, and that
    reconciliation itself created, aligns a position. What is flagged after the mass status is a
    live fill of an adapter that sends fill reports, unless reconciliation created the order.
    """
    reports = {report.account_id: report for report in observation.reports}
    reported = {
        account_id: {order.venue_order_id for order in report.orders}
        for account_id, report in reports.items()
    }
    return tuple(
        (fill, _origin(fill, reports.get(fill.account_id), reported.get(fill.account_id, set())))
        for fill in observation.fills
    )


def _origin(fill: ObservedFill, report: VenueReport | None, reported: set[str]) -> FillOrigin:
    real = FillOrigin.VENUE if fill.placed_here else FillOrigin.EXTERNAL
    ids = (fill.trade_id, fill.venue_order_id)
    if fill.is_made_up or any(map(SYNTHETIC_ID.fullmatch, ids)):
        return FillOrigin.SYNTHETIC
    if report is None or fill.trade_id in report.trade_ids:
        return real
    if fill.venue_order_id not in reported and not fill.placed_here:
        return FillOrigin.SYNTHETIC
    return FillOrigin.INFERRED if fill.index < report.seen_events else real


def guessed_positions(observation: Observation, fills: Traced) -> dict[tuple[str, str], int]:
    """
    Return where the engine guessed what was filled, so that a fill that comes late may be counted:
    when the venue reported (UNIX ns), by account and instrument.
    """
    reports = {report.account_id: report for report in observation.reports}
    guesses = (FillOrigin.INFERRED, FillOrigin.SYNTHETIC)
    return {
        (fill.account_id, fill.instrument_id): report.ts
        for fill, origin in fills
        if origin in guesses
        and (report := reports.get(fill.account_id)) is not None
        and fill.index < report.seen_events
    }

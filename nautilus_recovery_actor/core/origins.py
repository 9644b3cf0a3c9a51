"""
Where each flagged fill came from: one rule, applied once in a judgment.
"""

import re
from collections.abc import Iterable

import msgspec

from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueReport


# An order or a trade that the engine wrote into a mass status to complete a partial window of fills
# (seen on 1.231).
SYNTHETIC_ID = re.compile(r"S-[0-9a-f]+-[0-9a-f]+")

# What the engine tags the orders with that it makes up to align a position
_ALIGNMENT_TAGS = frozenset({"RECONCILIATION", "INTERNAL"})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_GUESSES = (FillOrigin.INFERRED, FillOrigin.SYNTHETIC)


class Origins(msgspec.Struct, frozen=True):
    """Where the flagged fills of an observation came from."""

    # Each fill with its origin, in the order of their arrival
    fills: tuple[tuple[ObservedFill, FillOrigin], ...]
    # When the venue reported (UNIX ns), by account and instrument where the engine guessed what was
    # filled: a fill that arrives late may be counted already
    guessed: dict[tuple[str, str], int]


def origins(observation: Observation) -> Origins:
    """
    Return where each flagged fill came from.

    A trade that the venue reported is real. A fill of a reported order without a reported trade is
    inferred from the order's status. A fill of an order that no venue reported, and that
    reconciliation itself created, aligns a position. What is flagged after the mass status is a
    live fill of an adapter that sends fill reports, unless reconciliation created the order.
    """
    reports = {report.account_id: report for report in observation.reports}
    orders = {
        account_id: {order.venue_order_id for order in report.orders}
        for account_id, report in reports.items()
    }
    fills = []
    guessed = {}
    for fill in observation.fills:
        report = reports.get(fill.account_id)
        origin = _origin(fill, report, orders.get(fill.account_id, set()))
        fills.append((fill, origin))
        if report is not None and origin in _GUESSES and fill.index < report.seen_events:
            guessed[fill.account_id, fill.instrument_id] = report.ts
    return Origins(tuple(fills), guessed)


def is_synthetic(*ids: str) -> bool:
    """Return whether the engine gave one of the ids to an order or trade that it made up."""
    return any(map(SYNTHETIC_ID.fullmatch, ids))


def is_alignment(tags: Iterable[str], venue_order_id: str) -> bool:
    """
    Return whether an order that reconciliation created only aligns a position.

    The engine tags the orders that it makes up, unless a strategy claims the instrument: then only
    the form of the venue order id is left, a UUID.
    """
    known = frozenset(tags)
    return bool(known & _ALIGNMENT_TAGS) if known else bool(_UUID.fullmatch(venue_order_id))


def _origin(fill: ObservedFill, report: VenueReport | None, orders: set[str]) -> FillOrigin:
    if fill.is_made_up or is_synthetic(fill.trade_id, fill.venue_order_id):
        return FillOrigin.SYNTHETIC
    real = FillOrigin.VENUE if fill.placed_here else FillOrigin.EXTERNAL
    if report is None or fill.trade_id in report.trade_ids:
        return real
    if fill.venue_order_id not in orders and not fill.placed_here:
        return FillOrigin.SYNTHETIC
    return FillOrigin.INFERRED if fill.index < report.seen_events else real

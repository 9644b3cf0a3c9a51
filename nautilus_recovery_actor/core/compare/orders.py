"""
What differs between the orders of a venue's report and those of the cache.
"""

from collections.abc import Iterator
from functools import partial

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_COMPARED = ("side", "qty", "filled_qty", "px", "trigger_px")


def order_discrepancies(
    observation: Observation, report: VenueReport, policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what differs between the orders of `report` and those of the cache."""
    unknown = partial(_unknown_order, observation, report, policy)
    # Two nodes may number their orders alike
    by_client_id = {
        (order.instrument_id, order.client_order_id): order
        for order in observation.orders
        if order.account_id in (None, report.account_id)
    }
    # Venues number their orders by themselves, some per symbol
    by_venue_id = {
        (order.account_id, order.instrument_id, order.venue_order_id): order
        for order in observation.orders
    }
    reported: dict[str, VenueOrder] = {}
    for order in report.orders:
        instrument_id = order.instrument_id
        known = by_client_id.get((instrument_id, order.client_order_id or "")) or by_venue_id.get(
            (report.account_id, instrument_id, order.venue_order_id)
        )
        if known is None:
            if order.is_open:
                yield unknown(order)
            continue
        other = reported.get(known.client_order_id)
        if other is None or not (other.is_open and order.is_open):
            reported[known.client_order_id] = order
        elif other.venue_order_id == known.venue_order_id:
            # Two orders rest at the venue under one client order id: the cache knows one of them
            yield unknown(order)
        else:
            yield unknown(other)
            reported[known.client_order_id] = order
    for known in observation.orders:
        order_at_venue = reported.get(known.client_order_id)
        if max(known.ts_init, known.ts_last) > report.ts:
            continue  # What came after the report cannot be in it
        is_own = known.account_id == report.account_id
        if order_at_venue is not None:
            yield from _known_order(observation, report, policy, order_at_venue, known)
        elif is_own and not known.is_local and known.ts_filled <= report.ts:
            yield from _unreported_order(report, policy, known)


def _unknown_order(
    observation: Observation, report: VenueReport, policy: Policy, order: VenueOrder
) -> Discrepancy:
    kind, cache = DiscrepancyKind.ORDER_NOT_IN_CACHE, "unknown"
    detail = (
        f"The venue holds order {order.venue_order_id} and the cache does not know it: "
        "cancel it at the venue, or restart so that it is reconciled"
    )
    if order.instrument_id not in observation.instruments:
        kind, cache = DiscrepancyKind.INSTRUMENT_NOT_LOADED, "instrument not loaded"
        detail = (
            "The venue holds an order on an instrument that the node did not load: "
            "load it, or cancel the order at the venue"
        )
    return policy.difference(
        kind,
        report.account_id,
        order.instrument_id,
        client_order_id=order.client_order_id or order.venue_order_id,
        venue=order.status,
        cache=cache,
        detail=detail,
    )


def _known_order(
    observation: Observation,
    report: VenueReport,
    policy: Policy,
    order: VenueOrder,
    known: CachedOrder,
) -> Iterator[Discrepancy]:
    if order.is_open and order.instrument_id not in observation.instruments:
        yield _unknown_order(observation, report, policy, order)
        return
    if known.is_inflight and (not order.is_open or order.status == known.status == "SUBMITTED"):
        yield _inflight_order(report, policy, known, order.status)
        return
    if not order.is_open and not known.is_open:
        return
    is_filled_since = known.ts_filled > report.ts  # Which changes nothing of its terms
    venue, cache = [], []
    # Venues and adapters report the status of an open order in their own ways
    if order.is_open != known.is_open and not is_filled_since:
        venue.append(order.status)
        cache.append(known.status)
    for name in _COMPARED:
        there, here = getattr(order, name), getattr(known, name)
        is_known = there is not None and here is not None
        if is_known and there != here and not (is_filled_since and name == "filled_qty"):
            venue.append(f"{name} {there}")
            cache.append(f"{name} {here}")
    if venue:
        detail = (
            "The order at the venue is not what the cache says: look at the venue, cancel it "
            "there, and place it again"
        )
        yield policy.difference(
            DiscrepancyKind.ORDER_MISMATCH,
            report.account_id,
            known.instrument_id,
            client_order_id=known.client_order_id,
            venue=", ".join(venue),
            cache=", ".join(cache),
            detail=detail,
        )


def _unreported_order(
    report: VenueReport, policy: Policy, known: CachedOrder
) -> Iterator[Discrepancy]:
    if known.is_inflight:
        yield _inflight_order(report, policy, known, "no report")
    elif known.is_open:
        yield policy.difference(
            DiscrepancyKind.ORDER_NOT_AT_VENUE,
            report.account_id,
            known.instrument_id,
            client_order_id=known.client_order_id,
            venue="no report",
            cache=known.status,
            detail="The cache holds an open order that the venue did not report, so it protects "
            "nothing: look at the venue, and cancel it in the cache or place it again",
        )


def _inflight_order(
    report: VenueReport, policy: Policy, known: CachedOrder, venue: str
) -> Discrepancy:
    return policy.difference(
        DiscrepancyKind.INFLIGHT_ORDER,
        report.account_id,
        known.instrument_id,
        client_order_id=known.client_order_id,
        venue=venue,
        cache=known.status,
        detail="Sent before the restart and never answered: look for it at the venue",
    )

"""
What differs between the orders of the cache and the venue's, and which trades the cache may lack.
"""

from collections import defaultdict
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.repair.place import ZERO
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError


_VALUES = ("qty", "px", "trigger_px")


class Changes(msgspec.Struct):
    """What differs between the orders of one place, by what is to be done about it."""

    # Another id, or other values
    updated: list[tuple[CachedOrder, VenueOrder]] = []
    # Over at the venue, or unknown there
    over: list[tuple[CachedOrder, VenueOrder | None]] = []
    unknown: list[VenueOrder] = []
    # What the cache lacks, perhaps: what an order has filled without a trade counts as one
    missing: list[VenueTrade] = []
    # How much the cache lacks of each order that rests at the venue, for certain
    resting: dict[str, Decimal] = {}


def changes(place: Place) -> Changes:
    """Return what differs between the orders of a place."""
    found = Changes()
    reports = _reports(place)
    by_client_id = {one.client_order_id: one for one in place.orders}
    numbered = {one.venue_order_id for one in place.orders}
    known = {one.client_order_id for one in place.trades if one.strategy_id is not None}
    reported = {one.venue_order_id: one for one in place.at_venue}
    traded: dict[str, Decimal] = defaultdict(Decimal)
    for trade in place.trades:
        traded[trade.venue_order_id] += abs(trade.qty)
    # An order that the cache lacks can only be adopted whole: the engine would infer the rest
    whole = {key for key, one in reported.items() if one.filled_qty == traded[key]}
    found.missing = [
        trade
        for trade in place.trades
        if trade.strategy_id is not None or trade.venue_order_id in whole
    ]
    for order in place.orders:
        _compare(order, reports.get(order.client_order_id), found, place)
    for venue_order_id, report in reported.items():
        is_known = report.client_order_id in {*by_client_id, *known} or venue_order_id in numbered
        if report.is_open and not is_known:
            found.unknown.append(report)
            found.resting[venue_order_id] = report.filled_qty or ZERO
    return found


def _reports(place: Place) -> dict[str | None, VenueOrder]:
    # What an order is now: of two under one client order id the one that is open, or the first,
    # which was asked for last
    by_venue_id = {one.venue_order_id: one.client_order_id for one in place.orders}
    found: dict[str | None, VenueOrder] = {}
    for report in place.at_venue:
        key = report.client_order_id or by_venue_id.get(report.venue_order_id)
        if key is not None and (key not in found or (report.is_open and not found[key].is_open)):
            found[key] = report
    return found


def _compare(order: CachedOrder, report: VenueOrder | None, found: Changes, place: Place) -> None:
    is_alive = order.is_open or order.is_inflight
    if report is None:
        if is_alive:
            found.over.append((order, None))
        return
    if report.is_open and not is_alive:
        raise RefusedError(
            f"order {order.client_order_id} rests at the venue ({report.venue_order_id}) and is "
            f"{order.status} in the cache, which cannot be undone: cancel it at the venue"
        )
    if not is_alive:
        return
    filled = order.filled_qty or ZERO
    if report.is_open and report.filled_qty is not None and report.filled_qty < filled:
        raise RefusedError(
            f"the venue has {report.filled_qty} of order {order.client_order_id} filled, and the "
            f"cache {filled}"
        )
    lacking = _filled(report) - filled
    if report.is_open:
        found.resting[report.venue_order_id] = lacking
    if order.venue_order_id != report.venue_order_id or (report.is_open and values(order, report)):
        found.updated.append((order, report))
    if not report.is_open:
        found.over.append((order, report))
    _infer(order, report, lacking, found, place)


def _infer(
    order: CachedOrder, report: VenueOrder, lacking: Decimal, found: Changes, place: Place
) -> None:
    own = [one for one in found.missing if one.client_order_id == order.client_order_id]
    lacking -= sum((abs(one.qty) for one in own), ZERO)
    owner = place.owners.get(order.client_order_id)
    if lacking > 0 and owner is not None:
        position_id = owner[1] or place.position_of(owner[0])
        guessed = VenueTrade(
            instrument_id=place.instrument_id,
            trade_id="",
            venue_order_id=report.venue_order_id,
            client_order_id=order.client_order_id,
            strategy_id=owner[0],
            position_id=position_id,
            qty=lacking if order.side == "BUY" else -lacking,
            px=report.avg_px or _made_up_px(place, order) or order.px or order.trigger_px,
            status=order.status,
        )
        found.missing.append(guessed)


def _filled(report: VenueOrder) -> Decimal:
    # Some adapters report the end of a conditional order, and nothing of the one that it became
    is_whole = report.status == "FILLED" and not report.filled_qty
    return (report.qty if is_whole else report.filled_qty) or ZERO


def _made_up_px(place: Place, order: CachedOrder) -> Decimal | None:
    # What the engine made up in its stead is at the venue's own price
    made_up = (part for part in place.parts if part.is_made_up)
    return next((one.avg_px for one in made_up if (one.qty > 0) == (order.side == "BUY")), None)


def values(order: CachedOrder, report: VenueOrder) -> dict[str, Decimal]:
    """Return the values that the venue has otherwise."""
    told = {name: getattr(report, name) for name in _VALUES}
    return {
        name: value for name, value in told.items() if value not in (None, getattr(order, name))
    }

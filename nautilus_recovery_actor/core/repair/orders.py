"""
What brings the orders of the cache up to date: ids and values, trades, ends, and what it lacks.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec

from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.steps import Adopt
from nautilus_recovery_actor.core.repair.steps import End
from nautilus_recovery_actor.core.repair.steps import Fill
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import Update
from nautilus_recovery_actor.core.report import RepairStep


_ZERO = Decimal(0)
_VALUES = ("qty", "px", "trigger_px")
_End = Literal["CANCELED", "EXPIRED", "REJECTED"]
# NautilusTrader applies no fill to an order that has ended so, but to its position
_UNFILLABLE = ("EXPIRED", "REJECTED", "DENIED")


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
            found.resting[venue_order_id] = report.filled_qty or _ZERO
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
    filled = order.filled_qty or _ZERO
    if report.is_open and report.filled_qty is not None and report.filled_qty < filled:
        raise RefusedError(
            f"the venue has {report.filled_qty} of order {order.client_order_id} filled, and the "
            f"cache {filled}"
        )
    lacking = _ZERO if report.filled_qty is None else report.filled_qty - filled
    if report.is_open:
        found.resting[report.venue_order_id] = lacking
    if order.venue_order_id != report.venue_order_id or (report.is_open and _values(order, report)):
        found.updated.append((order, report))
    if not report.is_open:
        found.over.append((order, report))
    _infer(order, report, lacking, found, place)


def _infer(
    order: CachedOrder, report: VenueOrder, lacking: Decimal, found: Changes, place: Place
) -> None:
    own = [one for one in found.missing if one.client_order_id == order.client_order_id]
    lacking -= sum((abs(one.qty) for one in own), _ZERO)
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
            px=report.avg_px or order.px,
            status=order.status,
        )
        found.missing.append(guessed)


def _values(order: CachedOrder, report: VenueOrder) -> dict[str, Decimal]:
    # Those of the venue that are others
    told = {name: getattr(report, name) for name in _VALUES}
    return {
        name: value for name, value in told.items() if value not in (None, getattr(order, name))
    }


# -- STEPS --


def updates(place: Place, found: Changes) -> Iterator[Step]:
    """Return the steps that give orders their ids and values at the venue."""
    for order, report in found.updated:
        values = _values(order, report) if report.is_open else {}
        told = "".join(f", {name} {value}" for name, value in values.items())
        kind = "update_order"
        if order.venue_order_id is None:
            what = f"has reached the venue, where its ID is {report.venue_order_id}{told}"
        elif order.venue_order_id != report.venue_order_id:
            kind = "rename_order"
            what = (
                f"has the ID {report.venue_order_id} at the venue, and not "
                f"{order.venue_order_id}{told}"
            )
        else:
            what = f"rests at the venue with other values{told}"
        detail = f"Order {order.client_order_id} {what}: take that over"
        update = Update(order.client_order_id, report.venue_order_id, **values)
        yield _step(place, kind, order.client_order_id, detail, update)


def trades(place: Place, found: Changes, chosen: Iterable[VenueTrade]) -> Iterator[Step]:
    """Return the steps that apply trades, each once, by their orders; and take up what rests."""
    by_order: dict[tuple[str, str | None], list[VenueTrade]] = defaultdict(list)
    for trade in chosen:
        by_order[trade.venue_order_id, trade.client_order_id].append(trade)
    _check_resting(found, by_order)
    resting = {report.venue_order_id: report for report in found.unknown}
    for (venue_order_id, client_order_id), own in by_order.items():
        if client_order_id is not None:
            yield from _fills(place, client_order_id, own)
            continue
        report = resting.pop(venue_order_id, None)
        state = "" if report is None else ", which rests,"
        detail = (
            f"Take up order {venue_order_id}{state} with {_in_words(own)} under {place.owner}: it "
            "was not sent by this node"
        )
        adopt = Adopt(venue_order_id, place.owner, tuple(one.trade_id for one in own))
        yield _step(place, "adopt_order", venue_order_id, detail, adopt)
    for report in resting.values():
        detail = (
            f"Take up order {report.venue_order_id}, which rests at the venue ({report.status}, "
            f"{report.side} {report.qty}), under {place.owner}"
        )
        adopt = Adopt(report.venue_order_id, place.owner)
        yield _step(place, "adopt_order", report.venue_order_id, detail, adopt)


def _check_resting(
    found: Changes, by_order: dict[tuple[str, str | None], list[VenueTrade]]
) -> None:
    applied: dict[str, Decimal] = defaultdict(Decimal)
    for (venue_order_id, _), own in by_order.items():
        applied[venue_order_id] += sum((abs(one.qty) for one in own), _ZERO)
    for venue_order_id, lacking in found.resting.items():
        if applied[venue_order_id] != lacking:
            raise RefusedError(
                f"order {venue_order_id} rests at the venue, the cache lacks {lacking} that it has "
                f"filled, and the trades that the venue reports of that make up "
                f"{applied[venue_order_id]}: cancel it at the venue"
            )


def _fills(place: Place, client_order_id: str, own: list[VenueTrade]) -> Iterator[Step]:
    for trade in own:
        if trade.status in _UNFILLABLE:
            raise RefusedError(
                f"order {client_order_id} is {trade.status} in the cache, so what the venue has "
                "filled of it cannot be applied"
            )
    real = [one for one in own if one.trade_id]
    if real:
        detail = f"Apply {_in_words(real)} to order {client_order_id}: the cache lacks it"
        fills = (Fill(client_order_id, one.venue_order_id, one.trade_id) for one in real)
        yield _step(place, "apply_fills", client_order_id, detail, *fills)
    for one in own:
        if one.trade_id:
            continue
        if one.px is None:
            raise RefusedError(f"the venue does not report at what {client_order_id} was filled")
        detail = (
            f"Fill {one.qty} of order {client_order_id} at {one.px}, without a fee: the venue has "
            "that much more of it filled, and reports no trade of it"
        )
        infer = Infer(client_order_id, one.venue_order_id, one.position_id, one.qty, one.px)
        yield _step(place, "infer_fill", client_order_id, detail, infer)


def endings(place: Place, found: Changes, chosen: Iterable[VenueTrade]) -> Iterator[Step]:
    """Return the steps that end what is over at the venue."""
    applied: dict[str | None, Decimal] = defaultdict(Decimal)
    for trade in chosen:
        applied[trade.client_order_id] += abs(trade.qty)
    for order, report in found.over:
        done = (order.filled_qty or _ZERO) + applied[order.client_order_id]
        if order.qty is not None and done >= order.qty:
            continue  # Filled
        if report is None:
            is_sent = order.venue_order_id is not None
            if not is_sent and order.ts_init:
                raise RefusedError(f"order {order.client_order_id} may still be on its way")
            status: _End = "CANCELED" if is_sent else "REJECTED"
            why = "the venue does not know it, asked for it by its ID"
        else:
            # The engine ends no order so that was never accepted, or that has filled a part
            is_accepted = order.venue_order_id is not None or applied[order.client_order_id]
            status = _ended(report, is_accepted=bool(is_accepted), is_filled=bool(done))
            why = f"it is {report.status} at the venue"
            if report.filled_qty is not None and report.filled_qty > done:
                why += ", and what it filled is in the position already"
        yield _end(place, order.client_order_id, status, why)
    yield from _ended_again(place, chosen)


def _ended_again(place: Place, chosen: Iterable[VenueTrade]) -> Iterator[Step]:
    # A fill opens an order that was canceled
    compared = {order.client_order_id for order in place.orders}
    reports = {one.venue_order_id: one for one in place.at_venue}
    reopened = dict.fromkeys(
        (one.client_order_id, one.venue_order_id)
        for one in chosen
        if one.status == "CANCELED" and one.client_order_id not in compared
    )
    for client_order_id, venue_order_id in reopened:
        report = reports.get(venue_order_id)
        if report is None or client_order_id is None or report.status == "FILLED":
            continue
        status = _ended(report, is_accepted=True, is_filled=True)
        why = f"it is {report.status} at the venue, and was before those trades"
        yield _end(place, client_order_id, status, why)


def _ended(report: VenueOrder, *, is_accepted: bool, is_filled: bool) -> _End:
    if report.status == "EXPIRED" and is_accepted:
        return "EXPIRED"
    return "REJECTED" if report.status == "REJECTED" and not is_filled else "CANCELED"


def _end(place: Place, client_order_id: str, status: _End, why: str) -> Step:
    detail = f"Order {client_order_id} is {status}: {why}"
    return _step(place, "end_order", client_order_id, detail, End(client_order_id, status))


def _in_words(own: list[VenueTrade]) -> str:
    qty = sum((trade.qty for trade in own), _ZERO)
    if len(own) == 1:
        return f"trade {own[0].trade_id} ({qty} at {own[0].px})"
    return f"{len(own)} trades ({qty} in all)"


def _step(
    place: Place, kind: str, client_order_id: str | None, detail: str, *operations: Operation
) -> Step:
    told = RepairStep(
        kind=kind,
        account_id=place.account_id,
        instrument_id=place.instrument_id,
        client_order_id=client_order_id,
        detail=detail,
    )
    return Step(told, operations)

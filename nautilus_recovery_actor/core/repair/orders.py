"""
What brings the orders of the cache up to date: new ids, trades, ends, and orders that it lacks.
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
from nautilus_recovery_actor.core.repair.steps import Rename
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RepairStep


_ZERO = Decimal(0)
_VALUES = ("qty", "px", "trigger_px")
_ENDS: dict[str, Literal["CANCELED", "EXPIRED", "REJECTED"]] = {
    "CANCELED": "CANCELED",
    "EXPIRED": "EXPIRED",
    "REJECTED": "REJECTED",
}


class Changes(msgspec.Struct):
    """What differs between the orders of one place, by what is to be done about it."""

    renamed: list[tuple[CachedOrder, VenueOrder]] = []
    updated: list[tuple[CachedOrder, VenueOrder]] = []
    # Over at the venue, or unknown there
    over: list[tuple[CachedOrder, VenueOrder | None]] = []
    unknown: list[VenueOrder] = []
    # What the cache lacks, perhaps: an order that is filled without a trade counts as one
    missing: list[VenueTrade] = []
    guessed: dict[str, VenueOrder] = {}


def changes(place: Place) -> Changes:
    """Return what differs between the orders of a place."""
    found = Changes()
    reports = _reports(place)
    by_client_id = {one.client_order_id: one for one in place.orders}
    for order in place.orders:
        _compare(order, reports.get(order.client_order_id), found)
    numbered = {one.venue_order_id for one in place.orders}
    known = {one.client_order_id for one in place.trades if one.strategy_id is not None}
    told = {one.venue_order_id: one for one in place.at_venue}
    for venue_order_id, report in told.items():
        is_known = report.client_order_id in {*by_client_id, *known} or venue_order_id in numbered
        if report.is_open and not is_known:
            found.unknown.append(report)
    found.missing = [
        trade
        for trade in place.trades
        if trade.strategy_id is not None or trade.venue_order_id in told
    ]
    found.missing += _guessed(found, place)
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


def _compare(order: CachedOrder, report: VenueOrder | None, found: Changes) -> None:
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
    if order.venue_order_id is not None and order.venue_order_id != report.venue_order_id:
        found.renamed.append((order, report))
    if not report.is_open:
        found.over.append((order, report))
        return
    if order.filled_qty and report.filled_qty is not None and report.filled_qty < order.filled_qty:
        raise RefusedError(
            f"the venue has {report.filled_qty} of order {order.client_order_id} filled, and the "
            f"cache {order.filled_qty}"
        )
    if order.is_inflight or any(
        getattr(report, name) not in (None, getattr(order, name)) for name in _VALUES
    ):
        found.updated.append((order, report))


def _guessed(found: Changes, place: Place) -> Iterator[VenueTrade]:
    told: dict[str, Decimal] = defaultdict(Decimal)
    for trade in found.missing:
        if trade.client_order_id is not None:
            told[trade.client_order_id] += abs(trade.qty)
    for order, report in (*found.over, *found.updated):
        if report is None or report.filled_qty is None:
            continue
        # Some adapters tell the end of a conditional order, and nothing of the one it became
        is_whole = report.status == "FILLED" and not report.filled_qty
        filled = (report.qty or _ZERO) if is_whole else report.filled_qty
        lacking = filled - (order.filled_qty or _ZERO) - told[order.client_order_id]
        owner = place.owners.get(order.client_order_id)
        px = report.avg_px or _made_up_px(place, order) or order.px or order.trigger_px
        if lacking > 0 and owner is not None and px:
            found.guessed[report.venue_order_id] = report
            yield VenueTrade(
                instrument_id=place.instrument_id,
                trade_id="",
                venue_order_id=report.venue_order_id,
                client_order_id=order.client_order_id,
                strategy_id=owner[0],
                position_id=owner[1],
                qty=lacking if order.side == "BUY" else -lacking,
                px=px,
                is_newer=True,
            )


def _made_up_px(place: Place, order: CachedOrder) -> Decimal | None:
    # What the engine made up in its stead is at the venue's own price
    return next(
        (
            part.avg_px
            for part in place.parts
            if part.is_made_up and (part.qty > 0) == (order.side == "BUY")
        ),
        None,
    )


# -- STEPS --


def renames(place: Place, found: Changes) -> Iterator[Step]:
    """Return the steps that give orders their new ids at the venue, and their new values."""
    for order, report in found.renamed:
        detail = (
            f"Order {order.client_order_id} has the ID {report.venue_order_id} at the venue now, "
            f"and not {order.venue_order_id}: it goes on under that"
        )
        rename = Rename(order.client_order_id, report.venue_order_id)
        yield _step(place, "rename_order", order.client_order_id, detail, rename)
    for order, report in found.updated:
        values = ", ".join(
            f"{name} {value}"
            for name in _VALUES
            if (value := getattr(report, name)) not in (None, getattr(order, name))
        )
        detail = (
            f"Order {order.client_order_id} is {report.status} at the venue"
            f"{f' with {values}' if values else ''}: take that over"
        )
        adopt = Adopt(report.venue_order_id)
        yield _step(place, "update_order", order.client_order_id, detail, adopt)


def trades(place: Place, found: Changes, chosen: Iterable[VenueTrade]) -> Iterator[Step]:
    """Return the steps that apply trades, each once, by their orders; and take up what rests."""
    by_order: dict[tuple[str, str | None], list[VenueTrade]] = defaultdict(list)
    for trade in chosen:
        if trade.trade_id:
            key = trade.client_order_id if trade.strategy_id is not None else None
            by_order[trade.venue_order_id, key].append(trade)
    resting = {report.venue_order_id: report for report in found.unknown}
    for (venue_order_id, client_order_id), own in by_order.items():
        what = _in_words(own)
        if client_order_id is not None:
            detail = f"Apply {what} to order {client_order_id}: the cache lacks it"
            fills = (Fill(client_order_id, venue_order_id, one.trade_id) for one in own)
            yield _step(place, "apply_fills", client_order_id, detail, *fills)
            continue
        report = resting.pop(venue_order_id, None)
        state = "which rests, " if report is not None else ""
        detail = (
            f"Take up order {venue_order_id}, {state}with {what} under {place.owner}: it was not "
            "sent by this node"
        )
        adopt = Adopt(venue_order_id, tuple(one.trade_id for one in own))
        yield _step(place, "adopt_order", venue_order_id, detail, adopt)
    for report in resting.values():
        detail = (
            f"Take up order {report.venue_order_id}, which rests at the venue ({report.status}, "
            f"{report.side} {report.qty}), under {place.owner}"
        )
        yield _step(
            place, "adopt_order", report.venue_order_id, detail, Adopt(report.venue_order_id)
        )
    for trade in chosen:
        if not trade.trade_id and trade.client_order_id is not None and trade.px is not None:
            detail = (
                f"Order {trade.client_order_id} is {found.guessed[trade.venue_order_id].status} at "
                f"the venue, which tells no trade of it: infer {trade.qty} at {trade.px}, without "
                "a fee"
            )
            infer = Infer(trade.client_order_id, trade.venue_order_id, trade.qty, trade.px)
            yield _step(place, "infer_fill", trade.client_order_id, detail, infer)


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
            status = "CANCELED" if is_sent else "REJECTED"
            why = "the venue does not know it, asked for it by its ID"
        else:
            status = _ENDS.get(report.status, "CANCELED")
            why = f"it is {report.status} at the venue"
            if report.status not in _ENDS:
                why += ", and what it filled is in the position already"
        end = End(order.client_order_id, _ENDS[status])
        detail = f"Order {order.client_order_id} is {status}: {why}"
        yield _step(place, "end_order", order.client_order_id, detail, end)


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

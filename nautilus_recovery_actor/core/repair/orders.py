"""
The steps that bring the orders of the cache up to date: ids, values, trades and ends.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.repair.changes import Changes
from nautilus_recovery_actor.core.repair.changes import values
from nautilus_recovery_actor.core.repair.place import ZERO
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.steps import Adopt
from nautilus_recovery_actor.core.repair.steps import End
from nautilus_recovery_actor.core.repair.steps import Fill
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import Update


_End = Literal["CANCELED", "EXPIRED", "REJECTED"]
# NautilusTrader applies no fill to an order that has ended so, but to its position
_UNFILLABLE = ("EXPIRED", "REJECTED", "DENIED")


def updates(place: Place, found: Changes) -> Iterator[Step]:
    """Return the steps that give orders their ids and values at the venue."""
    for order, report in found.updated:
        changed = values(order, report) if report.is_open else {}
        told = "".join(f", {name} {value}" for name, value in changed.items())
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
        update = Update(order.client_order_id, report.venue_order_id, **changed)
        yield place.step(kind, detail, update, client_order_id=order.client_order_id)


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
            f"Adopt order {venue_order_id}{state} with {_in_words(own)} under {place.owner}: it "
            "was not sent by this node"
        )
        adopt = Adopt(venue_order_id, place.owner, tuple(one.trade_id for one in own))
        yield place.step("adopt_order", detail, adopt, client_order_id=venue_order_id)
    for report in resting.values():
        detail = (
            f"Adopt order {report.venue_order_id}, which rests at the venue ({report.status}, "
            f"{report.side} {report.qty}), under {place.owner}"
        )
        adopt = Adopt(report.venue_order_id, place.owner)
        yield place.step("adopt_order", detail, adopt, client_order_id=report.venue_order_id)


def _check_resting(
    found: Changes, by_order: dict[tuple[str, str | None], list[VenueTrade]]
) -> None:
    applied: dict[str, Decimal] = defaultdict(Decimal)
    for (venue_order_id, _), own in by_order.items():
        applied[venue_order_id] += sum((abs(one.qty) for one in own), ZERO)
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
        yield place.step("apply_fills", detail, *fills, client_order_id=client_order_id)
    for one in own:
        if one.trade_id:
            continue
        if one.px is None:
            raise RefusedError(f"the venue does not report at what {client_order_id} was filled")
        detail = (
            f"Fill {one.qty} of order {client_order_id} at {one.px}, without a fee: the venue has "
            "that much more of it filled, and reports no trade of it"
        )
        known = (o.filled_qty for o in place.orders if o.client_order_id == client_order_id)
        filled = (next(known, None) or ZERO) + sum((abs(o.qty) for o in real), ZERO)
        infer = Infer(client_order_id, one.venue_order_id, one.position_id, one.qty, one.px, filled)
        yield place.step("infer_fill", detail, infer, client_order_id=client_order_id)


def endings(place: Place, found: Changes, chosen: Iterable[VenueTrade]) -> Iterator[Step]:
    """Return the steps that end what is over at the venue."""
    applied: dict[str | None, Decimal] = defaultdict(Decimal)
    for trade in chosen:
        applied[trade.client_order_id] += abs(trade.qty)
    for order, report in found.over:
        done = (order.filled_qty or ZERO) + applied[order.client_order_id]
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
    return place.step(
        "end_order", detail, End(client_order_id, status), client_order_id=client_order_id
    )


def _in_words(own: list[VenueTrade]) -> str:
    qty = sum((trade.qty for trade in own), ZERO)
    if len(own) == 1:
        return f"trade {own[0].trade_id} ({qty} at {own[0].px})"
    return f"{len(own)} trades ({qty} in all)"

"""
What explains what the venue holds: which trades the cache lacks, and which it has too many.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.repair.place import ZERO
from nautilus_recovery_actor.core.repair.place import Part
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.place import is_virtual
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Step


class Solved(msgspec.Struct):
    """What is to be undone, the trades that the cache lacks, and what is left then."""

    undone: list[Step]
    trades: tuple[VenueTrade, ...]
    rest: list[Step]


def solve(place: Place, missing: Sequence[VenueTrade], certain: Collection[str] = ()) -> Solved:
    """
    Return what makes the cache hold what the venue holds; `missing` is what it lacks, perhaps, and
    for certain if it is of one of the orders `certain`, which rest.

    Real trades explain more than made-up ones do, and both more than what nobody reports.
    """
    if place.wallet is None and place.reported is None:
        raise RefusedError("the venue does not report positions, so what it holds is not known")
    if place.has_unnamed_legs:
        raise RefusedError("the venue reports a LONG and a SHORT position, and no IDs for them")
    if not place.has_legs:
        return _solve(place, place.parts, place.expected, missing, certain)
    solved = Solved([], (), [])
    reported = {one.position_id: one.qty for one in place.reported or ()}
    for part in tuple(place.parts):
        if not (part.is_made_up or part.is_venues(place.instrument_id)):
            solved.undone += _parted(place, part)
    held = {part.position_id for part in place.parts if part.position_id is not None}
    for leg in sorted({*filter(None, reported), *held}):
        own = [part for part in place.parts if part.position_id == leg]
        trades = [one for one in missing if one.position_id == leg]
        found = _solve(place, own, reported.get(leg, ZERO), trades, certain, leg)
        solved.undone += found.undone
        solved.trades += found.trades
        solved.rest += found.rest
    return solved


def _parted(place: Place, part: Part) -> Iterator[Step]:
    # What a strategy has netted, and the venue holds as a leg
    real = part.qty - part.made_up_qty
    legs = [one.position_id for one in place.reported or () if one.qty * real > 0]
    if part.strategy_id not in place.hedging:
        raise RefusedError(
            f'{part.name} of {part.strategy_id} is no leg of the venue: set `oms_type="HEDGING"` '
            "in the configuration of the strategy, and restart"
        )
    if part.made_up_qty:
        yield _undo(place, part)
    if len(legs) != 1 or part.avg_px is None or any(p.position_id == legs[0] for p in place.parts):
        raise RefusedError(f"{part.name} of {part.strategy_id} is no leg of the venue")
    detail = (
        f"{part.qty} of {part.name} goes on as the venue's leg `{legs[0]}`, at {part.avg_px}, its "
        "own open price"
    )
    operations = (
        Book(part.position_id, part.strategy_id, -part.qty, part.avg_px, part.qty, is_real=True),
        Book(legs[0], part.strategy_id, part.qty, part.avg_px, is_real=True),
    )
    place.parts.append(Part(legs[0], part.strategy_id, part.qty, part.avg_px))
    part.qty = ZERO
    yield place.step("merge", detail, *operations, position_id=part.position_id)


def _solve(
    place: Place,
    parts: list[Part],
    expected: Decimal,
    missing: Sequence[VenueTrade],
    certain: Collection[str],
    leg: str | None = None,
) -> Solved:
    closed = [one for one in place.closed if one.made_up_qty and leg in (None, one.position_id)]
    held = sum((part.qty for part in parts), ZERO)
    made_up = sum((part.made_up_qty for part in parts), ZERO)
    for trades in _choices(missing, certain):
        traded = sum((trade.qty for trade in trades), ZERO)
        for is_undoing, reopened in _undoings(parts, closed, is_cash=place.is_cash):
            real = -sum((one.made_up_qty for one in reopened), ZERO)
            total = held + traded + real - (made_up if is_undoing else ZERO)
            fees = place.fees + sum((one.fee for one in reopened), ZERO)
            if _is_explained(place, total, expected, fees):
                undone = list(_undone(place, parts if is_undoing else (), reopened))
                _take(place, trades)
                return Solved(undone, trades, [])
    # What nobody reports: certain are the trades of known orders, and what came after all that the
    # cache knows
    trades = _newer(missing, certain)
    undone = list(_undone(place, parts, ()))
    _take(place, trades)
    return Solved(undone, trades, list(_untold(place, expected, leg)))


def _choices(
    missing: Sequence[VenueTrade], certain: Collection[str]
) -> Iterator[tuple[VenueTrade, ...]]:
    sure = tuple(one for one in missing if one.venue_order_id in certain)
    known = tuple(one for one in missing if one in sure or one.strategy_id is not None)
    yield from dict.fromkeys((tuple(missing), _newer(missing, certain), known, sure))


def _newer(missing: Sequence[VenueTrade], certain: Collection[str]) -> tuple[VenueTrade, ...]:
    # Of an order that the cache lacks all, or none
    older = {one.venue_order_id for one in missing if not one.is_newer} - set(certain)
    return tuple(
        one for one in missing if one.strategy_id is not None or one.venue_order_id not in older
    )


def _undoings(
    parts: Sequence[Part], closed: Sequence[CachedPosition], *, is_cash: bool
) -> Iterator[tuple[bool, Sequence[CachedPosition]]]:
    has_made_up = any(part.made_up_qty for part in parts)
    # One that is contrary to what is real cannot stay
    may_stay = not any(
        one.is_made_up and one.qty * other.qty < 0 for one in parts for other in parts
    )
    # Coins beyond the positions are no sign of one, unless the engine has just closed it
    counts = (1, 0) if is_cash and closed and not parts else range(len(closed) + 1)
    if is_cash and parts and may_stay:  # It may be another pair's
        yield False, ()
    for count in counts:
        if has_made_up:
            yield True, closed[:count]
        if may_stay:
            yield False, closed[:count]


def _is_explained(place: Place, total: Decimal, expected: Decimal, fees: Decimal) -> bool:
    if place.wallet is None:
        return abs(total - expected) < place.increment or total == expected
    held = place.others + total - (fees if total else ZERO)
    return total >= 0 and place.wallet.total is not None and place.wallet.covers(held)


def _undone(
    place: Place, parts: Iterable[Part], reopened: Iterable[CachedPosition]
) -> Iterator[Step]:
    for part in parts:
        if part.made_up_qty:
            yield _undo(place, part)
    for one in reopened:
        qty = -one.made_up_qty - one.fee  # Which a new position would not know of
        if one.avg_px is None:
            raise RefusedError(f"the open price of {one.position_id} is not known")
        position_id = None if is_virtual(one.position_id) else one.position_id
        book = Book(position_id, one.strategy_id, qty, one.avg_px, is_real=True)
        detail = (
            f"Reopen `{one.position_id}` of {one.strategy_id} with {qty} at {one.avg_px}, its own "
            "open price: only a made-up fill closed it"
        )
        place.parts.append(Part(position_id, one.strategy_id, qty, one.avg_px))
        yield place.step("reopen", detail, book, position_id=one.position_id)


def _undo(place: Place, part: Part) -> Step:
    real, px = part.qty - part.made_up_qty, part.avg_px
    if px is None or (real and (real > 0) != (part.qty > 0)):
        raise RefusedError(f"more than all of {part.name} is made up, so that it has turned round")
    book = Book(part.position_id, part.strategy_id, -part.made_up_qty, px, part.qty)
    if part.is_made_up:
        kind = "close_phantom"
        detail = (
            f"Close {part.qty} of {part.strategy_id} ({part.name}) at {px}, its own open price: it "
            "is made up, no trade of the venue is in it"
        )
    else:
        kind = "undo_fill"
        detail = (
            f"Bring {part.name} of {part.strategy_id} from {part.qty} to {real} at {px}, its own "
            f"open price: {part.made_up_qty} of it is made up"
        )
    part.qty, part.made_up_qty = real, ZERO
    return place.step(kind, detail, book, position_id=part.position_id)


def _take(place: Place, trades: Iterable[VenueTrade]) -> None:
    for trade in trades:
        owner = trade.strategy_id or place.owner
        place.part_of(owner, trade.position_id).take(trade.qty, trade.px, owner)


def _untold(place: Place, expected: Decimal, leg: str | None) -> Iterator[Step]:
    if place.wallet is not None:
        total = place.wallet.total
        if total is None:
            raise RefusedError("no balance has arrived since the node started")
        rest = total - place.others + place.fees
        expected = ZERO if rest < place.increment else rest
    parts = [part for part in place.parts if leg in (None, part.position_id)]
    lacking = expected - sum((part.qty for part in parts), ZERO)
    closing = [part for part in parts if part.qty and (part.qty > 0) != (lacking > 0)]
    owners = {part.strategy_id for part in closing if not part.is_nobodys}
    nobodys = sum((abs(part.qty) for part in closing if part.is_nobodys), ZERO)
    everything = sum((abs(part.qty) for part in closing), ZERO)
    if len(owners) > 1 and nobodys < abs(lacking) < everything:
        raise RefusedError(
            f"which position was closed is not known: {' and '.join(sorted(owners))} hold some"
        )
    for part in sorted(closing, key=lambda one: not one.is_nobodys):
        qty = min(abs(lacking), abs(part.qty)).copy_sign(lacking)
        if qty and part.avg_px is not None:
            lacking -= qty
            yield _closed(place, part, qty)
    for step, qty in _given_back(place, lacking, leg):
        lacking -= qty
        yield step
    if lacking:
        yield _adopted(place, lacking, leg)


def _given_back(place: Place, lacking: Decimal, leg: str | None) -> Iterator[tuple[Step, Decimal]]:
    # What a repair closed, since the venue had answered so, and the venue holds all the same
    open_ = [part for part in place.parts if leg in (None, part.position_id) and part.qty]
    closed = [
        Part(
            None if is_virtual(one.position_id) else one.position_id,
            one.strategy_id,
            ZERO,
            one.avg_px,
            untold_qty=one.untold_qty,
        )
        for one in place.closed
        if leg in (None, one.position_id)
    ]
    for part in (*open_, *closed):
        if not (lacking and part.untold_qty * lacking < 0 and part.avg_px):
            continue
        qty, is_open = min(abs(lacking), abs(part.untold_qty)).copy_sign(lacking), bool(part.qty)
        lacking -= qty
        book = Book(
            part.position_id,
            part.strategy_id,
            qty,
            part.avg_px,
            part.qty,
            is_real=True,
            is_untold=is_open,
        )
        detail = (
            f"Give {qty} back to {part.name} of {part.strategy_id} at {part.avg_px}, its own open "
            "price: a repair closed it, and the venue holds it"
        )
        if not is_open:
            place.parts.append(part)
        part.take(qty, part.avg_px)
        yield place.step("reopen", detail, book, position_id=part.position_id), qty


def _closed(place: Place, part: Part, qty: Decimal) -> Step:
    assert part.avg_px is not None
    book = Book(
        part.position_id, part.strategy_id, qty, part.avg_px, part.qty, is_real=True, is_untold=True
    )
    after = part.qty + qty
    what = "Close" if after == 0 else f"Reduce to {after}"
    unsure = (
        ""
        if place.is_reporting
        else " (this account has never reported a position: only if the venue's screen shows none)"
    )
    detail = (
        f"{what} {part.name} of {part.strategy_id}, which holds {part.qty}, at {part.avg_px}, its "
        "own open price: the venue holds no more, and reports no trade that closed it, so its PnL "
        f"is not known and none is booked{unsure}"
    )
    part.qty = after
    step = place.step("close_position", detail, book, position_id=part.position_id)
    return msgspec.structs.replace(step, needs_word=not place.is_reporting)


def _adopted(place: Place, qty: Decimal, leg: str | None) -> Step:
    reported = [one for one in place.reported or () if leg in (None, one.position_id) and one.qty]
    px = reported[0].avg_px if len(reported) == 1 else None
    if not px or place.wallet is not None:
        raise RefusedError(
            f"the venue holds {qty} more, of which it reports neither a trade nor a price"
        )
    part = place.part_to_book(place.owner, leg)
    book = Book(part.position_id, place.owner, qty, px, part.qty, is_real=True)
    detail = (
        f"Adopt {qty} at {px}, the venue's average open price, under {place.owner}: the venue "
        "holds it, and reports no trade of it"
    )
    part.take(qty, px)
    return place.step("adopt_position", detail, book, position_id=leg)

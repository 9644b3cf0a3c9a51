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
from nautilus_recovery_actor.core.observation import HalfMove
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.repair.place import ZERO
from nautilus_recovery_actor.core.repair.place import Part
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.place import is_virtual
from nautilus_recovery_actor.core.repair.place import move
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.untold import untold


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


def complete(place: Place) -> Iterator[Step]:
    """
    Return what completes moves where the quantities are equal, since the engine has seen to those.
    It waits for nobody's word: the step that it is the rest of had it.
    """
    if place.reported is None or place.is_cash or place.has_unnamed_legs:
        return
    legs = {one.position_id for one in place.half_moves} if place.has_legs else {None}
    for leg in sorted(legs, key=str):
        parts = [part for part in place.parts if leg in (None, part.position_id)]
        expected = sum((o.qty for o in place.reported if leg in (None, o.position_id)), ZERO)
        halves = _half_moves(place, leg)
        closed = _closed(place, leg, halves)
        if halves and (found := _explained(place, parts, expected, ((),), closed, halves)):
            _, is_undoing, reopened = found
            undone = _undone(place, parts if is_undoing else (), reopened)
            for step in (*undone, *_completed(place, halves)):
                yield msgspec.structs.replace(step, is_automatic=True)


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
    place.parts.append(leg := Part(legs[0], part.strategy_id, ZERO, None))
    operations = move(part, leg, part.qty, part.avg_px)
    yield place.step("merge", detail, *operations, position_id=part.position_id)


def _solve(
    place: Place,
    parts: list[Part],
    expected: Decimal,
    missing: Sequence[VenueTrade],
    certain: Collection[str],
    leg: str | None = None,
) -> Solved:
    for halves in dict.fromkeys((_half_moves(place, leg), ())):
        choices, closed = _choices(missing, certain), _closed(place, leg, halves)
        if explained := _explained(place, parts, expected, choices, closed, halves):
            trades, is_undoing, reopened = explained
            undone = list(_undone(place, parts if is_undoing else (), reopened))
            undone += _completed(place, halves)
            _take(place, trades)
            return Solved(undone, trades, [])
    # What nobody reports: certain are the trades of known orders, and what came after all that the
    # cache knows
    trades = _newer(missing, certain)
    undone = list(_undone(place, parts, ()))
    _take(place, trades)
    return Solved(undone, trades, list(untold(place, expected, leg)))


def _explained(
    place: Place,
    parts: Sequence[Part],
    expected: Decimal,
    choices: Iterable[tuple[VenueTrade, ...]],
    closed: Sequence[CachedPosition],
    halves: Collection[HalfMove],
) -> tuple[tuple[VenueTrade, ...], bool, Sequence[CachedPosition]] | None:
    # The missing trades, whether what is made up goes, and what is opened again
    held = sum((one.qty for one in parts), ZERO) + sum((one.qty for one in halves), ZERO)
    made_up = sum((part.made_up_qty for part in parts), ZERO)
    for trades in choices:
        traded = sum((trade.qty for trade in trades), ZERO)
        for is_undoing, reopened in _undoings(parts, closed, is_cash=place.is_cash):
            real = -sum((one.made_up_qty for one in reopened), ZERO)
            total = held + traded + real - (made_up if is_undoing else ZERO)
            fees = place.fees + sum((one.fee for one in reopened), ZERO)
            if _is_explained(place, total, expected, fees):
                return trades, is_undoing, reopened
    return None


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


def _closed(
    place: Place, leg: str | None, halves: Collection[HalfMove] = ()
) -> list[CachedPosition]:
    # Where something is to go on, what was made up for it has closed that alone
    to = {(one.strategy_id, one.position_id) for one in halves}
    return [
        one
        for one in place.closed
        if one.made_up_qty
        and leg in (None, one.position_id)
        and (not to or {(one.strategy_id, one.position_id), (one.strategy_id, None)} & to)
    ]


def _half_moves(place: Place, leg: str | None) -> tuple[HalfMove, ...]:
    # Those that can go where they were to go
    owners = {one.position_id: one.strategy_id for one in place.parts if not one.is_made_up}
    return tuple(
        one
        for one in place.half_moves
        if leg in (None, one.position_id)
        and owners.get(one.position_id, one.strategy_id) == one.strategy_id
    )


def _completed(place: Place, halves: Iterable[HalfMove]) -> Iterator[Step]:
    for half in halves:
        part = _target(place, half)
        owner, move_id = half.strategy_id, half.move_id
        book = Book(
            part.position_id, owner, half.qty, half.px, part.qty, is_real=True, completes=move_id
        )
        detail = (
            f"{half.qty} at {half.px} is booked on {part.name} of {half.strategy_id}: a repair has "
            "taken it off another position, and was broken off"
        )
        part.take(half.qty, half.px, half.strategy_id)
        place.half_moves = tuple(one for one in place.half_moves if one is not half)
        yield place.step("merge", detail, book, position_id=part.position_id)


def _target(place: Place, half: HalfMove) -> Part:
    position_id = half.position_id
    if is_virtual(position_id) and not any(o.position_id == position_id for o in place.parts):
        return place.part_of(half.strategy_id, None)  # It was closed, and opened anew
    return place.part_to_book(half.strategy_id, position_id)


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

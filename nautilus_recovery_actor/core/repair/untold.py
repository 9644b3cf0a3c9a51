"""
What the venue holds less, or more, and nobody reports a trade of: closed, given back or adopted.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.repair.place import ZERO
from nautilus_recovery_actor.core.repair.place import Part
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.place import is_virtual
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Step


def untold(place: Place, expected: Decimal, leg: str | None) -> Iterator[Step]:
    """Return what is left to do where neither real nor made-up trades explain what is held."""
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
            part.position_id, part.strategy_id, qty, part.avg_px, part.qty, True, is_untold=is_open
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
        else " (no answer of this account has had a position in it yet: only if the venue's screen "
        "shows none)"
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

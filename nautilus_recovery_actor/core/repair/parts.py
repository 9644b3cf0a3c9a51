"""
What is real and booked where it does not belong: moved, at the price at which it is booked.
"""

from collections.abc import Collection
from collections.abc import Iterator
from decimal import Decimal

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.repair.place import EXTERNAL
from nautilus_recovery_actor.core.repair.place import Part
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.place import move
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import Discrepancy


def only(place: Place, found: Collection[Discrepancy]) -> bool:
    """Return whether moving explains all that was found, so that nothing has to be asked for."""
    kinds = {one.kind for one in found}
    return kinds <= {Kind.SPLIT_OWNERSHIP, Kind.POSITION_NOT_AT_VENUE} and _is_automatic(place)


def _is_automatic(place: Place) -> bool:
    # What somebody else really traded of the one strategy's net position
    owned = [part for part in place.parts if not part.is_nobodys]
    nobodys = [part for part in place.parts if part.is_nobodys]
    return (
        _is_net(place)
        and place.held == place.expected
        and len(owned) == len(nobodys) == 1
        and owned[0].strategy_id in place.strategies
        and _are_contrary(owned[0], nobodys[0])
        and not (owned[0].is_made_up or nobodys[0].is_made_up)
        and bool(nobodys[0].avg_px)
    )


def _is_net(place: Place) -> bool:
    # What a cash account holds in parts can be sold in parts
    is_net = not place.is_cash and place.reported is not None and place.is_reporting
    return is_net and not (place.has_legs or place.has_unnamed_legs)


def moves(place: Place) -> Iterator[Step]:
    """Return the steps that bring together what is one net position at the venue."""
    if not _is_net(place) or place.held != place.expected:
        return
    is_automatic = _is_automatic(place)
    while pair := _contrary(place.parts):
        yield _merge(place, *pair, is_automatic=is_automatic)
    if place.owner == place.claimant:
        for part in [one for one in place.parts if one.is_nobodys and one.qty and one.avg_px]:
            yield _hand_over(place, part, part.avg_px)


def left(place: Place) -> str | None:
    """Return why what is left then still blocks, ``None`` if it does not."""
    held = [part for part in place.parts if part.qty]
    if not _is_net(place) or place.held != place.expected:
        return None
    owners = {EXTERNAL if part.is_nobodys else part.strategy_id for part in held}
    parts = " and ".join(f"{part.qty} of {part.strategy_id} ({part.name})" for part in held)
    made_up = [part.name for part in held if part.is_made_up]
    if made_up and len(made_up) < len(held):
        return (
            f"the venue holds {parts} in one net position, and reports no trade of "
            f"{' and '.join(made_up)}, which is made up: close that with `closing_order`"
        )
    if len(owners) > 1 and owners != {EXTERNAL, place.claimant}:
        return (
            f"the venue holds {parts} in one net position: close all but one of them with "
            "`closing_order`, or name the instrument in `external_order_claims`"
        )
    return None


def _contrary(parts: list[Part]) -> tuple[Part, Part] | None:
    held = [part for part in parts if part.qty]
    # What is nobody's goes first, and of two the smaller
    held.sort(key=lambda part: (not part.is_nobodys, abs(part.qty)))
    for index, source in enumerate(held):
        for target in held[index + 1 :]:
            if not _are_contrary(source, target):
                continue
            if not source.is_nobodys and source.strategy_id != target.strategy_id:
                raise RefusedError(
                    f"{source.strategy_id} and {target.strategy_id} hold contrary parts of one net "
                    f"position ({source.qty} and {target.qty}): let one of them close its own"
                )
            return source, target
    return None


def _are_contrary(one: Part, other: Part) -> bool:
    return (one.qty > 0) != (other.qty > 0)


def _merge(place: Place, source: Part, target: Part, *, is_automatic: bool) -> Step:
    if source.avg_px is None:
        raise RefusedError(f"the open price of {source.name} is not known")
    qty = min(abs(source.qty), abs(target.qty)).copy_sign(source.qty)
    detail = (
        f"{qty} that was traded outside of this node at {source.avg_px} is booked on "
        f"{target.position_id} of {target.strategy_id}: the venue holds one net position"
        if source.is_nobodys
        else f"{qty} of {source.name} at {source.avg_px} is booked on {target.name}, both of "
        f"{target.strategy_id}: the venue holds one net position"
    )
    operations = move(source, target, qty, source.avg_px)
    return place.step(
        "merge", detail, *operations, position_id=source.position_id, is_automatic=is_automatic
    )


def _hand_over(place: Place, part: Part, px: Decimal | None) -> Step:
    assert px is not None
    if part.is_venues(place.instrument_id):  # It goes on under the venue's own id
        own = Part(part.position_id, place.owner, Decimal(0), None)
        place.parts.append(own)
    else:
        own = place.part_to_book(place.owner, None)
    detail = (
        f"{part.qty} of {part.name} goes to {place.owner}, which claims the instrument, at {px}, "
        "its own open price"
    )
    operations = move(part, own, part.qty, px)
    return place.step("hand_over", detail, *operations, position_id=part.position_id)

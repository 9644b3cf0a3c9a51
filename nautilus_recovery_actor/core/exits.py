"""
What passes a closed gate: an order that can only reduce, a change that does no more than that, and
a cancel that leaves no position naked.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import IntEnum
from enum import auto

import msgspec

from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import committed
from nautilus_recovery_actor.core.protection import protection
from nautilus_recovery_actor.core.protection import reduces


_ZERO = Decimal(0)


class Held(msgspec.Struct, frozen=True):
    """A position that an order would close, and what is known of it."""

    holding: Holding
    # The live orders of its account on its instrument, whoever sent them
    orders: tuple[OwnOrder, ...] = ()
    # What the account holds of it by the newest evidence, signed: of this leg if the venue names
    # legs, otherwise the net. ``None`` if there is no evidence
    at_venue: Decimal | None = None
    is_leg_at_venue: bool = False
    # Whether the venue itself sees to it that a reduce-only order only reduces: not on spot
    is_flag_binding: bool = True
    # The orders that the newest evidence does not have as the cache has them
    unproven: frozenset[str] = frozenset()


class Passage(msgspec.Struct, frozen=True):
    """Whether an order passes, and why not."""

    # Why it does not, empty if it does
    refusal: str = ""
    # The orders whose cancels have to be answered before it can be told
    awaits: frozenset[str] = frozenset()
    # Whether it is refused only because of other exits of its owner, which may yet cancel them
    is_obstructed: bool = False
    # Whether it would reduce a position at all
    is_exit: bool = True

    @property
    def is_free(self) -> bool:
        """Whether it passes now."""
        return not (self.refusal or self.awaits)


class Cancel(IntEnum):
    """What a cancel of an order means for the position that it protects, the worst last."""

    # It protects nothing
    PASSES = auto()
    # Its position could be closed or protected again by whatever follows
    CLOSABLE = auto()
    # What follows in the same turn decides: only orders that are reduce-only could
    DEPENDS = auto()
    # Nothing could
    LEAVES_NAKED = auto()


def passage(
    order: OwnOrder,
    held: Held,
    beside: Iterable[OwnOrder] = (),
    going: frozenset[str] = frozenset(),
) -> Passage:
    """
    Return whether `order` can only reduce `held`, whatever else is sent with it or on its way.

    The orders `going` count as being canceled.

    A venue sees to it that reduce-only orders only reduce: each may be as large as the position.
    All others together never exceed what both the cache and the venue hold.
    """
    holding, qty = held.holding, abs(order.leaves)
    if order.is_quote_quantity:
        return Passage("a quantity in the quote currency cannot be compared with the position")
    if order.leaves * holding.qty >= 0:
        refusal = f"it does not reduce position {holding.position_id} ({holding.qty:+f})"
        return Passage(refusal, is_exit=False)
    others = [
        one
        for one in (*held.orders, *beside)
        if one.client_order_id != order.client_order_id
        # Two who know say that it is not there: the evidence, and the venue that was asked
        and not (one.is_cancel_rejected and one.client_order_id in held.unproven)
    ]
    if order.is_reduce_only and held.is_flag_binding:
        is_small = qty <= abs(holding.qty)
        return Passage("" if is_small else _excess(holding, abs(holding.qty), _ZERO))
    room = _room(held)
    own = [one for one in others if reduces(one, holding)]
    every = own if held.is_leg_at_venue else [one for one in others if _closes(one, holding)]
    if _fits(order, own, abs(holding.qty)) and _fits(order, every, room):
        return Passage()
    pending = {
        one.client_order_id
        for one in every
        if one.status == "PENDING_CANCEL" or one.client_order_id in going
    }
    rest = [one for one in every if one.client_order_id not in pending]
    kept = [one for one in own if one.client_order_id not in pending]
    if pending and _fits(order, kept, abs(holding.qty)) and _fits(order, rest, room):
        return Passage(awaits=frozenset(pending))
    if held.at_venue is None:
        return Passage(
            f"nothing proves that the account holds {holding.position_id}, and only a reduce-only "
            "order cannot do more than reduce"
        )
    foreign = [one for one in every if one.strategy_id != holding.strategy_id]
    return Passage(
        _excess(holding, min(room, abs(holding.qty)), committed(rest)),
        is_obstructed=qty <= abs(holding.qty) and _fits(order, foreign, room),
    )


def may_change(
    order: OwnOrder,
    changed: OwnOrder,
    held: Held | None,
    *,
    is_looser: bool = False,
    is_refused: bool = False,
) -> bool:
    """
    Return whether a change leaves an exit at most as large and at least as close, or passes.

    Where a close of the position `is_refused`, nothing makes up for less protection.
    """
    if is_looser or held is None or not reduces(order, held.holding):
        return order.is_reduce_only and not is_looser and abs(changed.leaves) <= abs(order.leaves)
    if abs(changed.leaves) > abs(order.leaves):
        return passage(changed, held).is_free
    before = own_exits(held)
    after = [changed if one.client_order_id == order.client_order_id else one for one in before]
    uncovered = protection(held.holding, after).unprotected
    if uncovered <= protection(held.holding, before).unprotected:
        return True
    if is_refused:
        return False
    return _room(held) >= abs(held.holding.qty) or (order.is_reduce_only and held.is_flag_binding)


def is_looser(
    order: OwnOrder,
    px: tuple[Decimal | None, Decimal | None],
    trigger_px: tuple[Decimal | None, Decimal | None],
) -> bool:
    """Return whether an exit would close later or at less, by its prices before and after."""
    sign = 1 if order.leaves < 0 else -1  # As if it sold
    steps = [
        _ZERO if before is None or after is None else sign * (after - before)
        for before, after in (px, trigger_px)
    ]
    if trigger_px[0] is None or (order.is_triggered and px[0] is not None):
        return steps[0] > 0  # A limit order: sells later, for more
    # A stop: triggered later, or with less room between trigger and limit
    return steps[1] < 0 or (px[0] is not None and steps[0] > steps[1])


def cancel(order_id: str, going: frozenset[str], held: Held) -> Cancel:
    """Return what it means for a position that an order is canceled, and others with it."""
    holding = held.holding
    own = own_exits(held)
    kept = [one for one in own if one.client_order_id not in going]
    # What is on its way to the venue will rest there, and before an engine a cancel is pending
    resting = [
        msgspec.structs.replace(one, status="ACCEPTED") if one.client_order_id in going else one
        for one in own
    ]
    # A stop that is not proven may be there, so it is worth keeping, and no reason to go without
    alone = [one for one in resting if one.client_order_id == order_id]
    before = protection(holding, resting).unprotected
    after = protection(holding, kept, held.unproven).unprotected
    if after <= before or protection(holding, alone).unprotected == abs(holding.qty):
        return Cancel.PASSES
    if _is_closable(held, going):
        return Cancel.CLOSABLE
    # By one that is reduce-only, or once the owner's other exits are canceled as well
    every = going | {one.client_order_id for one in own}
    is_possible = held.is_flag_binding or _is_closable(held, every)
    return Cancel.DEPENDS if is_possible else Cancel.LEAVES_NAKED


def own_exits(held: Held) -> list[OwnOrder]:
    """Return the orders that the owner of a position has for it: nobody else's protect it."""
    holding = held.holding
    return [
        one
        for one in held.orders
        if one.strategy_id == holding.strategy_id or one.position_id == holding.position_id
    ]


def _is_closable(held: Held, going: frozenset[str]) -> bool:
    # By an order of any kind, once the orders `going` are gone
    holding = held.holding
    size = abs(holding.qty)
    if on_its_way(holding, held.orders) >= size:
        return True
    rest = [
        one
        for one in held.orders
        if one.client_order_id not in going
        and one.status != "PENDING_CANCEL"
        and _closes(one, holding)
    ]
    return _room(held) - committed(rest) >= size


def close_whole(size: Decimal, exits: Iterable[Decimal]) -> bool:
    """Return whether exits that are sent one after another take care of all of a position."""
    left = size
    for qty in exits:
        left -= qty if qty <= left else _ZERO
    return left == 0 < size


def on_its_way(holding: Holding, orders: Iterable[OwnOrder]) -> Decimal:
    """Return how much of a position market orders are closing."""
    closing = (one for one in orders if one.kind == "MARKET" and reduces(one, holding))
    return sum((abs(one.leaves) for one in closing), _ZERO)


def _room(held: Held) -> Decimal:
    there, here = held.at_venue or _ZERO, held.holding.qty
    return abs(there) if there * here > 0 else _ZERO


def _closes(order: OwnOrder, holding: Holding) -> bool:
    # Of whatever position: the account holds but one
    return reduces(msgspec.structs.replace(order, position_id=holding.position_id), holding)


def _fits(order: OwnOrder, others: Iterable[OwnOrder], room: Decimal) -> bool:
    return committed([*others, order]) <= room


def _excess(holding: Holding, room: Decimal, closing: Decimal) -> str:
    rest = f", of which {closing:f} is being closed" if closing else ""
    return f"it could do more than close {room:f} of {holding.position_id}{rest}"

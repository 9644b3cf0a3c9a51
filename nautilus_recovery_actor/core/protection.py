"""
Which orders would reduce a position, how much of it they protect, and what may still be closed.

Everything here is pure and takes plain values; `node.observing.exits` reads them from
NautilusTrader's objects.
"""

from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport


_ZERO = Decimal(0)
_CLOSED = frozenset({"DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"})
# What rests, at the venue or in the node's emulator. Neither what is on its way, nor what is being
# taken back, nor a stop-limit that was triggered: that is a limit order, which a price can pass.
_RESTING = frozenset({"ACCEPTED", "PARTIALLY_FILLED", "PENDING_UPDATE", "EMULATED"})
_MARKET_STOPS = frozenset({"STOP_MARKET", "TRAILING_STOP_MARKET"})
_LIMIT_STOPS = frozenset({"STOP_LIMIT", "TRAILING_STOP_LIMIT"})


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A position as a strategy holds it."""

    # What it is
    position_id: str
    account_id: str
    instrument_id: str
    # The signed quantity
    qty: Decimal
    # Who owns it
    strategy_id: str = ""
    # Whether it is one of several that an account can hold of the instrument: only orders with
    # its position id are known to concern it
    is_leg: bool = False
    # Whether the strategy holds no other of the same side there, so that an order that may only
    # reduce, and has no position id, can concern none but this one
    is_only_leg: bool = True


class OwnOrder(msgspec.Struct, frozen=True, gc=False):
    """An order of the strategy on the instrument of a holding."""

    client_order_id: str
    # What is left to be filled, signed: positive for a buy
    leaves: Decimal
    # The names of NautilusTrader's order status and order type
    status: str
    kind: str
    # Who sent it
    strategy_id: str = ""
    # Whether it may only reduce
    is_reduce_only: bool = False
    # Whether it is a stop that was triggered, or filled in part
    is_triggered: bool = False
    # Whether it is not a stop as it is: a trailing one that waits for its activation, or one of a
    # quantity in the quote currency, which cannot be compared
    is_dormant: bool = False
    # Whether its quantity is one in the quote currency
    is_quote_quantity: bool = False
    # Whether the last that was heard of it is that it could not be canceled
    is_cancel_rejected: bool = False
    # Whether this run of the node made it: then it is on its way although nothing was heard
    is_new: bool = False
    # What it concerns, as far as that is known
    account_id: str | None = None
    position_id: str | None = None
    # What was filled of the order that releases it, ``None`` if none does or it is not known
    parent_filled: Decimal | None = None
    # Whether an order releases it
    is_child: bool = False
    # The orders that are canceled, or reduced by as much, when it is filled
    rivals: frozenset[str] = frozenset()
    # What it is for
    instrument_id: str = ""
    # Whether the order that releases it is over, and whether it is on the other side of that one
    is_parent_over: bool = False
    is_opposite: bool = False


class Protection(msgspec.Struct, frozen=True, gc=False):
    """What the stops of a position come to."""

    # The quantity that no stop covers
    unprotected: Decimal
    # The quantity that the stops could open on the other side, at the worst
    excess: Decimal

    @property
    def is_whole(self) -> bool:
        """Whether the stops close all of the position and open nothing."""
        return not (self.unprotected or self.excess)


def reduces(order: OwnOrder, holding: Holding) -> bool:
    """
    Return whether `order` is not over and would reduce `holding`.

    A child whose parent has filled nothing belongs to a position that is not there yet. One that
    nobody has sent is held back for its parent, or was forgotten in a crash: only the first counts.
    """
    if order.status in _CLOSED or order.leaves * holding.qty >= 0:
        return False
    if order.account_id not in (None, holding.account_id):
        return False
    if order.is_child and order.parent_filled == 0:
        return False
    if order.status == "INITIALIZED" and not (order.is_new or order.parent_filled):
        return False
    if order.position_id is not None:
        return order.position_id == holding.position_id
    return not holding.is_leg or (order.is_reduce_only and holding.is_only_leg)


def protection(
    holding: Holding, orders: Iterable[OwnOrder], unproven: frozenset[str] = frozenset()
) -> Protection:
    """Return how much of `holding` the stops among `orders` cover."""
    stops = [
        order
        for order in orders
        if reduces(order, holding) and is_stop(order) and order.client_order_id not in unproven
    ]
    held = abs(holding.qty)
    most = unbound = _ZERO
    for group in _rivals(stops):
        most += max(abs(order.leaves) for order in group)
        unbound += max(_ZERO if order.is_reduce_only else abs(order.leaves) for order in group)
    return Protection(
        unprotected=max(held - covered(stops), _ZERO),
        # At the worst, those that may only reduce have left nothing for the others
        excess=min(unbound, max(most - held, _ZERO)),
    )


def covered(stops: Iterable[OwnOrder]) -> Decimal:
    """Return how much all of `stops` close at the least."""
    return sum((min(abs(order.leaves) for order in group) for group in _rivals(stops)), _ZERO)


def committed(exits: Iterable[OwnOrder]) -> Decimal:
    """Return how much all of `exits` could close at the worst."""
    return sum((max(abs(order.leaves) for order in group) for group in _rivals(exits)), _ZERO)


def closable(
    holding: Holding, orders: Iterable[OwnOrder], increment: Decimal, wanted: Decimal | None = None
) -> Decimal:
    """Return the quantity of an order that closes or reduces `holding`."""
    exits = [order for order in orders if reduces(order, holding)]
    exits.sort(key=attrgetter("client_order_id"))
    closing = committed(exits)
    left = max(abs(holding.qty) - closing, _ZERO)
    left -= left % increment
    if wanted is not None and (wanted <= 0 or wanted % increment):
        raise ValueError(
            f"Cannot close {wanted:f} of position {holding.position_id}: "
            f"a quantity is a positive multiple of {increment:f}"
        )
    if left == 0 or (wanted is not None and wanted > left):
        asked = "anything" if wanted is None else f"{wanted:f}"
        reason = f"{left:f} can be"
        if names := ", ".join(order.client_order_id for order in exits):
            advice = "cancel what should not, or name it in `ignoring`"
            reason = f"{closing:f} is being closed by {names}; {advice}"
        raise ValueError(
            f"Cannot close {asked} of position {holding.position_id} ({holding.qty:+f}): {reason}"
        )
    return left if wanted is None else wanted


def unproven(report: RecoveryReport) -> frozenset[str]:
    """Return the orders that the venue is not known to hold as the cache does."""
    if not report.discrepancies:  # Each strategy asks
        return frozenset()
    return unproven_by(report.discrepancies)


def unproven_by(differences: Iterable[Discrepancy]) -> frozenset[str]:
    """Return the orders that the venue does not hold as the cache does."""
    return frozenset(
        found.client_order_id
        for found in differences
        if found.client_order_id is not None and found.kind.is_difference and not found.resolved
    )


def is_stop(order: OwnOrder) -> bool:
    """Return whether an order rests as a stop."""
    is_waiting = order.kind in _LIMIT_STOPS and not order.is_triggered
    is_of_kind = order.kind in _MARKET_STOPS or is_waiting
    return order.status in _RESTING and is_of_kind and not order.is_dormant


def _rivals(orders: Iterable[OwnOrder]) -> list[list[OwnOrder]]:
    # Of orders that cancel one another only one counts
    orders = list(orders)
    groups = {order.client_order_id: [order] for order in orders}
    for order in orders:
        for rival in order.rivals & groups.keys():
            one, other = groups[order.client_order_id], groups[rival]
            if one is not other:
                one += other
                groups.update((member.client_order_id, one) for member in other)
    return list({id(group): group for group in groups.values()}.values())

"""
The way out through a closed gate: what the core decides about exits, read from the cache.
"""

from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core import exits
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Held
from nautilus_recovery_actor.core.exits import Passage
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder


# Those of whatever NautilusTrader runs the node
ClientId: TypeAlias = Any
ClientOrderId: TypeAlias = Any
Order: TypeAlias = Any
Position: TypeAlias = Any
PositionId: TypeAlias = Any
Price: TypeAlias = Any
Quantity: TypeAlias = Any


class AtVenue(NamedTuple):
    """What an account holds of a position: of its leg if the venue names legs, or the net."""

    qty: Decimal
    is_leg: bool = False


class Books(Protocol):
    """The cache of a node, and what is known of its venues."""

    def order(self, client_order_id: str) -> Order | None:
        """Return an order."""

    def orders(self, position: Position) -> Iterable[Order]:
        """Return the live orders of the account of a position on its instrument."""

    def position(self, position_id: PositionId) -> Position | None:
        """Return a position."""

    def position_id(self, order: Order) -> PositionId | None:
        """Return the position that an order is tied to."""

    def positions(self, strategy_id: Any, instrument_id: Any) -> Sequence[Position]:
        """Return the open positions of a strategy on an instrument."""

    def own_order(self, order: Order) -> OwnOrder:
        """Return an order as it may close a position."""

    def holding(self, position: Position) -> Holding:
        """Return a position as its owner holds it."""

    def is_routed_to(self, position: Position, client_id: ClientId | None) -> bool:
        """Return whether what is sent by a client reaches the account of a position."""

    def is_flag_binding(self, position: Position) -> bool:
        """Return whether the venue sees to it that a reduce-only order only reduces."""

    def at_venue(self, position: Position) -> AtVenue | None:
        """Return what the account holds of a position, ``None`` if nothing is known of it."""

    def unproven(self) -> frozenset[str]:
        """Return the orders that the venue is not known to hold as the cache does."""


class WayOut:
    """Says which orders, changes and cancels a closed gate lets pass."""

    def __init__(self, books: Books) -> None:
        self._books = books
        # What the cache has not heard of yet: orders that were refused, orders whose cancel was let
        # pass, and the quantities that are left of those whose change was
        self.refused: set[ClientOrderId] = set()
        self._canceling: dict[ClientOrderId, Order] = {}
        self._changing: dict[ClientOrderId, Decimal] = {}

    def passage(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        going: frozenset[str] = frozenset(),
    ) -> Passage:
        """Return whether all of `orders`, sent together, can only reduce what their owner holds."""
        awaits: frozenset[str] = frozenset()
        obstructed: Passage | None = None
        for order in orders:
            position = self._position(order, position_id)
            if position is None:
                return Passage("there is no position that it would reduce", is_exit=False)
            if not self._books.is_routed_to(position, client_id):
                refusal = f"it may go to another account than {position.account_id}"
                return Passage(refusal, is_exit=False)
            beside = [
                self._candidate(other, position)
                for other in orders
                if other is not order and other.instrument_id == order.instrument_id
            ]
            candidate = self._candidate(order, position)
            found = exits.passage(candidate, self._held(position), beside, going)
            if found.refusal and not found.is_obstructed:
                return found
            obstructed = found if found.refusal else obstructed
            awaits |= found.awaits
        return obstructed or Passage(awaits=awaits)

    def may_change(
        self,
        order: Order,
        quantity: Quantity | None,
        price: Price | None,
        trigger_price: Price | None,
        *,
        is_refused: bool,
    ) -> bool:
        """Return whether a change of an exit makes it no larger and no looser."""
        position = self._position(order, self._books.position_id(order))
        own = self._books.own_order(order)
        leaves = own.leaves
        if quantity is not None:
            size = _decimal(quantity) - _decimal(order.filled_qty)
            leaves = size if own.leaves > 0 else -size
        px = _px(order, "price"), None if price is None else _decimal(price)
        trigger_px = (
            _px(order, "trigger_price"),
            None if trigger_price is None else _decimal(trigger_price),
        )
        may_change = exits.may_change(
            own,
            msgspec.structs.replace(own, leaves=leaves),
            None if position is None else self._held(position),
            is_looser=exits.is_looser(own, px, trigger_px),
            is_refused=is_refused,
        )
        if may_change:
            self._changing[order.client_order_id] = leaves
        return may_change

    def cancels(self, orders: Iterable[Order]) -> dict[ClientOrderId, Cancel]:
        """Return what it means for the positions of their owners that `orders` are canceled."""
        orders = list(orders)
        going = frozenset(str(order.client_order_id) for order in orders)
        found = {order.client_order_id: Cancel.PASSES for order in orders}
        held: dict[PositionId, Held] = {}
        for order in orders:
            for position in self._protected_by(order):
                if position.id not in held:
                    held[position.id] = self._held(position)
                means = exits.cancel(str(order.client_order_id), going, held[position.id])
                found[order.client_order_id] = max(found[order.client_order_id], means)
        return found

    def note_canceled(self, orders: Iterable[Order]) -> None:
        """Note orders whose cancel was let pass."""
        alive = {key: one for key, one in self._canceling.items() if not self._now(one).is_closed}
        self._canceling = alive | {order.client_order_id: order for order in orders}

    def owners(self, client_order_ids: Iterable[str]) -> set[str]:
        """Return whose orders they are."""
        orders = map(self._books.order, client_order_ids)
        return {str(order.strategy_id) for order in orders if order is not None}

    def protected_by(self, order: Order) -> dict[PositionId, Decimal]:
        """Return the quantities of the positions that an order protects."""
        return {one.id: _decimal(one.quantity) for one in self._protected_by(order)}

    def closed_by(self, order: Order, position_id: PositionId | None) -> PositionId | None:
        """Return the position that an order would reduce, ``None`` if there is none."""
        position = self._position(order, position_id)
        return None if position is None else position.id

    def kind(self, order: Order) -> str:
        """Return which kind of order it is."""
        return self._books.own_order(order).kind

    def _protected_by(self, order: Order) -> list[Position]:
        held = self._positions(order)
        position_id = self._books.position_id(order)
        return [one for one in held if position_id is None or one.id == position_id]

    def _positions(self, order: Order) -> list[Position]:
        # Which an order of this side would reduce
        return [
            position
            for position in self._books.positions(order.strategy_id, order.instrument_id)
            if position.is_opposite_side(order.side)
        ]

    def _position(self, order: Order, position_id: PositionId | None) -> Position | None:
        if position_id is not None:
            position = self._books.position(position_id)
            if position is None or not position.is_open:
                return None
            if position.instrument_id != order.instrument_id:
                return None
            owner = position.strategy_id
            is_own = owner == order.strategy_id or str(owner) in UNCLAIMED_STRATEGIES
            return position if is_own else None
        positions = self._positions(order)
        net = [position for position in positions if not self._books.holding(position).is_leg]
        # Of several legs an order without a position ID opens one more
        alone = positions if order.is_reduce_only and len(positions) == 1 else []
        return next(iter(net or alone), None)

    def _held(self, position: Position) -> Held:
        at_venue = self._books.at_venue(position)
        return Held(
            holding=self._books.holding(position),
            orders=tuple(
                self._live(order)
                for order in self._books.orders(position)
                if order.client_order_id not in self.refused
            ),
            at_venue=None if at_venue is None else at_venue.qty,
            is_leg_at_venue=at_venue is not None and at_venue.is_leg,
            is_flag_binding=self._books.is_flag_binding(position),
            unproven=self._books.unproven(),
        )

    def _live(self, order: Order) -> OwnOrder:
        own = self._books.own_order(order)
        if order.client_order_id in self._canceling and not own.is_cancel_rejected:
            own = msgspec.structs.replace(own, status="PENDING_CANCEL")
        if order.is_pending_update and order.client_order_id in self._changing:
            # The larger one may be what is filled
            leaves = max(own.leaves, self._changing[order.client_order_id], key=abs)
            own = msgspec.structs.replace(own, leaves=leaves)
        return own

    def _candidate(self, order: Order, position: Position) -> OwnOrder:
        own = self._books.own_order(order)
        # An algorithm need not pass the flag on to what it sends
        is_flagged = own.is_reduce_only and order.exec_algorithm_id is None
        return msgspec.structs.replace(
            own, is_new=True, is_reduce_only=is_flagged, position_id=str(position.id)
        )

    def _now(self, order: Order) -> Order:
        # NautilusTrader 2.0 hands out copies, which stay as they were
        return self._books.order(str(order.client_order_id)) or order


def _decimal(value: Price | Quantity) -> Decimal:
    decimal: Decimal = value.as_decimal()
    return decimal


def _px(order: Order, name: str) -> Decimal | None:
    # Orders of some kinds do not have these attributes at all
    px = getattr(order, name, None)
    return None if px is None else _decimal(px)

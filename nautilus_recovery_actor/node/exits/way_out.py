"""
The way out through a closed gate: what the core decides about exits, read from the cache.
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import InstrumentClass
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core import exits
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Held
from nautilus_recovery_actor.core.exits import Passage
from nautilus_recovery_actor.core.names import EVIDENCE_ENDPOINT
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.exits import holding
from nautilus_recovery_actor.node.observing.exits import is_net
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.exits import own_positions
from nautilus_recovery_actor.node.observing.orders import account_of


class WayOut:
    """Says which orders, changes and cancels a closed gate lets pass."""

    def __init__(self, cache: CacheFacade, msgbus: MessageBus, ts_registered: int) -> None:
        self._cache = cache
        self._msgbus = msgbus
        self._ts_registered = ts_registered
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
            if not self._is_routed_to(position, client_id):
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
        position = self._position(order, self._cache.position_id(order.client_order_id))
        own = own_order(self._cache, order, self._ts_registered)
        leaves = own.leaves
        if quantity is not None:
            size = quantity.as_decimal() - order.filled_qty.as_decimal()
            leaves = size if order.side == OrderSide.BUY else -size
        px = (_decimal(order.price if order.has_price else None), _decimal(price))
        trigger = order.trigger_price if order.has_trigger_price else None
        trigger_px = (_decimal(trigger), _decimal(trigger_price))
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
        going = frozenset(order.client_order_id.value for order in orders)
        found = {order.client_order_id: Cancel.PASSES for order in orders}
        held: dict[PositionId, Held] = {}
        for order in orders:
            for position in self._protected_by(order):
                if position.id not in held:
                    held[position.id] = self._held(position)
                means = exits.cancel(order.client_order_id.value, going, held[position.id])
                found[order.client_order_id] = max(found[order.client_order_id], means)
        return found

    def note_canceled(self, orders: Iterable[Order]) -> None:
        """Note orders whose cancel was let pass."""
        alive = {key: one for key, one in self._canceling.items() if not one.is_closed}
        self._canceling = alive | {order.client_order_id: order for order in orders}

    def owners(self, client_order_ids: Iterable[str]) -> set[str]:
        """Return whose orders they are."""
        orders = (self._cache.order(ClientOrderId(one)) for one in client_order_ids)
        return {order.strategy_id.value for order in orders}

    def protected_by(self, order: Order) -> dict[PositionId, Decimal]:
        """Return the quantities of the positions that an order protects."""
        return {one.id: one.quantity.as_decimal() for one in self._protected_by(order)}

    def closed_by(self, order: Order, position_id: PositionId | None) -> PositionId | None:
        """Return the position that an order would reduce, ``None`` if there is none."""
        position = self._position(order, position_id)
        return None if position is None else position.id

    def _protected_by(self, order: Order) -> list[Position]:
        held = self._positions(order)
        position_id = self._cache.position_id(order.client_order_id)
        return [one for one in held if position_id is None or one.id == position_id]

    def _positions(self, order: Order) -> list[Position]:
        # Which an order of this side would reduce
        return [
            position
            for position in own_positions(self._cache, order.strategy_id, order.instrument_id)
            if position.is_opposite_side(order.side)
        ]

    def _position(self, order: Order, position_id: PositionId | None) -> Position | None:
        if position_id is not None:
            position = self._cache.position(position_id)
            is_there = position is not None and position.is_open
            if not (is_there and position.instrument_id == order.instrument_id):
                return None
            owner = position.strategy_id
            is_own = owner == order.strategy_id or owner.value in UNCLAIMED_STRATEGIES
            return position if is_own else None
        positions = self._positions(order)
        net = [position for position in positions if is_net(position)]
        # Of several legs an order without a position ID opens one more
        alone = positions if order.is_reduce_only and len(positions) == 1 else []
        return next(iter(net or alone), None)

    def _is_routed_to(self, position: Position, client_id: ClientId | None) -> bool:
        if len(self._cache.accounts()) <= 1:
            return True
        account = self._cache.account_for_venue(position.instrument_id.venue)
        is_usual = account is not None and account.id == position.account_id
        if client_id is None:
            return is_usual  # Where an order without a client goes
        opened_by = self._cache.client_id(position.opening_order_id)
        if opened_by is not None:
            return bool(client_id == opened_by)
        return bool(client_id.value == position.account_id.get_issuer())

    def _held(self, position: Position) -> Held:
        cache = self._cache
        account_id = position.account_id.value
        instrument = cache.instrument(position.instrument_id)
        evidence = self._evidence()
        at_venue = None if evidence is None else evidence.at_venue(position)
        return Held(
            holding=holding(cache, position),
            # Not by status: what was just submitted is in no index of the cache but this
            orders=tuple(
                self._live(order)
                for order in cache.orders(instrument_id=position.instrument_id)
                if not (order.is_closed or order.client_order_id in self.refused)
                and account_of(order) in (None, account_id)
            ),
            at_venue=None if at_venue is None else at_venue.qty,
            is_leg_at_venue=at_venue is not None and at_venue.is_leg,
            is_flag_binding=instrument is not None
            and instrument.instrument_class != InstrumentClass.SPOT,
            unproven=frozenset() if evidence is None else evidence.unproven,
        )

    def _live(self, order: Order) -> OwnOrder:
        own = own_order(self._cache, order, self._ts_registered)
        if order.client_order_id in self._canceling and not own.is_cancel_rejected:
            own = msgspec.structs.replace(own, status="PENDING_CANCEL")
        if order.is_pending_update and order.client_order_id in self._changing:
            # The larger one may be what is filled
            leaves = max(own.leaves, self._changing[order.client_order_id], key=abs)
            own = msgspec.structs.replace(own, leaves=leaves)
        return own

    def _candidate(self, order: Order, position: Position) -> OwnOrder:
        own = own_order(self._cache, order, self._ts_registered)
        # An algorithm need not pass the flag on to what it sends
        is_flagged = own.is_reduce_only and order.exec_algorithm_id is None
        return msgspec.structs.replace(
            own, is_new=True, is_reduce_only=is_flagged, position_id=position.id.value
        )

    def _evidence(self) -> Evidence | None:
        found: list[Evidence] = []
        take: Callable[[Evidence], None] = found.append
        if EVIDENCE_ENDPOINT in self._msgbus.endpoints():
            self._msgbus.send(EVIDENCE_ENDPOINT, take)
        return found[0] if found else None


def _decimal(price: Price | None) -> Decimal | None:
    return None if price is None else price.as_decimal()

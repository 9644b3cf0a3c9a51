"""
The positions of the cache and the orders that may close them, as the core reads them.
"""

from collections.abc import Iterable

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.names import DENIED
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.node.observing.orders import account_of
from nautilus_recovery_actor.node.observing.positions import cached_position


_RIVALS = frozenset({ContingencyType.OCO, ContingencyType.OUO})


def closed_positions(cache: CacheFacade, orders: Iterable[OwnOrder]) -> tuple[CachedPosition, ...]:
    """Return the positions that are over and to which one of `orders` is tied, at their largest."""
    ids = {order.position_id for order in orders} - {None}
    found = (cache.position(PositionId(value)) for value in ids)
    return tuple(
        msgspec.structs.replace(
            cached_position(position),
            qty=position.peak_qty.as_decimal() * (1 if position.entry == OrderSide.BUY else -1),
        )
        for position in found
        if position is not None and position.is_closed
    )


def own_positions(
    cache: CacheFacade, strategy_id: StrategyId, instrument_id: InstrumentId | None = None
) -> list[Position]:
    """Return the open positions of a strategy."""
    found = cache.positions_open(instrument_id=instrument_id, strategy_id=strategy_id)
    # The cache also lists those that it opened once, and another one has turned or opened again
    return [one for one in found if one.strategy_id == strategy_id]


def is_net(position: Position) -> bool:
    """Return whether a position is all that its owner holds of its instrument on an account."""
    # The engine names a net position so; a leg has the venue's name or a number
    return bool(position.id.value == f"{position.instrument_id}-{position.strategy_id}")


def holding(cache: CacheFacade, position: Position) -> Holding:
    """Return a position as its owner holds it."""
    beside = own_positions(cache, position.strategy_id, position.instrument_id)
    return Holding(
        position_id=position.id.value,
        account_id=position.account_id.value,
        instrument_id=position.instrument_id.value,
        qty=position.signed_decimal_qty(),
        strategy_id=position.strategy_id.value,
        is_leg=not is_net(position),
        is_only_leg=all(
            other.id == position.id
            or other.side != position.side
            or other.account_id != position.account_id
            for other in beside
        ),
    )


def own_order(cache: CacheFacade, order: Order, ts_registered: int) -> OwnOrder:
    """Return an order as it may close a position; those made since `ts_registered` are new."""
    position_id = cache.position_id(order.client_order_id)
    is_child = order.parent_order_id is not None
    parent = cache.order(order.parent_order_id) if is_child else None
    leaves = order.leaves_qty.as_decimal()
    return OwnOrder(
        client_order_id=order.client_order_id.value,
        leaves=leaves if order.side == OrderSide.BUY else -leaves,
        status=OrderStatus(order.status).name,
        kind=OrderType(order.order_type).name,
        strategy_id=order.strategy_id.value,
        is_reduce_only=order.is_reduce_only,
        is_triggered=bool(getattr(order, "is_triggered", False)) or order.filled_qty > 0,
        is_dormant=order.is_quote_quantity
        or (
            getattr(order, "activation_price", None) is not None
            and not getattr(order, "is_activated", False)
        ),
        is_quote_quantity=order.is_quote_quantity,
        is_cancel_rejected=_is_cancel_rejected(order),
        is_new=order.ts_init >= ts_registered,
        account_id=account_of(order),
        position_id=None if position_id is None else position_id.value,
        parent_filled=None if parent is None else parent.filled_qty.as_decimal(),
        is_child=is_child,
        rivals=frozenset(linked.value for linked in order.linked_order_ids or ())
        if order.contingency_type in _RIVALS
        else frozenset(),
        instrument_id=order.instrument_id.value,
        is_parent_over=is_child and (parent is None or parent.is_closed),
        is_opposite=parent is not None and parent.side != order.side,
    )


def _is_cancel_rejected(order: Order) -> bool:
    # By the venue, and not by a gate
    last = order.last_event
    return type(last) is OrderCancelRejected and not last.reason.startswith(DENIED)

"""
The orders and positions of 2.0 in the plain values of the core.

What 2.0 hands out are copies: any thread may read them, but not the cache (seen on rc7).
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.origins import is_synthetic
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.host.bus import Origin


_ZERO = Decimal(0)
_INFLIGHT = frozenset({"SUBMITTED", "PENDING_UPDATE", "PENDING_CANCEL"})
_NO_NEWS = frozenset(
    {"OrderPendingUpdate", "OrderPendingCancel", "OrderModifyRejected", "OrderCancelRejected"}
)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def cached_position(position: Any) -> CachedPosition:
    """Return a position of the cache."""
    qty, made_up = Decimal(str(position.quantity)), _ZERO
    for fill in position.events():
        if is_synthetic(str(fill.trade_id), str(fill.venue_order_id)):
            made_up += signed(fill.last_qty, fill.order_side.name == "BUY")
    return CachedPosition(
        account_id=str(position.account_id),
        instrument_id=str(position.instrument_id),
        position_id=str(position.id),
        strategy_id=str(position.strategy_id),
        qty=qty if position.is_long else -qty,
        avg_px=Decimal(str(position.avg_px_open)),
        made_up_qty=made_up,
    )


def signed(qty: object, is_buy: bool) -> Decimal:
    """Return a quantity, negative for a sale."""
    return Decimal(str(qty)) if is_buy else -Decimal(str(qty))


def cached_order(order: Any, ts_registered: int) -> CachedOrder:
    """Return an order of the cache; what was made before `ts_registered` is restored."""
    ts_last = ts_filled = 0
    if order.ts_last >= ts_registered:
        for event in order.events():
            kind = type(event).__name__
            if event.ts_init < ts_registered or kind in _NO_NEWS:
                continue
            if getattr(event, "reconciliation", False):
                continue
            if kind == "OrderFilled":
                ts_filled = event.ts_init
            else:
                ts_last = event.ts_init
    status = order.status.name
    return CachedOrder(
        account_id=_text(order.account_id),
        instrument_id=str(order.instrument_id),
        client_order_id=str(order.client_order_id),
        venue_order_id=_text(order.venue_order_id),
        status=status,
        is_open=order.is_open,
        is_inflight=status in _INFLIGHT,
        is_local=order.is_active_local,
        ts_init=order.ts_init if order.ts_init >= ts_registered else 0,
        ts_last=ts_last,
        side=order.side.name,
        qty=None if order.is_quote_quantity else _decimal(order.quantity),
        filled_qty=_decimal(order.filled_qty),
        # Orders of some kinds do not have these attributes at all
        px=_decimal(getattr(order, "price", None)),
        trigger_px=None
        if "TRAILING" in order.order_type.name
        else _decimal(getattr(order, "trigger_price", None)),
        ts_filled=ts_filled,
    )


def closed_positions(find: Callable[[Any], Any], ids: Iterable[Any]) -> tuple[CachedPosition, ...]:
    """Return the positions that are over, of those to which orders are tied, at their largest."""
    found = (find(one) for one in {str(one): one for one in ids if one is not None}.values())
    return tuple(
        replace(
            cached_position(position),
            qty=signed(position.peak_qty, is_buy=position.entry.name == "BUY"),
        )
        for position in found
        if position is not None and position.is_closed
    )


def is_placed_here(order: Any) -> bool:
    """Return whether this node placed an order, also in a run before."""
    # What reconciliation made goes on with a flagged event, and `init_event` has lost the flag
    following = order.events()[1:2]
    return not (following and getattr(following[0], "reconciliation", False))


def origin(order: Any) -> Origin:
    """Return what is known of where an order came from."""
    if order is None:
        return Origin(placed_here=False, tags=())
    return Origin(is_placed_here(order), order.tags or ())


def own_order(
    order: Any, position_id: object, ts_registered: int, known: CachedOrder | None = None
) -> OwnOrder:
    """
    Return an order that is tied to a position, or to none, as it may close one, from what was
    `known` of it already.
    """
    known = known or cached_order(order, ts_registered)
    kind, is_quote_quantity = order.order_type.name, order.is_quote_quantity
    return OwnOrder(
        client_order_id=known.client_order_id,
        leaves=signed(order.leaves_qty, known.side == "BUY"),
        status=known.status,
        kind=kind,
        strategy_id=str(order.strategy_id),
        is_reduce_only=order.is_reduce_only,
        is_triggered=bool(known.filled_qty),
        is_dormant=is_quote_quantity or "TRAILING" in kind,
        is_quote_quantity=is_quote_quantity,
        is_new=known.ts_init > 0,
        account_id=known.account_id,
        position_id=_text(position_id),
        is_child=order.parent_order_id is not None,
        instrument_id=known.instrument_id,
    )

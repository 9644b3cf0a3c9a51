"""
Lists of events in which one appears twice: two nodes of one trader wrote them, or late bytes of a
dead node arrived, or NautilusTrader 1.221 reversed a position into its own size. Without what is
repeated a node loads the entry, and makes of it exactly what happened.
"""

from collections.abc import Callable
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import events
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


# Raises where a node could not load the list
_Fold = Callable[[Sequence[bytes]], object]
# How much of a trade an order was filled with, by the order itself; `None` if nothing tells
TradedQty = Callable[[str, str], Decimal | None]

_MAX_REPEATS = 100
# What differs between the events that two nodes make of one report
_OF_THE_NODE = ("event_id", "ts_event", "ts_init", "reconciliation")

_fields = decoding.decoder(dict[str, Any])


def order_without_repeats(values: Sequence[bytes], fold: _Fold) -> list[bytes] | None:
    """
    Return the events of an order without those that repeat earlier ones, ``None`` if it is
    something else that keeps a node from loading them.
    """
    kept = list(values)
    for _ in range(_MAX_REPEATS):
        place = _first_refused(kept, fold)
        if place is None:
            return kept
        if _repeated(kept, place) is None:
            return None
        del kept[place]
    return None


def position_without_repeats(
    values: Sequence[bytes], fold: _Fold, traded_qty: TradedQty
) -> list[bytes] | None:
    """
    Return the fills of a position without those that repeat earlier ones, ``None`` if it is
    something else that keeps a node from loading them, or if the orders do not confirm it.
    """
    kept = list(values)
    for _ in range(_MAX_REPEATS):
        place = _first_refused(kept, fold)
        if place is None:
            return kept
        earlier = _repeated(kept, place)
        if earlier is None:
            return None
        first, second = (decoding.order_event(kept[i]) for i in (earlier, place))
        qty = decoding.quantity(second.last_qty)
        traded = traded_qty(second.client_order_id, second.trade_id)
        if first.event_id == second.event_id or traded == qty:
            del kept[place]
        elif traded == 2 * qty and place == earlier + 1:
            # The fill was split: its first half closed the position, its second half opened it
            # anew. 1.231 deletes what was before, 1.221 appends to it.
            del kept[:place]
        else:
            return None
    return None


def traded_qty(values: Sequence[bytes], trade_id: str) -> Decimal | None:
    """Return how much of a trade an order was filled with, by its own events."""
    for event in map(decoding.order_event, values):
        if isinstance(event, events.OrderFilled) and event.trade_id == trade_id:
            return decoding.quantity(event.last_qty)
    return None


def _first_refused(values: Sequence[bytes], fold: _Fold) -> int | None:
    # Each event is judged by those before it, so that what refuses a list refuses a longer one
    if _is_loaded(values, fold):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_loaded(values[:middle], fold):
            low = middle
        else:
            high = middle
    return high - 1


def _is_loaded(values: Sequence[bytes], fold: _Fold) -> bool:
    try:
        fold(values)
    except BrokenEntryError:
        return False
    return True


def _repeated(values: Sequence[bytes], place: int) -> int | None:
    try:
        said = _said(values[place])
        return next((i for i in range(place) if _said(values[i]) == said), None)
    except BrokenEntryError:
        return None


def _said(value: bytes) -> object:
    event = decoding.order_event(value)
    if isinstance(event, events.OrderFilled):
        px, qty = decoding.number(event.last_px), decoding.quantity(event.last_qty)
        return event.client_order_id, event.trade_id, event.order_side, px, qty
    fields = _fields(value)
    return {name: said for name, said in fields.items() if name not in _OF_THE_NODE}

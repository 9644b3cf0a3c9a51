"""
The moves that repairs have begun: each is two orders, and a node may be killed between them.
"""

from collections.abc import Iterator
from itertools import count
from itertools import takewhile

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.observation import HalfMove
from nautilus_recovery_actor.node.observing.fills import MOVED
from nautilus_recovery_actor.node.observing.fills import signed_qty


_FIRST = "-1"
# What the tags of the first order begin with that say where it goes on
_STRATEGY, _POSITION = "to:", "on:"


def first_of(move_id: str) -> ClientOrderId:
    """Return the client order id of the order that takes something off a position."""
    return ClientOrderId(f"{move_id}{_FIRST}")


def next_of(cache: CacheFacade, move_id: str) -> ClientOrderId:
    """Return that of an order that books it where it goes on: there may be one that never did."""
    return ClientOrderId(f"{move_id}-{2 + len(_later(cache, move_id))}")


def tags_of(strategy_id: str, position_id: str | None) -> Iterator[str]:
    """Return the tags that say where it goes on."""
    yield f"{_STRATEGY}{strategy_id}"
    if position_id is not None:
        yield f"{_POSITION}{position_id}"


def begun_moves(cache: CacheFacade) -> Iterator[str]:
    """Return the moves of which the cache has the first order."""
    for client_order_id in cache.client_order_ids():
        value = client_order_id.value
        if value.startswith(MOVED) and value.endswith(_FIRST):
            yield value.removesuffix(_FIRST)


def half_moves(cache: CacheFacade, begun: set[str]) -> tuple[HalfMove, ...]:
    """Return those of the `begun` moves that are half done, and let go of what is done."""
    found = []
    for move_id in sorted(begun):
        if any(_is_booked(cache, order) for order in _later(cache, move_id)):
            begun.discard(move_id)
        elif half := _half_move(cache, move_id):
            found.append(half)
    return tuple(found)


def _later(cache: CacheFacade, move_id: str) -> tuple[Order, ...]:
    orders = (cache.order(ClientOrderId(f"{move_id}-{number}")) for number in count(2))
    return tuple(takewhile(lambda order: order is not None, orders))


def _half_move(cache: CacheFacade, move_id: str) -> HalfMove | None:
    order = cache.order(first_of(move_id))
    if order is None or not _is_booked(cache, order):
        return None
    fill = order.last_event
    to, on = _tagged(order, _STRATEGY), _tagged(order, _POSITION)
    if to is None:
        return None
    return HalfMove(
        move_id=move_id,
        account_id=fill.account_id.value,
        instrument_id=fill.instrument_id.value,
        strategy_id=to,
        position_id=on,
        qty=-signed_qty(fill),
        px=fill.last_px.as_decimal(),
    )


def _tagged(order: Order, prefix: str) -> str | None:
    return next((t.removeprefix(prefix) for t in order.tags or () if t.startswith(prefix)), None)


def _is_booked(cache: CacheFacade, order: Order) -> bool:
    # A node writes first that an order is filled, and then its position: after a kill between the
    # two that knows nothing of it. Nor does one that was opened anew since
    fill = order.last_event
    if type(fill) is not OrderFilled:
        return False
    position = cache.position(fill.position_id)
    if position is None or position.events[0].ts_init > fill.ts_init:
        return True
    return fill.trade_id in position.trade_ids

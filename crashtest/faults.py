"""
What NautilusTrader's engine is known to get wrong, recognized by its signature.

When it adjusts a mass status (1.231), it leaves out what ended before the present position opened.
An order that the cache restored as open, and that ended while no node lived, then stays open in the
cache. If it was filled, the engine makes up what it filled, and counts it again when it finds the
order.
"""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState


_ENDED = (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED)
DROPPED = "the engine drops what ended before a newer position opened"


def dropped(
    alive: Collection[str], orders: Sequence[Order], fills: Sequence[Fill]
) -> dict[str, OrderState]:
    """
    Return the orders that the engine leaves out: how each ended, by client order ID.

    Parameters
    ----------
    alive : Collection[str]
        The client order IDs of the orders that the cache restored as open or in flight.
    orders : Sequence[Order]
        The venue's orders.
    fills : Sequence[Fill]
        Its fills, oldest first.

    """
    opened = _opened(fills)
    return {
        order_id: order.state
        for order in orders
        if (order_id := order.client_order_id) is not None
        and order_id in alive
        and order.state in _ENDED
        and order.ts_last < opened
    }


def known_fault(blocking: Sequence[Mapping[str, Any]], ended: Mapping[str, OrderState]) -> str:
    """
    Return the fault that explains all that blocks, or nothing.

    Parameters
    ----------
    blocking : Sequence[Mapping[str, Any]]
        The discrepancies that block, each with its kind and client order ID.
    ended : Mapping[str, OrderState]
        See `dropped`.

    """
    is_known = bool(blocking) and all(_is_of(found, ended) for found in blocking)
    return DROPPED if is_known else ""


def _is_of(found: Mapping[str, Any], ended: Mapping[str, OrderState]) -> bool:
    match found["kind"]:
        case DiscrepancyKind.ORDER_MISMATCH:
            return found["order_id"] in ended
        case DiscrepancyKind.POSITION_QTY_MISMATCH:
            return OrderState.FILLED in ended.values()
    return False


def _opened(fills: Sequence[Fill]) -> int:
    # When the present position opened, 0 if there is none
    held, opened = Decimal(0), 0
    for fill in fills:
        was = held
        held += fill.qty if fill.side == "BUY" else -fill.qty
        if was * held <= 0:
            opened = fill.ts if held else 0
    return opened

"""
What NautilusTrader is known to get wrong, recognized by its signature.

When its engine adjusts a mass status (1.231), it leaves out what ended before the present position
opened. An order that the cache restored as open, and that ended while no node lived, then stays
open in the cache. If it was filled, the engine makes up what it filled, and counts it again when it
finds the order.

It writes a fill twice, with the order and then with the position. After a kill between the two the
order has the fill and the position lacks it; the engine takes the order for one that it made to
repair the position, and leaves that as it is.
"""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState


_ENDED = (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED)
DROPPED = "the engine drops what ended before a newer position opened"
TORN = "the kill came between the two writes of a fill, and the engine does not repair the position"


class Evidence(NamedTuple):
    """
    What there is at the venue and in the cache when an instrument is blocked.

    Parameters
    ----------
    ended : Mapping[str, OrderState]
        See `dropped`.
    torn : Decimal
        What the orders in the cache have filled, signed, and the positions lack, as restored.
    missing : Decimal
        What is held, less what the cache holds.

    """

    ended: Mapping[str, OrderState]
    torn: Decimal
    missing: Decimal


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


def known_fault(blocking: Sequence[Mapping[str, Any]], evidence: Evidence) -> str:
    """
    Return the fault that explains all that blocks, or nothing.

    Parameters
    ----------
    blocking : Sequence[Mapping[str, Any]]
        The discrepancies that block, each with its kind and client order ID.
    evidence : Evidence
        What there is.

    """
    known = {_fault(found, evidence) for found in blocking}
    return "" if "" in known else ", and ".join(sorted(known))


def _fault(found: Mapping[str, Any], evidence: Evidence) -> str:
    is_torn = bool(evidence.torn) and evidence.torn == evidence.missing
    match found["kind"]:
        case DiscrepancyKind.ORDER_MISMATCH if found["order_id"] in evidence.ended:
            return DROPPED
        case DiscrepancyKind.POSITION_QTY_MISMATCH if is_torn:
            return TORN
        case DiscrepancyKind.POSITION_QTY_MISMATCH if OrderState.FILLED in evidence.ended.values():
            return DROPPED
    return ""


def _opened(fills: Sequence[Fill]) -> int:
    # When the present position opened, 0 if there is none
    held, opened = Decimal(0), 0
    for fill in fills:
        was = held
        held += fill.qty if fill.side == "BUY" else -fill.qty
        if was * held <= 0:
            opened = fill.ts if held else 0
    return opened

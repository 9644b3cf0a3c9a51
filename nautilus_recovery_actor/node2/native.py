"""
What only NautilusTrader 2.0 can make, for what is the same on each host.
"""

from typing import Any

from nautilus_trader.common import Cache
from nautilus_trader.core import UUID4
from nautilus_trader.model import ClientOrderId
from nautilus_trader.model import OrderCancelRejected
from nautilus_trader.model import OrderDenied
from nautilus_trader.model import OrderModifyRejected

from nautilus_recovery_actor.node2.monitor import MONITORS
from nautilus_recovery_actor.node2.monitor import RecoveryMonitor


_REJECTED: dict[str, Any] = {
    "modify_rejected": OrderModifyRejected,
    "cancel_rejected": OrderCancelRejected,
}


def monitor(trader_id: str) -> RecoveryMonitor | None:
    """Return the monitor of a trader in this process."""
    return MONITORS.get(trader_id)


def find(cache: Cache, client_order_id: str) -> Any | None:
    """Return an order of a cache."""
    return cache.order(ClientOrderId(client_order_id))


def answer(kind: str, order: Any, reason: str, now: int) -> Any:
    """Return an event: ``"denied"``, ``"modify_rejected"`` or ``"cancel_rejected"``."""
    ids = (order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id)
    if kind == "denied":
        return OrderDenied(*ids, reason, UUID4(), now, now)
    venue = (order.venue_order_id, order.account_id)
    return _REJECTED[kind](*ids, reason, UUID4(), now, now, False, *venue)

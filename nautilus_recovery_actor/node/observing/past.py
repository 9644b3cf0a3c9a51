"""
Reads from the cache what changed while the node was away: orders that ended, balances, contracts.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.observation import Contract
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.node.observing.native import account_of


def order_statuses(cache: CacheFacade) -> dict[str, str]:
    """Return the status of each order that is not over, by client order id."""
    alive = (*cache.orders_open(), *cache.orders_inflight(), *cache.orders_emulated())
    return {order.client_order_id.value: OrderStatus(order.status).name for order in alive}


def ended_orders(
    cache: CacheFacade,
    events: Sequence[Any],
    statuses_before: Mapping[str, str],
) -> tuple[EndedOrder, ...]:
    """Return the orders that one of `events` ended."""
    orders = map(cache.order, dict.fromkeys(event.client_order_id for event in events))
    return tuple(
        _ended_order(order, statuses_before.get(order.client_order_id.value))
        for order in orders
        if order is not None and order.is_closed and order.last_event.reconciliation
    )


def _ended_order(order: Order, status_before: str | None) -> EndedOrder:
    sign = 1 if order.side == OrderSide.BUY else -1
    return EndedOrder(
        strategy_id=order.strategy_id.value,
        instrument_id=order.instrument_id.value,
        client_order_id=order.client_order_id.value,
        account_id=account_of(order),
        venue_order_id=None if order.venue_order_id is None else order.venue_order_id.value,
        kind=OrderType(order.order_type).name,
        qty=sign * order.quantity.as_decimal(),
        filled_qty=sign * order.filled_qty.as_decimal(),
        status=OrderStatus(order.status).name,
        status_before=status_before,
        reason=getattr(order.last_event, "reason", None) or "",
        ts_event=order.last_event.ts_event,
    )


def contracts(cache: CacheFacade, events: Iterable[Any]) -> dict[str, Contract]:
    """Return how the PnL of the instruments is counted that were filled."""
    filled = {event.instrument_id for event in events if type(event) is OrderFilled}
    found = {instrument_id: cache.instrument(instrument_id) for instrument_id in filled}
    return {
        instrument_id.value: _contract(instrument)
        for instrument_id, instrument in found.items()
        if instrument is not None
    }


def _contract(instrument: Any) -> Contract:
    currency = instrument.get_cost_currency()  # As a position counts it
    return Contract(
        currency=currency.code,
        precision=currency.precision,
        multiplier=instrument.multiplier.as_decimal(),
        is_inverse=instrument.is_inverse,
    )


def balances(cache: CacheFacade) -> dict[tuple[str, str], Decimal]:
    """Return the total balances by account and currency."""
    return {
        (account.id.value, currency.code): total.as_decimal()
        for account in cache.accounts()
        for currency, total in account.balances_total().items()
    }

"""
The orders of the cache: those that are alive, that ended, that are lost or torn.
"""

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.events import OrderPendingCancel
from nautilus_trader.model.events import OrderPendingUpdate
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.lost import Losses
from nautilus_recovery_actor.core.lost import Trace
from nautilus_recovery_actor.core.lost import key
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.order_ids import OrderIdForms
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.host.losses import lost_by


# Venues move the trigger of these, and nobody informs the node
TRAILING = frozenset({OrderType.TRAILING_STOP_MARKET, OrderType.TRAILING_STOP_LIMIT})

# What the node asks for, and the answer that changes nothing, are no news of the order itself
_NO_NEWS = (OrderPendingUpdate, OrderPendingCancel, OrderModifyRejected, OrderCancelRejected)


def cached_order(order: Order, late: Container[OrderEvent] = (), restored: int = 0) -> CachedOrder:
    """
    Return an order that had `restored` events when the cache restored it; of its reconciliation
    events only those of `late` are news.
    """
    ts_last, ts_filled = 0, 0
    for event in order.events[restored:]:  # The clock of the run before may have been another
        if type(event) in _NO_NEWS or (event.reconciliation and event not in late):
            continue
        if type(event) is OrderFilled:
            ts_filled = event.ts_init
        else:
            ts_last = event.ts_init
    return CachedOrder(
        account_id=account_of(order),
        instrument_id=order.instrument_id.value,
        client_order_id=order.client_order_id.value,
        venue_order_id=None if order.venue_order_id is None else order.venue_order_id.value,
        status=OrderStatus(order.status).name,
        is_open=order.is_open,
        is_inflight=order.is_inflight,
        is_local=order.is_active_local,
        ts_init=0 if restored else order.ts_init,
        ts_last=ts_last,
        side=OrderSide(order.side).name,
        qty=None if order.is_quote_quantity else order.quantity.as_decimal(),
        filled_qty=order.filled_qty.as_decimal(),
        px=order.price.as_decimal() if order.has_price else None,
        trigger_px=order.trigger_price.as_decimal()
        if order.has_trigger_price and order.order_type not in TRAILING
        else None,
        ts_filled=ts_filled,
    )


def account_of(order: Order) -> str | None:
    """Return the account of an order."""
    if order.account_id is not None:
        return str(order.account_id.value)
    # NautilusTrader takes it from the submit alone (1.221 and 1.231): an order that was placed
    # elsewhere has none, though its events name it
    named = (getattr(event, "account_id", None) for event in reversed(order.events))
    return next((account_id.value for account_id in named if account_id is not None), None)


def is_placed_here(order: Order | None, ts_registered: int) -> bool:
    """
    Return whether this node placed the order, also in a run before, and reconciliation did not
    create it.
    """
    # An order that reconciliation created goes on at once with a flagged event. One of ours was
    # submitted first, or was restored before its first flagged event. (Its `init_event` does not
    # tell: unpacking an order drops the flag.)
    if order is None:
        return False
    _, *following = order.events
    if not following or not following[0].reconciliation:
        return True
    return bool(order.ts_init < ts_registered <= following[0].ts_init)


def restored_orders(cache: CacheFacade) -> dict[ClientOrderId, int]:
    """Return how many events each order has that is open or in flight."""
    orders = (*cache.orders_open(), *cache.orders_inflight())
    return {order.client_order_id: order.event_count for order in orders}


def emulated_orders(cache: CacheFacade) -> list[str]:
    """Return the client order ids of the orders that rest in the node's order emulator."""
    return sorted(order.client_order_id.value for order in cache.orders_emulated())


def order_statuses(cache: CacheFacade) -> dict[str, str]:
    """Return the status of each order that is not over, by client order id."""
    alive = (*cache.orders_open(), *cache.orders_inflight(), *cache.orders_emulated())
    return {order.client_order_id.value: OrderStatus(order.status).name for order in alive}


def ended_orders(
    cache: CacheFacade, events: Iterable[OrderEvent], statuses_before: Mapping[str, str]
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


def lost_orders(
    cache: CacheFacade,
    forms: OrderIdForms,
    ts_registered: int,
    reports: Iterable[VenueReport],
    losses: Losses,
) -> tuple[LostOrder, ...]:
    """
    Return the orders that a run before sent without leaving a trace, and that nobody has taken.
    """
    seen = (
        lost
        for report in reports
        for order in report.orders
        for lost in _lost(cache, forms, ts_registered, report, order, losses)
    )
    pending = (_as_cached(cache, lost) for lost in losses.pending.values())
    return tuple({key(lost): lost for lost in (*pending, *seen)}.values())


def _lost(
    cache: CacheFacade,
    forms: OrderIdForms,
    ts_registered: int,
    report: VenueReport,
    order: VenueOrder,
    losses: Losses,
) -> Iterator[LostOrder]:
    client_order_id = order.client_order_id or ""
    owners = forms.owners(client_order_id)
    if not owners:
        return
    cached = cache.order(ClientOrderId(client_order_id))
    if is_placed_here(cached, ts_registered):
        return
    booked_under = None if cached is None else cached.strategy_id.value
    yield from lost_by(report, order, owners, losses, ts_registered, booked_under)


def _as_cached(cache: CacheFacade, lost: LostOrder) -> LostOrder:
    order = cache.order(ClientOrderId(lost.client_order_id))
    if order is None:
        return lost
    sign = 1 if order.side == OrderSide.BUY else -1
    return msgspec.structs.replace(
        lost,
        status=OrderStatus(order.status).name,
        filled_qty=sign * order.filled_qty.as_decimal(),
        booked_under=order.strategy_id.value,
    )


def traces(cache: CacheFacade) -> Iterator[Trace]:
    """Return the events of restored orders and positions that no reconciliation created."""
    for order in cache.orders():
        if is_placed_here(order, 0):
            yield from _traces(order.events)
    for position in cache.positions():
        yield from _traces(position.events)


def _traces(events: Iterable[OrderEvent]) -> Iterator[Trace]:
    for event in events:
        if not event.reconciliation:
            yield Trace(event.ts_init, event.strategy_id.value, event.client_order_id.value)


def torn_orders(
    cache: CacheFacade, reports: Iterable[OrderStatusReport | FillReport]
) -> tuple[ClientOrderId, ...]:
    """
    Return the orders that a kill has torn: the cache knows their position, and not the orders.

    A node writes first which position an order is for, and then the order. After a kill between the
    two each start of the node raises when the venue reports the order, since it cannot be added to
    the cache (seen on 1.221 and 1.231).
    """
    # Few have a position before they are reconciled, so that is asked first
    position_id = cache.position_id
    positioned = dict.fromkeys(
        client_order_id
        for report in reports
        if (client_order_id := report.client_order_id) is not None
        and position_id(client_order_id) is not None
    )
    return tuple(each for each in positioned if cache.order(each) is None)

"""
The orders of the node's own strategies that are at the venue, and that the cache never saw.
"""

from collections.abc import Iterator
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor import native
from nautilus_recovery_actor.client_order_ids import OrderIdForms
from nautilus_recovery_actor.observe import VenueOrder
from nautilus_recovery_actor.observe import VenueReport
from nautilus_recovery_actor.report import LostOrder
from nautilus_recovery_actor.watch import Watch


_ORDER_EVENTS = "events.order."
_ZERO = Decimal(0)


def lost_orders(
    watch: Watch,
    trader_id: str,
    cache: CacheFacade,
    msgbus: MessageBus,
) -> tuple[LostOrder, ...]:
    """
    Return the orders that a venue reported and that a run before sent without leaving a trace.

    Parameters
    ----------
    watch : Watch
        What was collected of the epoch.
    trader_id : str
        The trader.
    cache : CacheFacade
        The cache as it is now.
    msgbus : MessageBus
        The node's bus, which knows its strategies.

    Returns
    -------
    tuple[LostOrder, ...]
        Those that are open, and those that this epoch took up.

    """
    if not any(report.orders for report in watch.reports.values()):
        return ()
    forms = OrderIdForms(trader_id, _strategy_ids(msgbus))
    taken_up = {event.client_order_id for event in watch.flagged[watch.told_events :]}
    return tuple(
        lost
        for report in watch.reports.values()
        for order in report.orders
        for lost in _lost(watch, forms, cache, taken_up, report, order)
    )


def _strategy_ids(msgbus: MessageBus) -> list[str]:
    # Every strategy subscribes to its own events when it is registered, and nothing else tells an
    # actor which there are
    return [
        topic.removeprefix(_ORDER_EVENTS)
        for topic in msgbus.topics()
        if topic.startswith(_ORDER_EVENTS) and "*" not in topic
    ]


def _lost(
    watch: Watch,
    forms: OrderIdForms,
    cache: CacheFacade,
    taken_up: set[ClientOrderId],
    report: VenueReport,
    order: VenueOrder,
) -> Iterator[LostOrder]:
    owners = forms.owners(order.client_order_id or "")
    if not owners:
        return
    client_order_id = ClientOrderId(order.client_order_id)
    cached = cache.order(client_order_id)
    is_taken_up = client_order_id in taken_up
    if cached is None:
        is_lost = order.is_open  # An old one may have been purged
    elif cached.strategy_id.value in owners:
        # Claimed, by `external_order_claims`: from the next start on it is like any other
        is_lost = is_taken_up and not native.is_placed_here(cached, watch.ts_registered)
    else:
        is_lost = is_taken_up or order.is_open
    if not is_lost:
        return
    sign = -1 if order.side == "SELL" else 1
    for owner in owners:
        yield LostOrder(
            strategy_id=owner,
            account_id=report.account_id,
            instrument_id=order.instrument_id,
            client_order_id=client_order_id.value,
            venue_order_id=order.venue_order_id,
            status=order.status,
            qty=sign * (order.qty or _ZERO),
            filled_qty=sign * (order.filled_qty or _ZERO),
            booked_under=None if cached is None else cached.strategy_id.value,
        )

"""
The fills that came in, each trade once, and which of them the engine made up.
"""

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import VenueOrderId

from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.origins import is_alignment
from nautilus_recovery_actor.core.origins import is_synthetic
from nautilus_recovery_actor.node.observing.orders import is_placed_here


_ZERO = Decimal(0)
# What the client order ids of those orders begin with that move what is real
MOVED = "M-"
# Of those that close what nobody reports a trade of
UNTOLD = "C-"
# And of those that make up for what nobody reports
REPAIRED = "R-"


def signed_qty(fill: OrderFilled | FillReport) -> Decimal:
    """Return the quantity of a trade, negative for a sale."""
    qty: Decimal = fill.last_qty.as_decimal()
    return qty if fill.order_side == OrderSide.BUY else -qty


def observed_fills(
    cache: CacheFacade,
    events: Sequence[OrderEvent],
    ts_registered: int,
    made_up: Container[OrderFilled] = (),
    repeated: Container[int] = (),
) -> tuple[ObservedFill, ...]:
    """Return the fills among `events`, each trade once."""
    fills = []
    placed_here: dict[ClientOrderId, bool] = {}
    for index, event in enumerate(events):
        if type(event) is not OrderFilled or id(event) in repeated:
            continue
        is_ours = placed_here.get(event.client_order_id)
        if is_ours is None:
            is_ours = is_placed_here(cache.order(event.client_order_id), ts_registered)
            placed_here[event.client_order_id] = is_ours
        fills.append(
            ObservedFill(
                index=index,
                account_id=event.account_id.value,
                instrument_id=event.instrument_id.value,
                strategy_id=event.strategy_id.value,
                client_order_id=event.client_order_id.value,
                venue_order_id=event.venue_order_id.value,
                trade_id=event.trade_id.value,
                qty=signed_qty(event),
                px=event.last_px.as_decimal(),
                ts_event=event.ts_event,
                placed_here=is_ours,
                is_made_up=event in made_up,
                ts_init=event.ts_init,
                position_id=None if event.position_id is None else event.position_id.value,
                fee=_ZERO if event.commission is None else event.commission.as_decimal(),
                fee_currency=None if event.commission is None else event.commission.currency.code,
            )
        )
    return tuple(fills)


def repeated_fills(events: Iterable[OrderEvent]) -> frozenset[int]:
    """
    Return the `id` of each fill among `events` whose trade an earlier one brought.

    The engine publishes a fill also if it could not apply it, because its trade is in the order
    already (seen on 1.221 and 1.231: a mass status brings a trade of an order that the node had
    taken for rejected).
    """
    seen: set[tuple[str, str]] = set()
    repeated: set[int] = set()
    fills = (event for event in events if type(event) is OrderFilled)
    for fill in sorted(fills, key=lambda event: event.ts_init):
        trade = (fill.client_order_id.value, fill.trade_id.value)
        if trade in seen:
            repeated.add(id(fill))
        seen.add(trade)
    return frozenset(repeated)


def made_up_fills(
    cache: CacheFacade,
    events: Iterable[OrderEvent],
    reported_orders: Container[VenueOrderId],
    reported: Container[str] = (),
) -> set[OrderFilled]:
    """
    Return the flagged fills that align a position and are not trades of the venue.

    They can only be told apart at run time, from the order: on an account that has `reported`, the
    core sees it from the report. Of `reported_orders` the venue informed the node by themselves.
    """
    return {
        event
        for event in events
        if type(event) is OrderFilled
        and event.account_id.value not in reported
        and event.venue_order_id not in reported_orders
        and _aligns(cache, event)
    }


def is_made_up(cache: CacheFacade, fill: OrderFilled) -> bool:
    """Return whether a fill is no trade of the venue, also one of a run before."""
    if fill.client_order_id.value.startswith((MOVED, UNTOLD)):
        return False
    if is_synthetic(fill.trade_id.value, fill.venue_order_id.value):
        return True
    return _aligns(cache, fill) and (fill.reconciliation or _was_flagged(cache, fill))


def _was_flagged(cache: CacheFacade, fill: OrderFilled) -> bool:
    # The two into which a fill is split that turns a position have no flag (1.221 and 1.231)
    order = cache.order(fill.client_order_id)
    return any(
        event.reconciliation
        for event in order.events
        if type(event) is OrderFilled and event.trade_id == fill.trade_id
    )


def _aligns(cache: CacheFacade, fill: OrderFilled) -> bool:
    order = cache.order(fill.client_order_id)
    if order is None or is_placed_here(order, 0):
        return False
    return is_alignment(order.tags or (), fill.venue_order_id.value)

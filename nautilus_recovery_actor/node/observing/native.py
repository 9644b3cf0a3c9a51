"""
The one place that reads NautilusTrader's objects into the plain values of `observe`.
"""

import re
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from functools import wraps
from typing import Any

from blinker import Signal
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.events import OrderPendingCancel
from nautilus_trader.model.events import OrderPendingUpdate
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport


# Seen on 1.231 and on 1.221
_ALIGNMENT_TAGS = frozenset({"RECONCILIATION", "INTERNAL"})
# What the node asks for, and the answer that changes nothing, are no news of the order itself
_NO_NEWS = (OrderPendingUpdate, OrderPendingCancel, OrderModifyRejected, OrderCancelRejected)
_TRAILING = frozenset({OrderType.TRAILING_STOP_MARKET, OrderType.TRAILING_STOP_LIMIT})
_ZERO = Decimal(0)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


_ORDERS_AS_MADE = "_order_reports_as_made"
_FILLS_AS_MADE = "_fill_reports_as_made"

# Before the engine sees them: reports, of any node in this process
reports_added = Signal()


def keep_reports_as_made() -> None:
    """
    Make every mass status remember the order and fill reports that its adapter put in.

    The engine edits a mass status before it applies and publishes it: it drops each order that
    equals the cached one, and adds orders and fills of its own (seen on 1.231; 1.221 edits
    nothing). What is published can then not tell an order that rests at the venue from one that is
    gone, so the reports are kept where the adapter adds them. Calling this again changes nothing.
    """
    _keep(ExecutionMassStatus.add_order_reports, _ORDERS_AS_MADE)
    _keep(ExecutionMassStatus.add_fill_reports, _FILLS_AS_MADE)


def _keep(original: Callable[..., None], attribute: str) -> None:
    if hasattr(original, "keeps_reports"):
        return

    @wraps(original)
    def add(self: ExecutionMassStatus, reports: list[Any]) -> None:
        original(self, reports)
        self.__dict__.setdefault(attribute, []).extend(reports)
        reports_added.send(reports=reports)

    add.keeps_reports = True  # type: ignore[attr-defined]
    setattr(ExecutionMassStatus, original.__name__, add)


def torn_orders(
    cache: CacheFacade,
    reports: Iterable[OrderStatusReport | FillReport],
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


def venue_report(
    mass_status: ExecutionMassStatus,
    seen_events: int,
    seen_live_fills: int,
) -> VenueReport:
    """Return what an adapter reported, without what the engine wrote into it."""
    made = vars(mass_status)
    # Of two reports under one venue order id the newer counts, as for the engine
    orders: dict[VenueOrderId, OrderStatusReport] = (
        {report.venue_order_id: report for report in made[_ORDERS_AS_MADE]}
        if _ORDERS_AS_MADE in made
        else mass_status.order_reports
    )
    fills: list[FillReport] = (
        made[_FILLS_AS_MADE]
        if _FILLS_AS_MADE in made
        else [fill for fills in mass_status.fill_reports.values() for fill in fills]
    )
    account_id = mass_status.account_id
    return VenueReport(
        account_id=account_id.value,
        venue=account_id.get_issuer() if mass_status.venue is None else mass_status.venue.value,
        ts=mass_status.ts_init,
        seen_events=seen_events,
        seen_live_fills=seen_live_fills,
        positions=tuple(
            VenuePosition(
                instrument_id=report.instrument_id.value,
                qty=report.signed_decimal_qty,
                position_id=_value(report.venue_position_id),
                avg_px=getattr(report, "avg_px_open", None),
            )
            for reports in mass_status.position_reports.values()
            for report in reports
        ),
        orders=tuple(
            VenueOrder(
                instrument_id=report.instrument_id.value,
                venue_order_id=report.venue_order_id.value,
                client_order_id=_value(report.client_order_id),
                # Some venues call what rests there "submitted" (Interactive Brokers does for stops)
                is_open=report.is_open or report.order_status == OrderStatus.SUBMITTED,
                status=report.order_status.name,
                side=report.order_side.name,
                qty=report.quantity.as_decimal(),
                filled_qty=report.filled_qty.as_decimal(),
                px=_decimal(report.price),
                trigger_px=None
                if report.order_type in _TRAILING
                else _decimal(report.trigger_price),
            )
            for report in orders.values()
        ),
        trade_ids=frozenset(fill.trade_id.value for fill in fills),
        fills=len(fills),
    )


def cached_positions(cache: CacheFacade) -> tuple[CachedPosition, ...]:
    """Return the open positions of the cache."""
    return tuple(
        CachedPosition(
            account_id=position.account_id.value,
            instrument_id=position.instrument_id.value,
            position_id=position.id.value,
            strategy_id=position.strategy_id.value,
            qty=position.signed_decimal_qty(),
            avg_px=Decimal(str(position.avg_px_open)),
        )
        for position in cache.positions_open()
    )


def cached_orders(
    cache: CacheFacade,
    reports: Iterable[VenueReport],
    late: Container[Any] = (),
    restored: Mapping[ClientOrderId, int] | None = None,
) -> tuple[CachedOrder, ...]:
    """
    Return the orders of the cache that are open or in flight, and those that a venue reported open.
    """
    orders = {order.client_order_id: order for order in cache.orders_open()}
    orders |= {order.client_order_id: order for order in cache.orders_inflight()}
    for report in reports:
        for reported in report.orders:
            if not reported.is_open:
                continue
            client_order_id = (
                cache.client_order_id(VenueOrderId(reported.venue_order_id))
                if reported.client_order_id is None
                else ClientOrderId(reported.client_order_id)
            )
            order = None if client_order_id is None else cache.order(client_order_id)
            if order is not None:
                orders[order.client_order_id] = order
    counts = restored or {}
    return tuple(
        _cached_order(order, late, counts.get(order.client_order_id, 0))
        for order in orders.values()
    )


def _cached_order(order: Order, late: Container[Any], restored: int) -> CachedOrder:
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
        venue_order_id=_value(order.venue_order_id),
        status=OrderStatus(order.status).name,
        is_open=order.is_open,
        is_inflight=order.is_inflight,
        is_local=order.is_active_local,
        ts_init=0 if restored else order.ts_init,
        ts_last=ts_last,
        side=OrderSide(order.side).name,
        qty=None if order.is_quote_quantity else order.quantity.as_decimal(),
        filled_qty=order.filled_qty.as_decimal(),
        px=_decimal(order.price) if order.has_price else None,
        trigger_px=_decimal(order.trigger_price)
        if order.has_trigger_price and order.order_type not in _TRAILING
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


def restored_orders(cache: CacheFacade) -> dict[ClientOrderId, int]:
    """Return how many events each order has that is open or in flight."""
    orders = (*cache.orders_open(), *cache.orders_inflight())
    return {order.client_order_id: order.event_count for order in orders}


def emulated_orders(cache: CacheFacade) -> list[str]:
    """Return the client order ids of the orders that rest in the node's order emulator."""
    return sorted(order.client_order_id.value for order in cache.orders_emulated())


def loaded_instruments(
    cache: CacheFacade,
    reports: Iterable[VenueReport],
) -> dict[str, Decimal]:
    """Return the size increments of those of the reported instruments that the node has loaded."""
    reports = tuple(reports)
    reported = {position.instrument_id for report in reports for position in report.positions}
    reported |= {order.instrument_id for report in reports for order in report.orders}
    found = {value: cache.instrument(InstrumentId.from_str(value)) for value in reported}
    return {
        value: instrument.size_increment.as_decimal()
        for value, instrument in found.items()
        if instrument is not None
    }


def known_accounts(cache: CacheFacade) -> frozenset[str]:
    """
    Return the accounts that the cache knows, by their state, an open position or a live order.
    """
    orders = map(account_of, (*cache.orders_open(), *cache.orders_inflight()))
    return (
        frozenset(account.id.value for account in cache.accounts())
        | frozenset(position.account_id.value for position in cache.positions_open())
        | frozenset(account_id for account_id in orders if account_id is not None)
    )


def account_states(
    cache: CacheFacade,
    exec_engine: ExecutionEngine | None,
) -> tuple[AccountState, ...]:
    """Return what the node knows of its accounts without asking their venues."""
    connected = {} if exec_engine is None else connections(exec_engine)
    seen = {account.id.value: account.last_event.ts_init for account in cache.accounts()}
    return tuple(
        AccountState(account_id, connected.get(account_id), seen.get(account_id))
        for account_id in sorted(connected.keys() | seen.keys())
    )


def connections(exec_engine: ExecutionEngine) -> dict[str, bool]:
    """Return whether the execution client of each account is connected."""
    # No public name leads from an engine to its clients
    clients = getattr(exec_engine, "_clients", {})
    return {
        client.account_id.value: client.is_connected
        for client in clients.values()
        if client.account_id is not None
    }


def observed_fills(
    cache: CacheFacade,
    events: Sequence[Any],
    ts_registered: int,
    made_up: Container[Any] = (),
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
        qty = event.last_qty.as_decimal()
        fills.append(
            ObservedFill(
                index=index,
                account_id=event.account_id.value,
                instrument_id=event.instrument_id.value,
                strategy_id=event.strategy_id.value,
                client_order_id=event.client_order_id.value,
                venue_order_id=event.venue_order_id.value,
                trade_id=event.trade_id.value,
                qty=qty if event.order_side == OrderSide.BUY else -qty,
                px=event.last_px.as_decimal(),
                ts_event=event.ts_event,
                placed_here=is_ours,
                is_made_up=event in made_up,
                ts_init=event.ts_init,
                position_id=_value(event.position_id),
                fee=_ZERO if event.commission is None else event.commission.as_decimal(),
                fee_currency=None if event.commission is None else event.commission.currency.code,
            ),
        )
    return tuple(fills)


def repeated_fills(events: Iterable[Any]) -> frozenset[int]:
    """
    Return the `id` of each fill among `events` that tells of a trade which one before told of.

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


def is_made_up(cache: CacheFacade, fill: OrderFilled) -> bool:
    """
    Return whether a flagged fill at run time aligns a position, and is no trade of the venue.

    The engine tags the order that it makes up, unless a strategy claims the instrument: then only
    the form of the venue order id is left, a UUID.
    """
    order = cache.order(fill.client_order_id)
    if order is None or is_placed_here(order, 0):
        return False
    if order.tags:
        return not _ALIGNMENT_TAGS.isdisjoint(order.tags)
    return _UUID.fullmatch(fill.venue_order_id.value) is not None


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


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else value.as_decimal()


def _value(identifier: Any) -> str | None:
    return None if identifier is None else identifier.value

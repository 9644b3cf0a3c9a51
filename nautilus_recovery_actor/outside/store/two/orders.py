"""
What 2.0 makes of stored events of orders, as `OrderAny::from_events` folds them (2.0.0rc7).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.orders import PRICED
from nautilus_recovery_actor.outside.store.orders import SIDES
from nautilus_recovery_actor.outside.store.orders import TRIGGERABLE
from nautilus_recovery_actor.outside.store.orders import TRIGGERED
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.two import events
from nautilus_recovery_actor.outside.store.two.statuses import ENDS_PENDING
from nautilus_recovery_actor.outside.store.two.statuses import NEXT
from nautilus_recovery_actor.outside.store.two.statuses import PENDING


_ZERO = Decimal(0)
_TRAILING = {"TRAILING_STOP_MARKET", "TRAILING_STOP_LIMIT"}
# What an order of each type cannot be without
_REQUIRED = {
    "price": PRICED - {"MARKET_TO_LIMIT", "TRAILING_STOP_LIMIT"},
    "trigger_price": TRIGGERED - _TRAILING,
    "trigger_type": TRIGGERED,
    "trailing_offset": _TRAILING,
    "trailing_offset_type": _TRAILING,
    "limit_offset": {"TRAILING_STOP_LIMIT"},
}
_NONE = {None, "NO_TRIGGER", "NO_TRAILING_OFFSET"}
_NEVER_HELD = {"MARKET", "MARKET_TO_LIMIT"}
_WITHOUT_CHECK_OF_DISPLAY = {"MARKET", "MARKET_IF_TOUCHED"}


def restored_order(values: Iterable[bytes], knows: events.Knows) -> RestoredOrder:
    """Return the order that 2.0 makes of a stored list of events, with the currencies it knows."""
    history = map(events.order_event, values)
    first = next(history, None)
    if first is None:
        raise BrokenEntryError("it has no events")
    kind, init = first
    if not isinstance(init, events.OrderInitialized):
        raise BrokenEntryError(f"it starts with {kind}, not Initialized")
    fold = _OrderFold(init)
    for kind, event in history:
        match event:
            case events.OrderFilled():
                events.check_money(knows, event.currency, event.commission)
            case events.OrderFillVoided():
                events.check_money(knows, event.currency, event.commission_voided)
        fold.apply(kind, event)
    return fold.order


def _check(init: events.OrderInitialized, qty: Decimal) -> None:
    if not qty:
        raise BrokenEntryError("an order with quantity zero")
    if init.order_side not in SIDES:
        raise BrokenEntryError(f"unknown order side: {init.order_side[:20]!r}")
    if init.order_type not in PRICED | TRIGGERED | {"MARKET"}:
        raise BrokenEntryError(f"unknown order type: {init.order_type[:30]!r}")
    for name, types in _REQUIRED.items():
        if init.order_type in types and getattr(init, name) in _NONE:
            raise BrokenEntryError(f"an order of type {init.order_type} without its {name}")
    if init.order_type == "LIMIT_IF_TOUCHED":
        _check_sides(init)
    shown = init.display_qty
    is_checked = shown is not None and init.order_type not in _WITHOUT_CHECK_OF_DISPLAY
    if is_checked and decoding.quantity(str(shown)) > qty:
        raise BrokenEntryError("it shows more than its quantity")
    if init.time_in_force == "GTD" and (init.order_type == "MARKET" or not init.expire_time):
        raise BrokenEntryError("it is good till a date that it does not name")


def _check_sides(init: events.OrderInitialized) -> None:
    price, trigger = decoding.number(str(init.price)), decoding.number(str(init.trigger_price))
    if trigger > price if init.order_side == "BUY" else trigger < price:
        raise BrokenEntryError("its trigger is on the other side of its price")


class _OrderFold:
    def __init__(self, init: events.OrderInitialized) -> None:
        qty = decoding.quantity(init.quantity)
        _check(init, qty)
        # What comes of it is given by when the node made the order, not by when it was stored
        ts_init = decoding.nanoseconds(init.ts_event)
        is_held = init.order_type not in _NEVER_HELD and init.emulation_trigger not in _NONE
        children = init.linked_order_ids if init.contingency_type == "OTO" else None
        self.order = RestoredOrder(
            client_order_id=init.client_order_id,
            strategy_id=init.strategy_id,
            instrument_id=init.instrument_id,
            order_type=init.order_type,
            side=init.order_side,
            quantity=qty,
            leaves_qty=qty,
            ts_init=ts_init,
            ts_last=ts_init,
            emulation_trigger=init.emulation_trigger if is_held else None,
            children=tuple(children or ()),
        )
        price = None if init.order_type == "MARKET_TO_LIMIT" else init.price
        self._set_prices(price, init.trigger_price)
        self._previous = "INITIALIZED"
        self._venue_order_ids: set[str] = set()
        # Each trade with its quantity and its position, and with the price that it was last given
        self._trades: dict[str, tuple[Decimal, str | None]] = {}
        self._prices: dict[str, Decimal] = {}
        self._voids: dict[str, tuple[Decimal, bool]] = {}
        # Since it was last canceled, or expired
        self._has_filled_since: dict[str, bool] = {}

    def apply(self, kind: str, event: events.OrderEvent) -> None:
        self._check(kind, event)
        order = self.order
        ts = decoding.nanoseconds(event.ts_event)
        decoding.nanoseconds(event.ts_init)
        if isinstance(event, events.OrderFilled) and self._is_restated(event):
            # Another price of the same trade changes no quantity
            order.ts_last = ts
            self._has_filled_since = dict.fromkeys(self._has_filled_since, True)
        elif not self._is_expired_again(kind):
            before = order.status
            self._become(kind, event)
            self._note(event, before)
            order.ts_last = ts
            if kind in {"Canceled", "Expired"}:
                self._has_filled_since[kind] = False

    def _check(self, kind: str, event: events.OrderEvent) -> None:
        order = self.order
        if event.client_order_id != order.client_order_id:
            raise BrokenEntryError(f"an event of another order: {event.client_order_id[:80]!r}")
        if event.strategy_id != order.strategy_id:
            raise BrokenEntryError(f"an event of another strategy: {event.strategy_id[:80]!r}")
        if kind == "Initialized":
            raise BrokenEntryError("it was released as an order of another type")
        if kind == "Triggered" and order.order_type not in TRIGGERABLE:
            raise BrokenEntryError(f"an order of type {order.order_type} cannot be triggered")

    def _become(self, kind: str, event: events.OrderEvent) -> None:
        before = self.order.status
        status = "CANCELED" if self._is_canceled_again(kind) else NEXT.get(before, {}).get(kind)
        if status is None:
            raise BrokenEntryError(f"{kind} cannot follow {before}")
        if isinstance(event, events.OrderUpdated):
            self._check_update(event)
        ends = ENDS_PENDING.get(kind)
        self.order.status = self._previous if ends == before else status
        if ends is None and before not in PENDING:
            self._previous = before

    def _is_restated(self, fill: events.OrderFilled) -> bool:
        px = decoding.number(fill.last_px)
        known = self._prices.get(fill.trade_id)
        self._prices[fill.trade_id] = px
        if known == px:
            raise BrokenEntryError(f"trade {fill.trade_id[:80]!r} appears twice")
        return known is not None

    def _is_expired_again(self, kind: str) -> bool:
        is_over = self.order.status in {"EXPIRED", "FILLED"}
        if kind == "Expired" and is_over and self._has_filled_since.get(kind):
            self._has_filled_since[kind] = False
            return True
        return False

    def _is_canceled_again(self, kind: str) -> bool:
        is_canceled = self.order.status == "CANCELED"
        return kind == "Canceled" and is_canceled and self._has_filled_since.get(kind, False)

    def _check_update(self, event: events.OrderUpdated) -> None:
        order_type = self.order.order_type
        if (event.price is not None and order_type not in PRICED) or (
            event.trigger_price is not None and order_type not in TRIGGERED
        ):
            raise BrokenEntryError("it was given a price that its type does not have")

    def _note(self, event: Any, before: str) -> None:
        match event:
            case events.OrderReleased():
                self.order.emulation_trigger = None
            case events.OrderSubmitted():
                self.order.account_id = event.account_id
            case events.OrderAccepted():
                self.order.account_id = event.account_id
                self._give_venue_order_id(event.venue_order_id)
            case events.OrderUpdated():
                self._update(event)
            case events.OrderFilled():
                self._fill(event, before)
            case events.OrderFillVoided():
                self._void(event, before)

    def _give_venue_order_id(self, venue_order_id: str) -> None:
        self.order.venue_order_id = venue_order_id
        self._venue_order_ids.add(venue_order_id)

    def _update(self, event: events.OrderUpdated) -> None:
        order = self.order
        if order.status in PENDING:
            order.status = self._previous
        qty = decoding.quantity(event.quantity)
        if event.reconciliation and order.filled_qty and qty == order.filled_qty:
            order.status = "FILLED"
        if event.venue_order_id is not None:
            self._give_venue_order_id(event.venue_order_id)
        self._set_prices(event.price, event.trigger_price)
        order.quantity = qty
        order.leaves_qty = self._working()

    def _working(self) -> Decimal:
        gone = sum(
            (
                min(voided, self._trades.get(trade_id, (_ZERO, None))[0])
                for trade_id, (voided, is_reopened) in self._voids.items()
                if not is_reopened
            ),
            _ZERO,
        )
        return max(max(self.order.quantity - self.order.filled_qty, _ZERO) - gone, _ZERO)

    def _fill(self, event: events.OrderFilled, before: str) -> None:
        order = self.order
        qty = decoding.quantity(event.last_qty)
        order.filled_qty += qty
        order.leaves_qty = max(order.leaves_qty - qty, _ZERO)
        if order.filled_qty >= order.quantity:
            order.status = "FILLED"
        elif not order.leaves_qty and self._voids:
            order.status = "VOIDED"
        elif before in {"CANCELED", "EXPIRED", *PENDING}:
            order.status = before
            if before in PENDING:
                self._previous = "PARTIALLY_FILLED"
        else:
            order.status = "PARTIALLY_FILLED"
        if event.venue_order_id not in self._venue_order_ids or order.venue_order_id is None:
            order.venue_order_id = event.venue_order_id
        order.position_id = event.position_id
        self._trades[event.trade_id] = (qty, event.position_id)
        self._has_filled_since = dict.fromkeys(self._has_filled_since, True)

    def _void(self, event: events.OrderFillVoided, before: str) -> None:
        order = self.order
        self._voids[event.trade_id] = (decoding.quantity(event.voided_qty), event.is_reopened)
        order.filled_qty, order.position_id = _ZERO, None
        for trade_id, (qty, position_id) in self._trades.items():
            left = max(qty - self._voids.get(trade_id, (_ZERO, True))[0], _ZERO)
            order.filled_qty += left
            order.position_id = position_id if left else order.position_id
        order.leaves_qty = self._working()
        is_known = event.trade_id in self._trades
        if before == "VOIDED" or not (is_known or event.is_reopened):
            order.status, order.leaves_qty = "VOIDED", _ZERO
        elif before in {"CANCELED", "EXPIRED"}:
            order.leaves_qty = max(order.quantity - order.filled_qty, _ZERO)
        elif not order.leaves_qty:
            order.status = "VOIDED"
        elif before not in {*PENDING, "TRIGGERED"}:
            order.status = "PARTIALLY_FILLED" if order.filled_qty else "ACCEPTED"

    def _set_prices(self, price: str | None, trigger_price: str | None) -> None:
        if price is not None and self.order.order_type in PRICED:
            self.order.price = decoding.number(price)
        if trigger_price is not None and self.order.order_type in TRIGGERED:
            self.order.trigger_price = decoding.number(trigger_price)

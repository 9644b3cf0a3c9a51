"""
What a node makes of stored events of orders, as NautilusTrader folds them when it starts (seen in
1.221 and 1.231).

It does not look at the sets of open and closed orders that are stored too: the events decide.
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import events
from nautilus_recovery_actor.outside.store import order_statuses
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


PRICED = {*("LIMIT", "STOP_LIMIT", "MARKET_TO_LIMIT", "LIMIT_IF_TOUCHED", "TRAILING_STOP_LIMIT")}
TRIGGERED = {
    *("STOP_MARKET", "STOP_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"),
    *("TRAILING_STOP_MARKET", "TRAILING_STOP_LIMIT"),
}
# Their prices come with the market
_PRICED_LATER = {"MARKET_TO_LIMIT", "TRAILING_STOP_MARKET", "TRAILING_STOP_LIMIT"}
TRIGGERABLE = {"STOP_LIMIT", "TRAILING_STOP_LIMIT", "LIMIT_IF_TOUCHED"}
SIDES = {"BUY", "SELL"}


class RestoredOrder(msgspec.Struct, kw_only=True, gc=False):
    """An order as a node restores it."""

    client_order_id: str
    # Whose it is
    strategy_id: str
    # What it trades
    instrument_id: str
    # Its type, such as ``STOP_LIMIT``
    order_type: str
    # ``BUY`` or ``SELL``
    side: str
    # How much it was for, after all changes
    quantity: Decimal
    leaves_qty: Decimal
    # When it was made (UNIX ns)
    ts_init: int
    # When something last happened to it (UNIX ns)
    ts_last: int
    # Its status
    status: str = "INITIALIZED"
    filled_qty: Decimal = Decimal(0)
    price: Decimal | None = None
    # What it waits for
    trigger_price: Decimal | None = None
    # What the node watches for it, ``None`` for an order that is not emulated
    emulation_trigger: str | None = None
    # Its ID at the venue
    venue_order_id: str | None = None
    # The account it was sent from
    account_id: str | None = None
    # The position that its last fill changed, or that its parent's did
    position_id: str | None = None
    # The orders that follow its fill, as the stop and the target of a bracket do
    children: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it rests at the venue, as far as the node knows."""
        return self.status in order_statuses.OPEN and self.emulation_trigger is None

    @property
    def is_inflight(self) -> bool:
        """Whether the venue has not answered yet."""
        return self.status in order_statuses.INFLIGHT

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        return self.status in order_statuses.OVER


def restored_order(values: Iterable[bytes]) -> RestoredOrder:
    """Return the order that a node makes of a stored list of events."""
    history = map(decoding.order_event, values)
    first = next(history, None)
    if first is None:
        raise BrokenEntryError("it has no events")
    if not isinstance(first, events.OrderInitialized):
        raise BrokenEntryError(f"it starts with {type(first).__name__}, not OrderInitialized")
    fold = _OrderFold(first)
    for count, event in enumerate(history):
        fold.apply(event, may_transform=count > 0)
    return fold.order


class _OrderFold:
    def __init__(self, init: events.OrderInitialized) -> None:
        qty = decoding.quantity(init.quantity)
        if not qty:
            raise BrokenEntryError("an order with quantity zero")
        if init.order_side not in SIDES:
            raise BrokenEntryError(f"unknown order side: {init.order_side[:20]!r}")
        if init.order_type not in PRICED | TRIGGERED | {"MARKET"}:
            raise BrokenEntryError(f"unknown order type: {init.order_type[:30]!r}")
        for price, wanting in (
            (init.options.price, PRICED - _PRICED_LATER),
            (init.options.trigger_price, TRIGGERED - _PRICED_LATER),
        ):
            if price is None and init.order_type in wanting:
                raise BrokenEntryError(f"an order of type {init.order_type} without its price")
        ts_init = decoding.nanoseconds(init.ts_init)
        trigger = init.emulation_trigger
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
            emulation_trigger=None if trigger == "NO_TRIGGER" else trigger,
            children=tuple(init.linked_order_ids or ()) if init.contingency_type == "OTO" else (),
        )
        self._set_prices(init.options.price, init.options.trigger_price)
        self._previous = "INITIALIZED"
        self._event_ids = {init.event_id}
        self._trade_ids: set[str] = set()

    def apply(self, event: Any, *, may_transform: bool) -> None:
        order = self.order
        if event.client_order_id != order.client_order_id:
            raise BrokenEntryError(f"an event of another order: {event.client_order_id[:80]!r}")
        if event.event_id in self._event_ids:
            raise BrokenEntryError(f"event {event.event_id[:40]!r} appears twice")
        self._event_ids.add(event.event_id)
        ts = decoding.nanoseconds(event.ts)
        decoding.nanoseconds(event.ts_init)
        kind = type(event)
        if kind is events.OrderInitialized:
            if may_transform:
                self._transform(event)
            self.order.ts_last = ts
            return
        if order.venue_order_id and kind is not events.OrderUpdated:
            self._check_venue_order_id(event)

        before = order.status
        status = order_statuses.STATUS_OF.get(kind)
        if status is not None:
            self._become(status)
        elif order.status == order_statuses.ENDS_PENDING.get(kind):
            self._become(self._previous)
        note = _NOTES.get(kind)
        if note is not None:
            note(self, event)
        if before not in order_statuses.PENDING:
            self._previous = before
        order.ts_last = ts

    def _check_venue_order_id(self, event: Any) -> None:
        venue_order_id = getattr(event, "venue_order_id", None)
        if venue_order_id and venue_order_id != self.order.venue_order_id:
            raise BrokenEntryError(f"the venue order ID changes to {venue_order_id[:80]!r}")

    def _become(self, status: str) -> None:
        if status not in order_statuses.NEXT.get(self.order.status, ()):
            raise BrokenEntryError(f"{status} cannot follow {self.order.status}")
        self.order.status = status

    def _submit(self, event: events.OrderSubmitted) -> None:
        self.order.account_id = event.account_id

    def _accept(self, event: events.OrderAccepted) -> None:
        self.order.venue_order_id = event.venue_order_id

    def _release(self, _: events.OrderReleased) -> None:
        self.order.emulation_trigger = None

    def _trigger(self, _: events.OrderTriggered) -> None:
        if self.order.order_type not in TRIGGERABLE:
            raise BrokenEntryError(f"an order of type {self.order.order_type} cannot be triggered")

    def _update(self, event: events.OrderUpdated) -> None:
        order = self.order
        if order.venue_order_id and event.venue_order_id and order.order_type != "MARKET":
            order.venue_order_id = event.venue_order_id
        order.quantity = decoding.quantity(event.quantity)
        order.leaves_qty = max(order.quantity - order.filled_qty, Decimal(0))
        self._set_prices(event.price, event.trigger_price)

    def _fill(self, event: events.OrderFilled) -> None:
        order = self.order
        if order.venue_order_id and event.trade_id in self._trade_ids:
            raise BrokenEntryError(f"trade {event.trade_id[:80]!r} appears twice")
        decoding.number(event.last_px)
        filled = order.filled_qty + decoding.quantity(event.last_qty)
        self._become("PARTIALLY_FILLED" if filled < order.quantity else "FILLED")
        self._trade_ids.add(event.trade_id)
        order.venue_order_id = event.venue_order_id
        order.position_id = event.position_id
        order.strategy_id = event.strategy_id
        order.filled_qty = filled
        order.leaves_qty = max(order.quantity - filled, Decimal(0))

    def _transform(self, event: events.OrderInitialized) -> None:
        # An emulated order is sent as one of another type: everything but its history starts over
        order = self.order
        if event.order_type not in {"MARKET", "LIMIT"}:
            raise BrokenEntryError(f"an order cannot become {event.order_type[:30]!r}")
        if event.order_type == "LIMIT" and event.options.price is None:
            raise BrokenEntryError("a LIMIT order without a price")
        self.order = RestoredOrder(
            client_order_id=order.client_order_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            order_type=event.order_type,
            side=order.side,
            quantity=order.quantity,
            leaves_qty=order.quantity,
            ts_init=order.ts_init,
            ts_last=order.ts_last,
            children=order.children,
        )
        self._set_prices(event.options.price, None)
        self._previous = "INITIALIZED"
        self._trade_ids.clear()

    def _set_prices(self, price: str | None, trigger_price: str | None) -> None:
        if price is not None and self.order.order_type in PRICED:
            self.order.price = decoding.number(price)
        if trigger_price is not None and self.order.order_type in TRIGGERED:
            self.order.trigger_price = decoding.number(trigger_price)


# What an event does besides giving a status
_NOTES: dict[type, Callable[[_OrderFold, Any], None]] = {
    events.OrderSubmitted: _OrderFold._submit,  # noqa: SLF001
    events.OrderAccepted: _OrderFold._accept,  # noqa: SLF001
    events.OrderReleased: _OrderFold._release,  # noqa: SLF001
    events.OrderTriggered: _OrderFold._trigger,  # noqa: SLF001
    events.OrderUpdated: _OrderFold._update,  # noqa: SLF001
    events.OrderFilled: _OrderFold._fill,  # noqa: SLF001
}

"""
What a closed gate answers: a denial to an order, a rejection to a change, and to the cancel of what
alone protects a position; and what it lets pass, because a position is better off with it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from typing import Protocol

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.host.held_back import CAME_TOO_LATE
from nautilus_recovery_actor.host.held_back import HeldBack
from nautilus_recovery_actor.host.way_out import Books
from nautilus_recovery_actor.host.way_out import ClientId
from nautilus_recovery_actor.host.way_out import ClientOrderId
from nautilus_recovery_actor.host.way_out import Order
from nautilus_recovery_actor.host.way_out import PositionId
from nautilus_recovery_actor.host.way_out import Price
from nautilus_recovery_actor.host.way_out import Quantity
from nautilus_recovery_actor.host.way_out import WayOut


def would_leave_naked(gate_reason: str | None) -> str:
    """Return why a cancel is held back at a gate that is closed for `gate_reason`."""
    return f"RECOVERY_WOULD_LEAVE_NAKED: its position could not be closed ({gate_reason})"


class Answering(Protocol):
    """A strategy on its host, as far as it is answered."""

    def books(self) -> Books:
        """Return its cache, and what is known of venues."""

    def status(self, order: Order) -> str:
        """Return the status of an order."""

    def cancelable(self, instrument_id: Any, side: Any) -> list[Order]:
        """Return its orders on an instrument that `cancel_all_orders` of a side would cancel."""

    def is_of_side(self, order: Order, side: Any) -> bool:
        """Return whether such a cancel concerns an order."""

    def deny(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not sent."""

    def reject_change(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not changed."""

    def reject_cancel(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not canceled."""

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop, from any thread."""

    def listen(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have `hear` called with what is published of the orders of a strategy."""

    def unlisten(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have it called no more."""

    def is_answer(self, event: Any) -> bool:
        """Return whether that may be a venue's answer to a cancel."""

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to the log."""


class Denial:
    """Answers natively what a strategy must not send; in shadow mode it only says so."""

    def __init__(self, strategy: Any, following: Following[Any], answering: Answering) -> None:
        self._strategy = strategy
        self._following = following
        self._answering = answering
        self._shadowed: set[ClientOrderId] = set()
        # Why orders are answered as at a closed gate though it is open
        self._unstored: dict[ClientOrderId, str] = {}
        self._held_back_yet: HeldBack | None = None
        self.listen, self.unlisten = answering.listen, answering.unlisten
        self.is_answer, self.say, self.soon = answering.is_answer, answering.say, answering.soon

    def dispose(self) -> None:
        """Deny what waits, and listen no more."""
        if self._held_back_yet is not None:
            self._held_back_yet.dispose()

    @property
    def _held_back(self) -> HeldBack:
        # Of a thousand strategies few ask for anything at a closed gate
        if self._held_back_yet is None:
            self._held_back_yet = HeldBack(self, WayOut(self._answering.books()))
        return self._held_back_yet

    @property
    def awaited(self) -> frozenset[str]:
        """The orders whose cancels have to be answered, before what waits for them is sent."""
        return frozenset() if self._held_back_yet is None else self._held_back_yet.awaited

    # -- WHAT IS ASKED --

    def submit(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        send: Callable[[], None],
    ) -> None:
        """Send orders that can only reduce, or deny them."""
        if any(self._answering.status(order) != "INITIALIZED" for order in orders):
            for order in orders:
                self.deny(order)
        elif not self._following.is_shadow:
            self._held_back.submit(orders, position_id, client_id, send)
        else:
            closed = [order for order in orders if not self.is_open_for(order)]
            if self._held_back.passage(closed, position_id, client_id).refusal:
                for order in orders:
                    self._say_in_shadow(order)
            send()

    def refuse(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        send: Callable[[], None],
        reason: str,
    ) -> None:
        """Send orders that can only reduce, or deny them, also at an open gate."""
        self._unstored |= {order.client_order_id: reason for order in orders}
        self.submit(orders, position_id, client_id, send)

    def modify(
        self,
        order: Order,
        quantity: Quantity | None,
        price: Price | None,
        trigger_price: Price | None,
        send: Callable[[], None],
    ) -> None:
        """Send a change that makes an exit no larger and no looser, or reject it."""
        if order.is_closed:
            send()  # Which says so
        elif self._held_back.may_change(order, quantity, price, trigger_price):
            if not self._following.is_shadow:
                self.let_pass(order)
            send()
        elif self._following.is_shadow:
            self._say_in_shadow(order)
            send()
        else:
            self._answering.reject_change(order, self._signal(order))

    def cancel(self, orders: list[Order], send: Callable[[list[Order]], None]) -> None:
        """Cancel orders, except those without which a position that cannot be closed is naked."""
        self._held_back.give_up(orders.__contains__)
        self._cancel([one for one in orders if self._answering.status(one) != "DENIED"], send)

    def give_up(self, is_canceled: Callable[[Order], bool]) -> None:
        """Deny the orders that are canceled while they wait at the gate."""
        if self._held_back_yet is not None:
            self._held_back_yet.give_up(is_canceled)

    def _cancel(self, orders: list[Order], send: Callable[[list[Order]], None]) -> None:
        means = self._means(orders)
        passing = [one for one in orders if means[one.client_order_id] is Cancel.PASSES]
        if passing:
            self._held_back.note_canceled(passing)
            send(passing)
        for order in orders:
            if order not in passing:
                self._held_back.cancel(order, means[order.client_order_id], partial(send, [order]))

    def cancel_all(
        self,
        instrument_id: Any,
        side: Any,
        send_all: Callable[[], None],
        send: Callable[[list[Order]], None],
    ) -> None:
        """Cancel all orders of an instrument as natively, unless one of them must stay."""
        is_of_side = self._answering.is_of_side
        self._held_back.give_up(
            lambda order: order.instrument_id == instrument_id and is_of_side(order, side)
        )
        orders = self._answering.cancelable(instrument_id, side)
        # Natively those that are in flight do not say that they are canceled, or are not (1.221)
        is_simple = self._following.is_shadow or not any(one.is_inflight for one in orders)
        if is_simple and all(one is Cancel.PASSES for one in self._means(orders).values()):
            self._held_back.note_canceled(orders)
            send_all()
        else:
            self._cancel(orders, send)

    def _means(self, orders: list[Order]) -> dict[ClientOrderId, Cancel]:
        means = dict.fromkeys((order.client_order_id for order in orders), Cancel.PASSES)
        if self._following.is_shadow:
            return means
        resting = [one for one in orders if not (one.is_closed or one.is_pending_cancel)]
        return means | self._held_back.cancels(resting)

    # -- WHAT IS ANSWERED: a gatekeeper --

    @property
    def epoch(self) -> int:
        """The epoch that closed the gate."""
        return self._following.gate.epoch

    @property
    def is_forgone(self) -> bool:
        """Whether another node answers for what is held by now."""
        return self._following.gate.is_forgone

    def is_open_for(self, order: Order) -> bool:
        """Return whether an order needs no permission."""
        is_refused = order.client_order_id in self._unstored
        return not is_refused and self._following.gate.is_open_for(order.instrument_id)

    def let_pass(self, order: Order) -> None:
        """Say that an order, or a change of it, passes."""
        reason = self._reason(order)
        is_unstored = self._unstored.pop(order.client_order_id, None) is not None
        severity = Severity.WARN if is_unstored else Severity.INFO
        self.say(severity, f"{order.client_order_id} passes, it can only reduce: {reason}")
        signals.send(
            signals.exit_passed, self._strategy, self._complain, order=order, reason=reason
        )

    def deny(self, order: Order, reason: str | None = None, *, refusal: str = "") -> None:
        """Answer that an order is not sent; `refusal` is why it is no exit that passes."""
        if (status := self._answering.status(order)) != "INITIALIZED":
            text = f"Cannot submit {order.client_order_id}: it is already {status}"
            self.say(Severity.BLOCK, text)
            return
        reason = reason or self._reason(order)
        self._unstored.pop(order.client_order_id, None)
        self._signal(order, reason := f"{reason}; {refusal}" if refusal else reason)
        self._answering.deny(order, reason)

    def reject_cancel(self, order: Order) -> None:
        """Answer that an order is not canceled."""
        reason = self._reason(order)
        reason = self._signal(order, reason if self.is_forgone else would_leave_naked(reason))
        text = f"The cancel of {order.client_order_id} was held back: {reason}"
        self.say(Severity.BLOCK, text)
        self._answering.reject_cancel(order, reason)

    def _say_in_shadow(self, order: Order) -> None:
        if order.client_order_id in self._shadowed:
            return  # Once is enough for an order that is modified again and again
        self._shadowed.add(order.client_order_id)
        reason = self._signal(order)
        self.say(Severity.WARN, f"Shadow mode lets {order.client_order_id} pass: {reason}")

    def _signal(self, order: Order, reason: str | None = None) -> str:
        reason = reason or self._reason(order)
        signals.send(
            signals.order_denied, self._strategy, self._complain, order=order, reason=reason
        )
        return reason

    def _complain(self, text: str, error: Exception) -> None:
        self.say(Severity.BLOCK, text, error)

    def _reason(self, order: Order) -> str:
        # Of a list, the order that is denied need not be the one whose instrument is blocked
        gate = self._following.gate
        if reason := gate.reason(order.instrument_id):
            return reason
        if reason := self._unstored.get(order.client_order_id):
            return reason
        blocked = ", ".join(sorted(gate.blocked))
        return f"RECOVERY_BLOCKED: {blocked}" if blocked else CAME_TOO_LATE

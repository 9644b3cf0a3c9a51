"""
What is held back at a closed gate, and for how long: exits until the cancels before them are
answered, and whatever depends on what follows until the turn of the event loop is over.
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from functools import wraps
from threading import RLock
from typing import Any
from typing import NamedTuple
from typing import Protocol

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Passage
from nautilus_recovery_actor.core.exits import close_whole
from nautilus_recovery_actor.host.way_out import ClientId
from nautilus_recovery_actor.host.way_out import ClientOrderId
from nautilus_recovery_actor.host.way_out import Order
from nautilus_recovery_actor.host.way_out import PositionId
from nautilus_recovery_actor.host.way_out import WayOut


def _alone(method: Callable[..., None]) -> Callable[..., None]:
    # Timers call on another thread, while the event loop may be at it
    @wraps(method)
    def alone(self: "HeldBack", *args: Any, **kwargs: Any) -> None:
        with self.lock:
            method(self, *args, **kwargs)

    return alone


class Gatekeeper(Protocol):
    """Who answers at the gate."""

    @property
    def epoch(self) -> int:
        """The epoch that closed the gate."""

    @property
    def is_forgone(self) -> bool:
        """Whether nothing passes: another node answers for what is held by now."""

    def is_open_for(self, order: Order) -> bool:
        """Return whether an order needs no permission any more."""

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop, from any thread."""

    def let_pass(self, order: Order) -> None:
        """Say that an order, or a change of it, passes."""

    def deny(self, order: Order, reason: str | None = None, *, refusal: str = "") -> None:
        """Answer that an order is not sent; `refusal` is why it is no exit that passes."""

    def reject_cancel(self, order: Order) -> None:
        """Answer that an order is not canceled."""

    def listen(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have `hear` called with what is published of the orders of a strategy."""

    def unlisten(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have it called no more."""

    def is_answer(self, event: Any) -> bool:
        """Return whether that may be a venue's answer to a cancel."""

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to the log."""


class _Submit(NamedTuple):
    orders: list[Order]
    position_id: PositionId | None
    client_id: ClientId | None
    send: Callable[[], None]


# Orders with the positions that they would reduce
_Closes = list[tuple[Order, PositionId]]


class _Waiting(NamedTuple):
    submit: _Submit
    awaits: frozenset[str]


CANCELED_WAITING = "RECOVERY_CANCELED: it waited at the closed gate and was canceled"
CAME_TOO_LATE = "RECOVERY_CANCELED: it waited at the closed gate, and there is less to close now"


class HeldBack:
    """The orders and cancels of a closed gate that are not answered at once."""

    def __init__(self, keeper: Gatekeeper, way_out: WayOut) -> None:
        self.lock = RLock()
        self._keeper = keeper
        self._way_out = way_out
        self._waiting: list[_Waiting] = []
        self._heard: set[str] = set()
        self._obstructed: list[_Submit] = []
        self._put_off: dict[ClientOrderId, tuple[Order, Callable[[], None]]] = {}
        # What was sent in this turn to close or protect a position; and the positions of which an
        # exit was refused and none let pass since, with the epoch
        self._used: list[tuple[Order, PositionId]] = []
        self._refused: dict[PositionId, int] = {}

    @property
    def awaited(self) -> frozenset[str]:
        """The orders whose cancels have to be answered."""
        return frozenset().union(*(one.awaits for one in self._waiting))

    # -- ORDERS --

    def passage(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        going: frozenset[str] = frozenset(),
    ) -> Passage:
        """Return whether orders can only reduce, once the orders `going` are canceled."""
        if self._keeper.is_forgone:
            return Passage("another node closes it", is_exit=False)
        try:
            return self._way_out.passage(orders, position_id, client_id, going)
        except Exception as e:
            self._complain("Looking whether an order only reduces raised", e)
            return Passage("whether it only reduces is unknown", is_exit=False)

    @_alone
    def submit(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        send: Callable[[], None],
    ) -> None:
        """Send orders that can only reduce, now or when that is known, or deny them."""
        self._submit(_Submit(orders, position_id, client_id, send))

    @_alone
    def _submit(
        self, submit: _Submit, *, is_turn_over: bool = False, has_waited: bool = False
    ) -> None:
        orders, position_id, client_id, send = submit
        # What has waited may be too late, also at a gate that is open by now
        held_back = [order for order in orders if has_waited or not self._keeper.is_open_for(order)]
        passage = self.passage(held_back, position_id, client_id)
        closes = self._closes(held_back, position_id) if passage.is_exit else []
        if passage.is_obstructed and not is_turn_over:
            # What obstructs it may be canceled in the same breath
            self._use(closes)
            self._obstructed.append(submit)
            self._keeper.soon(self._end_turn)
        elif passage.refusal:
            self._refused |= dict.fromkeys((one[1] for one in closes), self._keeper.epoch)
            self._used = [one for one in self._used if one[0] not in orders]
            for order in orders:
                self._keeper.deny(order, refusal=passage.refusal if passage.is_exit else "")
        elif passage.awaits:
            self._use(closes)
            self._wait(submit, passage.awaits)
        else:
            self._use(closes)
            for order, position in closes:
                if not self._is_a("LIMIT", order):
                    self._refused.pop(position, None)
            for order in held_back:
                self._keeper.let_pass(order)
            send()

    def _closes(self, orders: list[Order], position_id: PositionId | None) -> _Closes:
        closed = ((order, self._way_out.closed_by(order, position_id)) for order in orders)
        return [(order, position) for order, position in closed if position is not None]

    def _use(self, closes: _Closes) -> None:
        # A limit order neither closes a position at once nor protects it
        used = [one for one in closes if not self._is_a("LIMIT", one[0])]
        is_first = not self._used
        self._used += used
        if used and is_first:
            self._keeper.soon(self._end_turn)

    def _wait(self, submit: _Submit, awaits: frozenset[str]) -> None:
        names = ", ".join(str(order.client_order_id) for order in submit.orders)
        after = ", ".join(sorted(awaits))
        self._keeper.say(Severity.INFO, f"{names} is sent once {after} is canceled")
        self._waiting.append(_Waiting(submit, awaits))
        for strategy_id in self._way_out.owners(awaits):
            if strategy_id not in self._heard:
                self._heard.add(strategy_id)
                self._keeper.listen(strategy_id, self._on_event)

    @_alone
    def _on_event(self, event: Any) -> None:
        if not self._keeper.is_answer(event):
            return
        asked = str(event.client_order_id)
        answered = [one for one in self._waiting if asked in one.awaits]
        self._waiting = [one for one in self._waiting if asked not in one.awaits]
        for one in sorted(answered, key=self._urgency):
            # The strategy hears of it first
            self._keeper.soon(partial(self._submit, one.submit, has_waited=True))
        if not self._waiting:
            self._close()

    def dispose(self) -> None:
        """Answer what waits, and listen no more."""
        submits = [*self._obstructed, *(one.submit for one in self._waiting)]
        put_off, self._put_off = self._put_off, {}
        self._obstructed, self._waiting = [], []
        for submit in submits:
            for order in submit.orders:
                self._keeper.deny(order, CANCELED_WAITING)
        for order, _ in put_off.values():
            self._keeper.reject_cancel(order)
        self._close()

    def _close(self) -> None:
        for strategy_id in self._heard:
            self._keeper.unlisten(strategy_id, self._on_event)
        self._heard.clear()

    @_alone
    def give_up(self, is_canceled: Callable[[Order], bool]) -> None:
        """
        Deny the orders that are canceled while they wait, with those that go with them.

        A market order is not: natively it would have been filled before it could be canceled.
        """

        def is_given_up(submit: _Submit) -> bool:
            return any(
                is_canceled(order) and not self._is_a("MARKET", order) for order in submit.orders
            )

        held_back = [*self._obstructed, *(one.submit for one in self._waiting)]
        self._obstructed = [one for one in self._obstructed if not is_given_up(one)]
        self._waiting = [one for one in self._waiting if not is_given_up(one.submit)]
        for submit in filter(is_given_up, held_back):
            for order in submit.orders:
                self._used = [one for one in self._used if one[0] is not order]
                self._keeper.deny(order, CANCELED_WAITING)

    # -- CHANGES --

    def may_change(self, order: Order, *changes: Any) -> bool:
        """Return whether a change of an exit makes it no larger and no looser."""
        if self._keeper.is_forgone:
            return False
        try:
            positions = self._way_out.protected_by(order)
            is_refused = self._is_refused(positions) or any(map(self._used_for, positions))
            return self._way_out.may_change(order, *changes, is_refused=is_refused)
        except Exception as e:
            self._complain("Looking whether a change only reduces raised", e)
            return False

    # -- CANCELS --

    def cancels(self, orders: list[Order]) -> dict[ClientOrderId, Cancel]:
        """Return what it means that orders are canceled, those included that a refusal concerns."""
        if self._keeper.is_forgone:
            return dict.fromkeys((one.client_order_id for one in orders), Cancel.LEAVES_NAKED)
        try:
            means = self._way_out.cancels(orders)
        except Exception as e:
            self._complain("Looking what a cancel would leave naked raised", e)
            return dict.fromkeys((order.client_order_id for order in orders), Cancel.PASSES)
        for order in orders:
            if means[order.client_order_id] is Cancel.CLOSABLE:
                is_refused = self._is_refused(self._way_out.protected_by(order))
                means[order.client_order_id] = Cancel.DEPENDS if is_refused else Cancel.PASSES
        return means

    @_alone
    def cancel(self, order: Order, means: Cancel, send: Callable[[], None]) -> None:
        """Cancel an order, now or when the turn is over, or answer that it is held back."""
        match means:
            case Cancel.DEPENDS:
                self._put_off[order.client_order_id] = (order, send)
                self._keeper.soon(self._end_turn)
            case Cancel.LEAVES_NAKED:
                self._keeper.reject_cancel(order)
            case _:
                self.note_canceled([order])
                send()

    def note_canceled(self, orders: Iterable[Order]) -> None:
        """Note orders whose cancel was let pass: their status may say so later."""
        self._way_out.note_canceled(orders)

    def _is_refused(self, positions: Iterable[PositionId]) -> bool:
        return any(self._refused.get(one) == self._keeper.epoch for one in positions)

    def _used_for(self, position: PositionId) -> list[Decimal]:
        return [Decimal(str(order.quantity)) for order, used in self._used if used == position]

    @_alone
    def _end_turn(self) -> None:
        put_off, self._put_off = self._put_off, {}
        self._give_up_obstructed(frozenset(map(str, put_off)))
        for order, send in put_off.values():
            self._guarded(partial(self._end_cancel, order, send))
        obstructed, self._obstructed = self._obstructed, []
        for submit in obstructed:
            self._guarded(partial(self._submit, submit, is_turn_over=True))
        self._used.clear()

    def _give_up_obstructed(self, going: frozenset[str]) -> None:
        # What does not pass even without the orders that are about to be canceled takes care of
        # nothing
        obstructed, self._obstructed = self._obstructed, []
        for submit in obstructed:
            found = self.passage(submit.orders, submit.position_id, submit.client_id, going)
            if found.refusal:
                self._guarded(partial(self._submit, submit, is_turn_over=True))
            else:
                self._obstructed.append(submit)

    def _end_cancel(self, order: Order, send: Callable[[], None]) -> None:
        positions = self._way_out.protected_by(order)
        # A position that the newest evidence does not have can only be closed or protected by what
        # is reduce-only, and whether a strategy uses that is seen from what it sends
        is_flagged = order.is_reduce_only and not self._is_refused(positions)
        is_whole = all(
            close_whole(qty, self._used_for(position)) for position, qty in positions.items()
        )
        if is_flagged or is_whole or self._keeper.is_open_for(order):
            self.note_canceled([order])
            send()
        else:
            self._keeper.reject_cancel(order)

    def _guarded(self, call: Callable[[], None]) -> None:
        # What raises here must not keep the others from being answered
        try:
            call()
        except Exception as e:
            self._complain("What was held back at the closed gate raised", e)

    def _complain(self, text: str, error: Exception) -> None:
        self._keeper.say(Severity.BLOCK, text, error)

    def _is_a(self, kind: str, order: Order) -> bool:
        return self._way_out.kind(order) == kind

    def _urgency(self, waiting: _Waiting) -> int:
        # What closes at once makes the others superfluous, and what protects a limit order
        kinds = set(map(self._way_out.kind, waiting.submit.orders))
        return 0 if "MARKET" in kinds else 2 if "LIMIT" in kinds else 1

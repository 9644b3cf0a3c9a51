"""
What is held back at a closed gate, and for how long: exits until the cancels before them are
answered, and whatever depends on what follows until the turn of the event loop is over.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any
from typing import NamedTuple
from typing import Protocol

from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderExpired
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Passage
from nautilus_recovery_actor.core.exits import close_whole
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.node.exits.way_out import WayOut


_ANSWERS = (OrderCanceled, OrderCancelRejected, OrderExpired, OrderFilled, OrderRejected)


class Gatekeeper(Protocol):
    """Who answers at the gate."""

    log: Logger
    msgbus: MessageBus

    @property
    def epoch(self) -> int:
        """The epoch that closed the gate."""

    def is_open_for(self, order: Order) -> bool:
        """Return whether an order needs no permission any more."""

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop, from any thread."""

    def let_pass(self, order: Order) -> None:
        """Say that an order, or a change of it, passes."""

    def deny(self, order: Order, reason: str | None = None) -> None:
        """Answer that an order is not sent."""

    def reject_cancel(self, order: Order) -> None:
        """Answer that an order is not canceled."""


class _Submit(NamedTuple):
    orders: list[Order]
    position_id: PositionId | None
    client_id: ClientId | None
    send: Callable[[], None]


class _Waiting(NamedTuple):
    submit: _Submit
    awaits: frozenset[str]


CANCELED_WAITING = "RECOVERY_CANCELED: it waited at the closed gate and was canceled"


def _urgency(waiting: _Waiting) -> int:
    # What closes at once makes the others superfluous, and what protects a limit order
    kinds = {order.order_type for order in waiting.submit.orders}
    return 0 if OrderType.MARKET in kinds else 2 if OrderType.LIMIT in kinds else 1


class HeldBack:
    """The orders and cancels of a closed gate that are not answered at once."""

    def __init__(self, keeper: Gatekeeper, way_out: WayOut) -> None:
        self._keeper = keeper
        self._way_out = way_out
        self._waiting: list[_Waiting] = []
        self._topics: set[str] = set()
        self._obstructed: list[_Submit] = []
        self._put_off: dict[ClientOrderId, tuple[Order, Callable[[], None]]] = {}
        # What was sent in this turn to close or protect, by instrument; and the instruments of
        # which an exit was refused and none let pass since, with the epoch
        self._used: defaultdict[str, list[Order]] = defaultdict(list)
        self._refused: dict[str, int] = {}

    # -- ORDERS --

    def passage(
        self, orders: list[Order], position_id: PositionId | None, client_id: ClientId | None
    ) -> Passage:
        """Return whether orders can only reduce."""
        try:
            return self._way_out.passage(orders, position_id, client_id)
        except Exception as e:
            self._keeper.log.exception("Looking whether an order only reduces raised", e)
            return Passage("whether it only reduces is unknown")

    def submit(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        send: Callable[[], None],
    ) -> None:
        """Send orders that can only reduce, now or when that is known, or deny them."""
        self._submit(_Submit(orders, position_id, client_id, send))

    def _submit(self, submit: _Submit, *, is_turn_over: bool = False) -> None:
        orders, position_id, client_id, send = submit
        held_back = [order for order in orders if not self._keeper.is_open_for(order)]
        places = {order.instrument_id.value for order in held_back}
        # A limit order neither closes a position at once nor protects it
        useful = [one for one in held_back if one.order_type != OrderType.LIMIT]
        passage = self.passage(held_back, position_id, client_id)
        if passage.is_obstructed and not is_turn_over:
            # What obstructs it may be canceled in the same breath
            self._use(useful)
            self._obstructed.append(submit)
            self._keeper.soon(self._end_turn)
        elif passage.refusal:
            self._refused |= dict.fromkeys(places, self._keeper.epoch)
            for order in orders:
                self._keeper.deny(order)
        elif passage.awaits:
            self._use(useful)
            self._wait(submit, passage.awaits)
        else:
            self._use(useful)
            for order in useful:
                self._refused.pop(order.instrument_id.value, None)
            for order in held_back:
                self._keeper.let_pass(order)
            send()

    def _use(self, orders: list[Order]) -> None:
        if orders and not self._used:
            self._keeper.soon(self._end_turn)
        for order in orders:
            self._used[order.instrument_id.value].append(order)

    def _wait(self, submit: _Submit, awaits: frozenset[str]) -> None:
        names = ", ".join(order.client_order_id.value for order in submit.orders)
        self._keeper.log.info(f"{names} is sent once {', '.join(sorted(awaits))} is canceled")
        self._waiting.append(_Waiting(submit, awaits))
        for strategy_id in self._way_out.owners(awaits):
            topic = f"{ORDER_EVENTS}{strategy_id}"
            if topic not in self._topics:
                self._topics.add(topic)
                self._keeper.msgbus.subscribe(topic, self._on_event)

    def _on_event(self, event: OrderEvent) -> None:
        if not isinstance(event, _ANSWERS):
            return
        asked = event.client_order_id.value
        answered = [one for one in self._waiting if asked in one.awaits]
        self._waiting = [one for one in self._waiting if asked not in one.awaits]
        for one in sorted(answered, key=_urgency):
            self._keeper.soon(partial(self._submit, one.submit))  # The strategy hears of it first
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Listen no more."""
        for topic in self._topics:
            self._keeper.msgbus.unsubscribe(topic, self._on_event)
        self._topics.clear()

    def give_up(self, is_canceled: Callable[[Order], bool]) -> None:
        """
        Deny the orders that are canceled while they wait, with those that go with them.

        A market order is not: natively it would have been filled before it could be canceled.
        """

        def is_given_up(submit: _Submit) -> bool:
            return any(
                is_canceled(order) and order.order_type != OrderType.MARKET
                for order in submit.orders
            )

        held_back = [*self._obstructed, *(one.submit for one in self._waiting)]
        self._obstructed = [one for one in self._obstructed if not is_given_up(one)]
        self._waiting = [one for one in self._waiting if not is_given_up(one.submit)]
        for submit in filter(is_given_up, held_back):
            for order in submit.orders:
                used = self._used[order.instrument_id.value]
                used[:] = [one for one in used if one is not order]
                self._keeper.deny(order, CANCELED_WAITING)

    # -- CHANGES --

    def may_change(self, order: Order, *changes: Any) -> bool:
        """Return whether a change of an exit makes it no larger and no looser."""
        try:
            place = order.instrument_id.value
            is_refused = bool(self._used[place]) or self._is_refused(place)
            return self._way_out.may_change(order, *changes, is_refused=is_refused)
        except Exception as e:
            self._keeper.log.exception("Looking whether a change only reduces raised", e)
            return False

    # -- CANCELS --

    def cancels(self, orders: list[Order]) -> dict[ClientOrderId, Cancel]:
        """Return what it means that orders are canceled, those included that a refusal concerns."""
        try:
            means = self._way_out.cancels(orders)
        except Exception as e:
            self._keeper.log.exception("Looking what a cancel would leave naked raised", e)
            return dict.fromkeys((order.client_order_id for order in orders), Cancel.PASSES)
        for order in orders:
            is_refused = self._is_refused(order.instrument_id.value)
            if means[order.client_order_id] is Cancel.CLOSABLE:
                means[order.client_order_id] = Cancel.DEPENDS if is_refused else Cancel.PASSES
        return means

    def cancel(self, order: Order, means: Cancel, send: Callable[[], None]) -> None:
        """Cancel an order, now or when the turn is over, or answer that it is held back."""
        match means:
            case Cancel.DEPENDS:
                self._put_off[order.client_order_id] = (order, send)
                self._keeper.soon(self._end_turn)
            case Cancel.LEAVES_NAKED:
                self._keeper.reject_cancel(order)
            case _:
                send()

    def _is_refused(self, place: str) -> bool:
        return self._refused.get(place) == self._keeper.epoch

    def _end_turn(self) -> None:
        put_off, self._put_off = self._put_off, {}
        for order, send in put_off.values():
            place = order.instrument_id.value
            # A position that the newest evidence does not have can only be closed or protected by
            # what is reduce-only, and whether a strategy uses that is seen from what it sends
            is_flagged = order.is_reduce_only and not self._is_refused(place)
            sent = [exit_order.quantity.as_decimal() for exit_order in self._used[place]]
            if is_flagged or close_whole(self._way_out.protected_by(order), sent):
                send()
            else:
                self._keeper.reject_cancel(order)
        obstructed, self._obstructed = self._obstructed, []
        for submit in obstructed:
            self._submit(submit, is_turn_over=True)
        self._used.clear()

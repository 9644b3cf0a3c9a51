"""
What a closed gate answers: a denial to an order, a rejection to a change, and to the cancel of what
alone protects a position; and what it lets pass, because a position is better off with it.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterable
from functools import partial

from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.node.exits.answers import cancel_rejected
from nautilus_recovery_actor.node.exits.answers import denied
from nautilus_recovery_actor.node.exits.answers import modify_rejected
from nautilus_recovery_actor.node.exits.answers import would_leave_naked
from nautilus_recovery_actor.node.exits.held_back import CAME_TOO_LATE
from nautilus_recovery_actor.node.exits.held_back import HeldBack
from nautilus_recovery_actor.node.exits.way_out import WayOut
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.telling import Telling


class Denial:
    """Answers natively what a strategy must not send; in shadow mode it only says so."""

    def __init__(self, strategy: Strategy, following: Following[RecoveryMessage]) -> None:
        self._strategy = strategy
        self._following = following
        self._telling = Telling(strategy)
        self._shadowed: set[ClientOrderId] = set()
        # Why orders are answered as at a closed gate though it is open
        self._unstored: dict[ClientOrderId, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ts_registered = 0
        self._desk: HeldBack | None = None

    def register(self) -> None:
        """Take what the strategy has from now on."""
        strategy = self._strategy
        self.log: Logger = strategy.log
        self.msgbus: MessageBus = strategy.msgbus
        self._ts_registered = self._now()

    def begin(self) -> None:
        """Take the event loop on which the strategy starts."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # Started by hand
            self._loop = None

    def catch_up(self) -> None:
        """Publish what was denied while the strategy started."""
        self._telling.catch_up()

    def after_stop(self) -> None:
        """Tell the strategy what was answered in its `on_stop`."""
        self._telling.after_stop()

    def dispose(self) -> None:
        """Deny what waits, and listen no more."""
        if self._desk is not None:
            self._desk.dispose()

    @property
    def _held_back(self) -> HeldBack:
        # Of a thousand strategies few ask for anything at a closed gate
        if self._desk is None:
            strategy = self._strategy
            way_out = WayOut(strategy.cache, strategy.msgbus, self._ts_registered)
            self._desk = HeldBack(self, way_out)
        return self._desk

    # -- WHAT IS ASKED --

    def submit(
        self,
        orders: list[Order],
        position_id: PositionId | None,
        client_id: ClientId | None,
        send: Callable[[], None],
    ) -> None:
        """Send orders that can only reduce, or deny them."""
        if any(order.status != OrderStatus.INITIALIZED for order in orders):
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
            reason = self._signal(order)
            self._telling.send(modify_rejected(order, reason, self._now()))

    def cancel(self, orders: list[Order], send: Callable[[list[Order]], None]) -> None:
        """Cancel orders, except those without which a position that cannot be closed is naked."""
        self._held_back.give_up(orders.__contains__)
        self._cancel([one for one in orders if one.status != OrderStatus.DENIED], send)

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
        instrument_id: InstrumentId,
        side: OrderSide,
        send_all: Callable[[], None],
        send: Callable[[list[Order]], None],
    ) -> None:
        """Cancel all orders of an instrument as natively, unless one of them must stay."""
        sides = (OrderSide.BUY, OrderSide.SELL) if side == OrderSide.NO_ORDER_SIDE else (side,)
        self._held_back.give_up(
            lambda order: order.instrument_id == instrument_id and order.side in sides
        )
        orders = list(self._cancelable(instrument_id, side))
        # Natively those that are in flight do not say that they are canceled, or are not (1.221)
        is_simple = self._following.is_shadow or not any(one.is_inflight for one in orders)
        if is_simple and all(one is Cancel.PASSES for one in self._means(orders).values()):
            self._held_back.note_canceled(orders)
            send_all()
        else:
            self._cancel(orders, send)

    def _cancelable(self, instrument_id: InstrumentId, side: OrderSide) -> Iterable[Order]:
        cache, own = self._strategy.cache, self._strategy.id
        queries = (cache.orders_open, cache.orders_emulated, cache.orders_inflight)
        found = {
            order.client_order_id: order
            for query in queries
            for order in query(instrument_id=instrument_id, strategy_id=own, side=side)
        }
        for algorithm_id in cache.exec_algorithm_ids():
            for order in cache.orders_for_exec_algorithm(algorithm_id):
                if order.strategy_id == own and not order.is_closed:
                    found[order.client_order_id] = order
        return found.values()

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

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop."""
        if self._loop is None:
            self.begin()  # Started on a thread without one
        if self._loop is None or self._loop.is_closed():
            call()
        else:
            self._loop.call_soon_threadsafe(call)  # Timers call on another thread

    def let_pass(self, order: Order) -> None:
        """Say that an order, or a change of it, passes."""
        reason = self._reason(order)
        is_unstored = self._unstored.pop(order.client_order_id, None) is not None
        tell = self.log.warning if is_unstored else self.log.info
        tell(f"{order.client_order_id} passes, it can only reduce: {reason}")
        signals.send(
            signals.exit_passed, self._strategy, self.log.exception, order=order, reason=reason
        )

    def deny(self, order: Order, reason: str | None = None, *, refusal: str = "") -> None:
        """Answer that an order is not sent; `refusal` is why it is no exit that passes."""
        strategy = self._strategy
        if order.status != OrderStatus.INITIALIZED:
            strategy.log.error(
                f"Cannot submit {order.client_order_id}: it is already {order.status_string()}"
            )
            return
        reason = reason or self._reason(order)
        self._unstored.pop(order.client_order_id, None)
        self._signal(order, reason := f"{reason}; {refusal}" if refusal else reason)
        strategy.msgbus.publish(f"{ORDER_EVENTS}{strategy.id}", order.init_event)
        if not strategy.cache.order_exists(order.client_order_id):
            strategy.cache.add_order(order)
        answer = denied(order, reason, self._now())
        order.apply(answer)
        strategy.cache.update_order(order)
        self._telling.publish(answer)

    def reject_cancel(self, order: Order) -> None:
        """Answer that an order is not canceled."""
        reason = self._reason(order)
        reason = self._signal(order, reason if self.is_forgone else would_leave_naked(reason))
        self.log.error(f"The cancel of {order.client_order_id} was held back: {reason}")
        self._telling.send(cancel_rejected(order, reason, self._now()))

    def _say_in_shadow(self, order: Order) -> None:
        if order.client_order_id in self._shadowed:
            return  # Once is enough for an order that is modified again and again
        self._shadowed.add(order.client_order_id)
        reason = self._signal(order)
        self.log.warning(f"Shadow mode lets {order.client_order_id} pass: {reason}")

    def _signal(self, order: Order, reason: str | None = None) -> str:
        reason = reason or self._reason(order)
        signals.send(
            signals.order_denied, self._strategy, self.log.exception, order=order, reason=reason
        )
        return reason

    def _reason(self, order: Order) -> str:
        # Of a list, the order that is denied need not be the one whose instrument is blocked
        gate = self._following.gate
        if reason := gate.reason(order.instrument_id):
            return reason
        if reason := self._unstored.get(order.client_order_id):
            return reason
        blocked = ", ".join(sorted(gate.blocked))
        return f"RECOVERY_BLOCKED: {blocked}" if blocked else CAME_TOO_LATE

    def _now(self) -> int:
        return int(self._strategy.clock.timestamp_ns())

"""
The native answers of a closed gate.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.host import denial as host
from nautilus_recovery_actor.node.exits.answers import cancel_rejected
from nautilus_recovery_actor.node.exits.answers import denied
from nautilus_recovery_actor.node.exits.answers import modify_rejected
from nautilus_recovery_actor.node.exits.books import CacheBooks
from nautilus_recovery_actor.node.exits.books import is_answer
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.telling import Telling


class Denial(host.Denial):
    """Answers what a strategy must not send by the events of NautilusTrader 1.x."""

    def __init__(self, strategy: Strategy, following: Following[RecoveryMessage]) -> None:
        self._native = _Native(strategy)
        super().__init__(strategy, following, self._native)
        self.register = self._native.register
        self.begin = self._native.begin
        self.catch_up = self._native.telling.catch_up
        self.after_stop = self._native.telling.after_stop


class _Native:
    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ts_registered = 0
        self.telling = Telling(strategy)

    def register(self) -> None:
        """Take the time from which on orders are of this run."""
        self._ts_registered = self._now()

    def begin(self) -> None:
        """Take the event loop on which the strategy starts."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # Started by hand
            self._loop = None

    def books(self) -> CacheBooks:
        """Return its cache, and what is known of venues."""
        return CacheBooks(self._strategy.cache, self._strategy.msgbus, self._ts_registered)

    def status(self, order: Order) -> str:
        """Return the status of an order."""
        return str(order.status_string())

    def cancelable(self, instrument_id: InstrumentId, side: OrderSide) -> list[Order]:
        """Return its orders on an instrument that `cancel_all_orders` of a side would cancel."""
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
        return list(found.values())

    def is_of_side(self, order: Order, side: OrderSide) -> bool:
        """Return whether such a cancel concerns an order."""
        return side in (OrderSide.NO_ORDER_SIDE, order.side)

    def deny(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not sent."""
        strategy = self._strategy
        strategy.msgbus.publish(f"{ORDER_EVENTS}{strategy.id}", order.init_event)
        if not strategy.cache.order_exists(order.client_order_id):
            strategy.cache.add_order(order)
        answer = denied(order, reason, self._now())
        order.apply(answer)
        strategy.cache.update_order(order)
        self.telling.publish(answer)

    def reject_change(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not changed."""
        self.telling.send(modify_rejected(order, reason, self._now()))

    def reject_cancel(self, order: Order, reason: str) -> None:
        """Answer natively that an order is not canceled."""
        self.telling.send(cancel_rejected(order, reason, self._now()))

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop, from any thread."""
        if self._loop is None:
            self.begin()  # Started on a thread without one
        if self._loop is None or self._loop.is_closed():
            call()
        else:
            self._loop.call_soon_threadsafe(call)  # Timers call on another thread

    def listen(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have `hear` called with what is published of the orders of a strategy."""
        self._strategy.msgbus.subscribe(f"{ORDER_EVENTS}{strategy_id}", hear)

    def unlisten(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have it called no more."""
        self._strategy.msgbus.unsubscribe(f"{ORDER_EVENTS}{strategy_id}", hear)

    def is_answer(self, event: object) -> bool:
        """Return whether that may be a venue's answer to a cancel."""
        return is_answer(event)

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to the log."""
        log = self._strategy.log
        if error is not None:
            log.exception(text, error)
        else:
            says = {Severity.INFO: log.info, Severity.WARN: log.warning}
            says.get(severity, log.error)(text)

    def _now(self) -> int:
        return int(self._strategy.clock.timestamp_ns())

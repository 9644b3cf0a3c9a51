"""
A strategy of NautilusTrader 2.0 that follows the recovery (long: what it keeps is in one place).

How it hears of it, what its hooks are called with, and how it is answered.
"""

from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from itertools import count
from typing import Any
from typing import Protocol

from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.protection import reduces
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host import unanswered
from nautilus_recovery_actor.host.books import CacheBooks
from nautilus_recovery_actor.host.books import Evidence
from nautilus_recovery_actor.host.callbacks import feed
from nautilus_recovery_actor.host.decisions import Decisions
from nautilus_recovery_actor.host.denial import Denial
from nautilus_recovery_actor.host.hooks import Hooks
from nautilus_recovery_actor.host.losses import LostOrders
from nautilus_recovery_actor.host.waiting import CANCELED
from nautilus_recovery_actor.host.waiting import Waiting
from nautilus_recovery_actor.host.wire import Wire


_MAX_CHECKPOINT = 1_000_000
_CHECKPOINT_NS, _LOOK_NS = 5_000_000_000, 20_000_000


class Monitor(Evidence, Protocol):
    """The monitor of a node, as far as its strategies are concerned."""

    wire: Wire
    decisions: Decisions
    # The strategies that claim what is on an instrument
    claims: dict[str, str]
    strategies: set[str]
    losses: LostOrders

    def get(self, key: str) -> bytes | None:
        """Return an entry of the cache."""

    def add(self, key: str, value: bytes) -> None:
        """Write an entry of the cache."""


class Native(Protocol):
    """What only NautilusTrader can make."""

    def monitor(self, trader_id: str) -> Monitor | None:
        """Return the monitor of a trader in this process."""

    def find(self, cache: Any, client_order_id: str) -> Any | None:
        """Return an order of a cache."""

    def answer(self, kind: str, order: Any, reason: str, now: int) -> Any:
        """Return an event: ``"denied"``, ``"modify_rejected"`` or ``"cancel_rejected"``."""


class Consumer:
    """What a strategy keeps, from its start on."""

    def __init__(self, strategy: Any, native: Native) -> None:
        self._strategy = strategy
        self._native = native
        self.following: Following[Any] = Following(self._now)
        self.hooks = Hooks(strategy, self.following, self, feed)
        self.denial = Denial(strategy, self.following, self)
        self._waiting = Waiting()
        self._journal: CheckpointJournal | None = None
        self._books: CacheBooks | None = None
        self._monitor: Monitor | None = None
        self._numbers = count(1)
        self._is_starting = False
        self._hearing: list[Callable[[Any], None]] = []

    # -- THE MONITOR --

    def start(self) -> None:
        """Follow the monitor, and catch up once the strategy runs."""
        self.follow()
        if not self._is_starting:  # A class and its base come here for the same start
            self._is_starting = True
            self.soon(self.catch_up)

    def follow(self) -> None:
        """Listen to the monitor from now on. In a backtest there is nothing to recover."""
        strategy, gate = self._strategy, self.following.gate
        if self._books is not None:
            return
        monitor, cache = self._native.monitor(str(strategy.trader_id)), strategy.cache
        self._monitor = monitor
        self._books = CacheBooks(cache, partial(self._native.find, cache), monitor)
        try:
            strategy.clock.set_time(self._now())  # A live clock refuses
        except Exception:  # It raises no error that can be named
            self.hooks.is_backtest = False
        else:
            self.hooks.is_backtest = True
            gate.open_without_recovery()
            return
        if monitor is None:
            gate.close("RECOVERY_NO_MONITOR: the node has no recovery monitor")
            strategy.log.error("Trading is disabled: call `add_recovery_monitor(node, config)`")
            return
        if (keeper := monitor.wire.link.keeper) is not None:
            gate.limit_by(keeper.is_over, keeper.is_forgone)
        for claimed in getattr(strategy.config, "external_order_instrument_ids", None) or ():
            monitor.claims[str(claimed)] = str(strategy.strategy_id)
        monitor.strategies.add(str(strategy.strategy_id))
        self._restore(monitor)
        monitor.decisions.join(self.hooks.on_message)

    def catch_up(self) -> None:
        """Take what was put off until the strategy runs."""
        self._is_starting = False
        if self.hooks.is_backtest:
            self.hooks.warm_up_backtest()
        self.hooks.catch_up()

    def _now(self) -> int:
        return int(self._strategy.clock.timestamp_ns())

    # -- WHAT THE STRATEGY HOLDS, FOR ITS HOOKS --

    def is_running(self) -> bool:
        """Return whether it runs."""
        return bool(self._strategy.is_running())

    def take(self, report: RecoveryReport) -> None:
        """Take what a recovery that completed has found."""
        self.books().report = report

    def held(self, instrument_id: Any = None) -> list[Any]:
        """Return the positions that are in its hands."""
        return self.books().positions(self._strategy.strategy_id, instrument_id)

    def exits(self, position: Any) -> list[Any]:
        """Return the orders that would reduce a position."""
        books = self.books()
        held, own = books.holding(position), self._strategy.strategy_id
        found = [
            order
            for order in books.orders(position)
            if order.strategy_id == own and reduces(books.own_order(order), held)
        ]
        return sorted(found, key=lambda order: (order.ts_init, str(order.client_order_id)))

    def orphans(self) -> list[Any]:
        """Return the orders that have outlived their positions."""
        found, own = unanswered.orphan_exits(self.books().report), self._strategy.strategy_id
        orders = map(self.books().order, found)
        return [one for one in orders if one and one.strategy_id == own and not one.is_closed]

    def unresolved(self) -> list[Any]:
        """Return the orders that are unanswered."""
        cache, report = self._strategy.cache, self.books().report
        asked = 0 if report is None else report.ts_started
        return [
            order
            for order in cache.orders(strategy_id=self._strategy.strategy_id)
            if order.ts_init < asked and unanswered.is_unresolved(order, self.status, cache.order)
        ]

    def lost(self) -> tuple[LostOrder, ...]:
        """Return the orders that the cache lost."""
        return unanswered.lost_orders(self.books().report, str(self._strategy.strategy_id))

    def taken(self, lost: tuple[LostOrder, ...]) -> None:
        """Forget lost orders, once what it made of them is stored."""
        monitor = self._monitor
        if monitor is not None:
            self.checkpoint()
            self.when_stored([], partial(monitor.losses.ledger.take, lost))

    def hold_reason(self) -> str | None:
        """Return why its gate must stay closed until the next start."""
        return None

    # -- HOW IT IS ANSWERED --

    def books(self) -> CacheBooks:
        """Return its cache, and what is known of venues."""
        self.follow()
        assert self._books is not None
        return self._books

    def status(self, order: Any) -> str:
        """Return the status of an order."""
        return str(order.status.name)

    def cancelable(self, instrument_id: Any, side: Any) -> list[Any]:
        """Return its orders on an instrument that `cancel_all_orders` of a side would cancel."""
        orders = self._strategy.cache.orders(
            instrument_id=instrument_id, strategy_id=self._strategy.strategy_id
        )
        sent = (one for one in orders if self.status(one) != "INITIALIZED" and not one.is_closed)
        return [one for one in sent if self.is_of_side(one, side)]

    def is_of_side(self, order: Any, side: Any) -> bool:
        """Return whether such a cancel concerns an order."""
        return side is None or side.name in ("NO_ORDER_SIDE", order.side.name)

    def deny(self, order: Any, reason: str) -> None:
        """Answer that an order is not sent: the cache and the bus do not hear of it."""
        self._strategy.log.warning(f"Denied {order.client_order_id}: {reason}")
        self._answer("denied", order, reason)

    def reject_change(self, order: Any, reason: str) -> None:
        """Answer that an order is not changed."""
        self._strategy.log.warning(f"The change of {order.client_order_id} was rejected: {reason}")
        self._answer("modify_rejected", order, reason)

    def reject_cancel(self, order: Any, reason: str) -> None:
        """Answer that an order is not canceled."""
        self._answer("cancel_rejected", order, reason)

    def _answer(self, kind: str, order: Any, reason: str) -> None:
        event = self._native.answer(kind, order, reason, self._now())
        if kind == "denied":
            order.apply(event)
        for name in (f"on_order_{kind}", "on_order_event"):
            try:  # Natively it harms nobody who asks for an order
                getattr(self._strategy, name)(event)
            except Exception as e:
                self.say(Severity.BLOCK, f"{type(self._strategy).__name__}.{name} raised", e)

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the node's loop."""
        name = f"RECOVERY-SOON-{next(self._numbers)}"
        at = self._now() + 1_000_000
        self._strategy.clock.set_time_alert_ns(name, at, lambda _: call())

    def listen(self, _: str, hear: Callable[[Any], None]) -> None:
        """Have `hear` called with the orders whose cancels are answered, whoever owns them."""
        if not self._hearing:
            self._strategy.clock.set_timer_ns("RECOVERY-HEARING", _LOOK_NS, callback=self._hear)
        self._hearing.append(hear)

    def unlisten(self, _: str, hear: Callable[[Any], None]) -> None:
        """Have it called no more."""
        self._hearing.remove(hear)
        if not self._hearing:
            self._strategy.clock.cancel_timer("RECOVERY-HEARING")

    def _hear(self, _: Any) -> None:
        for name in self.denial.awaited:
            order = self.books().order(name)
            if order is not None and self.status(order) != "PENDING_CANCEL":
                for hear in tuple(self._hearing):
                    hear(order)

    def is_answer(self, _: Any) -> bool:
        """Return whether that may be a venue's answer to a cancel."""
        return True

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to its log."""
        log = self._strategy.log
        says = {Severity.INFO: log.info, Severity.WARN: log.warning}
        says.get(severity, log.error)(text if error is None else f"{text}: {error!r}")

    # -- CHECKPOINTS, AND WHAT WAITS FOR THEM --

    def checkpoint(self) -> None:
        """Write what `on_save` returns; what is sent from now on waits until it is stored."""
        if self._journal is not None and not self.following.gate.is_forgone:
            self._journal.write(self._strategy.on_save(), self._now())

    def _restore(self, monitor: Monitor) -> None:
        strategy = self._strategy
        journal = CheckpointJournal(monitor, str(strategy.strategy_id), _MAX_CHECKPOINT)
        for error in journal.restore():
            strategy.log.error(error)
        journal.add = self._waiting.writing(monitor.wire)
        self._journal = journal
        if journal.newest is not None:
            strategy.on_load(journal.newest.state)
        strategy.clock.set_timer_ns(
            "RECOVERY-CHECKPOINT", _CHECKPOINT_NS, callback=lambda _: self.checkpoint()
        )

    def when_stored(
        self,
        orders: list[Any],
        ask: Callable[[], None],
        refuse: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Ask for orders to be sent, once the checkpoint before them is stored, or refuse them."""
        if self._waiting.is_over:
            ask()
        elif self._waiting.put(self._now(), orders, ask, refuse):
            self._strategy.clock.set_timer_ns("RECOVERY-WAITING", _LOOK_NS, callback=self._look)

    def give_up(self, is_canceled: Callable[[Any], bool]) -> None:
        """Deny the orders that are canceled before they are sent, but for what fills at once."""

        def is_given_up(order: Any) -> bool:
            return order.order_type.name != "MARKET" and is_canceled(order)

        for order in self._waiting.give_up(is_given_up):
            self.denial.deny(order, CANCELED)
        self.denial.give_up(is_given_up)

    def withdraw(self, client_order_ids: Iterable[Any]) -> list[Any]:
        """Return the orders that are sent, or unknown; the others are not sent any more."""
        asked = list(client_order_ids)
        names = {str(one) for one in asked if self.books().order(str(one)) is None}
        denied = set[str]()

        def is_canceled(order: Any) -> bool:
            if (name := str(order.client_order_id)) in names:
                denied.add(name)
            return name in names

        if names:
            self.give_up(is_canceled)
        return [one for one in asked if str(one) not in denied]

    def _look(self, _: Any) -> None:
        for answer in self._waiting.due(self._now()):
            answer()
        if self._waiting.is_over:
            self._strategy.clock.cancel_timer("RECOVERY-WAITING")

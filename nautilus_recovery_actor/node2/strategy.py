"""
The strategy on NautilusTrader 2.0 (long: all that has to be overridden is in one place).
"""

from collections.abc import Callable
from typing import Any
from typing import Self

from nautilus_trader.core import UUID4
from nautilus_trader.model import OrderDenied
from nautilus_trader.model import OrderSide
from nautilus_trader.trading import Strategy

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import exits
from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.following import Action
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.host.messages import RecoveryComplete
from nautilus_recovery_actor.host.messages import RecoveryFailed
from nautilus_recovery_actor.host.messages import RecoveryMessage
from nautilus_recovery_actor.host.waiting import Waiting
from nautilus_recovery_actor.node2 import reading
from nautilus_recovery_actor.node2.monitor import MONITORS
from nautilus_recovery_actor.node2.monitor import RecoveryMonitor


_MAX_CHECKPOINT = 1_000_000
_CHECKPOINT_NS, _LOOK_NS = 5_000_000_000, 20_000_000


class RecoverableStrategy(Strategy):
    """
    Base class for strategies that do not trade before a recovery has been verified, as on
    NautilusTrader 1.x, with the hooks of that class but those of the warm-up.

    Raises
    ------
    ValueError
        If the configuration has `manage_stop`: nothing in Python can hold back what that sends.

    """

    def __new__(cls, config: Any = None, *_: Any, **__: Any) -> Self:  # noqa: D102  As NautilusTrader has it
        if getattr(config, "manage_stop", False):
            raise ValueError(
                "`manage_stop=True` sends orders past every gate on NautilusTrader 2.0: set it to "
                "False, and call `market_exit()` yourself"
            )
        made: Self = super().__new__(cls, config)
        return made

    def __init__(self, config: Any = None, *_: Any, **__: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # 2.0 calls nothing of a strategy before its own `on_start`
        super().__init_subclass__(**kwargs)
        if "on_start" in cls.__dict__:
            start = cls.on_start

            def on_start(self: RecoverableStrategy) -> None:
                self._follow()
                start(self)

            cls.on_start = on_start  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        # Made when it is asked for: a subclass need not call `__init__`, and has no ID before
        if name != "_parts":
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        parts = self.__dict__["_parts"] = _Parts(lambda: int(self.clock.timestamp_ns()))
        return parts

    # -- WHAT OTHERS READ --

    @property
    def gate(self) -> RecoveryGate:
        """Whether it may trade."""
        gate: RecoveryGate = self._parts.following.gate
        return gate

    # -- THE HOOKS --

    def on_start(self) -> None:
        """Called when the strategy starts: it may not trade yet."""
        self._follow()

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """Called when a recovery has completed, before trading is enabled."""

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """Called when a recovery has failed."""

    def on_position_recovered(self, position: Any, exit_orders: list[Any]) -> None:
        """Called for each open position of the strategy, with the orders that would close it."""

    def on_trading_enabled(self) -> None:
        """Called when the strategy may trade."""

    # -- THE MONITOR --

    def _follow(self) -> None:
        if self._parts.monitor is not None or self._parts.is_backtest:
            return
        self.clock.set_time_alert_ns(
            "RECOVERY-JOINED", self.clock.timestamp_ns() + 1_000_000, self._catch_up
        )
        try:
            self.clock.set_time(self.clock.timestamp_ns())  # A live clock refuses
        except Exception:  # Of its own kind
            self._parts.is_backtest = False
        else:
            self._parts.is_backtest = True
            self.gate.open_without_recovery()
            return
        monitor = self._parts.monitor = MONITORS.get(str(self.trader_id))
        if monitor is None:
            self.gate.close("RECOVERY_NO_MONITOR: the node has no recovery monitor")
            self.log.error("Trading is disabled: call `add_recovery_monitor(node, config)`")
            return
        if (keeper := monitor.wire.link.keeper) is not None:
            self.gate.limit_by(keeper.is_over, keeper.is_forgone)
        for claimed in getattr(self.config, "external_order_instrument_ids", None) or ():
            monitor.claims[str(claimed)] = str(self.strategy_id)
        self._restore(monitor)
        monitor.decisions.join(self._on_message)

    def _on_message(self, message: RecoveryMessage) -> None:
        following = self._parts.following
        try:
            self._carry_out(following.close(message), message)
            self._carry_out(following.take(message, is_running=self.is_running()), message)
        except Exception as e:
            self._carry_out(following.raised(type(self).__name__, e), message)
            self.log.error(f"Trading stays disabled: {type(self).__name__} raised {e!r}")

    def _catch_up(self, _: Any = None) -> None:
        if self._parts.is_backtest:
            self.on_trading_enabled()
        for message in self._parts.following.catch_up():
            self._on_message(message)

    def _carry_out(self, actions: list[Action], message: Any) -> None:
        following = self._parts.following
        for action in actions:
            match action:
                case Action.CALL_RECOVERED:
                    self.on_recovery_complete(message)
                    for position in self.cache.positions_open(strategy_id=self.strategy_id):
                        self.on_position_recovered(position, self._exits(position))
                    more = following.informed(message, is_running=self.is_running())
                    self._carry_out(more, message)
                case Action.BEGIN_WARM_UP:
                    self._carry_out(following.warmed_up(is_running=self.is_running()), message)
                case Action.CALL_ENABLED:
                    self.on_trading_enabled()
                case Action.CALL_FAILED:
                    self.on_recovery_failed(message)
                    more = following.failed(message, is_running=self.is_running())
                    self._carry_out(more, message)
                case Action.ANNOUNCE_OPENED | Action.ANNOUNCE_RELEASED:
                    self._signal(signals.gate_opened, gate=self.gate)
                case Action.SIGNAL_CLOSED:
                    self._signal(signals.gate_closed, gate=self.gate)
                case Action.WARN_CLOSED | Action.LOG_HELD:
                    self.log.warning(f"Trading is disabled: {self.gate.reason()}")

    def _signal(self, signal: Any, **values: Any) -> None:
        signals.send(signal, self, lambda text, e: self.log.error(f"{text}: {e!r}"), **values)

    # -- CHECKPOINTS --

    def checkpoint(self) -> None:
        """Store what `on_save` returns: what is submitted next waits until it is stored."""
        parts = self._parts
        if parts.journal is not None and not self.gate.is_forgone:
            parts.journal.write(self.on_save(), self.clock.timestamp_ns())

    def _restore(self, monitor: RecoveryMonitor) -> None:
        parts = self._parts
        journal = CheckpointJournal(monitor, str(self.strategy_id), _MAX_CHECKPOINT)
        for error in journal.restore():
            self.log.error(error)
        journal.add = parts.waiting.writing(monitor.wire)
        parts.journal = journal
        if journal.newest is not None:
            self.on_load(journal.newest.state)
        self.clock.set_timer_ns(
            "RECOVERY-CHECKPOINT", _CHECKPOINT_NS, callback=lambda _: self.checkpoint()
        )

    # -- ORDERS --

    def submit_order(self, order: Any, *args: Any, **kwargs: Any) -> None:
        """Send an order, if it may be sent."""
        if self._may_pass([order]):
            self._send([order], super().submit_order, order, *args, **kwargs)

    def submit_order_list(self, order_list: Any, *args: Any, **kwargs: Any) -> None:
        """Send orders, if all of them may be sent."""
        orders = list(getattr(order_list, "orders", order_list))
        if self._may_pass(orders):
            self._send(orders, super().submit_order_list, order_list, *args, **kwargs)

    def modify_order(self, client_order_id: Any, *args: Any, **kwargs: Any) -> None:
        """Change an order, if new ones may be sent."""
        order = self.cache.order(client_order_id)
        if order is None or self._is_open(order):
            super().modify_order(client_order_id, *args, **kwargs)
        else:
            self.log.warning(f"Not changed: {client_order_id}: {self._why(order)}")

    def modify_orders(self, updates: Any = (), *args: Any, **kwargs: Any) -> None:
        """Change orders, if new ones may be sent for all of them."""
        orders = [self.cache.order(update[0]) for update in updates]
        if all(order is None or self._is_open(order) for order in orders):
            super().modify_orders(updates, *args, **kwargs)
        else:
            self.log.warning(f"Not changed: {self.gate.reason() or 'blocked'}")

    def close_position(self, position: Any, *args: Any, **kwargs: Any) -> None:
        """Close a position: natively, or past a closed gate by an order that may only reduce."""
        self._follow()
        if self.gate.is_open_for(position.instrument_id):
            super().close_position(position, *args, **kwargs)
        else:
            self._close(position)

    def close_all_positions(self, instrument_id: Any, *args: Any, **kwargs: Any) -> None:
        """Close the positions on an instrument, as `close_position` does."""
        self._follow()
        if self.gate.is_open_for(instrument_id):
            super().close_all_positions(instrument_id, *args, **kwargs)
            return
        for position in self._held(instrument_id):
            self._close(position)

    def market_exit(self) -> None:
        """Close all and cancel all; past a closed gate only where nothing is left naked."""
        self._follow()
        if self.gate.is_unrestricted:
            super().market_exit()
            return
        self.on_market_exit()
        kept = {p.instrument_id for p in self._held() if not self._close(p)}
        orders = self.cache.orders_open(strategy_id=self.strategy_id)
        for order in orders:
            if order.instrument_id not in kept:
                self.cancel_order(order.client_order_id)
        self.post_market_exit()

    def _close(self, position: Any) -> bool:
        order = self.order_factory.market(
            instrument_id=position.instrument_id,
            order_side=OrderSide.SELL if position.is_long else OrderSide.BUY,
            quantity=position.quantity,
            reduce_only=True,
        )
        passes = self._may_pass([order])
        if passes:
            self._send([order], super().submit_order, order, position_id=position.id)
        return passes

    # -- WHAT PASSES --

    def _held(self, instrument_id: Any = None) -> list[Any]:
        return list(
            self.cache.positions_open(instrument_id=instrument_id, strategy_id=self.strategy_id)
        )

    def _exits(self, position: Any) -> list[Any]:
        found = self.cache.orders_open(
            instrument_id=position.instrument_id, strategy_id=self.strategy_id
        )
        return [one for one in found if (one.side == OrderSide.BUY) != position.is_long]

    def _is_open(self, order: Any) -> bool:
        self._follow()
        following = self._parts.following
        return following.is_shadow or bool(following.gate.is_open_for(order.instrument_id))

    def _why(self, order: Any) -> str:
        return self.gate.reason(order.instrument_id) or self.gate.reason() or ""

    def _may_pass(self, orders: list[Any]) -> bool:
        if all(map(self._is_open, orders)):
            return True
        try:
            refusal = "another node has it" if self.gate.is_forgone else self._refusal(orders)
        except Exception as e:  # Of whatever kind, it must not end the node
            refusal = f"it cannot be said whether it only reduces: {e!r}"
        for order in orders:
            why = self._why(order)
            if refusal:
                self._deny(order, why)
            else:
                self._signal(signals.exit_passed, order=order, reason=why)
        return not refusal

    def _refusal(self, orders: list[Any]) -> str:
        # Why the core says that they could do more than reduce what is held
        monitor, cache = self._parts.monitor, self.cache
        if monitor is None:
            return "no monitor"
        for order in orders:
            own = reading.own_order(cache, order, 0)
            found = [reading.cached_position(p) for p in self._held(order.instrument_id)]
            held = next((one for one in found if one.qty * own.leaves < 0), None)
            if held is None:
                return "there is no position that it would reduce"
            alive = (*cache.orders_open(), *cache.orders_inflight(), *orders)
            beside = [one for one in alive if one.instrument_id == order.instrument_id]
            passage = exits.passage(
                own,
                exits.Held(
                    reading.holding(held),
                    tuple(reading.own_order(cache, one, 0) for one in beside),
                    monitor.bus.held(held.account_id, held.instrument_id),
                    is_flag_binding=order.is_reduce_only,
                ),
            )
            if not passage.is_free:
                return passage.refusal or "others are being canceled"
        return ""

    def _deny(self, order: Any, reason: str) -> None:
        now = self.clock.timestamp_ns()
        ids = (self.trader_id, self.strategy_id, order.instrument_id, order.client_order_id)
        event = OrderDenied(*ids, reason, UUID4(), now, now)
        order.apply(event)
        self.log.warning(f"Denied {order.client_order_id}: {reason}")
        self._signal(signals.order_denied, order=order, reason=reason)
        self.on_order_denied(event)
        self.on_order_event(event)

    # -- WHAT WAITS FOR A CHECKPOINT --

    def _send(self, orders: list[Any], send: Any, *args: Any, **kwargs: Any) -> None:
        waiting = self._parts.waiting
        if waiting.is_over:
            send(*args, **kwargs)
            return
        is_first = waiting.put(self.clock.timestamp_ns(), orders, lambda: send(*args, **kwargs))
        if is_first:
            self.clock.set_timer_ns("RECOVERY-WAITING", _LOOK_NS, callback=self._look)

    def _look(self, _: Any) -> None:
        for orders, send in self._parts.waiting.due(self.clock.timestamp_ns()):
            if send is not None:
                send()
            else:
                for order in orders:
                    self._deny(order, "RECOVERY_CHECKPOINT_NOT_STORED: not within a second")
        if self._parts.waiting.is_over:
            self.clock.cancel_timer("RECOVERY-WAITING")


class _Parts:
    # What a strategy keeps

    def __init__(self, now: Callable[[], int]) -> None:
        self.following: Following[Any] = Following(now)
        self.waiting = Waiting()
        self.monitor: RecoveryMonitor | None = None
        self.journal: CheckpointJournal | None = None
        self.is_backtest = False

"""
How a strategy hears of the recovery, decided by `core.following` (long: all actions in one place).
"""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import ParamSpec
from typing import Protocol

from blinker import NamedSignal
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.enums import LogColor
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.following import Action
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.names import GATE_ENDPOINT
from nautilus_recovery_actor.core.names import JOIN_ENDPOINT
from nautilus_recovery_actor.core.names import LEASE_ENDPOINT
from nautilus_recovery_actor.core.names import LEAVE_ENDPOINT
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.checkpoints import Checkpoints
from nautilus_recovery_actor.node.strategy.exits import Exits
from nautilus_recovery_actor.node.strategy.needs import WarmupNeed
from nautilus_recovery_actor.node.strategy.unanswered import UnansweredOrders
from nautilus_recovery_actor.node.strategy.warmup import WarmUp


P = ParamSpec("P")


class Recovering(Protocol):
    """The strategy, as far as it is concerned by a recovery."""

    id: StrategyId
    trader_id: TraderId
    log: Logger
    msgbus: MessageBus
    cache: CacheFacade
    clock: Clock
    is_running: bool

    on_recovery_complete: Callable[[RecoveryComplete], None]
    on_recovery_failed: Callable[[RecoveryFailed], None]
    on_position_recovered: Callable[[Position, list[Order]], None]
    on_orphan_exits: Callable[[list[Order]], None]
    on_orders_unresolved: Callable[[list[Order]], None]
    on_orders_lost: Callable[[tuple[LostOrder, ...]], None]
    warmup_needs: Callable[[], Sequence[WarmupNeed]]
    on_trading_enabled: Callable[[], None]


# An enum's attribute costs more than what it is asked for here
_CALL_RECOVERED = Action.CALL_RECOVERED
_BEGIN_WARM_UP = Action.BEGIN_WARM_UP
_ANNOUNCE_OPENED = Action.ANNOUNCE_OPENED
_CALL_ENABLED = Action.CALL_ENABLED
_CALL_FAILED = Action.CALL_FAILED
_CANCEL_WARM_UP = Action.CANCEL_WARM_UP
_GREEN = LogColor.GREEN
_GATE_OPENED = signals.gate_opened


class Consumer:
    """Listens to the monitor for a strategy, calls its hooks, and enables it to trade."""

    __slots__ = (
        "_checkpoints",
        "_exits",
        "_following",
        "_hook",
        "_strategy",
        "_unanswered",
        "is_backtest",
        "warmup",
    )

    def __init__(
        self,
        strategy: Recovering,
        following: Following[RecoveryMessage],
        checkpoints: Checkpoints,
        exits: Exits,
        unanswered: UnansweredOrders,
    ) -> None:
        self._strategy = strategy
        self._following = following
        self._checkpoints = checkpoints
        self._exits = exits
        self._unanswered = unanswered
        self.warmup = WarmUp(strategy, self)
        self.is_backtest = False
        self._hook = ""  # Where an exception comes from

    # -- THE MONITOR --

    def register(self) -> None:
        """Listen to the monitor from now on. In a backtest there is nothing to recover."""
        # A node's clock is live
        self.is_backtest = isinstance(self._strategy.clock, TestClock)
        if self.is_backtest:
            self._following.gate.open_without_recovery()
            return
        self._strategy.msgbus.register(self._endpoint, self._join)
        self._join()

    def join(self) -> None:
        """Ask the monitor for what was said before, and be informed of what it says from now on."""
        if self._join():
            return
        self._following.gate.close("RECOVERY_NO_MONITOR: the node has no RecoveryMonitorActor")
        self._strategy.log.error(
            "Trading is disabled: the node has no RecoveryMonitorActor; "
            "add one to the `actors` of its `TradingNodeConfig`"
        )

    def catch_up(self) -> None:
        """Take what was put off until the strategy runs."""
        for message in self._following.catch_up():
            self._on_message(message)

    def dispose(self) -> None:
        """Listen no more."""
        self.warmup.close()
        msgbus = self._strategy.msgbus
        if self.is_backtest or msgbus is None:
            return
        if self._endpoint in msgbus.endpoints():
            msgbus.deregister(self._endpoint, self._join)
        if LEAVE_ENDPOINT in msgbus.endpoints():
            msgbus.send(LEAVE_ENDPOINT, self._on_message)

    @property
    def _endpoint(self) -> str:
        return GATE_ENDPOINT.format(strategy_id=self._strategy.id.value)

    def _join(self, _: object = None) -> bool:
        # Not by the topics: a stream from outside may bring messages there
        msgbus = self._strategy.msgbus
        has_monitor = JOIN_ENDPOINT in msgbus.endpoints()
        if has_monitor:
            self._following.gate.limit_by(None)
            if LEASE_ENDPOINT in msgbus.endpoints():
                msgbus.send(LEASE_ENDPOINT, self._following.gate.limit_by)
            self._checkpoints.meet()
            msgbus.send(JOIN_ENDPOINT, self._on_message)
        return has_monitor

    def _on_message(self, message: RecoveryMessage) -> None:
        self._hook = "recovery"
        try:
            self._follow(message)
        except Exception as e:
            self._take_error(e)

    def guard(self, call: Callable[P, None]) -> Callable[P, None]:
        """Return a `call` of the warm-up that raises nothing, and closes the gate instead."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            self._hook = "warm-up"
            try:
                call(*args, **kwargs)
            except Exception as e:
                if self.is_backtest:
                    raise
                self._take_error(e)

        return guarded

    def _take_error(self, error: Exception) -> None:
        where = f"{type(self._strategy).__name__}.{self._hook}"
        self._carry_out(self._following.raised(where, error))
        self._strategy.log.exception(f"Trading stays disabled: {where} raised", error)

    def _follow(self, message: RecoveryMessage) -> None:
        following = self._following
        if actions := following.close(message):
            self._carry_out(actions)
        if actions := following.take(message, is_running=self._strategy.is_running):
            self._carry_out(actions, message)

    # -- THE ACTIONS --

    def _carry_out(self, actions: list[Action], message: RecoveryMessage | None = None) -> None:
        strategy = self._strategy
        for action in actions:  # The most frequent first: a thousand strategies wait for this
            if action is _CALL_RECOVERED:
                assert isinstance(message, RecoveryComplete)
                self._recover(message)
            elif action is _BEGIN_WARM_UP:
                self._hook = "warmup_needs"
                self.warmup.begin(is_backtest=False)
            elif action is _ANNOUNCE_OPENED:
                self._announce_opened()
            elif action is _CALL_ENABLED:
                self._hook = "on_trading_enabled"
                strategy.on_trading_enabled()
            elif action is _CALL_FAILED:
                assert isinstance(message, RecoveryFailed)
                self._hook = "on_recovery_failed"
                strategy.on_recovery_failed(message)
                is_running = strategy.is_running
                self._carry_out(self._following.failed(message, is_running=is_running))
            elif action is _CANCEL_WARM_UP:
                self.warmup.cancel()
            else:
                self._announce(action)

    def _announce_opened(self) -> None:
        gate, log = self._following.gate, self._strategy.log
        if gate.is_unrestricted or not gate.blocked:
            log.info("Trading is enabled", _GREEN)
        else:
            log.warning(f"Trading is enabled, except for {', '.join(sorted(gate.blocked))}")
        if _GATE_OPENED.receivers:
            self._send(_GATE_OPENED)

    def _announce(self, action: Action) -> None:
        gate, log = self._following.gate, self._strategy.log
        match action:
            case Action.ANNOUNCE_RELEASED:
                blocked = ", ".join(sorted(gate.blocked)) or "none"
                log.warning(f"An operator changed what is blocked, now blocked: {blocked}")
                self._send(signals.gate_opened)
            case Action.WARN_CLOSED:
                log.warning(f"Trading is disabled: {gate.reason()}")
            case Action.SIGNAL_CLOSED:
                self._send(signals.gate_closed)
            case Action.LOG_HELD:
                log.error(f"Trading stays disabled: {gate.reason()}")

    def _recover(self, event: RecoveryComplete) -> None:
        strategy = self._strategy
        if event.report.stale_checkpoints:
            self._checkpoints.doubt()
        self._exits.report = self._unanswered.report = event.report
        self._hook = "on_recovery_complete"
        strategy.on_recovery_complete(event)
        # A thousand strategies ask, and most hold nothing: the report names whatever is held
        if event.report.positions and (
            self._exits.is_claiming or strategy.cache.positions_open(strategy_id=strategy.id)
        ):
            self._recover_positions(self._exits.held())
        if strategy.is_running:
            self._recover_orders(event)
        is_running, hold = strategy.is_running, self._checkpoints.hold_reason
        self._carry_out(self._following.informed(event, is_running=is_running, hold=hold))

    def _recover_positions(self, held: list[Position]) -> None:
        for position in held:
            if self._strategy.is_running:
                exit_orders = self._exits.of(position)
                self._hook = f"on_position_recovered of position {position.id}"
                self._strategy.on_position_recovered(position, exit_orders)

    def _recover_orders(self, event: RecoveryComplete) -> None:
        strategy, unanswered = self._strategy, self._unanswered
        if event.report.discrepancies and (orphans := self._exits.orphans()):
            self._hook = "on_orphan_exits"
            strategy.on_orphan_exits(orphans)
        if unresolved := unanswered.unresolved:
            names = ", ".join(order.client_order_id.value for order in unresolved)
            strategy.log.warning(f"Submitted before the recovery and still unanswered: {names}")
            self._hook = "on_orders_unresolved"
            strategy.on_orders_unresolved(unresolved)
        if event.report.lost_orders and (lost := unanswered.lost):
            self._hook = "on_orders_lost"
            strategy.on_orders_lost(lost)
            # Until what it made of them is stored they are lost again after a kill
            self._checkpoints.write_then(partial(unanswered.take, lost))

    def _send(self, signal: NamedSignal) -> None:
        if signal.receivers:
            gate, log = self._following.gate, self._strategy.log
            signals.send(signal, self._strategy, log.exception, gate=gate)

    # -- THE WARM-UP --

    def warm_up_backtest(self) -> None:
        """Warm up where nothing was recovered."""
        self.warmup.begin(is_backtest=True)

    def on_waiting(self, reason: str) -> None:
        """The warm-up goes on waiting."""
        self._following.wait(reason)

    def on_missed(self) -> None:
        """Data of the warm-up have not come."""
        self._carry_out(self._following.missed(is_running=self._strategy.is_running))

    def on_warmed_up(self) -> None:
        """The warm-up is complete."""
        if self.is_backtest:
            self._strategy.on_trading_enabled()
            return
        self._carry_out(self._following.warmed_up(is_running=self._strategy.is_running))

"""
How a strategy hears of the recovery.
"""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Protocol

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

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.names import GATE_ENDPOINT
from nautilus_recovery_actor.core.names import JOIN_ENDPOINT
from nautilus_recovery_actor.core.names import LEASE_ENDPOINT
from nautilus_recovery_actor.core.names import LEAVE_ENDPOINT
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.hooks import Hooks
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.checkpoints import Checkpoints
from nautilus_recovery_actor.node.strategy.exits import Exits
from nautilus_recovery_actor.node.strategy.unanswered import UnansweredOrders
from nautilus_recovery_actor.node.strategy.warmup_feed import feed


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


class Consumer:
    """Listens to the monitor for a strategy, and says what its hooks are called with."""

    __slots__ = ("_checkpoints", "_exits", "_following", "_strategy", "_unanswered", "hooks")

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
        self.hooks = Hooks(strategy, following, self, feed)

    # -- THE MONITOR --

    def register(self) -> None:
        """Listen to the monitor from now on. In a backtest there is nothing to recover."""
        # A node's clock is live
        self.hooks.is_backtest = isinstance(self._strategy.clock, TestClock)
        if self.hooks.is_backtest:
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

    def dispose(self) -> None:
        """Listen no more."""
        self.hooks.warmup.close()
        msgbus = self._strategy.msgbus
        if self.hooks.is_backtest or msgbus is None:
            return
        if self._endpoint in msgbus.endpoints():
            msgbus.deregister(self._endpoint, self._join)
        if LEAVE_ENDPOINT in msgbus.endpoints():
            msgbus.send(LEAVE_ENDPOINT, self.hooks.on_message)

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
            msgbus.send(JOIN_ENDPOINT, self.hooks.on_message)
        return has_monitor

    # -- WHAT THE STRATEGY HOLDS, FOR ITS HOOKS --

    def is_running(self) -> bool:
        """Return whether it runs."""
        return self._strategy.is_running

    def take(self, report: RecoveryReport) -> None:
        """Take what a recovery that completed has found."""
        if report.stale_checkpoints:
            self._checkpoints.doubt()
        self._exits.report = self._unanswered.report = report

    def held(self) -> list[Position]:
        """Return the positions that are in its hands."""
        strategy = self._strategy
        is_holding = self._exits.is_claiming or strategy.cache.positions_open(
            strategy_id=strategy.id
        )
        return self._exits.held() if is_holding else []

    def exits(self, position: Position) -> list[Order]:
        """Return the orders that would reduce a position."""
        return self._exits.of(position)

    def orphans(self) -> list[Order]:
        """Return the orders that have outlived their positions."""
        return self._exits.orphans()

    def unresolved(self) -> list[Order]:
        """Return the orders that are unanswered."""
        return self._unanswered.unresolved

    def lost(self) -> tuple[LostOrder, ...]:
        """Return the orders that the cache lost."""
        return self._unanswered.lost

    def taken(self, lost: tuple[LostOrder, ...]) -> None:
        """Forget lost orders, once what it made of them is stored."""
        # Until then they are lost again after a kill
        self._checkpoints.write_then(partial(self._unanswered.take, lost))

    def hold_reason(self) -> str | None:
        """Return why its gate must stay closed until the next start."""
        return self._checkpoints.hold_reason

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to its log."""
        log = self._strategy.log
        if error is not None:
            log.exception(text, error)
        elif severity is Severity.INFO:
            log.info(text, LogColor.GREEN)
        else:
            (log.warning if severity is Severity.WARN else log.error)(text)

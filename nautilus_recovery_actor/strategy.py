"""
A strategy that cannot trade before its node has recovered.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.enums import ComponentState
from nautilus_trader.common.enums import LogColor
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import OrderList
from nautilus_trader.model.position import Position
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.accountable import AccountableStrategy
from nautilus_recovery_actor.closing import PositionExits
from nautilus_recovery_actor.config import RecoverableStrategyConfig
from nautilus_recovery_actor.delivery import JOIN_ENDPOINT
from nautilus_recovery_actor.delivery import LEAVE_ENDPOINT
from nautilus_recovery_actor.durable import DurableStrategy
from nautilus_recovery_actor.gate import RecoveryGate
from nautilus_recovery_actor.messages import RecoveryComplete
from nautilus_recovery_actor.messages import RecoveryFailed
from nautilus_recovery_actor.messages import RecoveryMessage
from nautilus_recovery_actor.messages import RecoveryOverridden
from nautilus_recovery_actor.messages import RecoveryStarted
from nautilus_recovery_actor.needs import WarmupNeed
from nautilus_recovery_actor.override import active
from nautilus_recovery_actor.warmup import WarmUp


# Found once: this call is on the path of every order
_submit_order = Strategy.submit_order


class RecoverableStrategy(PositionExits, DurableStrategy, AccountableStrategy):
    """
    A strategy whose orders are denied until the recovery of its node has completed.

    Subclass it instead of `Strategy`; nothing else has to change, and `on_start` need not call
    `super().on_start()`. While `gate` is closed for an instrument, `submit_order` and
    `submit_order_list` are answered with a native `OrderDenied`, `modify_order` with an
    `OrderModifyRejected`, both with a reason that starts with ``RECOVERY_``. So is everything that
    NautilusTrader itself submits for the strategy (`close_position`, `close_all_positions`,
    `market_exit`). Cancels always pass. In a backtest the gate opens by itself.

    Parameters
    ----------
    config : StrategyConfig, optional
        The configuration.

    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config or RecoverableStrategyConfig())
        self.__gate = RecoveryGate(self.__now)
        self.__is_backtest = False
        self.__is_shadow = False
        self.__shadowed: set[ClientOrderId] = set()
        self.__receive = self.__guard(self.__follow)
        self.__told: tuple[type[RecoveryMessage], int] | None = None
        self.__hook = ""
        self.__untold: list[RecoveryMessage] = []
        self.__unpublished: list[OrderDenied] = []
        self.__warmup = WarmUp(self, self.__gate, self.__guard, self.__begin_cold, self.__enable)
        self.__overridden: RecoveryOverridden | None = None  # Since the warm-up began
        self.__enabled = 0

    @property
    def gate(self) -> RecoveryGate:
        """
        Whether this strategy may trade, and why not.

        Returns
        -------
        RecoveryGate

        """
        return self.__gate

    def __now(self) -> int:
        # The clock that a strategy has before it is registered is another one
        ts: int = self.clock.timestamp_ns()
        return ts

    # -- HOOKS --

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """
        Override to learn the result of a recovery, before trading is enabled.

        Parameters
        ----------
        event : RecoveryComplete
            The result.

        """

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """
        Override to learn that a recovery failed. Trading stays disabled.

        Parameters
        ----------
        event : RecoveryFailed
            The reason.

        """

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Override to take up an open position of this strategy, before trading is enabled.

        Parameters
        ----------
        position : Position
            The position.
        exit_orders : list[Order]
            The orders of this strategy that would reduce it: open, in flight, emulated, or held
            back by a parent that is filled in part. On a hedged account those of its leg.

        """

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        """
        Override to declare the data without which this strategy must not trade.

        Asked once, after the first `on_position_recovered`. They are requested, checked and applied
        to their indicators, and each is handed to `on_historical_data`; then trading is enabled.

        Returns
        -------
        Sequence[BarsNeeded or TicksNeeded]

        """
        return ()

    def on_trading_enabled(self) -> None:
        """
        Override to begin to trade: the gate is open from here on, until it closes again.

        Called once for each recovery that completes, so also after each re-opening at run time.
        """

    # -- REGISTRATION AND START --

    def register(
        self,
        trader_id: TraderId,
        portfolio: PortfolioFacade,
        msgbus: MessageBus,
        cache: CacheFacade,
        clock: Clock,
    ) -> None:
        """
        Register with a trader, and listen for recoveries from now on.

        System method (not intended to be called by user code).
        """
        super().register(trader_id, portfolio, msgbus, cache, clock)
        # A node's clock is live: only a backtest has nothing to recover
        self.__is_backtest = isinstance(clock, TestClock)
        self._begin_exits(clock.timestamp_ns())
        if self.__is_backtest:
            self.gate.open_without_recovery()
            return
        for kind in _MESSAGES:
            msgbus.subscribe(kind.topic(), self.__on_message)

    def start(self) -> None:
        """
        Start the strategy, and ask the monitor for what was said before.

        System method (not intended to be called by user code).
        """
        if not self.__is_backtest:
            self.__join_monitor()
        super().start()
        self.__catch_up()
        if self.__is_backtest:
            self.__warmup.begin(None)

    def resume(self) -> None:
        """
        Resume the strategy, and follow what was said while it was stopped.

        System method (not intended to be called by user code).
        """
        super().resume()
        self.__catch_up()

    def dispose(self) -> None:
        """
        Dispose of the strategy.

        System method (not intended to be called by user code).
        """
        super().dispose()
        self.__warmup.close()
        if not self.__is_backtest and self.msgbus is not None:
            for kind in _MESSAGES:
                self.msgbus.unsubscribe(kind.topic(), self.__on_message)
            if LEAVE_ENDPOINT in self.msgbus.endpoints():
                self.msgbus.send(LEAVE_ENDPOINT, self.__on_message)

    def __join_monitor(self) -> None:
        if JOIN_ENDPOINT in self.msgbus.endpoints():
            self.msgbus.send(JOIN_ENDPOINT, self.__on_message)
            return
        self.gate.close("RECOVERY_NO_MONITOR: the node has no RecoveryMonitorActor")
        self.log.error(
            "Trading is disabled: the node has no RecoveryMonitorActor; "
            "add one to the `actors` of its `TradingNodeConfig`",
        )

    def __catch_up(self) -> None:
        denials, self.__unpublished = self.__unpublished, []
        for denial in denials:
            self.__publish(denial)
        untold, self.__untold = self.__untold, []
        for message in untold:
            self.__on_message(message)

    # -- FOLLOWING THE RECOVERY --

    def __on_message(self, message: RecoveryMessage) -> None:
        # A stream from outside may bring the messages of other nodes
        if message.trader_id != self.trader_id.value:
            return
        self.__receive(message)

    def __guard(self, call: Callable[..., None]) -> Callable[..., None]:
        def guarded(*args: Any) -> None:
            self.__hook = "recovery"
            try:
                call(*args)
            except Exception as e:
                if self.__is_backtest:
                    raise
                where = f"{type(self).__name__}.{self.__hook}"
                if self.gate.close(f"RECOVERY_HOOK_RAISED: {where}: {e!r}"):
                    self.__send(signals.gate_closed, gate=self.gate)
                self.log.exception(f"Trading stays disabled: {where} raised", e)
                self.__warmup.cancel_if_over()

        return guarded

    def __follow(self, message: RecoveryMessage) -> None:
        # Also a result whose beginning was missed closes what an older one opened
        was_open = self.gate.begin(message.epoch)
        if isinstance(message, RecoveryFailed):
            was_open |= self.gate.fail(message.epoch, message.reason, message.message)
        self.__warmup.cancel_if_over()
        if was_open:
            self.log.warning(f"Trading is disabled: {self.gate.reason()}")
            self.__send(signals.gate_closed, gate=self.gate)
        if message.epoch < self.gate.epoch:
            return  # What an older epoch allowed, shadow mode too, is over
        self.__is_shadow = message.report.shadow
        if isinstance(message, RecoveryOverridden):
            self.__override(message)
            return

        key = (type(message), message.epoch)
        if key == self.__told:
            return
        if not self.is_running:
            self.__untold = [message]  # Hooks are for a strategy that runs
            return
        self.__told = key
        if isinstance(message, RecoveryFailed):
            self.__call("on_recovery_failed", message)
            if self.__is_shadow:
                # A strategy that begins there must not be held back
                self.__call("on_trading_enabled")
        elif isinstance(message, RecoveryComplete):
            self.__recover(message)

    def __recover(self, event: RecoveryComplete) -> None:
        self._take_unproven(event.report)
        self.__call("on_recovery_complete", event)
        held = self.cache.positions_open(strategy_id=self.id)
        for position in sorted(held, key=lambda position: position.id.value):
            if self.is_running:
                self.__call("on_position_recovered", position, self._exit_orders(position))
        if self.is_running:
            self._tell_unaccounted(event, self.__call)
        if self.__put_off(event):
            return
        if self._hold_reason is not None:
            self.gate.close(self._hold_reason)
            self.log.error(f"Trading stays disabled: {self._hold_reason}")
            return
        self.__overridden = None
        self.__warmup.begin(event)

    def __put_off(self, event: RecoveryComplete) -> bool:
        # A strategy that stopped itself in a hook is told again when it is resumed
        if not self.is_running:
            self.__told, self.__untold = None, [event]
        return not self.is_running

    def __begin_cold(self, event: RecoveryComplete) -> None:
        if self.__is_shadow and self.is_running and self.__enabled != event.epoch:
            self.__enabled = event.epoch
            # A strategy that begins there must not be held back
            self.__call("on_trading_enabled")

    def __enable(self, event: RecoveryComplete | None) -> None:
        if event is None:
            self.on_trading_enabled()  # In a backtest nothing was recovered
            return
        if self.__put_off(event):
            return
        blocked = event.blocked_instruments
        if not self.gate.complete(event.epoch, blocked):
            return
        if blocked:
            self.log.warning(f"Trading is enabled, except for {', '.join(sorted(blocked))}")
        else:
            self.log.info("Trading is enabled", LogColor.GREEN)
        if signals.gate_opened.receivers:
            self.__send(signals.gate_opened, gate=self.gate)
        if self.__overridden is not None:
            self.__override(self.__overridden)
        if self.__enabled != event.epoch:
            self.__enabled = event.epoch
            self.__call("on_trading_enabled")

    def __call(self, hook: str, *args: Any) -> None:
        # If it raises, that is where
        is_of_one = hook == "on_position_recovered"
        self.__hook = f"{hook} of position {args[0].id}" if is_of_one else hook
        getattr(self, hook)(*args)

    def __override(self, event: RecoveryOverridden) -> None:
        if self.__untold:
            self.__untold[1:] = [event]
            return
        if self.__warmup.is_under_way:
            self.__overridden = event  # For when the gate is open
            return
        if not self.gate.release(event.epoch, active(event.report, self.clock.timestamp_ns())):
            return
        blocked = ", ".join(sorted(self.gate.blocked)) or "nothing"
        self.log.warning(f"An operator changed what is blocked: blocked is {blocked}")
        if signals.gate_opened.receivers:
            self.__send(signals.gate_opened, gate=self.gate)

    def indicators_initialized(self) -> bool:
        """
        Return whether all indicators are initialized, those of the warm-up included.

        Returns
        -------
        bool

        """
        indicators = [*self.registered_indicators, *self.__warmup.indicators]
        return bool(indicators) and all(indicator.initialized for indicator in indicators)

    # -- ORDERS --

    def submit_order(
        self,
        order: Order,
        position_id: PositionId | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Submit the order, or deny it while the gate is closed for its instrument.

        See `Strategy.submit_order` for the parameters.
        """
        gate = self.__gate
        if (
            gate.is_unrestricted
            or gate.is_open_for(order.instrument_id)
            or not self.__deny([order])
        ):
            _submit_order(self, order, position_id, client_id, params)

    def submit_order_list(
        self,
        order_list: OrderList,
        position_id: PositionId | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Submit the order list, or deny all of it while the gate is closed for one of its orders.

        See `Strategy.submit_order_list` for the parameters.
        """
        is_open = all(self.gate.is_open_for(order.instrument_id) for order in order_list.orders)
        if is_open or not self.__deny(order_list.orders):
            Strategy.submit_order_list(self, order_list, position_id, client_id, params)

    def modify_order(
        self,
        order: Order,
        quantity: Quantity | None = None,
        price: Price | None = None,
        trigger_price: Price | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Modify the order, or reject that while the gate is closed for its instrument.

        See `Strategy.modify_order` for the parameters.
        """
        if self.gate.is_open_for(order.instrument_id) or not self.__reject_modify(order):
            Strategy.modify_order(self, order, quantity, price, trigger_price, client_id, params)

    def __deny(self, orders: list[Order]) -> bool:
        reason = next(filter(None, (self.gate.reason(order.instrument_id) for order in orders)))
        if self.__is_shadow:
            for order in orders:
                self.__tell_in_shadow(order, reason)
            return False
        for order in orders:
            self.__send(signals.order_denied, order=order, reason=reason)
        for order in orders:
            if order.status != OrderStatus.INITIALIZED:
                self.log.error(f"Cannot submit {order.client_order_id}: {order.status_string()}")
                continue
            self.msgbus.publish(f"events.order.{self.id}", order.init_event)
            if not self.cache.order_exists(order.client_order_id):
                self.cache.add_order(order)
            denied = OrderDenied(
                trader_id=order.trader_id,
                strategy_id=order.strategy_id,
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                reason=reason,
                event_id=UUID4(),
                ts_init=self.clock.timestamp_ns(),
            )
            order.apply(denied)
            self.cache.update_order(order)
            self.__publish(denied)
        return True

    def __tell_in_shadow(self, order: Order, reason: str | None) -> None:
        if order.client_order_id in self.__shadowed:
            return  # Once is enough for an order that is modified again and again
        self.__shadowed.add(order.client_order_id)
        self.log.warning(f"In shadow mode {order.client_order_id} passes: {reason}")
        self.__send(signals.order_denied, order=order, reason=reason)

    def __publish(self, denied: OrderDenied) -> None:
        # A strategy drops its own events while it starts, and its denials must arrive
        if self.state == ComponentState.STARTING:
            self.__unpublished.append(denied)
        else:
            self.msgbus.publish(f"events.order.{self.id}", denied)

    def __reject_modify(self, order: Order) -> bool:
        reason = self.gate.reason(order.instrument_id)
        if self.__is_shadow:
            self.__tell_in_shadow(order, reason)
            return False
        self.__send(signals.order_denied, order=order, reason=reason)
        now = self.clock.timestamp_ns()
        # An order that is open cannot be denied, so the answer is that of the risk engine
        rejected = OrderModifyRejected(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            account_id=order.account_id,
            reason=reason,
            event_id=UUID4(),
            ts_event=now,
            ts_init=now,
        )
        self.msgbus.send("ExecEngine.process", rejected)
        return True

    def __send(self, signal: Any, **values: Any) -> None:
        signals.send(signal, self, self.log.exception, **values)


_MESSAGES: tuple[type[RecoveryMessage], ...] = (
    RecoveryStarted,
    RecoveryComplete,
    RecoveryFailed,
    RecoveryOverridden,
)

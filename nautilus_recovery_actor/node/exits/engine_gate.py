"""
A gate before the engines of a node: only exits get through, whoever sends them.
"""

from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from typing import Any
from typing import Protocol
from typing import TypeAlias

from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.core.message import Command
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import BatchCancelOrders
from nautilus_trader.execution.messages import CancelAllOrders
from nautilus_trader.execution.messages import CancelOrder
from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.execution.messages import SubmitOrderList
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.orders import Order
from nautilus_trader.system.kernel import NautilusKernel

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.names import EMULATOR_EXECUTE
from nautilus_recovery_actor.core.names import EXEC_ENGINE_EXECUTE
from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.names import RISK_ENGINE_EXECUTE
from nautilus_recovery_actor.host.denial import would_leave_naked
from nautilus_recovery_actor.host.held_back import CAME_TOO_LATE
from nautilus_recovery_actor.host.held_back import HeldBack
from nautilus_recovery_actor.host.way_out import WayOut
from nautilus_recovery_actor.node.exits.answers import cancel_rejected
from nautilus_recovery_actor.node.exits.answers import denied
from nautilus_recovery_actor.node.exits.answers import modify_rejected
from nautilus_recovery_actor.node.exits.books import CacheBooks
from nautilus_recovery_actor.node.exits.books import is_answer


Execute: TypeAlias = Callable[[Command], None]


class Halt(Protocol):
    """Why a node is halted."""

    @property
    def epoch(self) -> int:
        """The epoch that halted it."""

    @property
    def is_limited(self) -> bool:
        """Whether the permission of the whole node can run out unnoticed."""

    def is_over(self) -> bool:
        """Return whether it has, which halts the node."""

    @property
    def is_forgone(self) -> bool:
        """Whether not even they do: another node answers for what is held by now."""

    def reason(self) -> str:
        """Return why only exits pass."""


class EngineGate:
    """
    Stands at the endpoints of the engines and the emulator while it is closed, and with a lease
    always: a process that was stopped may send an order before anything else has closed it.
    """

    def __init__(self, kernel: NautilusKernel, log: Logger, gate: Halt) -> None:
        self._kernel = kernel
        self._cache = kernel.cache
        self._gate = gate
        self._is_closed = False
        self._is_between = False
        self.log: Logger = log
        self.msgbus: MessageBus = kernel.msgbus
        self._way_out = WayOut(CacheBooks(kernel.cache, kernel.msgbus, kernel.clock.timestamp_ns()))
        self._held_back = HeldBack(self, self._way_out)
        self.is_answer = is_answer
        self._endpoints: tuple[tuple[str, Execute, Execute], ...] = (
            (RISK_ENGINE_EXECUTE, kernel.risk_engine.execute, self._check_risk),
            (EXEC_ENGINE_EXECUTE, kernel.exec_engine.execute, self._check_exec),
            (EMULATOR_EXECUTE, kernel.emulator.execute, self._check_emulator),
        )

    def close(self) -> None:
        """Let only exits pass from now on."""
        self._stand_between()
        self._is_closed = True

    def open(self) -> None:
        """Let everything pass."""
        if self._gate.is_limited:
            self._stand_between()
        else:
            self._stand_aside()
        self._is_closed = False
        self._way_out.refused.clear()

    def _stand_between(self) -> None:
        if not self._is_between:
            self._is_between = True
            for endpoint, native, checked in self._endpoints:
                self.msgbus.deregister(endpoint, native)
                self.msgbus.register(endpoint, checked)

    def _stand_aside(self) -> None:
        if self._is_between:
            self._is_between = False
            for endpoint, native, checked in self._endpoints:
                self.msgbus.deregister(endpoint, checked)
                self.msgbus.register(endpoint, native)

    def _check_risk(self, command: Command) -> None:
        self._check(command, self._kernel.risk_engine.execute)

    def _check_exec(self, command: Command) -> None:
        execute = self._kernel.exec_engine.execute
        # What the risk engine let pass, or the emulator releases, was checked before
        is_checked = isinstance(command, SubmitOrder | SubmitOrderList | ModifyOrder)
        execute(command) if is_checked else self._check(command, execute)

    def _check_emulator(self, command: Command) -> None:
        self._check(command, self._kernel.emulator.execute)

    def _check(self, command: Command, execute: Execute) -> None:
        if not self._is_closed and not self._gate.is_over():
            execute(command)
            return
        match command:
            case SubmitOrder():
                self._submit(command, [command.order], execute)
            case SubmitOrderList():
                self._submit(command, command.order_list.orders, execute)
            case ModifyOrder():
                self._modify(command, execute)
            case CancelOrder() | CancelAllOrders() | BatchCancelOrders():
                self._check_cancels(command, execute)
            case _:
                execute(command)

    # -- ORDERS AND CHANGES --

    def _submit(
        self, command: SubmitOrder | SubmitOrderList, orders: list[Order], execute: Execute
    ) -> None:
        def send() -> None:
            if self._is_closed and any(map(self._is_refused_natively, orders)):
                self._kernel.exec_engine.execute(command)
            else:
                execute(command)

        self._held_back.submit(orders, command.position_id, command.client_id, send)

    def _is_refused_natively(self, order: Order) -> bool:
        # The risk engine compares with the net of all accounts, legs and strategies
        if self._kernel.risk_engine.trading_state != TradingState.REDUCING:
            return False
        if order.emulation_trigger != TriggerType.NO_TRIGGER:
            return False  # The emulator bypasses it
        portfolio, instrument_id = self._kernel.portfolio, order.instrument_id
        if order.side == OrderSide.BUY:
            return bool(portfolio.is_net_long(instrument_id))
        return bool(portfolio.is_net_short(instrument_id))

    def _modify(self, command: ModifyOrder, execute: Execute) -> None:
        order = self._cache.order(command.client_order_id)
        changes = (command.quantity, command.price, command.trigger_price)
        if order is None or order.is_closed:
            execute(command)
        elif self._held_back.may_change(order, *changes):
            self.let_pass(order)
            execute(command)
        else:
            self._process(modify_rejected(order, self._gate.reason(), self._now()))

    # -- CANCELS --

    def _check_cancels(
        self, command: CancelOrder | CancelAllOrders | BatchCancelOrders, execute: Execute
    ) -> None:
        orders = self._canceled_by(command)
        self._held_back.give_up(orders.__contains__)
        given_up = self._way_out.refused
        if isinstance(command, CancelOrder) and command.client_order_id in given_up:
            return
        orders = [one for one in orders if one.client_order_id not in given_up]
        means = self._held_back.cancels(orders)
        if all(one is Cancel.PASSES for one in means.values()):
            self._held_back.note_canceled(orders)
            execute(command)
            return
        for order in orders:
            cancel = partial(self._cancel, command, order, execute)
            self._held_back.cancel(order, means[order.client_order_id], cancel)

    def _canceled_by(self, command: Command) -> list[Order]:
        match command:
            case CancelOrder():
                found: Iterable[Order | None] = [self._cache.order(command.client_order_id)]
            case BatchCancelOrders():
                found = [self._cache.order(one.client_order_id) for one in command.cancels]
            case CancelAllOrders():
                of = (None, command.instrument_id, command.strategy_id, command.order_side)
                found = [one for one in self._cache.orders(*of) if not one.is_closed]
            case _:
                found = []
        return [order for order in found if order is not None]

    def _cancel(
        self,
        command: CancelOrder | CancelAllOrders | BatchCancelOrders,
        order: Order,
        execute: Execute,
    ) -> None:
        execute(
            CancelOrder(
                trader_id=order.trader_id,
                strategy_id=order.strategy_id,
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                command_id=UUID4(),
                ts_init=self._now(),
                client_id=command.client_id,
                params=command.params,
            )
        )

    # -- WHAT IS ANSWERED: a gatekeeper --

    @property
    def epoch(self) -> int:
        """The epoch that closed the gate."""
        return self._gate.epoch

    @property
    def is_forgone(self) -> bool:
        """Whether another node answers for what is held by now."""
        return self._gate.is_forgone

    def is_open_for(self, _: Order) -> bool:
        """Return whether an order needs no permission."""
        return not self._is_closed

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn of the event loop."""
        self._kernel.loop.call_soon_threadsafe(call)

    def let_pass(self, order: Order) -> None:
        """Say that an order, or a change of it, passes."""
        reason = self._gate.reason()
        self.log.info(f"{order.client_order_id} passes, it can only reduce: {reason}")
        sender = order.trader_id.value
        signals.send(signals.exit_passed, sender, self.log.exception, order=order, reason=reason)

    def deny(self, order: Order, reason: str | None = None, *, refusal: str = "") -> None:
        """Answer that an order is not sent; `refusal` is why it is no exit that passes."""
        self._way_out.refused.add(order.client_order_id)
        reason = reason or (self._gate.reason() if self._is_closed else CAME_TOO_LATE)
        reason = f"{reason}; {refusal}" if refusal else reason
        self._process(denied(order, reason, self._now()))

    def reject_cancel(self, order: Order) -> None:
        """Answer that an order is not canceled."""
        reason = self._gate.reason()
        reason = reason if self.is_forgone else would_leave_naked(reason)
        self.log.error(f"The cancel of {order.client_order_id} was held back: {reason}")
        self._process(cancel_rejected(order, reason, self._now()))

    def listen(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have `hear` called with what is published of the orders of a strategy."""
        self.msgbus.subscribe(f"{ORDER_EVENTS}{strategy_id}", hear)

    def unlisten(self, strategy_id: str, hear: Callable[[Any], None]) -> None:
        """Have it called no more."""
        self.msgbus.unsubscribe(f"{ORDER_EVENTS}{strategy_id}", hear)

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to the log."""
        if error is None:
            (self.log.info if severity is Severity.INFO else self.log.error)(text)
        else:
            self.log.exception(text, error)

    def _process(self, event: object) -> None:
        self.msgbus.send(EXEC_ENGINE_PROCESS, event)

    def _now(self) -> int:
        return int(self._kernel.clock.timestamp_ns())

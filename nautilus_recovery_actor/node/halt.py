"""
The engine-wide guard: only exits pass until the recovery allows trading.
"""

from collections.abc import Callable
from threading import RLock

from nautilus_trader.common.component import Logger
from nautilus_trader.common.messages import TradingStateChanged
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.enums import trading_state_to_str

from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.gate import apply_message
from nautilus_recovery_actor.core.names import GUARD_ENDPOINT
from nautilus_recovery_actor.core.names import JOIN_FIRST_ENDPOINT
from nautilus_recovery_actor.core.names import LEASE_ENDPOINT
from nautilus_recovery_actor.core.names import RISK_EVENTS
from nautilus_recovery_actor.node.exits.engine_gate import EngineGate
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.observing.orders import emulated_orders


def halt_until_recovered(node: TradingNode, *, allow_degraded: bool = False) -> None:
    """
    Let only exits through the risk engine of a node until its recovery allows trading, and whenever
    that is revoked.

    This holds back strategies that are not a `RecoverableStrategy`. The trading state is REDUCING
    meanwhile. Orders that can only reduce a position pass, as do changes that make an exit no
    larger and no looser; every other order is denied and every other change rejected. Cancels pass,
    except those that would leave a position naked that could not be closed. Call it after the node
    is made and before it runs; the node still needs a `RecoveryMonitorActor`, added before or
    after. Only that monitor ends the halt, whatever comes on the topics of its messages.

    Parameters
    ----------
    node : TradingNode
        The node.
    allow_degraded : bool, default False
        If a recovery that leaves instruments blocked lifts the halt. The risk engine cannot be
        halted for a single instrument: strategies that are not recoverable may then trade the
        blocked ones too. Without it the halt ends when an operator has released all of them.

    Raises
    ------
    ValueError
        If the risk engine is bypassed, so that it would deny nothing, or if the node already has
        this guard.

    Notes
    -----
    NautilusTrader's own REDUCING lets every order pass on an instrument that is flat, and compares
    with the net of all strategies and legs. So each order is checked before it reaches the risk
    engine. An ACTIVE that is set meanwhile is put back to REDUCING; a HALTED is kept, also when the
    recovery allows trading.

    Orders in the order emulator are not held back: a triggered order goes from there to the
    execution engine, bypassing the risk engine. Each halt lists these orders in the log.

    """
    _Halt(node, allow_degraded)


class _Halt:
    # Kept alive by the message bus

    def __init__(self, node: TradingNode, allow_degraded: bool) -> None:
        kernel = node.kernel
        if kernel.risk_engine.is_bypassed:
            raise ValueError(
                "`halt_until_recovered` cannot halt anything: the node's risk engine is bypassed, "
                "set `bypass=False` in its `LiveRiskEngineConfig`"
            )
        if GUARD_ENDPOINT in kernel.msgbus.endpoints():
            raise ValueError(
                "`halt_until_recovered` was already called for this node: call it once"
            )
        kernel.msgbus.register(GUARD_ENDPOINT, self._join)
        self._log = Logger("RecoveryHalt")
        self._msgbus = kernel.msgbus
        self._cache = kernel.cache
        self._clock = kernel.clock
        self._risk_engine = kernel.risk_engine
        self._allow_degraded = allow_degraded
        self._gate = RecoveryGate(kernel.clock.timestamp_ns)
        self._is_over: Callable[[], bool] | None = None
        self._is_shadow = False
        self._is_halting = False
        self._lock = RLock()  # Timers send on another thread
        self._state_before = TradingState.ACTIVE
        self._engine_gate = EngineGate(kernel, self._log, self)
        kernel.msgbus.subscribe(RISK_EVENTS, self._on_risk_event)
        self._apply()
        if not self._join():
            self._log.warning(
                "The node has no RecoveryMonitorActor yet: it stays halted until one is added and "
                "reports that the node has recovered"
            )

    def _join(self, _: object = None) -> bool:
        # Not by the topics: a stream from outside may bring messages there
        has_monitor = JOIN_FIRST_ENDPOINT in self._msgbus.endpoints()
        if has_monitor:
            self._limit_by(None)
            self._msgbus.send(JOIN_FIRST_ENDPOINT, self._on_message)
        return has_monitor

    def _on_message(self, message: RecoveryMessage) -> None:
        if message.epoch < self._gate.epoch:
            return
        self._is_shadow = message.report.shadow
        apply_message(self._gate, message, self._clock.timestamp_ns)
        self._apply()

    def _on_risk_event(self, event: TradingStateChanged) -> None:
        if not isinstance(event, TradingStateChanged):
            return  # Whoever writes to a stream from outside names the topic
        if self._is_halting and event.state == TradingState.ACTIVE:
            self._log.error(
                f"REDUCING again (the trading state was set to ACTIVE): {self.reason()}"
            )
            self._state_before = TradingState.ACTIVE
            self._risk_engine.set_trading_state(TradingState.REDUCING)

    def _apply(self) -> None:
        if not self.is_limited and LEASE_ENDPOINT in self._msgbus.endpoints():
            self._msgbus.send(LEASE_ENDPOINT, self._limit_by)
        is_allowed = self._gate.is_open and (self._allow_degraded or not self._gate.blocked)
        if is_allowed or self._is_shadow:
            self._end_halt()
        else:
            self._halt()

    def _halt(self) -> None:
        with self._lock:
            if not self._is_halting:
                self._begin_halt()

    def _begin_halt(self) -> None:
        self._state_before = self._risk_engine.trading_state
        self._is_halting = True
        self._engine_gate.close()
        if self._state_before == TradingState.ACTIVE:
            self._risk_engine.set_trading_state(TradingState.REDUCING)
        self._log.warning(f"Only exits pass the risk engine: {self.reason()}")
        emulated = emulated_orders(self._cache)
        if emulated:
            self._log.warning(
                f"Emulated orders are still sent when they trigger ({', '.join(emulated)}): "
                "cancel those that must not be"
            )

    def _end_halt(self) -> None:
        with self._lock:
            if self._is_halting:
                self._lift()

    def _lift(self) -> None:
        self._is_halting = False
        self._engine_gate.open()
        state = self._risk_engine.trading_state
        if self._state_before == TradingState.ACTIVE and state == TradingState.REDUCING:
            self._risk_engine.set_trading_state(TradingState.ACTIVE)
            self._log.info(
                f"The risk engine is ACTIVE again: recovery epoch {self._gate.epoch} allows trading"
            )
        else:
            self._log.warning(
                f"The risk engine stays {trading_state_to_str(state)}, as somebody else has set it"
            )

    # -- THE LEASE --

    def _limit_by(
        self, is_over: Callable[[], bool] | None, is_forgone: Callable[[], bool] | None = None
    ) -> None:
        self._is_over = is_over
        self._gate.limit_by(is_over, is_forgone)

    @property
    def is_limited(self) -> bool:
        """Whether the node holds a lease, which can run out unnoticed."""
        return self._is_over is not None

    def is_over(self) -> bool:
        """Return whether the lease is over, which halts the node."""
        is_over = self._is_over is not None and self._is_over()
        if is_over:
            self._halt()  # If what closes all gates had no time for it yet
        return is_over

    # -- FOR THE GATE --

    @property
    def is_forgone(self) -> bool:
        """Whether another node answers for what is held by now."""
        return self._gate.is_forgone

    @property
    def epoch(self) -> int:
        """The epoch that halted the node."""
        return self._gate.epoch

    def reason(self) -> str:
        """Return why only exits pass."""
        if not self._gate.is_open:
            return str(self._gate.reason())
        return (
            f"RECOVERY_BLOCKED: {', '.join(sorted(self._gate.blocked))} "
            f"since recovery epoch {self._gate.epoch}"
        )

"""
A gate is open only under a `RecoveryComplete` of the newest epoch of its own process's monitor.
"""

import asyncio
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import StrategyConfig
from nautilus_trader.execution.emulator import OrderEmulator
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.risk_engine import LiveRiskEngine
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.gate import apply_message
from nautilus_recovery_actor.node.listeners import News
from nautilus_recovery_actor.node.listeners.gates import GateListener
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.messages import RecoveryMessage
from tests.node.outsiders import EPOCHS
from tests.node.outsiders import message
from tests.node.support import ETH
from tests.node.support import Recorder


TRADER = "TESTER-001"
TOPICS = (None, "events.risk", f"data.{ETH}", "data.OperatorCommand*", "reports.execution.PAPER")

said = st.sampled_from(["start", "complete", "fail", "release"])
outside = st.tuples(
    st.sampled_from(MESSAGES),
    st.sampled_from([TRADER, "OTHER-001"]),
    st.sampled_from(EPOCHS) | st.integers(0, 20),
    st.booleans(),
    st.sampled_from(TOPICS),
)
lives = st.sampled_from(["stop", "resume", "late strategy", "dispose", "new monitor", "monitor"])


class Node:
    """
    A node's bus and engines, with a guard, strategies, and perhaps a monitor.
    """

    def __init__(self) -> None:
        clock = LiveClock()
        self.bus = MessageBus(TraderId(TRADER), clock)
        self.wiring: dict[str, Any] = {"msgbus": self.bus, "cache": Cache(), "clock": clock}
        self.portfolio = Portfolio(**self.wiring)
        loop = asyncio.get_running_loop()
        self.risk_engine = LiveRiskEngine(loop=loop, portfolio=self.portfolio, **self.wiring)
        kernel = SimpleNamespace(
            trader_id=self.bus.trader_id,
            risk_engine=self.risk_engine,
            exec_engine=LiveExecutionEngine(loop=loop, **self.wiring),
            emulator=OrderEmulator(portfolio=self.portfolio, **self.wiring),
            loop=loop,
            **self.wiring,
        )
        halt_until_recovered(SimpleNamespace(kernel=kernel))  # type: ignore[arg-type]
        self.monitor: GateListener | None = None
        self.strategies: list[Recorder] = []
        self._tags = count(1)
        # What a gate must be by what the monitor said, and what it said
        self.model = RecoveryGate(clock.timestamp_ns)
        self.now = clock.timestamp_ns
        self.epoch = 0
        self.is_over = True

    def live(self, step: str) -> None:
        match step:
            case "late strategy":
                strategy = Recorder(StrategyConfig(order_id_tag=f"{next(self._tags):03}"))
                self.strategies.append(strategy)
                strategy.register(self.bus.trader_id, self.portfolio, **self.wiring)
                strategy.start()
            case "new monitor" | "monitor":
                if self.monitor is not None:
                    self.monitor.close()
                self.monitor = GateListener(Logger("Monitor"), self.bus)
                self.monitor.open()
            case "dispose" if self.strategies:
                strategy = self.strategies.pop(0)
                if strategy.is_running:
                    strategy.stop()
                strategy.dispose()
            case "stop" | "resume" if self.strategies:
                strategy = self.strategies[0]
                if step == "stop" and strategy.is_running:
                    strategy.stop()
                elif step == "resume" and not strategy.is_running:
                    strategy.resume()

    def said(self, step: str) -> None:
        for one in self._lawful(step):
            assert self.monitor is not None
            apply_message(self.model, one, self.now)
            self.monitor.hear(News(one))

    def _lawful(self, step: str) -> Iterator[RecoveryMessage]:
        if self.monitor is None:
            return
        if step == "start":
            self.epoch, self.is_over = self.epoch + 1, False
            yield message(RecoveryStarted, TRADER, self.epoch)
        elif step == "release" and self.is_over and self.epoch:
            yield message(RecoveryOverridden, TRADER, self.epoch)
        elif step in ("complete", "fail") and not self.is_over:
            self.is_over = True
            kind = RecoveryComplete if step == "complete" else RecoveryFailed
            yield message(kind, TRADER, self.epoch)

    def check(self) -> None:
        for strategy in self.strategies:
            gate = strategy.gate
            assert gate.epoch <= self.epoch
            assert not gate.is_open or (self.model.is_open and gate.epoch == self.epoch)
        is_active = self.risk_engine.trading_state == TradingState.ACTIVE
        assert is_active is (self.model.is_open and not self.model.blocked)


@settings(max_examples=200, deadline=None)
@given(st.lists(said | outside | lives, max_size=40))
def test_no_gate_is_open_but_by_the_word_of_its_own_monitor(steps: list[Any]) -> None:
    """Whatever else is published, and whoever starts, stops, resumes or comes late meanwhile."""

    async def scenario() -> None:
        node = Node()
        for step in steps:
            if isinstance(step, tuple):
                kind, trader_id, epoch, shadow, topic = step
                one = message(kind, trader_id, epoch, shadow=shadow)
                node.bus.publish(topic or kind.topic(), one)
            elif step in ("start", "complete", "fail", "release"):
                node.said(step)
            else:
                node.live(step)
            node.check()

    asyncio.run(scenario())

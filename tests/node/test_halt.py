"""
The guard for strategies that are not recoverable: the risk engine is halted meanwhile.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import LiveRiskEngineConfig
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.core.names import LEASE_ENDPOINT
from nautilus_recovery_actor.node.exits.engine_gate import EngineGate
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Plain
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import say


COMMAND_ENDPOINT = "RecoveryMonitor.command"


@asynccontextmanager
async def halted(
    venue: PaperVenue,
    *strategies: Strategy,
    monitor: Any = None,
    wait: bool = True,
    halt: dict[str, Any] | None = None,
    **fields: Any,
) -> AsyncIterator[Watched]:
    """
    Run a node that is halted until it has recovered.
    """
    config = paper_node_config(
        [venue.exec_config(symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))], **fields
    )
    node = paper_node(config)
    node.trader.add_actor(actor := RecoveryMonitorActor(monitor or monitor_config()))
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    halt_until_recovered(node, **(halt or {}))
    found = Watched(node, actor)
    async with running(node, wait=wait) as run:
        found.run = run
        yield found


def state(node: Watched) -> TradingState:
    return TradingState(node.node.kernel.risk_engine.trading_state)


class Eager(Plain):
    """
    A plain strategy that trades as soon as it starts.
    """

    def on_start(self) -> None:
        self.first: Order = self.market()
        self.submit_order(self.first)


DEGRADED: dict[str, Any] = {
    "exec_engine": LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
}


def phantom(venue: PaperVenue) -> None:
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)


def test_a_plain_strategy_cannot_trade_before_the_node_has_recovered(venue: PaperVenue) -> None:
    """Its first order is denied by the risk engine, the one after the recovery is filled."""
    strategy = Eager()

    async def scenario() -> None:
        async with halted(venue, strategy) as node:
            assert state(node) == TradingState.REDUCING
            await node.run.until(lambda: strategy.first.is_closed)
            assert strategy.first.status_string() == "DENIED"
            await node.result()
            assert state(node) == TradingState.ACTIVE
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            assert order.status_string() == "FILLED"
            assert venue.submitted() == [order.client_order_id.value]

    asyncio.run(scenario())


def test_a_reconnect_halts_again_until_it_is_verified(venue: PaperVenue) -> None:
    """A revoked permission is revoked for everybody, and cancels pass meanwhile."""
    strategy = Plain()

    async def scenario() -> None:
        async with halted(venue, strategy, monitor=monitor_config(settle_ms=300)) as node:
            await node.result()
            strategy.submit_order(resting := strategy.limit("1500.00"))
            await node.run.until(lambda: resting.is_open)
            venue.push_mass_status()
            await node.run.until(lambda: state(node) == TradingState.REDUCING)
            strategy.submit_order(order := strategy.market())
            strategy.cancel_order(resting)
            await node.run.until(lambda: order.is_closed and resting.is_closed)
            assert (order.status_string(), resting.status_string()) == ("DENIED", "CANCELED")
            assert len(node.terminals) == 1
            await node.result(2)
            assert state(node) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_a_failed_recovery_stays_halted(venue: PaperVenue) -> None:
    """Nothing but a completed recovery ends the halt."""
    venue.open_account()
    venue.set_faults(query_errors=True)

    async def scenario() -> None:
        async with halted(venue, wait=False) as node:
            event = await node.result()
            assert event.reason is FailureReason.RECONCILIATION_FAILED
            assert state(node) == TradingState.REDUCING

    asyncio.run(scenario())


@pytest.mark.parametrize("allow_degraded", [False, True])
def test_what_stays_blocked_halts_the_node_unless_the_caller_says_otherwise(
    venue: PaperVenue, allow_degraded: bool
) -> None:
    """The risk engine knows no single instruments."""
    phantom(venue)

    async def scenario() -> None:
        async with halted(venue, halt={"allow_degraded": allow_degraded}, **DEGRADED) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            expected = TradingState.ACTIVE if allow_degraded else TradingState.REDUCING
            assert state(node) == expected

    asyncio.run(scenario())


def test_an_operator_who_releases_all_that_is_blocked_ends_the_halt(venue: PaperVenue) -> None:
    """And when the time of the release is over the node is halted again."""
    phantom(venue)

    async def scenario() -> None:
        async with halted(venue, **DEGRADED) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, command("release", ETH.value, secs=0.3))
            assert state(node) == TradingState.ACTIVE
            await node.run.until(lambda: state(node) == TradingState.REDUCING)

    asyncio.run(scenario())


def test_shadow_mode_halts_nothing(venue: PaperVenue) -> None:
    """In shadow mode a plain strategy trades as ever."""
    phantom(venue)
    strategy = Eager()

    async def scenario() -> None:
        async with halted(venue, strategy, monitor=monitor_config(shadow=True), **DEGRADED) as node:
            await node.run.until(lambda: strategy.first.is_closed)
            assert strategy.first.status_string() == "FILLED"
            await node.result()
            assert state(node) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_who_sets_another_trading_state_meanwhile_is_overruled(venue: PaperVenue) -> None:
    """The permission comes from the recovery alone."""

    async def scenario() -> None:
        async with halted(venue, monitor=monitor_config(settle_ms=300)) as node:
            node.node.kernel.risk_engine.set_trading_state(TradingState.ACTIVE)
            assert state(node) == TradingState.REDUCING
            await node.result()
            assert state(node) == TradingState.ACTIVE
            node.node.kernel.risk_engine.set_trading_state(TradingState.REDUCING)
            assert state(node) == TradingState.REDUCING
            venue.push_mass_status()
            await node.result(2)
            assert state(node) == TradingState.REDUCING

    asyncio.run(scenario())


def test_a_halted_node_that_somebody_wants_stays_halted_after_the_recovery(
    venue: PaperVenue,
) -> None:
    """A kill switch that is pulled meanwhile is nobody else's to put back."""

    async def scenario() -> None:
        async with halted(venue, monitor=monitor_config(settle_ms=300)) as node:
            node.node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
            await node.result()
            assert state(node) == TradingState.HALTED

    asyncio.run(scenario())


def test_a_second_guard_is_refused(venue: PaperVenue) -> None:
    """Two would each take the other's halt for somebody's wish, and end none."""

    async def scenario() -> None:
        async with halted(venue) as node:
            with pytest.raises(ValueError, match="already called for this node: call it once"):
                halt_until_recovered(node.node)
            await node.result()
            assert state(node) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_no_listener_that_raises_keeps_the_news_from_the_guard(venue: PaperVenue) -> None:
    """Also where the guard is set up before the node has a monitor."""
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))])

    def raises(_: object) -> None:
        raise RuntimeError("injected")

    async def scenario() -> None:
        node = paper_node(config)
        for kind in (RecoveryStarted, RecoveryComplete):
            node.kernel.msgbus.subscribe(kind.topic(), raises)
        halt_until_recovered(node)
        node.trader.add_actor(actor := RecoveryMonitorActor(monitor_config(settle_ms=300)))
        async with running(node) as run:
            risk_engine = node.kernel.risk_engine
            await run.until(lambda: actor.phase is RecoveryPhase.COMPLETE)
            assert risk_engine.trading_state == TradingState.ACTIVE
            venue.push_mass_status()
            await run.until(lambda: actor.epoch == 2)
            assert risk_engine.trading_state == TradingState.REDUCING

    asyncio.run(scenario())


def test_a_node_that_was_halted_before_stays_halted(venue: PaperVenue) -> None:
    """A halt that somebody else wanted is not the recovery's to end."""
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))])

    async def scenario() -> None:
        node = paper_node(config)
        node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
        node.trader.add_actor(actor := RecoveryMonitorActor(monitor_config()))
        halt_until_recovered(node)
        found = Watched(node, actor)
        async with running(node) as run:
            found.run = run
            await found.result()
            assert state(found) == TradingState.HALTED

    asyncio.run(scenario())


def test_without_a_monitor_the_node_stays_halted(venue: PaperVenue) -> None:
    """There is nobody who could tell that it has recovered."""
    strategy = Eager()
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))])

    async def scenario() -> None:
        node = paper_node(config)
        halt_until_recovered(node)
        node.trader.add_strategy(strategy)
        async with running(node) as run:
            await run.until(lambda: strategy.first.is_closed)
            assert strategy.first.status_string() == "DENIED"

    asyncio.run(scenario())


def test_a_monitor_that_is_added_later_ends_the_halt_all_the_same(venue: PaperVenue) -> None:
    """The order of the two calls does not matter."""
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))])

    async def scenario() -> None:
        node = paper_node(config)
        halt_until_recovered(node)
        node.trader.add_actor(actor := RecoveryMonitorActor(monitor_config()))
        found = Watched(node, actor)
        async with running(node) as run:
            found.run = run
            await found.result()
            assert state(found) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_a_bypassed_risk_engine_is_an_error_that_says_what_to_do(venue: PaperVenue) -> None:
    """It would deny nothing."""
    config = paper_node_config(
        [venue.exec_config(symbols=("ETHUSDT-PERP",))],
        risk_engine=LiveRiskEngineConfig(bypass=True),
    )

    async def scenario() -> None:
        node = paper_node(config)
        with pytest.raises(ValueError, match=r"bypassed, set `bypass=False`"):
            halt_until_recovered(node)
        async with running(node):
            pass

    asyncio.run(scenario())


def completed(trader_id: str = "TESTER-001", epoch: int = 1, **fields: Any) -> RecoveryComplete:
    report = RecoveryReport(trader_id, "R", epoch, "mass_status", RecoveryOutcome.CLEAN, **fields)
    return RecoveryComplete(trader_id, "R", epoch, report, 1, 1)


@pytest.mark.parametrize("trader_id", ["TESTER-001", "OTHER-001"])
def test_a_message_on_the_topics_halts_nothing_and_ends_no_halt(
    venue: PaperVenue, trader_id: str
) -> None:
    """A stream from outside may bring the messages of other nodes."""

    async def scenario() -> None:
        async with halted(venue, monitor=monitor_config(settle_ms=300)) as node:
            bus = node.node.kernel.msgbus
            bus.publish(RecoveryComplete.topic(), completed(trader_id, epoch=9))
            assert state(node) == TradingState.REDUCING
            await node.result(2)
            assert state(node) == TradingState.ACTIVE
            report = RecoveryReport(trader_id, "R", 9, "mass_status")
            failed = RecoveryFailed(trader_id, "R", 9, report, 1, 1)
            bus.publish(RecoveryFailed.topic(), failed)
            assert state(node) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_a_late_message_of_an_older_epoch_ends_no_halt(venue: PaperVenue) -> None:
    """Nor does its shadow mode."""

    async def scenario() -> None:
        async with halted(venue, monitor=monitor_config(settle_ms=300)) as node:
            await node.result()
            venue.push_mass_status()
            await node.run.until(lambda: state(node) == TradingState.REDUCING)
            say(node, completed(shadow=True))
            assert state(node) == TradingState.REDUCING

    asyncio.run(scenario())


def test_within_one_epoch_a_failure_outweighs_a_completion(venue: PaperVenue) -> None:
    """A result that is delivered after the failure ends no halt."""
    venue.open_account()
    venue.set_faults(query_errors=True)

    async def scenario() -> None:
        async with halted(venue, wait=False) as node:
            await node.result()
            say(node, completed())
            assert state(node) == TradingState.REDUCING

    asyncio.run(scenario())


def test_a_result_that_is_delivered_twice_leaves_the_trading_state_alone(venue: PaperVenue) -> None:
    """What somebody sets after the halt is theirs."""

    async def scenario() -> None:
        async with halted(venue) as node:
            event = await node.result()
            node.node.kernel.risk_engine.set_trading_state(TradingState.REDUCING)
            say(node, event)
            assert state(node) == TradingState.REDUCING

    asyncio.run(scenario())


def test_a_lease_that_runs_out_as_a_halt_ends_halts_after_it_and_can_be_lifted(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Timers send on another thread. A halt that began amid the end of the one before would take the
    state that this one set for somebody else's, and the node would never trade again.
    """
    strategy = Plain()
    is_over, opened, asked, halted_by_timer = (threading.Event() for _ in range(4))
    open_gate = EngineGate.open

    def is_lease_over() -> bool:
        if is_over.is_set():
            asked.set()
        return is_over.is_set()

    def lend(limit_by: Callable[[Callable[[], bool]], None]) -> None:
        limit_by(is_lease_over)

    def opens_slowly(gate: EngineGate) -> None:
        open_gate(gate)
        opened.set()
        asked.wait(30)
        halted_by_timer.wait(0.3)  # Which must not come before the end of this

    def times() -> None:
        opened.wait(30)
        is_over.set()
        strategy.submit_order(strategy.market())
        halted_by_timer.set()

    async def scenario() -> None:
        async with halted(venue, strategy) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.register(LEASE_ENDPOINT, lend)
            report = RecoveryReport("TESTER-001", "R", 2, "mass_status")
            say(node, RecoveryStarted("TESTER-001", "R", 2, report, 1, 1))
            bus.deregister(LEASE_ENDPOINT, lend)
            assert state(node) == TradingState.REDUCING
            monkeypatch.setattr(EngineGate, "open", opens_slowly)
            timer = threading.Thread(target=times)
            timer.start()
            say(node, completed(epoch=2))
            timer.join()
            assert state(node) == TradingState.REDUCING
            is_over.clear()
            say(node, completed(epoch=3))
            assert state(node) == TradingState.ACTIVE

    asyncio.run(scenario())


def test_a_plain_listener_that_raises_keeps_the_news_from_no_halt(venue: PaperVenue) -> None:
    """The bus stops at a subscriber that raises, so the halt is served before."""

    def raises(_: object) -> None:
        raise RuntimeError("a listener of the user's")

    async def scenario() -> None:
        async with halted(venue, monitor=monitor_config(settle_ms=300)) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            for kind in (RecoveryStarted, RecoveryComplete):
                bus.subscribe(kind.topic(), raises, priority=10)
            states: list[TradingState] = []
            bus.subscribe("events.risk", lambda event: states.append(event.state))
            venue.push_mass_status()
            await node.run.until(lambda: len(states) == 2)
            assert states == [TradingState.REDUCING, TradingState.ACTIVE]
            assert node.monitor.epoch == 2

    asyncio.run(scenario())

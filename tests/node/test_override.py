"""
What an operator releases by hand: one instrument, for its time, told to everybody.
"""

import asyncio
import time
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryGate
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.outside import remote
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests import scenes
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"
SOL = InstrumentId.from_str("SOLUSDT-PERP.PAPER")


@pytest.fixture
def phantom(venue: PaperVenue) -> PaperVenue:
    """
    Return a venue that reports LONG 3 where the cache, told to make nothing up, holds nothing.
    """
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    return venue


def blocked(venue: PaperVenue, *strategies: Any, valkey: Any = None, **fields: Any) -> Any:
    """
    Run a node that comes up with ETH blocked.
    """
    engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
    return watched(venue, valkey, *strategies, exec_engine=engine, **fields)


def release(node: Watched, **fields: Any) -> None:
    node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", ETH.value, **fields))


def overridden(node: Watched) -> list[RecoveryOverridden]:
    return [m for m in node.messages if isinstance(m, RecoveryOverridden)]


def test_a_released_instrument_trades_until_it_is_withdrawn(phantom: PaperVenue) -> None:
    """The gate lets it pass, the report says who and why, and a withdrawal blocks it again."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert not strategy.gate.is_open_for(ETH)

            release(node, secs=60.0)
            assert strategy.gate.is_open_for(ETH)
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            assert order.status_string() == "FILLED"
            (told,) = overridden(node)
            (override,) = told.report.overrides
            assert (override.instrument_id, override.operator) == (ETH.value, "ann@desk")
            assert override.reason == "checked at the venue's screen"
            assert override.ts_until - override.ts_started == 60_000_000_000
            assert override.ts_ended is None
            assert node.monitor.report == told.report
            assert node.monitor.history()[-1] == told.report
            assert told.report.blocked_instruments == (ETH.value,)

            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, command("withdraw", ETH.value))
            assert not strategy.gate.is_open_for(ETH)
            (override,) = node.monitor.report.overrides
            assert override.ts_started < override.ts_ended < override.ts_until
            strategy.submit_order(order := strategy.market())
            assert order.status_string() == "DENIED"

    asyncio.run(scenario())


def test_a_release_ends_by_itself(phantom: PaperVenue) -> None:
    """When its time is over the instrument is blocked again, and that is told."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            release(node, secs=0.3)
            assert strategy.gate.is_open_for(ETH)
            await node.run.until(lambda: len(overridden(node)) == 2)
            assert not strategy.gate.is_open_for(ETH)
            (override,) = overridden(node)[1].report.overrides
            assert override.ts_ended == override.ts_until

    asyncio.run(scenario())


def test_the_next_epoch_ends_a_release(phantom: PaperVenue) -> None:
    """What an operator saw at the venue's screen is of no use for a newer state."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            release(node, secs=3_600.0)
            phantom.push_mass_status()
            event = await node.result(2)
            assert event.blocked_instruments == {ETH.value}
            assert event.report.overrides == ()
            assert not strategy.gate.is_open_for(ETH)
            first, _ = node.monitor.history()
            (override,) = first.overrides
            assert override.ts_ended < override.ts_until

    asyncio.run(scenario())


def test_who_joins_later_is_told_of_a_release_too(phantom: PaperVenue) -> None:
    """A late joiner hears the result and then what stands released since."""
    late: list[Any] = []

    async def scenario() -> None:
        async with blocked(phantom) as node:
            await node.result()
            release(node, secs=30.0)
            release(node, secs=60.0)
            node.node.kernel.msgbus.send("RecoveryMonitor.ask", late.append)
            assert late == [node.terminals[0], overridden(node)[-1]]
            assert [type(m) for m in late] == [RecoveryComplete, RecoveryOverridden]
            node.node.trader._has_controller = True
            strategy = Recorder()
            node.node.trader.add_strategy(strategy)
            strategy.start()
            assert strategy.gate.is_open_for(ETH)
            assert strategy.told == ["start", "complete", "enabled"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("instrument_id", "fields", "reason"),
    [
        (BTC, {}, "is not blocked"),
        (ETH, {"ts_init": 1}, "too old"),
        (SOL, {}, "now blocked: ETHUSDT-PERP.PAPER"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(
    phantom: PaperVenue, instrument_id: InstrumentId, fields: dict[str, Any], reason: str
) -> None:
    """The answer says why, and nothing is released."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            order = command("release", instrument_id.value, **fields)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, order)
            (answer,) = node.answers
            assert reason in answer.text
            assert (answer.command_id, answer.is_accepted) == (order.command_id, False)
            assert overridden(node) == []
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_nothing_is_released_while_a_recovery_has_not_completed(phantom: PaperVenue) -> None:
    """An operator cannot know yet what is blocked."""

    async def scenario() -> None:
        async with blocked(phantom, monitor=monitor_config(verify_timeout_secs=10.0)) as node:
            await node.run.until(lambda: node.monitor.report.discrepancies)
            release(node)
            assert "has not completed" in node.answers[-1].text
            assert overridden(node) == []

    asyncio.run(scenario())


def test_a_command_that_is_sent_twice_is_carried_out_once(phantom: PaperVenue) -> None:
    """Who is not sure that a command was heard may send it again."""

    async def scenario() -> None:
        async with blocked(phantom) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            asked = command("release", ETH.value)
            bus.send(COMMAND_ENDPOINT, asked)
            bus.send(COMMAND_ENDPOINT, asked)
            assert len(overridden(node)) == 1

    asyncio.run(scenario())


def test_a_command_may_come_from_another_thread(phantom: PaperVenue) -> None:
    """All is done on the loop."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            asked = command("release", ETH.value)
            await asyncio.to_thread(bus.send, COMMAND_ENDPOINT, asked)
            await node.run.until(lambda: strategy.gate.is_open_for(ETH))

    asyncio.run(scenario())


def test_a_signal_tells_of_a_release(phantom: PaperVenue) -> None:
    """Alerts hear of it in the node's own process."""
    heard: list[RecoveryOverridden] = []
    opened: list[RecoveryGate] = []

    def receive(sender: Any, event: RecoveryOverridden, **_: Any) -> None:
        heard.append(event)

    def note(sender: Any, gate: RecoveryGate, **_: Any) -> None:
        opened.append(gate)

    async def scenario() -> None:
        async with blocked(phantom, Recorder()) as node:
            await node.result()
            opened.clear()
            release(node)
            assert heard == overridden(node)
            assert [gate.is_open_for(ETH) for gate in opened] == [True]

    with signals.recovery_overridden.connected_to(receive), signals.gate_opened.connected_to(note):
        asyncio.run(scenario())


def test_a_release_is_in_the_history_after_a_restart(
    phantom: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The record of what was released by hand outlives the process."""

    async def scenario() -> None:
        async with blocked(phantom, valkey=valkey) as node:
            await node.result()
            release(node)

    async def after() -> None:
        async with blocked(phantom, valkey=valkey) as node:
            first = node.monitor.history()[0]
            (override,) = first.overrides
            assert override.operator == "ann@desk"

    asyncio.run(scenario())
    asyncio.run(after())


def test_a_command_from_outside_comes_through_redis_and_is_answered(
    phantom: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What the command line sends reaches the monitor, and its answer comes back."""
    strategy = Recorder()

    async def send(asked: OperatorCommand) -> tuple[bool, str]:
        answer = await asyncio.to_thread(remote.send, asked, valkey.url)
        return answer.is_accepted, answer.text

    async def scenario() -> None:
        async with blocked(phantom, strategy, valkey=valkey) as node:
            await node.result()
            assert await send(command("release", ETH.value)) == (True, f"Released {ETH} for 1 min")
            assert strategy.gate.is_open_for(ETH)
            is_accepted, why = await send(command("resume"))
            assert not is_accepted
            assert "nothing to resume" in why
            assert await send(command("withdraw", ETH.value)) == (True, f"Blocked {ETH} again")
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_a_release_ends_at_its_own_time_whatever_is_released_besides(venue: PaperVenue) -> None:
    """The first of several that is over is blocked again, and the others are not."""
    strategy = Recorder()
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    venue.set_position("BTCUSDT-PERP", 1, 50_000)

    async def scenario() -> None:
        async with blocked(venue, strategy) as node:
            await node.result()
            release(node, secs=0.3)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", BTC.value))
            await node.run.until(lambda: len(overridden(node)) == 3)
            assert strategy.gate.blocked == {ETH.value}
            eth, btc = overridden(node)[-1].report.overrides
            assert (eth.ts_ended, btc.ts_ended) == (eth.ts_until, None)

    asyncio.run(scenario())


def test_a_release_that_is_given_again_ends_at_its_newest_time(phantom: PaperVenue) -> None:
    """The time of the one that it takes the place of ends nothing."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            release(node, secs=0.2)
            release(node, secs=0.6)
            await node.run.until(lambda: len(overridden(node)) == 3)
            assert [len(m.report.overrides) for m in overridden(node)] == [1, 2, 2]
            first, second = overridden(node)[-1].report.overrides
            assert first.ts_ended is not None
            assert first.ts_ended < first.ts_until
            assert second.ts_ended == second.ts_until
            assert not strategy.gate.is_open_for(ETH)
            recovery = node.monitor._decisions.recovery  # Nothing else is waited for any more
            assert recovery.wake_at == recovery.proving.wake_at

    asyncio.run(scenario())


def test_the_time_of_a_release_that_an_epoch_ended_changes_nothing(phantom: PaperVenue) -> None:
    """What was to end with it is not told under the next epoch."""

    async def scenario() -> None:
        async with blocked(phantom, monitor=monitor_config(verify_timeout_secs=0.1)) as node:
            await node.result()
            release(node, secs=0.6)
            (override,) = overridden(node)[0].report.overrides
            phantom.push_mass_status()
            event = await node.result(2)
            await node.run.until(lambda: time.time_ns() > override.ts_until + 100_000_000)
            assert len(overridden(node)) == 1
            assert node.monitor.report == event.report

    asyncio.run(scenario())


def test_a_release_ends_by_the_time_of_the_node(phantom: PaperVenue) -> None:
    """A loop whose clock is ahead of the node's looks again."""

    async def scenario() -> None:
        async with blocked(phantom) as node:
            await node.result()
            release(node, secs=0.2)
            node.monitor._decisions._now = lambda: time.time_ns() - 100_000_000
            await node.run.until(lambda: len(overridden(node)) == 2)
            (override,) = overridden(node)[1].report.overrides
            assert override.ts_ended == override.ts_until

    asyncio.run(scenario())


def test_who_is_told_of_a_release_finds_it_in_the_report(phantom: PaperVenue) -> None:
    """The monitor's report is that of the message by the time the message comes."""
    found: list[bool] = []

    async def scenario() -> None:
        async with blocked(phantom) as node:

            def compare(event: RecoveryOverridden) -> None:
                found.append(node.monitor.report == event.report)

            node.node.kernel.msgbus.subscribe(RecoveryOverridden.topic(), compare)
            await node.result()
            release(node)
            assert found == [True]

    asyncio.run(scenario())


def test_a_command_before_the_node_runs_is_refused(venue: PaperVenue) -> None:
    """It raises nothing where it is sent, and changes nothing."""

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
        assert monitor.epoch == 1
        async with running(node):
            pass

    asyncio.run(scenario())


def test_a_monitor_that_is_disposed_takes_no_more_commands(venue: PaperVenue) -> None:
    """A node that goes on without it does not take it for listening."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            node.node.trader._has_controller = True
            node.node.trader.remove_actor(node.monitor.id)
            node.monitor.dispose()
            assert COMMAND_ENDPOINT not in node.node.kernel.msgbus.endpoints()

    asyncio.run(scenario())


def test_what_raises_on_a_command_closes_the_gate(
    phantom: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not reach who sent the command, and nobody knows what is released."""

    def raises(*_: object) -> None:
        raise RuntimeError("injected")

    async def scenario() -> None:
        async with blocked(phantom, strategy := Recorder()) as node:
            await node.result()
            monkeypatch.setattr(overrides, "released", raises)
            release(node)
            event = await node.result(2)
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_a_strategy_that_is_stopped_meanwhile_is_told_when_it_resumes(phantom: PaperVenue) -> None:
    """It hears the newest result, and what an operator released since."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            strategy.stop()
            phantom.push_mass_status()
            await node.result(2)
            release(node)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("withdraw", ETH.value))
            release(node)
            assert not strategy.gate.is_open
            strategy.resume()
            assert strategy.gate.is_open_for(ETH)
            assert strategy.told == ["start", *["complete", "enabled"] * 2]

    asyncio.run(scenario())


class Protecting(Recorder):
    """
    Places its stop as the README says, and a bid while it has none.
    """

    def __init__(self) -> None:
        super().__init__(StrategyConfig(**scenes.TRADER))

    def on_trading_enabled(self) -> None:
        super().on_trading_enabled()
        for position in self.held_positions():
            if self.is_protected(position):
                continue
            exits = self.exit_orders(position)
            for order in exits:
                self.cancel_order(order)
            stop = self.closing_order(position, trigger_price=Price(1700, 2), ignoring=exits)
            self.submit_order(*stop)
        if not self.cache.orders_open(strategy_id=self.id, side=OrderSide.BUY):
            self.submit_order(self.limit("1500.00"))


def test_what_could_not_be_sent_while_an_instrument_was_blocked_is_sent_after_its_release(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its bid, after its stop: once for a release, and once for all while it is stopped."""
    strategy = Protecting()

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, "TESTER-001", "+2")
        venue.set_position("ETHUSDT-PERP", 3, 1900)
        async with blocked(venue, strategy, valkey=valkey) as node:
            event = await node.result()
            assert event.blocked_instruments == {ETH.value}
            assert strategy.told == ["start", "complete", "position", "enabled"]
            assert strategy.denied
            (position,) = strategy.cache.positions_open(strategy_id=strategy.id)
            await node.run.until(lambda: strategy.is_protected(position))

            release(node)
            assert strategy.told == ["start", "complete", "position", "enabled", "enabled"]
            await node.run.until(lambda: strategy.cache.orders_open_count(side=OrderSide.BUY) == 1)
            assert strategy.cache.orders_open_count(side=OrderSide.SELL) == 1
            bus = node.node.kernel.msgbus
            release(node, secs=90.0)
            bus.send(COMMAND_ENDPOINT, command("withdraw", ETH.value))
            assert strategy.told.count("enabled") == 2

            strategy.stop()
            release(node)
            release(node, secs=90.0)
            assert strategy.told.count("enabled") == 2
            strategy.resume()
            assert strategy.told.count("enabled") == 3
            assert strategy.gate.is_open_for(ETH)
            await node.run.until(lambda: strategy.cache.orders_open_count() == 2)

    asyncio.run(scenario())


def test_a_command_from_a_hook_waits_for_the_message_that_is_on_its_way(
    phantom: PaperVenue,
) -> None:
    """A release from `on_recovery_complete` comes after the result, for everybody."""
    strategy = Recorder()

    def hook(event: RecoveryComplete) -> None:
        strategy.msgbus.send(COMMAND_ENDPOINT, command("release", ETH.value))

    strategy.on_recovery_complete = hook  # type: ignore[method-assign]

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            await node.run.until(lambda: overridden(node))
            kinds = [type(m).__name__ for m in node.messages]
            assert kinds == ["RecoveryStarted", "RecoveryComplete", "RecoveryOverridden"]
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "value"),
    [("secs", float("nan")), ("action", "open"), ("instrument_id", ""), ("reason", "")],
)
def test_a_command_that_was_changed_after_it_was_made_is_refused(
    phantom: PaperVenue, name: str, value: Any
) -> None:
    """It is checked again where it is carried out, and harms nothing."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            changed = command("release", ETH.value)
            setattr(changed, name, value)
            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, changed)
            bus.send(COMMAND_ENDPOINT, "release everything")
            assert [one.is_accepted for one in node.answers] == [False]
            assert overridden(node) == []
            assert node.monitor.phase is RecoveryPhase.COMPLETE
            assert node.monitor.epoch == 1

    asyncio.run(scenario())

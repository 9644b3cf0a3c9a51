"""
What an operator releases by hand: one instrument, for its time, told to everybody.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import remote
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
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
    """A late joiner hears the result and then what was released since."""
    late: list[Any] = []

    async def scenario() -> None:
        async with blocked(phantom) as node:
            await node.result()
            release(node, secs=60.0)
            node.node.kernel.msgbus.send("RecoveryMonitor.ask", late.append)
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
        (BTC, {}, b"is not blocked"),
        (ETH, {"ts_init": 1}, b"too old"),
        (SOL, {}, b"blocked is ETHUSDT-PERP.PAPER"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(
    phantom: PaperVenue,
    instrument_id: InstrumentId,
    fields: dict[str, Any],
    reason: bytes,
) -> None:
    """The answer says why, and nothing is released."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            order = command("release", instrument_id.value, **fields)
            node.node.kernel.msgbus.publish(OperatorCommand.topic(), order)
            answer = node.node.cache.get("recovery:answer") or b""
            assert reason in answer
            assert order.command_id.encode() in answer
            assert b'"is_accepted":false' in answer
            assert overridden(node) == []
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_nothing_is_released_while_a_recovery_has_not_completed(phantom: PaperVenue) -> None:
    """An operator cannot know yet what is blocked."""

    async def scenario() -> None:
        async with blocked(phantom, monitor=monitor_config(verify_timeout_secs=10.0)) as node:
            await node.run.until(lambda: node.monitor.report.discrepancies)
            release(node)
            assert b"has not completed" in (node.node.cache.get("recovery:answer") or b"")
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
            bus.publish(OperatorCommand.topic(), asked)
            assert len(overridden(node)) == 1

    asyncio.run(scenario())


def test_a_command_may_come_from_another_thread(phantom: PaperVenue) -> None:
    """A node hands on what it reads from a stream in a thread; all is done on the loop."""
    strategy = Recorder()

    async def scenario() -> None:
        async with blocked(phantom, strategy) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            asked = command("release", ETH.value)
            await asyncio.to_thread(bus.publish, OperatorCommand.topic(), asked)
            await node.run.until(lambda: strategy.gate.is_open_for(ETH))

    asyncio.run(scenario())


def test_a_signal_tells_of_a_release(phantom: PaperVenue) -> None:
    """Alerts hear of it in the node's own process."""
    heard: list[RecoveryOverridden] = []

    def receive(sender: Any, event: RecoveryOverridden, **_: Any) -> None:
        heard.append(event)

    async def scenario() -> None:
        async with blocked(phantom) as node:
            await node.result()
            release(node)
            assert heard == overridden(node)

    with signals.recovery_overridden.connected_to(receive):
        asyncio.run(scenario())


def test_a_release_is_in_the_history_after_a_restart(
    phantom: PaperVenue,
    valkey: EmbeddedValkey,
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
    phantom: PaperVenue,
    valkey: EmbeddedValkey,
) -> None:
    """What the command line sends reaches the monitor, and its answer comes back."""
    strategy = Recorder()
    encoding = MessageBusConfig().encoding
    bus = MessageBusConfig(
        database=valkey.database_config(),
        external_streams=["recovery-commands"],
    )

    async def send(asked: OperatorCommand) -> str:
        return await asyncio.to_thread(
            remote.send,
            asked,
            valkey.url,
            "recovery-commands",
            encoding,
        )

    async def scenario() -> None:
        async with blocked(phantom, strategy, valkey=valkey, message_bus=bus) as node:
            await node.result()
            assert await send(command("release", ETH.value)) == f"Released {ETH} for 1 min"
            assert strategy.gate.is_open_for(ETH)
            with pytest.raises(remote.RefusedError, match="nothing to resume"):
                await send(command("resume"))
            assert await send(command("withdraw", ETH.value)) == f"Blocked {ETH} again"
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())

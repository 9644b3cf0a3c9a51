"""
What takes the permission back for longer: a storm of reconnects, a client that loses its venue, and
how an operator resumes.
"""

import asyncio

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.watch import Watch
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"


async def reconnect(node: Watched, venue: PaperVenue) -> None:
    """
    Bring a mass status, and wait for what comes of it.
    """
    results = len(node.terminals)
    venue.push_mass_status()
    await node.result(results + 1)


async def mass_status(node: Watched, venue: PaperVenue) -> None:
    """
    Bring a mass status under a failed recovery.
    """
    seen: list[object] = []
    # An exact topic: a wildcard does not reach one that was published on before (1.221)
    node.node.kernel.msgbus.subscribe("reports.execution.PAPER", seen.append)
    venue.push_mass_status()
    await node.run.until(lambda: seen)


async def storm(node: Watched, venue: PaperVenue, config: RecoveryMonitorConfig) -> RecoveryFailed:
    """
    Reconnect until that ends in a failure.
    """
    await node.result()
    for _ in range(config.storm_epochs + 1):
        await reconnect(node, venue)
    failed = node.terminals[-1]
    assert isinstance(failed, RecoveryFailed)
    return failed


def test_ten_reconnects_in_a_minute_end_in_one_failure(venue: PaperVenue) -> None:
    """With the defaults, so many new epochs are a storm: the gate stays closed, told once."""
    strategy, config = Recorder(), monitor_config(settle_ms=10)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            failed = await storm(node, venue, config)
            assert failed.reason is FailureReason.RECONCILIATION_FAILED
            assert "nautilus-recovery resume" in failed.message
            told = len(node.messages)
            for _ in range(11 - len(node.terminals)):
                await mass_status(node, venue)
            assert len(node.messages) == told
            assert node.monitor.phase is RecoveryPhase.FAILED
            assert not strategy.gate.is_open
            results = [type(m) for m in node.terminals]
            assert results == [RecoveryComplete] * (1 + config.storm_epochs) + [RecoveryFailed]

    asyncio.run(scenario())


@pytest.mark.parametrize("is_changed", [False, True])
def test_after_a_storm_an_operator_resumes_with_the_newest_report(
    venue: PaperVenue,
    is_changed: bool,
) -> None:
    """The new epoch is verified against the last mass status, whatever came after the failure."""
    strategy, config = Recorder(), monitor_config(storm_epochs=1)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            failed = await storm(node, venue, config)
            if is_changed:  # Another quantity at the venue than what the cache is aligned to
                venue.set_position("SOLUSDT-PERP", 5, 100)
            await mass_status(node, venue)
            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(len(node.terminals) + 1)
            assert event.epoch == failed.epoch + 1
            if is_changed:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}
            else:
                assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open_for(ETH)
            venue.set_position("BTCUSDT-PERP", 1, 50_000)
            await reconnect(node, venue)  # The storm is over, and the next one counts from here
            event = node.terminals[-1]
            assert isinstance(event, RecoveryComplete)
            assert sum(event.report.fill_counts.values()) == 1

    asyncio.run(scenario())


def test_what_was_traded_after_the_newest_report_counts_when_an_operator_resumes(
    venue: PaperVenue,
) -> None:
    """Fills of a plain strategy under a failed recovery come after the report that is verified."""
    strategy, config = Recorder(), monitor_config(storm_epochs=0)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await storm(node, venue, config)
            Strategy.submit_order(strategy, order := strategy.market())  # Past the gate
            await node.run.until(lambda: order.is_closed)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after) == (2, 2)

    asyncio.run(scenario())


def test_there_is_nothing_to_resume_while_a_recovery_stands(venue: PaperVenue) -> None:
    """A command that makes no sense is refused, and changes nothing."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            assert b"nothing to resume" in (node.node.cache.get("recovery:answer") or b"")
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_an_operator_cannot_resume_what_nothing_was_proven_of(venue: PaperVenue) -> None:
    """A node that does not reconcile fails again: no word of an operator is a venue's report."""
    strategy = Recorder()
    exec_engine = LiveExecEngineConfig(reconciliation=False)

    async def scenario() -> None:
        async with watched(venue, None, strategy, exec_engine=exec_engine) as node:
            await node.result()
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(2)
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.NOT_RECONCILED
            assert event.epoch == 2
            assert not strategy.gate.is_open

            await mass_status(node, venue)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_after_an_error_of_the_monitor_every_account_must_report_again(
    venue: PaperVenue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report that could not be read may have said anything."""
    strategy = Recorder()

    def raises(*_: object) -> None:
        raise RuntimeError("injected")

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            with monkeypatch.context() as patched:
                patched.setattr(Watch, "add_status", raises)
                await reconnect(node, venue)
            assert node.terminals[-1].report.failure is FailureReason.INTERNAL_ERROR
            bus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.reason is FailureReason.NOT_RECONCILED
            await mass_status(node, venue)
            bus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(4)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_a_report_that_a_stop_of_the_trader_cut_off_is_not_forgotten(venue: PaperVenue) -> None:
    """Who starts the trader again and resumes is told what that report said."""
    strategy = Recorder()
    config = monitor_config(settle_ms=500)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            venue.set_position("SOLUSDT-PERP", 5, 100)
            venue.push_mass_status()
            await node.run.until(lambda: node.monitor.epoch == 2)
            trader = node.node.trader
            trader.stop()
            trader.start()
            assert not strategy.gate.is_open
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}

    asyncio.run(scenario())


@pytest.mark.parametrize("is_back", [False, True])
def test_a_client_that_is_disconnected_closes_the_gate(venue: PaperVenue, is_back: bool) -> None:
    """Its account must report again: what the cache holds of it gets old, and nothing says so."""
    strategy = Recorder()
    config = monitor_config(heartbeat_secs=0.05, verify_timeout_secs=10.0 if is_back else 0.3)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            client.disconnect()
            await node.run.until(lambda: not strategy.gate.is_open)
            assert node.monitor.epoch == 2
            if is_back:
                await node.run.until(lambda: node.monitor.phase is RecoveryPhase.VERIFYING)
                client.connect()
                await node.run.until(lambda: client.is_connected)
                venue.push_mass_status()
                event = await node.result(2)
                assert event.outcome is RecoveryOutcome.ADJUSTED  # What was missing has come
                assert strategy.gate.is_open
            else:
                event = await node.result(2)
                assert event.reason is FailureReason.NOT_RECONCILED
                (account,) = event.report.accounts
                assert (account.account_id, account.is_connected) == ("PAPER-001", False)
                assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_the_report_tells_the_age_of_what_is_known_of_an_account(venue: PaperVenue) -> None:
    """When its venue last reported, when it last told of balances, and if its client is there."""

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            (account,) = event.report.accounts
            assert account.is_connected is True
            assert 0 < account.ts_account < account.ts_report <= event.report.ts_completed

    asyncio.run(scenario())


def test_a_command_for_another_trader_changes_nothing(venue: PaperVenue) -> None:
    """One Redis stream may serve several nodes."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, command("resume", trader_id="OTHER-001"))
            bus.publish(OperatorCommand.topic(), command("resume", trader_id="OTHER-001"))
            assert node.node.cache.get("recovery:answer") is None

    asyncio.run(scenario())

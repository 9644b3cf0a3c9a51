"""
An operator resumes what has failed, and nothing opens that no venue has proven.
"""

import asyncio

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.node.monitor import incoming
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.reconnects import mass_status
from tests.node.reconnects import reconnect
from tests.node.reconnects import storm
from tests.node.reconnects import unannounced
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import other_mass_status
from tests.node.support import position_report
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"


@pytest.mark.parametrize("is_changed", [False, True])
def test_after_a_storm_an_operator_resumes_with_the_newest_report(
    venue: PaperVenue, is_changed: bool
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


def test_what_is_made_up_under_a_failure_is_blocked_when_an_operator_resumes(
    venue: PaperVenue,
) -> None:
    """The engine aligns a position that no venue has confirmed since."""
    strategy, config = Recorder(), monitor_config(storm_epochs=0)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", position_report("1.000"))
            await node.result(2)  # A storm of one, without any report
            report = position_report("2.000", BTC)
            bus.send("ExecEngine.reconcile_execution_report", report)
            await node.run.until(lambda: strategy.portfolio.is_net_long(BTC))
            bus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.blocked_instruments == {ETH.value, BTC.value}

    asyncio.run(scenario())


def test_there_is_nothing_to_resume_while_a_recovery_stands(venue: PaperVenue) -> None:
    """A command that makes no sense is refused, and changes nothing."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            assert "nothing to resume" in node.answers[-1].text
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
            assert (event.epoch, event.report.trigger) == (2, "startup")
            assert node.answers[-1].text == "Opened recovery epoch 2"
            assert not strategy.gate.is_open

            await mass_status(node, venue)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_after_an_error_of_the_monitor_every_account_must_report_again(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
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
                patched.setattr(incoming, "reads", raises)
                await reconnect(node, venue)
            assert node.terminals[-1].report.failure is FailureReason.INTERNAL_ERROR
            resumed = node.monitor.clock.timestamp_ns()
            bus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            (account,) = event.report.accounts
            assert account.ts_report > resumed  # It is asked to
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
            for component in (node.monitor, strategy):
                component.stop()
                component.resume()
            assert not strategy.gate.is_open
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}

    asyncio.run(scenario())


def test_a_command_for_another_trader_changes_nothing(venue: PaperVenue) -> None:
    """It is not this monitor's to answer either."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send(COMMAND_ENDPOINT, command("resume", trader_id="OTHER-001"))
            assert node.answers == []

    asyncio.run(scenario())


def test_what_was_blocked_stays_blocked_through_a_recovery_that_was_cut_off(
    venue: PaperVenue,
) -> None:
    """A recovery that compared nothing does not end what one before had found."""
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)

    async def scenario() -> None:
        async with watched(venue, monitor=monitor_config(settle_ms=300)) as node:
            await node.result()
            node.node.kernel.msgbus.publish("reports.execution.OTHER", other_mass_status())
            node.monitor.stop()
            node.monitor.resume()
            assert node.terminals[-1].report.failure is not None
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}

    asyncio.run(scenario())


def test_what_a_failed_recovery_told_is_not_told_again(venue: PaperVenue) -> None:
    """The recovery that an operator resumes begins with the positions as they are then."""
    config = monitor_config(storm_epochs=0)

    async def scenario() -> None:
        async with watched(venue, monitor=config) as node:
            await node.result()
            venue.set_position("ETHUSDT-PERP", 3, 1900)
            await unannounced(node)
            failed = node.terminals[-1].report
            assert failed.failure is FailureReason.RECONCILIATION_FAILED
            assert failed.fill_counts == {FillOrigin.SYNTHETIC: 1}
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.report.fill_counts == {}
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after) == (3, 3)

            venue.set_position("ETHUSDT-PERP", 5, 1900)
            await unannounced(node)  # What is new is told, as ever
            assert node.terminals[-1].report.fill_counts == {FillOrigin.SYNTHETIC: 1}

    asyncio.run(scenario())


def test_a_monitor_that_is_stopped_and_resumed_ends_no_storm(venue: PaperVenue) -> None:
    """Only an operator's word does, and not while the trader stands still."""
    strategy, config = Recorder(), monitor_config(storm_epochs=0, heartbeat_secs=0.05)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await storm(node, venue, config)
            node.monitor.stop()
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            assert "is not running" in node.answers[-1].text
            stopped = node.node.cache.get("recovery:heartbeat")
            node.monitor.resume()
            await node.run.until(lambda: node.node.cache.get("recovery:heartbeat") != stopped)
            assert node.monitor.phase is RecoveryPhase.FAILED
            assert not strategy.gate.is_open
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            assert (await node.result(3)).outcome is RecoveryOutcome.CLEAN

    asyncio.run(scenario())

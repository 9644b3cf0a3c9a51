"""
What raises while the monitor carries out what was decided.
"""

import asyncio
from typing import Any

import pytest

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.observing.start import NodeStart
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"


def test_an_epoch_that_breaks_as_it_opens_in_a_storm_ends_all_the_same(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has one terminal message, and an operator can resume it."""
    strategy, config = Recorder(), monitor_config(storm_epochs=0)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()

            def begin(*_: Any) -> None:
                raise OSError("No room")

            with monkeypatch.context() as patch:
                patch.setattr(RecoveryJournal, "begin", begin)
                venue.push_mass_status()
                await node.run.until(lambda: node.monitor.epoch == 2)
                await asyncio.sleep(0.3)
            assert node.monitor.phase is RecoveryPhase.FAILED
            assert not strategy.gate.is_open
            assert isinstance(node.terminals[-1], RecoveryFailed)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
            await asyncio.sleep(0.3)
            assert node.monitor.epoch == 3

    asyncio.run(scenario())


def test_an_epoch_that_breaks_before_the_kernel_starts_has_an_identity(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message carries a UUID like that of any other epoch."""

    def begin(*_: Any) -> None:
        raise OSError("Not seen")

    monkeypatch.setattr(NodeStart, "begin", begin)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert event.recovery_id

    asyncio.run(scenario())


def test_a_stop_on_a_closed_loop_under_a_release_opens_no_epoch(venue: PaperVenue) -> None:
    """A node that is disposed of without having been stopped has nothing left to be timed."""

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            await node.result()
            venue.set_position("SOLUSDT-PERP", 5, 100)
            venue.push_mass_status()
            event = await node.result(2)
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", "SOLUSDT-PERP.PAPER"))
            await node.run.until(lambda: node.monitor.report.overrides != ())
            closed = asyncio.new_event_loop()
            closed.close()
            node.monitor._loop = closed
            node.monitor._end()
            assert node.monitor.epoch == 2
            assert len(node.terminals) == 2

    asyncio.run(scenario())


def test_a_mass_status_counts_as_it_was_when_it_was_published(venue: PaperVenue) -> None:
    """Whoever changes it afterwards changes nothing of what is judged."""

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            await node.result()
            venue.set_position("SOLUSDT-PERP", 5, 100)
            bus = node.node.kernel.msgbus
            bus.subscribe("reports.execution.*", _forget_positions, priority=0)
            venue.push_mass_status()
            event = await node.result(2)
            assert isinstance(event, RecoveryComplete)
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}

    asyncio.run(scenario())


def _forget_positions(report: Any) -> None:
    if hasattr(report, "_position_reports"):
        report._position_reports.clear()

"""
A storm of new epochs takes the permission back until an operator acts.
"""

import asyncio

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.reconnects import mass_status
from tests.node.reconnects import reconnect
from tests.node.reconnects import storm
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.node.support import other_mass_status
from tests.node.support import position_report
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"


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


def test_what_a_venue_has_put_right_is_not_held_against_it_later(venue: PaperVenue) -> None:
    """Only the newest recovery tells what an account that does not report is blocked for."""
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            venue.set_position("SOLUSDT-PERP", 0, 100)
            await reconnect(node, venue)
            assert node.terminals[-1].report.blocked_instruments == ()
            node.node.kernel.msgbus.publish("reports.execution.OTHER", other_mass_status())
            event = await node.result(3)
            assert event.blocked_instruments == frozenset()

    asyncio.run(scenario())


def test_made_up_fills_are_counted_as_a_storm_too(venue: PaperVenue) -> None:
    """However the epochs open, too many end in a failure that tells what was made up."""
    config = monitor_config(storm_epochs=0)

    async def scenario() -> None:
        async with watched(venue, monitor=config) as node:
            await node.result()
            report = position_report("3.000")
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", report)
            event = await node.result(2)
            assert isinstance(event, RecoveryFailed)
            assert event.message.startswith("More than 0 new recoveries")
            assert event.report.trigger == "synthetic_fill"
            assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}

    asyncio.run(scenario())

"""
What was known of the trader's start in the turn of the loop in which it starts.
"""

import asyncio
import time

import pytest
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.system.kernel import NautilusKernel

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.node.support import watched


def test_a_start_whose_last_step_blocks_is_not_taken_for_aborted(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm may ring right after the step that started the trader, before `call_soon` does."""
    initialize = NautilusKernel._initialize_portfolio

    def slowly(self: NautilusKernel) -> None:
        initialize(self)
        time.sleep(0.4)  # A large cache: longer than the interval of the probe

    monkeypatch.setattr(NautilusKernel, "_initialize_portfolio", slowly)

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            event = await node.result()
            assert isinstance(event, RecoveryComplete), event.report.message

    asyncio.run(scenario())


def test_a_trader_that_starts_again_looks_at_its_connections_at_once(venue: PaperVenue) -> None:
    """A client that was lost while the trader was stopped closes the gate when it starts."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(
            venue, None, strategy, monitor=monitor_config(heartbeat_secs=30.0)
        ) as node:
            await node.result()
            node.monitor.stop()
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            client.disconnect()
            await node.run.until(lambda: not client.is_connected)
            node.monitor.reset()
            node.monitor.start()
            await asyncio.sleep(0.3)
            assert node.monitor.epoch == 2
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_a_trader_that_stops_in_the_turn_of_its_start_does_not_run(venue: PaperVenue) -> None:
    """A resume opens no epoch under a trader that has stopped."""

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            await node.result()
            node.monitor.stop()
            node.monitor.reset()
            node.monitor.start()
            node.monitor.stop()
            await asyncio.sleep(0.1)
            assert not node.monitor._decisions.recovery.is_trader_running

    asyncio.run(scenario())


def test_frequent_heartbeats_do_not_put_off_the_probe_of_the_start(venue: PaperVenue) -> None:
    """A start that was aborted is noticed long before `startup_timeout_secs`."""
    venue.open_account()
    venue.set_faults(mass_status=MassStatusFault.RAISE)
    config = monitor_config(heartbeat_secs=0.1, startup_timeout_secs=5.0)

    async def scenario() -> None:
        async with watched(venue, None, Recorder(), monitor=config, wait=False) as node:
            event = await node.result()
            assert event.reason is FailureReason.RECONCILIATION_FAILED, event.report.message
            assert event.report.ts_completed - event.report.ts_started < 3e9

    asyncio.run(scenario())

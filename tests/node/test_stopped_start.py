"""
A start that awaits a venue while its node is stopped.
"""

import asyncio
from typing import Any

import pytest

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecutionClient
from tests.node.support import Plain
from tests.node.support import monitor_config
from tests.node.support import watched


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """
    Hold every mass status until this is set, whatever becomes of the connection.
    """
    may_answer = asyncio.Event()
    report = PaperVenueExecutionClient.generate_mass_status

    async def held(client: PaperVenueExecutionClient, *args: Any) -> Any:
        mass_status = await report(client, *args)
        await may_answer.wait()
        return mass_status

    monkeypatch.setattr(PaperVenueExecutionClient, "generate_mass_status", held)
    return may_answer


def test_a_failure_ends_a_start_that_hangs(venue: PaperVenue, answer: asyncio.Event) -> None:
    """The run of the node ends although the venue never answers."""

    async def scenario() -> None:
        config = monitor_config(on_failure="shutdown", startup_timeout_secs=0.5)
        async with watched(venue, None, strategy := Plain(), monitor=config, wait=False) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.TIMEOUT
            assert event.message.startswith("The trader did not start within 0.5 s")
            await node.run.until(node.run.task.done)
            assert not node.node.is_running()
            assert not strategy.is_running

    asyncio.run(scenario())


def test_a_stop_ends_a_start_that_hangs(venue: PaperVenue, answer: asyncio.Event) -> None:
    """An answer that comes after the stop does not start the trader of a node that has stopped."""

    async def scenario() -> None:
        async with watched(venue, None, strategy := Plain(), wait=False) as node:
            await node.run.until(lambda: bool(node.messages))
            await node.node.stop_async()
            event = await node.result()
            assert event.message.startswith("Stopped before")
            answer.set()
            await node.run.until(node.run.task.done)
            assert not node.run.is_trading
            assert not strategy.is_running

    asyncio.run(scenario())

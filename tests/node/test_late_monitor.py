"""
A monitor that is registered so late that it is given no event loop.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.common.actor import Actor

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import watched


def test_what_raised_at_the_registration_of_a_late_monitor_is_reported(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cache restored is not known to it either."""
    strategy = Recorder()

    def take_restored(*_: Any) -> None:
        raise OSError("Not read")

    monkeypatch.setattr(Intake, "take_restored", take_restored)
    monkeypatch.setattr(RecoveryMonitorActor, "register_executor", Actor.register_executor)

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            event = await node.result()
            assert getattr(event, "reason", None) is FailureReason.INTERNAL_ERROR
            assert not strategy.gate.is_open

    asyncio.run(scenario())

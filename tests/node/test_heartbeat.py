"""
What the heartbeat tells who looks from outside.
"""

import asyncio

import pytest

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.node.observing import observation
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ACCOUNT
from tests.node.support import monitor_config
from tests.node.support import watched


def test_each_change_of_phase_is_told_at_once_and_a_stop_last(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old permission does not outlast the begin of a recovery, however rare heartbeats are."""
    beats: list[Heartbeat] = []

    async def scenario() -> None:
        config = monitor_config(heartbeat_secs=3600.0, history_size=7)
        async with watched(venue, valkey, monitor=config) as node:
            await node.result()
            journal = node.monitor._journal
            kept = journal.heartbeat()
            assert kept is not None
            assert (kept.epoch, kept.phase, kept.is_stopped) == (1, "COMPLETE", False)
            assert (kept.interval_secs, kept.history_size) == (3600.0, 7)

            beat = journal.beat

            def keep(one: Heartbeat) -> None:
                beats.append(one)
                beat(one)

            monkeypatch.setattr(journal, "beat", keep)
            venue.push_mass_status()
            await node.result(2)

    asyncio.run(scenario())
    assert [(one.epoch, one.phase) for one in beats] == [
        (2, "RECONCILING"),
        (2, "VERIFYING"),
        (2, "COMPLETE"),
        (2, "COMPLETE"),
    ]
    assert [one.is_stopped for one in beats] == [False, False, False, True]


def test_a_heartbeat_that_ends_a_run_stays_the_last(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A failure that the stop itself makes comes before the mark of the stop."""
    venue.open_account()
    venue.set_faults(query_errors=True)

    async def scenario() -> None:
        config = monitor_config(on_failure="shutdown")
        async with watched(venue, valkey, monitor=config, wait=False) as node:
            await node.result()
            await node.run.until(lambda: not node.node.is_running())
            kept = node.monitor._journal.heartbeat()
            assert kept is not None
            assert (kept.phase, kept.is_stopped) == ("FAILED", True)

    asyncio.run(scenario())


def test_a_client_that_is_lost_is_in_the_heartbeat_at_once(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that finds it is that of a heartbeat, and must not leave its permission standing."""

    async def scenario() -> None:
        async with watched(venue, monitor=monitor_config(heartbeat_secs=3600.0)) as node:
            await node.result()
            monkeypatch.setattr(observation, "connections", lambda *_: {ACCOUNT: False})
            node.monitor._pulse._on_time()
            beat = node.monitor._journal.heartbeat()
            assert beat is not None
            assert (beat.epoch, beat.phase) == (2, "RECONCILING")
            assert node.monitor._pulse.is_armed

    asyncio.run(scenario())

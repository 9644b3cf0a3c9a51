"""
A client that loses its venue takes the permission back until its account reports again.
"""

import asyncio

import pytest
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.node.observing import observation
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ACCOUNT
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.node.support import watched


COMMAND_ENDPOINT = "RecoveryMonitor.command"


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


@pytest.mark.parametrize("looks_before", [[], [True], [True, True]])
def test_a_client_that_is_down_is_lost_also_at_the_first_look(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, looks_before: list[bool]
) -> None:
    """Every client was connected when the trader started, and one that is up opens no epoch."""
    is_up = [*looks_before, False]
    looks: list[bool] = []

    def connections(*_: object) -> dict[str, bool]:
        if not found:
            return {ACCOUNT: True}
        looks.append(is_up[min(len(looks), len(is_up) - 1)])
        return {ACCOUNT: looks[-1]}

    found: list[Watched] = []
    monkeypatch.setattr(observation, "connections", connections)

    async def scenario() -> None:
        async with watched(venue, monitor=monitor_config(heartbeat_secs=0.05)) as node:
            await node.result()
            found.append(node)
            await node.run.until(lambda: len(looks) == len(looks_before))
            assert node.monitor.epoch == 1
            await node.run.until(lambda: node.monitor.epoch == 2)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_back", [False, True])
def test_a_client_that_is_lost_while_an_epoch_is_open_must_report_again(
    venue: PaperVenue, is_back: bool
) -> None:
    """What it reported before it was lost proves nothing; one that is back is asked for it anew."""
    strategy = Recorder()
    config = monitor_config(settle_ms=200, verify_timeout_secs=1.0)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            venue.push_mass_status()
            await node.run.until(lambda: node.monitor.epoch == 2)
            client.disconnect()
            await node.run.until(lambda: node.monitor.phase is RecoveryPhase.VERIFYING)
            if is_back:
                client.connect()
                await node.run.until(lambda: client.is_connected)
                lost_at = node.monitor.clock.timestamp_ns()
            event = await node.result(2)
            if is_back:
                assert isinstance(event, RecoveryComplete)
                (account,) = event.report.accounts
                assert account.ts_report > lost_at
                assert strategy.gate.is_open
                return
            assert event.reason is FailureReason.NOT_RECONCILED
            assert "nautilus-recovery resume" in event.message
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_a_client_that_is_lost_opens_no_epoch_where_the_configuration_says_so(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reopen_on_mass_status=False` leaves the gate open on a connection that is lost, too."""
    config = monitor_config(heartbeat_secs=0.02, reopen_on_mass_status=False)
    looks: list[bool] = []

    def connections(*_: object) -> dict[str, bool]:
        looks.append(len(looks) < 40)
        return {ACCOUNT: looks[-1]}

    monkeypatch.setattr(observation, "connections", connections)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder(), monitor=config) as node:
            await node.result()
            await node.run.until(lambda: looks[-3:] == [False] * 3)
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())

"""
What somebody does who reads in `docs/operating.md` why a recovery failed, or what a gate says: it
ends with a node that trades.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node import test_checkpoints as checkpoints
from tests.node.runbook import TRADER_ID
from tests.node.runbook import to_node
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes import SYMBOL


@pytest.fixture(autouse=True)
def operator(valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Name the trader and the server to whoever runs a command.
    """
    monkeypatch.setenv("RECOVERY_TRADER", TRADER_ID)
    monkeypatch.setenv("REDIS_URL", valkey.url)


async def trades(venue: PaperVenue, valkey: EmbeddedValkey | None = None) -> bool:
    """
    Start a node whose cause of failure is gone, and return whether it trades.
    """
    async with watched(venue, valkey, strategy := heir()) as node:
        await node.result()
        return await may_trade(node, venue, strategy)


def says(strategy: Recorder, reason: str) -> bool:
    return (strategy.gate.reason() or "").startswith(reason)


# -- THE RECOVERY FAILED --


def quick(**fields: Any) -> RecoveryMonitorConfig:
    return monitor_config(**{"query_timeout_secs": 0.3, "query_retries": 0, **fields})


async def stop(node: Watched) -> None:
    await node.node.stop_async()


@pytest.mark.parametrize(
    ("fault", "config", "act", "reason", "message"),
    [
        pytest.param(
            MassStatusFault.RAISE,
            quick(),
            None,
            FailureReason.RECONCILIATION_FAILED,
            "The kernel aborted its start",
            id="aborted",
        ),
        pytest.param(
            MassStatusFault.HANG,
            quick(startup_timeout_secs=0.5, query_timeout_secs=60.0),
            None,
            FailureReason.TIMEOUT,
            "The trader did not start",
            id="did not start",
        ),
        pytest.param(
            MassStatusFault.HANG,
            quick(query_timeout_secs=60.0),
            stop,
            FailureReason.TIMEOUT,
            "Stopped before",
            id="stopped",
        ),
    ],
)
def test_a_start_that_failed_is_repeated_once_its_cause_is_gone(
    venue: PaperVenue,
    fault: MassStatusFault,
    config: RecoveryMonitorConfig,
    act: Callable[[Watched], Any] | None,
    reason: FailureReason,
    message: str,
) -> None:
    """Nothing was traded meanwhile, and nothing has to be taken out before."""

    async def scenario() -> None:
        venue.set_faults(mass_status=fault)
        async with watched(venue, None, heir(), monitor=config, wait=False) as node:
            await node.run.until(lambda: bool(node.messages))
            if act is not None:
                await act(node)
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is reason
            assert event.message.startswith(message)
            await stop(node)
        assert venue.submitted() == []
        venue.set_faults()
        assert await trades(venue)

    asyncio.run(scenario())


def test_what_trades_all_the_time_is_stopped_before_the_restart(venue: PaperVenue) -> None:
    """An epoch that finds no quiet fails, and its gates stay closed."""
    config = monitor_config(settle_ms=300, verify_timeout_secs=0.6)

    async def trade() -> None:
        while True:
            venue.place(SYMBOL, "BUY", 1)
            await asyncio.sleep(0.05)

    async def scenario() -> None:
        clients = {"live_fill_reports": True}
        async with watched(
            venue, None, strategy := heir(), monitor=config, clients=clients
        ) as node:
            await node.result()
            trading = asyncio.create_task(trade())
            venue.push_mass_status()
            event = await node.result(2)
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.TIMEOUT
            assert "kept arriving" in event.message
            assert says(strategy, "RECOVERY_FAILED: TIMEOUT")
            trading.cancel()
        assert await trades(venue)

    asyncio.run(scenario())


def test_after_an_error_of_the_monitor_a_restart_is_enough(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it was one that does not come again."""

    def raises(*_: Any) -> Any:
        raise RuntimeError("injected")

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(verdict, "judge", raises)
            async with watched(venue, None, strategy := heir()) as node:
                event = await node.result()
                assert isinstance(event, RecoveryFailed)
                assert event.reason is FailureReason.INTERNAL_ERROR
                assert says(strategy, "RECOVERY_FAILED: INTERNAL_ERROR")
                assert not await may_trade(node, venue, strategy)
        assert await trades(venue)

    asyncio.run(scenario())


# -- WHAT THE GATE SAYS --


def test_a_gate_that_waits_for_a_recovery_opens_by_itself(venue: PaperVenue) -> None:
    """The first one, and each one after it."""

    async def scenario() -> None:
        strategy = heir()
        assert says(strategy, "RECOVERY_PENDING")
        async with watched(venue, None, strategy) as node:
            await node.result()
            venue.set_faults(mass_status_delay_secs=0.5)
            venue.push_mass_status()
            await node.run.until(lambda: says(strategy, "RECOVERY_IN_PROGRESS"))
            assert not await may_trade(node, venue, strategy)
            await node.result(2)
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_a_strategy_whose_hook_raised_is_fixed_and_restarted(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later epoch opens the gate of the one that raised."""

    def raises(*_: Any) -> None:
        raise RuntimeError("no state")

    async def scenario() -> None:
        strategy = heir()
        monkeypatch.setattr(strategy, "on_recovery_complete", raises)
        async with watched(venue, None, strategy) as node:
            await node.result()
            assert says(strategy, "RECOVERY_HOOK_RAISED")
            assert not await may_trade(node, venue, strategy)
        assert await trades(venue)

    asyncio.run(scenario())


def test_a_checkpoint_that_cannot_be_read_is_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """By the key that the reason names, of a node that is stopped."""

    async def scenario() -> None:
        await checkpoints.leave(venue, valkey, 1, 2)
        client: Any = valkey.client()
        keys = [f"{checkpoints.KEY}:{slot}" for slot in (0, 1)]
        for key in keys:
            client.set(key, client.get(key)[:-3])
        strategy = checkpoints.keeper()
        async with watched(venue, valkey, strategy, monitor=monitor_config()) as node:
            await node.result()
            reason = strategy.gate.reason() or ""
            assert reason.startswith("RECOVERY_BAD_CHECKPOINT")
        named = checkpoints.KEY.removeprefix(f"trader-{TRADER_ID}:")
        assert named in reason
        for slot in (0, 1):
            assert await to_node("forget", f"{named}:{slot}", "--apply") == 0
        async with watched(venue, valkey, strategy := checkpoints.keeper()) as node:
            await node.result()
            await node.run.until(lambda: strategy.gate.is_open)

    asyncio.run(scenario())


def test_a_node_without_a_monitor_trades_once_it_has_one(venue: PaperVenue) -> None:
    """The gate says what is missing."""

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
        node.trader.add_strategy(strategy := heir())
        async with running(node):
            assert says(strategy, "RECOVERY_NO_MONITOR")
        assert venue.submitted() == []
        assert await trades(venue)

    asyncio.run(scenario())

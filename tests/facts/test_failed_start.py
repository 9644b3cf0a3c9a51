"""
What a node does whose startup reconciliation fails, or never ends.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta
from typing import Any

import pytest
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.messages import ComponentStateChanged
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests.facts.support import VERSION
from tests.facts.support import Trader
from tests.facts.support import Witness
from tests.facts.support import node_at
from tests.facts.support import trading
from tests.facts.support import witness


class Watchman(Actor):
    """
    Counts the ticks of a timer set at registration, and keeps what it is called for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.ticks = 0

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        clock.set_timer("TICK", timedelta(milliseconds=50), callback=self._tick)
        msgbus.subscribe("events.system.*", self._on_state)

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        super().register_executor(loop, executor)
        self.calls.append("register_executor")

    def on_start(self) -> None:
        self.calls.append("on_start")

    def _tick(self, _: Any) -> None:
        self.ticks += 1

    def _on_state(self, event: Any) -> None:
        if isinstance(event, ComponentStateChanged):
            self.calls.append(f"{event.component_id} {event.state.name}")


class StartedTrader(Trader):
    is_started = False

    def on_start(self) -> None:
        self.is_started = True


def ticks(watchman: Watchman, count: int) -> Callable[[], bool]:
    wanted = watchman.ticks + count
    return lambda: watchman.ticks >= wanted


@pytest.mark.parametrize("fault", [MassStatusFault.RAISE, MassStatusFault.NONE])
def test_a_node_whose_reconciliation_failed_says_it_runs_and_never_starts_its_trader(
    venue: PaperVenueControl, fault: MassStatusFault
) -> None:
    """
    The kernel's start returns: no `on_start`, no mass status, and timers set at registration fire.
    """
    watchman, seen, trader = Watchman(), witness(), StartedTrader()
    venue.set_faults(mass_status=fault)

    async def scenario() -> None:
        node = node_at(venue, watchman, seen, trader)
        async with running(node, wait=False) as run:
            assert not await run.started()
            await run.until(ticks(watchman, 3))
            assert node.is_running()
            assert not run.task.done()
            assert not node.trader.is_running
            assert seen.mass_statuses == []

    asyncio.run(scenario())
    assert "register_executor" in watchman.calls
    assert "on_start" not in watchman.calls
    assert not trader.is_started


def test_a_node_that_cannot_connect_gives_its_start_up_in_the_same_way(
    venue: PaperVenueControl,
) -> None:
    """
    The kernel's start returns without a reconciliation, and the node says that it runs.
    """
    venue.refuse_connections()
    watchman, trader = Watchman(), StartedTrader()

    async def scenario() -> None:
        node = node_at(venue, watchman, trader, timeout_connection=0.1)
        async with running(node, wait=False) as run:
            assert not await run.started()
            assert node.is_running()
            assert not node.trader.is_running
            venue.refuse_connections(refuse=False)

    asyncio.run(scenario())
    assert "register_executor" in watchman.calls
    assert "on_start" not in watchman.calls
    assert not trader.is_started


def test_timeout_reconciliation_is_not_enforced_so_a_venue_that_never_answers_hangs_the_start(
    venue: PaperVenueControl,
) -> None:
    """
    Long after the timeout the start still pends, and only timers run.
    """
    watchman = Watchman()
    venue.set_faults(mass_status=MassStatusFault.HANG)

    async def scenario() -> None:
        node = node_at(venue, watchman, timeout_reconciliation=0.05)
        started = asyncio.Event()
        async with running(node, wait=False) as run:
            start = asyncio.create_task(run.started())
            start.add_done_callback(lambda _: started.set())
            await asyncio.to_thread(venue.wait_for_commands, "BeginMassStatus")
            await run.until(ticks(watchman, 6))
            assert not started.is_set()
            assert node.is_running()
            assert not node.trader.is_running
            start.cancel()

    asyncio.run(scenario())
    assert "on_start" not in watchman.calls


def test_register_executor_is_the_earliest_sign_that_the_kernel_starts(
    venue: PaperVenueControl,
) -> None:
    """
    It comes before any engine changes its state, which 1.221 does not show to a late wildcard.
    """
    watchman = Watchman()

    async def scenario() -> None:
        node = node_at(venue, watchman)
        built = len(watchman.calls)
        async with running(node):
            calls = watchman.calls[built:]
            assert calls[0] == "register_executor"
            shows_engines = "ExecEngine RUNNING" in calls
            assert shows_engines == (VERSION >= (1, 222))

    asyncio.run(scenario())


def test_without_reconciliation_the_trader_starts_and_no_mass_status_is_published(
    venue: PaperVenueControl,
) -> None:
    """
    A node that is configured not to reconcile starts as if all were well.
    """
    seen = Witness("reports.execution.*")

    async def scenario() -> None:
        config = LiveExecEngineConfig(reconciliation=False)
        async with trading(venue, seen, exec_engine=config) as run:
            assert run.is_trading

    asyncio.run(scenario())
    assert seen.heard == []

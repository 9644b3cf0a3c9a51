"""
A monitor that is registered later than the gates, or so late that it is given no event loop.
"""

import asyncio
from itertools import permutations
from typing import Any

import pytest
from nautilus_trader.common.actor import Actor

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import gates
from tests.node.support import monitor_config
from tests.node.support import watched


ORDERS = list(permutations(("monitor", "guard", "strategy")))


class Prompt(Recorder):
    """
    Sends its first order as soon as it may.
    """

    def on_trading_enabled(self) -> None:
        super().on_trading_enabled()
        self.first = self.market()
        self.submit_order(self.first)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_in_whichever_order_they_are_added_the_first_order_passes_gate_and_guard(
    venue: PaperVenue, order: tuple[str, ...]
) -> None:
    """A monitor finds the gates that were there before, and the guard opens before the others."""
    strategy = Prompt()

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        add = {
            "monitor": lambda: node.trader.add_actor(RecoveryMonitorActor(monitor_config())),
            "guard": lambda: halt_until_recovered(node),
            "strategy": lambda: node.trader.add_strategy(strategy),
        }
        for each in order:
            add[each]()
        async with running(node) as run:
            await run.until(lambda: strategy.told[-1:] == ["enabled"] and strategy.first.is_closed)
            assert strategy.first.status_string() == "FILLED"
            assert strategy.told == ["start", "complete", "enabled"]

    asyncio.run(scenario())


def test_a_monitor_that_is_added_while_the_trader_runs_is_heard_by_whoever_runs(
    venue: PaperVenue,
) -> None:
    """The gate says from then on what the monitor says."""
    strategy = Recorder()

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        node.trader._has_controller = True  # Or nothing can be added any more
        halt_until_recovered(node)
        node.trader.add_strategy(strategy)
        async with running(node) as run:
            assert str(strategy.gate.reason()).startswith("RECOVERY_NO_MONITOR")
            monitor = RecoveryMonitorActor(monitor_config())
            node.trader.add_actor(monitor)
            node.trader.start_actor(monitor.id)
            await run.until(lambda: monitor.report.outcome or monitor.report.failure)
            is_open = monitor.report.outcome is not None
            assert strategy.gate.is_open is is_open
            assert strategy.gate.epoch == monitor.epoch
            assert strategy.told[1:2] == ["complete" if is_open else "failed"]

    asyncio.run(scenario())


def test_a_gate_that_was_disposed_of_joins_no_later_monitor(venue: PaperVenue) -> None:
    """Nor can it be called where it was."""
    strategy = Recorder()

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        node.trader.add_strategy(strategy)
        bus = node.kernel.msgbus
        assert f"RecoveryGate.{strategy.id}" in bus.endpoints()
        strategy.dispose()
        assert f"RecoveryGate.{strategy.id}" not in bus.endpoints()
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        assert gates(Watched(node, monitor))._gates == {}
        async with running(node, wait=False):
            pass

    asyncio.run(scenario())


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

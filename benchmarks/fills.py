"""
What one reconciled fill costs.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from statistics import median

from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.model.events import OrderFilled

from benchmarks.measure import Figure
from benchmarks.measure import elapsed
from benchmarks.measure import quiet_gc
from benchmarks.scene import STRATEGY_ID
from benchmarks.scene import System
from benchmarks.scene import mass_status
from benchmarks.scene import reconciled_fills


_TOPIC = f"events.order.{STRATEGY_ID}"
_COPIES = 500
_CHUNKS = 60
_FEW, _MANY = 1_000, 100_000
_SCALE_CHUNKS = 3


class _Nothing:
    def on_event(self, event: OrderFilled) -> None:
        pass


def figures() -> Iterator[Figure]:
    """
    Return the figures of a reconciled fill.
    """
    costs, ratios = asyncio.run(handling())
    yield Figure("reconciled fill, handler", costs, "ns", 1_000)
    yield Figure("  / a handler that does nothing", ratios, "", 4)
    ratios, costs = asyncio.run(scaling(_MANY))
    yield Figure("  judged, 100,000 fills / 1,000", ratios, "", 1.5)
    yield Figure("  judged, at 100,000", costs, "ns")


async def handling() -> tuple[list[float], list[float]]:
    """
    Return what the handler costs, and that by what one costs that does nothing.
    """
    system, idle = (System(asyncio.get_running_loop()) for _ in range(2))
    monitor = system.add_monitor(_COPIES)
    for copy in range(_COPIES):
        idle.msgbus.subscribe(f"events.order.{'*' * (copy + 1)}", _Nothing().on_event)
    fills = reconciled_fills(mass_status(system.instruments, 6))
    calls = len(fills) * _COPIES

    costs, ratios = [], []
    for _ in range(_CHUNKS):
        with quiet_gc():
            spent = elapsed(partial(_publish, system, fills)) / calls
            idled = elapsed(partial(_publish, idle, fills)) / calls
        monitor._intake.flagged.clear()
        costs.append(spent)
        ratios.append(spent / idled)
    system.remove_monitor(monitor)
    return costs[1:], ratios[1:]


def _publish(system: System, fills: list[OrderFilled]) -> None:
    for fill in fills:
        system.msgbus.publish(_TOPIC, fill)


async def scaling(many_fills: int) -> tuple[list[float], list[float]]:
    """
    Return what a fill costs among many by what it costs among a thousand, and the former.
    """
    system = System(asyncio.get_running_loop(), instrument_count=20)
    few, many = (mass_status(system.instruments, n * 2 // 3) for n in (_FEW, many_fills))
    at_few_fills, at_many_fills = reconciled_fills(few), reconciled_fills(many)
    ratios, costs = [], []
    for _ in range(_SCALE_CHUNKS):
        with quiet_gc():
            at_few = median(_recover_ns(few, at_few_fills) for _ in range(9)) / len(at_few_fills)
            at_many = _recover_ns(many, at_many_fills) / len(at_many_fills)
        ratios.append(at_many / at_few)
        costs.append(at_many)
    return ratios, costs


def _recover_ns(status: ExecutionMassStatus, fills: list[OrderFilled]) -> int:
    system = System(asyncio.get_running_loop(), instrument_count=20)
    monitor = system.add_monitor()

    def recover() -> None:
        _publish(system, fills)
        system.msgbus.publish("reports.execution.BENCH", status)
        monitor.report.to_bytes()

    spent = elapsed(recover)
    system.remove_monitor(monitor)
    return spent

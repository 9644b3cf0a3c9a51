"""
What the monitor adds to a startup reconciliation: time, and memory.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable
from collections.abc import Iterator
from statistics import mean
from time import thread_time_ns
from typing import TypeVar

import msgspec

from benchmarks.measure import Figure
from benchmarks.measure import quiet_gc
from benchmarks.scene import System
from nautilus_recovery_actor import RecoveryMonitorActor


_T = TypeVar("_T")

_INSTRUMENTS = 20
_ORDERS = 200
# One monitor drowns in the noise of a reconciliation, so its handlers are subscribed many times.
_COPIES = 400
_CHUNKS = 10

_MEMORY_ORDERS = 500
_MEMORY_FILLS = _MEMORY_ORDERS * 3 // 2


def figures() -> Iterator[Figure]:
    """
    Return the figures of a startup reconciliation.
    """
    yield Figure("startup reconciliation, with / without", ratios(), "", 1.005)
    references, mass_status = asyncio.run(start_async(_memory()))
    yield Figure("memory per fill: what the monitor lists", [references], "B", 50)
    yield Figure("  until the judgement: the mass status", [mass_status], "B")


async def start_async(reconciling: Awaitable[_T]) -> _T:
    """
    Await `reconciling` under the name by which the monitor knows the kernel's start.
    """
    return await reconciling


def ratios() -> list[float]:
    """
    Return, for each chunk, the time with one monitor by the time without.
    """
    asyncio.run(start_async(_reconcile_ns(copies=1)))
    before, found = asyncio.run(start_async(_reconcile_ns())), []
    for _ in range(_CHUNKS):
        amplified = asyncio.run(start_async(_reconcile_ns(_COPIES)))
        after = asyncio.run(start_async(_reconcile_ns()))
        alone = mean((before, after))
        found.append(1 + (amplified - alone) / _COPIES / alone)
        before = after
    return found


async def _reconcile_ns(copies: int = 0) -> int:
    system, monitor = _prepared(_ORDERS, copies)
    with quiet_gc():
        start = thread_time_ns()
        await _reconcile(system)
        spent = thread_time_ns() - start
    if monitor is not None:
        system.remove_monitor(monitor)
    return spent


async def _memory() -> tuple[float, float]:
    system, monitor = _prepared(_MEMORY_ORDERS, copies=1)
    assert monitor is not None
    tracemalloc.start()
    await _reconcile(system)
    await asyncio.sleep(0)  # The loop lets go of the reconciliation's own references
    # What goes away with each is what is kept for the monitor's sake alone
    kept = _traced()
    decisions = monitor._decisions
    decisions.recovery = msgspec.structs.replace(decisions.recovery, reports={})
    without_mass_status = _traced()
    monitor._intake.flagged, monitor._intake.live_fills = [], []
    without_references = _traced()
    tracemalloc.stop()
    system.remove_monitor(monitor)
    return (
        (without_mass_status - without_references) / _MEMORY_FILLS,
        (kept - without_mass_status) / _MEMORY_FILLS,
    )


def _prepared(orders: int, copies: int) -> tuple[System, RecoveryMonitorActor | None]:
    system = System(asyncio.get_running_loop(), _INSTRUMENTS)
    system.add_client(orders)
    return system, system.add_monitor(copies) if copies else None


async def _reconcile(system: System) -> None:
    if not await system.exec_engine.reconcile_execution_state():
        raise RuntimeError("The benchmark's reconciliation failed: look at the log above")


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]

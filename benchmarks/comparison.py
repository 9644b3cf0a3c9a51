"""
How long the event loop is held while much is compared with what its venue answers.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter
from time import thread_time_ns

from benchmarks.measure import Figure
from benchmarks.measure import quiet_gc
from benchmarks.scene import System
from nautilus_recovery_actor import RecoveryOutcome


_POSITIONS = 1_000
_ORDERS = 10_000
_RUNS = 3
_PATIENCE_SECS = 60


def figures() -> Iterator[Figure]:
    """
    Return the figure of the comparison.
    """
    yield Figure("longest slice, 1,000 pos. 10,000 orders", slices_ms(), "ms", 10)


def slices_ms() -> list[float]:
    """
    Return, for each run, the longest time that the loop is held from the trader's start to the
    terminal message, in processor time of its thread.
    """
    return [asyncio.run(start_async()) for _ in range(_RUNS)]


async def start_async() -> float:
    """
    Return the longest slice of one start, by the name by which the monitor knows the kernel's.
    """
    system = System(asyncio.get_running_loop(), _POSITIONS)
    client = system.add_client(_POSITIONS)
    system.fill_cache(_POSITIONS)
    client.resting = system.rest(_ORDERS)
    monitor = system.add_monitor()
    if not await system.exec_engine.reconcile_execution_state():
        raise RuntimeError("The benchmark's reconciliation failed: look at the log above")
    with quiet_gc():
        monitor.on_start()
        longest, last = 0, thread_time_ns()
        until = perf_counter() + _PATIENCE_SECS
        while monitor._decisions.recovery.report is None and perf_counter() < until:
            await asyncio.sleep(0)
            now = thread_time_ns()
            longest, last = max(longest, now - last), now
    report = monitor._decisions.recovery.report
    if report is None or report.outcome is not RecoveryOutcome.CLEAN:
        raise RuntimeError(f"The benchmark's recovery failed: {report and report.message}")
    system.remove_monitor(monitor)
    return longest / 1e6

"""
How long the event loop is held by one proof between recoveries.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter
from time import thread_time_ns

from nautilus_trader.execution.reports import PositionStatusReport

from benchmarks.measure import Figure
from benchmarks.measure import quiet_gc
from benchmarks.scene import TRADER_ID
from benchmarks.scene import System
from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoveryMonitorActor


_INSTRUMENTS = 100
_ORDERS = 200
_RUNS = 5
_PATIENCE_SECS = 60


def figures() -> Iterator[Figure]:
    """
    Return the figures of a proof: of the first, which reads all of the cache, and of the next.
    """
    runs = [asyncio.run(proofs_ms()) for _ in range(_RUNS)]
    firsts, nexts = [first for first, _ in runs], [later for _, later in runs]
    yield Figure("longest slice, first proof, 100 instr.", firsts, "ms", 2)
    yield Figure("longest slice, next proof, 100 instr.", nexts, "ms", 2)


async def proofs_ms() -> tuple[float, float]:
    """
    Return the longest time that the loop is held in the first proof after a recovery, and in the
    next one, in processor time of its thread.
    """
    system = System(asyncio.get_running_loop(), _INSTRUMENTS)
    client = system.add_client(_INSTRUMENTS)
    system.fill_cache(_INSTRUMENTS)
    client.resting = system.rest(_ORDERS)
    held = await client.generate_position_status_reports(None)

    async def positions(_: object) -> list[PositionStatusReport]:
        return held  # To make the reports is the venue's part

    client.generate_position_status_reports = positions  # type: ignore[assignment,method-assign]
    monitor = system.add_monitor()
    if not await system.exec_engine.reconcile_execution_state():
        raise RuntimeError("The benchmark's reconciliation failed: look at the log above")
    monitor.on_start()
    until = perf_counter() + _PATIENCE_SECS
    while monitor._decisions.recovery.report is None and perf_counter() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    with quiet_gc():
        first, later = await _proof_ms(monitor), await _proof_ms(monitor)
    system.remove_monitor(monitor)
    return first, later


async def _proof_ms(monitor: RecoveryMonitorActor) -> float:
    before = monitor._decisions.recovery
    monitor._desk.take(OperatorCommand.new(TRADER_ID.value, "verify", "benchmark"))
    longest, last = 0, thread_time_ns()
    until = perf_counter() + _PATIENCE_SECS
    while (recovery := monitor._decisions.recovery).proving.ts_proven == before.proving.ts_proven:
        if recovery.epoch != before.epoch or perf_counter() > until:
            raise RuntimeError("The benchmark's proof did not hold: look at the log above")
        await asyncio.sleep(0)
        now = thread_time_ns()
        longest, last = max(longest, now - last), now
    return longest / 1e6

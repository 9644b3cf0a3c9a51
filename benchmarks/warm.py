"""
What a start costs whose cache knows all that its venue reports, and what the corrections cost.

``python -m benchmarks.warm [ORDERS ...]`` prints the curve: it takes minutes natively.
"""

import argparse
import asyncio
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from statistics import median
from time import thread_time_ns

from nautilus_trader.common.component import init_logging
from nautilus_trader.common.enums import LogLevel

from benchmarks.measure import Figure
from benchmarks.measure import elapsed
from benchmarks.measure import quiet_gc
from benchmarks.scene import System
from benchmarks.scene import mass_status
from nautilus_recovery_actor.node.evidence.seam import _as_made


_INSTRUMENTS = 50
_ORDERS = 10_000
_CURVE = (1_000, 2_500, 5_000, 10_000, 20_000, 50_000)
_RUNS = 3
_REPORTS = 1_000
_CHUNKS = 15
_ROW = "{:>8} {:>12} {:>12} {:>10}"


def main() -> int:
    """
    Print one line for each number of orders.

    Returns
    -------
    int

    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm")
    parser.add_argument("orders", nargs="*", type=int, default=_CURVE, metavar="ORDERS")
    counts = parser.parse_args().orders
    _guard = init_logging(level_stdout=LogLevel.OFF, bypass=True)

    print(f"Python {platform.python_version()}, NautilusTrader {version('nautilus_trader')}")
    print(_ROW.format("orders", "native", "with us", "ratio"))
    for count in counts:
        native, ours = (asyncio.run(start_async(count, is_monitored=it)) for it in (False, True))
        cells = (f"{native / 1e9:.2f} s", f"{ours / 1e9:.2f} s", f"{ours / native:.3f}")
        print(_ROW.format(count, *cells), flush=True)
    return 0


def figures() -> Iterator[Figure]:
    """
    Return the figures of a warm start.
    """
    yield Figure("warm start, 10,000 orders, with / without", ratios(), "", 0.25)
    for name, is_warm in (("known", True), ("unknown", False)):
        yield Figure(f"seam, per report of {name} orders", per_report_us(is_warm), "us", 5)


def ratios(orders: int = _ORDERS) -> list[float]:
    """
    Return, for each run, the time of a start with a monitor by the time without.
    """
    found = []
    for _ in range(_RUNS):
        native = asyncio.run(start_async(orders, is_monitored=False))
        found.append(asyncio.run(start_async(orders, is_monitored=True)) / native)
    return found


async def start_async(orders: int, *, is_monitored: bool) -> int:
    """
    Return how long a reconciliation takes, by the name by which the monitor knows the kernel's.
    """
    system = System(asyncio.get_running_loop(), _INSTRUMENTS)
    system.add_client(orders).prepare()
    system.fill_cache(orders)
    monitor = system.add_monitor() if is_monitored else None
    with quiet_gc():
        start = thread_time_ns()
        if not await system.exec_engine.reconcile_execution_state():
            raise RuntimeError("The benchmark's reconciliation failed: look at the log above")
        spent = thread_time_ns() - start
    if monitor is not None:
        system.remove_monitor(monitor)
    return spent


def per_report_us(is_warm: bool) -> list[float]:
    """
    Return what the seam does with a report of an order or a trade, in microseconds.
    """
    return asyncio.run(_per_report_us(is_warm))


async def _per_report_us(is_warm: bool) -> list[float]:
    system = System(asyncio.get_running_loop(), _INSTRUMENTS)
    system.add_client(_REPORTS)
    if is_warm:
        system.fill_cache(_REPORTS)
    monitor = system.add_monitor()
    status = mass_status(system.instruments, _REPORTS)
    count = sum(map(len, _as_made(status)))
    found = []
    for _ in range(_CHUNKS):
        with quiet_gc():
            spent = elapsed(lambda: monitor._seam._given(status, *_as_made(status), None))
        found.append(spent / count / 1e3)
    system.remove_monitor(monitor)
    return [median(found[1:]), *found[1:]]


if __name__ == "__main__":
    sys.exit(main())

"""
What the monitor costs at a start on NautilusTrader 2.0: `.venv-2/bin/python -m benchmarks.two`.

Orders rest at the venue: at the first start the cache knows none of them, at the second all. Nodes
with the monitor and without it take turns, on the same venue and the same Valkey.
"""

import sys
import time
from collections import defaultdict
from statistics import median
from typing import Any

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import emit
from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.venues.binance.control import FakeBinance


ORDERS, ROUNDS = 10_000, 5
_SECS = 300.0
# What the monitor does on the thread of the node
_OURS = ("_on_loaded", "on_start", "_tick", "_on_turn")


def run(
    venue_port: int, redis_port: int, trader_id: str = "TWO-001", *, is_monitored: bool
) -> None:
    """Run a node until its strategy may trade, and emit how long that took, and what was ours."""
    # Only the process of the node has NautilusTrader 2.0
    from nautilus_trader.trading import Strategy  # noqa: PLC0415

    from nautilus_recovery_actor import RecoverableStrategy  # noqa: PLC0415
    from nautilus_recovery_actor import RecoveryMonitorConfig  # noqa: PLC0415
    from nautilus_recovery_actor import add_recovery_monitor  # noqa: PLC0415
    from nautilus_recovery_actor.node2.monitor import RecoveryMonitor  # noqa: PLC0415
    from tests.node2.node import builder  # noqa: PLC0415
    from tests.node2.node import database  # noqa: PLC0415
    from tests.node2.node import strategy_config  # noqa: PLC0415

    spent = cpu = longest = since = cpu_since = 0.0

    def end() -> None:
        nonlocal spent, cpu, longest
        took = time.perf_counter() - since
        spent, cpu = spent + took, cpu + time.thread_time() - cpu_since
        longest = max(longest, took)

    def timed(call: Any) -> Any:
        def timing(self: Any, *args: Any) -> None:
            nonlocal since, cpu_since
            since, cpu_since = time.perf_counter(), time.thread_time()
            call(self, *args)
            end()

        return timing

    for name in _OURS:
        setattr(RecoveryMonitor, name, timed(getattr(RecoveryMonitor, name)))
    base: Any = RecoverableStrategy if is_monitored else Strategy

    def told(fact: str, **values: Any) -> None:
        thread = time.thread_time() - thread_began
        process = time.process_time() - process_began
        secs = time.perf_counter() - began
        emit(fact, secs=secs, thread=thread, process=process, **values)

    class Empty(base):
        def on_start(self) -> None:
            told("started")

        def on_recovery_complete(self, event: Any) -> None:
            end()  # In a tick of the monitor, which is not over
            told("complete", ours=spent, cpu=cpu, longest=longest, outcome=str(event.outcome))

    node = builder(venue_port, redis_port, trader_id, "ERROR", 120).build()
    if is_monitored:
        add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port)))
    node.add_strategy(Empty(strategy_config()))
    began = time.perf_counter()
    thread_began, process_began = time.thread_time(), time.process_time()
    node.run()


def main() -> None:
    """Measure, and print a table."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    print(f"{orders} resting orders, median of {rounds} (lowest to highest), milliseconds")
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with FakeBinance() as venue, EmbeddedValkey() as valkey:
        bench = Bench(venue, valkey)
        venue.reset(SYMBOL)
        for number in range(orders):
            px = f"{50 + number % 4000 / 100:.2f}"
            venue.place(symbol=SYMBOL, side="BUY", type="LIMIT", price=px, quantity="0.1")
        for _ in range(rounds):
            for start in ("cold", "warm"):
                for is_monitored in (False, True):
                    if start == "cold":
                        valkey.flush()
                    _measure(bench, start, found, is_monitored=is_monitored)
    for start in ("cold", "warm"):
        print(f"\n{start} start")
        for (of, name), values in found.items():
            if of == start:
                unit = "%" if "share" in name else ""
                low, middle, high = min(values), median(values), max(values)
                print(f"  {name:50}{middle:8.1f}{unit} ({low:.1f} to {high:.1f})")


def _measure(
    bench: Bench, start: str, found: dict[tuple[str, str], list[float]], *, is_monitored: bool
) -> None:
    with bench.node(target="benchmarks.two:run", is_monitored=is_monitored) as node:
        whose = "with the monitor" if is_monitored else "natively"
        started = node.wait_for("started", _SECS)
        found[start, f"until strategies start, {whose}"].append(started["secs"] * 1e3)
        found[start, f"  CPU of the thread, {whose}"].append(started["thread"] * 1e3)
        found[start, f"  CPU of the process, {whose}"].append(started["process"] * 1e3)
        if is_monitored:
            one = node.wait_for("complete", _SECS)
            assert one["outcome"] == ("ADJUSTED" if start == "cold" else "CLEAN"), one
            found[start, "until trading is enabled"].append(one["secs"] * 1e3)
            found[start, "  CPU of the thread"].append(one["thread"] * 1e3)
            found[start, "  CPU of the process"].append(one["process"] * 1e3)
            found[start, "  the monitor on the thread"].append(one["ours"] * 1e3)
            found[start, "  CPU of that"].append(one["cpu"] * 1e3)
            found[start, "  the longest at a time"].append(one["longest"] * 1e3)
            found[start, "  share of the time"].append(one["ours"] / one["secs"] * 100)
            found[start, "  share of the thread's CPU"].append(one["cpu"] / one["thread"] * 100)
        time.sleep(5.0 if start == "cold" else 0.0)  # What is written in the background
        node.kill()


if __name__ == "__main__":
    main()

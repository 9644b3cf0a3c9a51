"""
What the monitor costs at a start on NautilusTrader 2.0: `.venv-2/bin/python -m benchmarks.two`.

Orders rest at the venue: at the first start the cache knows none of them, at the second all.
"""

import sys
import time
from typing import Any

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import emit
from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.venues.binance.control import FakeBinance


ORDERS = 10_000
_SECS = 300.0


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

    spent = since = 0.0

    def timed(call: Any) -> Any:
        def timing(self: Any, *args: Any) -> None:
            nonlocal spent, since
            since = time.perf_counter()
            call(self, *args)
            spent += time.perf_counter() - since

        return timing

    for name in ("_on_loaded", "on_start", "_tick"):
        setattr(RecoveryMonitor, name, timed(getattr(RecoveryMonitor, name)))
    base: Any = RecoverableStrategy if is_monitored else Strategy

    class Empty(base):
        def on_start(self) -> None:
            emit("started", secs=time.perf_counter() - began)

        def on_recovery_complete(self, event: Any) -> None:
            now = time.perf_counter()  # In a tick of the monitor, which is not over
            ours = spent + now - since
            emit("complete", secs=now - began, ours=ours, outcome=str(event.outcome))

    node = builder(venue_port, redis_port, trader_id, "ERROR", 120).build()
    if is_monitored:
        add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port)))
    node.add_strategy(Empty(strategy_config()))
    began = time.perf_counter()
    node.run()


def main() -> None:
    """Measure, and print a table."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
    print(f"{orders} resting orders: seconds from `run` to the start of the strategies")
    print(f"{'':8}{'native':>8}{'ours':>8}{'of it the monitor':>20}{'until complete':>16}")
    with FakeBinance() as venue, EmbeddedValkey() as valkey:
        bench = Bench(venue, valkey)
        venue.reset(SYMBOL)
        for number in range(orders):
            px = f"{50 + number % 4000 / 100:.2f}"
            venue.place(symbol=SYMBOL, side="BUY", type="LIMIT", price=px, quantity="0.1")
        for is_cold in (True, False):
            row = {}
            for is_monitored in (False, True):
                if is_cold:
                    valkey.flush()
                target = "benchmarks.two:run"
                with bench.node(target=target, is_monitored=is_monitored) as node:
                    row[is_monitored] = node.wait_for("started", _SECS)["secs"]
                    if is_monitored:
                        complete = node.wait_for("complete", _SECS)
                    time.sleep(5.0 if is_cold else 0.0)  # What is written in the background
                    node.kill()
            share = complete["ours"] / complete["secs"]
            print(
                f"{'cold' if is_cold else 'warm':8}{row[False]:8.2f}{row[True]:8.2f}"
                f"{complete['ours']:13.2f} ({share:4.1%}){complete['secs']:16.2f} "
                f"{complete['outcome']}"
            )


if __name__ == "__main__":
    main()

"""
What a cold start on a real node with Redis costs, with the monitor and without.

``python -m benchmarks.cold [ORDERS]`` prints the time in which the engine reconciles a mass status
of that many orders that the cache does not know, how much of it is spent in the monitor, and the
ratio to the rest. One run measures both, so a busy machine changes the ratio little.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from functools import wraps
from time import perf_counter
from typing import Any

from nautilus_trader.live.execution_engine import LiveExecutionEngine

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.monitor.incoming import Incoming
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running


_SYMBOL = "ETHUSDT-PERP"
_TARGET = 1.005


def main() -> int:
    """
    Print one line.

    Returns
    -------
    int
        Zero if the target is met, else one.

    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("orders", nargs="?", type=int, default=1_000)
    orders = parser.parse_args().orders
    whole, ours = asyncio.run(_start(orders))
    ratio = whole / (whole - ours)
    print(
        f"{orders:,} orders cold, with Redis: {whole:.3f} s, of which the monitor {ours:.4f} s; "
        f"with / without {ratio:.4f} (target {_TARGET})"
    )
    return int(ratio > _TARGET)


async def _start(orders: int) -> tuple[float, float]:
    with EmbeddedValkey() as valkey, PaperVenue() as venue:
        venue.set_price(_SYMBOL, 2000)
        for number in range(orders):
            venue.place(_SYMBOL, "BUY" if number % 2 else "SELL", 1)
        config = paper_node_config(
            [venue.exec_config(symbols=(_SYMBOL,))], database=valkey.database_config()
        )
        node = paper_node(config)
        node.trader.add_actor(RecoveryMonitorActor())
        with ExitStack() as stack:
            before = stack.enter_context(_timed(Seam, "_given"))
            during = stack.enter_context(_timed(Incoming, "on_report"))
            engine = stack.enter_context(
                _timed(LiveExecutionEngine, "_reconcile_execution_mass_status")
            )
            async with running(node):
                return sum(before) + sum(engine), sum(before) + sum(during)


@contextmanager
def _timed(owner: type, name: str) -> Iterator[list[float]]:
    spent: list[float] = []
    original = getattr(owner, name)

    @wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent.append(perf_counter() - start)

    setattr(owner, name, timed)
    try:
        yield spent
    finally:
        setattr(owner, name, original)


if __name__ == "__main__":
    sys.exit(main())

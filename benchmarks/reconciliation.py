"""
What a startup costs by the number of orders, on a real node with a real server behind its cache.

Not one of the figures of ``python -m benchmarks``, because it takes minutes:
``python -m benchmarks.reconciliation [ORDERS ...]``. Its figures are the curve of
`nautilus_recovery_actor.outside.checks.start_cost`.
"""

import argparse
import asyncio
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from time import perf_counter

from nautilus_trader.common.component import init_logging
from nautilus_trader.common.enums import LogLevel

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running


_ORDERS = (250, 500, 1000, 2000, 4000)
_SYMBOLS = tuple(f"SYM{i:02}-PERP" for i in range(20))
_START_SECS = 600.0
_ROW = "{:>8} {:>14} {:>14} {:>14} {:>14}"


def main() -> int:
    """
    Print one line for each number of orders.

    Returns
    -------
    int

    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reconciliation")
    parser.add_argument("orders", nargs="*", type=int, default=_ORDERS, metavar="ORDERS")
    counts = parser.parse_args().orders
    _guard = init_logging(level_stdout=LogLevel.OFF, bypass=True)

    print(f"Python {platform.python_version()}, NautilusTrader {version('nautilus_trader')}")
    print(_ROW.format("orders", "unknown: load", "start", "stored: load", "start"))
    for count in counts:
        cells = (f"{secs:.2f} s" for secs in _measured(count))
        print(_ROW.format(count, *cells), flush=True)
    return 0


def _measured(count: int) -> Iterator[float]:
    # First the cache knows none of the orders, then all of them
    with PaperVenue() as venue, EmbeddedValkey() as valkey:
        _trade(venue, count)
        for _ in range(2):
            yield from asyncio.run(_start(venue, valkey))
            _settle(valkey, count)


def _trade(venue: PaperVenue, count: int) -> None:
    for symbol in _SYMBOLS:
        venue.set_price(symbol, 100)
    for i in range(count):
        venue.place(_SYMBOLS[i % len(_SYMBOLS)], "BUY", 1)


async def _start(venue: PaperVenue, valkey: EmbeddedValkey) -> tuple[float, float]:
    begun = perf_counter()
    node = paper_node(
        paper_node_config(
            [venue.exec_config(symbols=_SYMBOLS)],
            database=valkey.database_config(),
            timeout_reconciliation=_START_SECS,
            timeout_portfolio=_START_SECS,
        )
    )
    loaded = perf_counter()
    async with running(node, timeout_secs=_START_SECS):
        return loaded - begun, perf_counter() - loaded


def _settle(valkey: EmbeddedValkey, count: int) -> None:
    valkey.wait_for(
        lambda client: client.scard("trader-TESTER-001:index:orders_closed") >= count,
        timeout_secs=_START_SECS,
    )


if __name__ == "__main__":
    sys.exit(main())

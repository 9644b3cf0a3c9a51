"""
Run every restart of the matrix on this version of NautilusTrader, and write ``docs/restarts.md``.
"""

import sys
import time
from pathlib import Path

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.restart.cells import CELLS
from tests.restart.page import Pair
from tests.restart.page import lines
from tests.restart.page import page
from tests.restart.run import Bench
from tests.restart.ways import WAYS
from tests.restart.ways import Way
from tests.venues.binance.control import FakeBinance


PAGE = Path(__file__).parents[2] / "docs" / "restarts.md"


def main() -> int:
    """
    Print what differs, and return one if a cell came back wrong with the monitor, else zero.
    """
    start = time.monotonic()
    found: dict[Way, tuple[Pair, ...]] = {}
    with FakeBinance() as venue, EmbeddedValkey() as valkey:
        bench = Bench(venue, valkey)
        for way in WAYS:
            found[way] = bench.pairs(way, CELLS)
            print(*lines(way, found[way]), sep="\n", flush=True)  # noqa: T201
    PAGE.write_text(page(PAGE.read_text() if PAGE.exists() else "", found))
    print(f"{2 * len(WAYS)} restarts in {time.monotonic() - start:.0f} s: see {PAGE.name}")  # noqa: T201
    return int(not all(_is_good(way, pair) for way, pairs in found.items() for pair in pairs))


def _is_good(way: Way, pair: Pair) -> bool:
    """Whether it is right; where nobody can tell what was there, a closed gate is right."""
    is_unknowable = way.is_old and not way.is_redis_kept
    return pair.ours.is_right or (is_unknowable and not pair.ours.is_gate_open)


if __name__ == "__main__":
    sys.exit(main())

"""
The restart that happens most, of all 36 cells: a kill, Redis kept, external orders claimed. `make
restarts` runs the others.
"""

from tests.restart import page
from tests.restart.__main__ import PAGE
from tests.restart.cells import CELLS
from tests.restart.run import Bench
from tests.restart.ways import WAYS


KILLED = next(way for way in WAYS if way.words == ("Redis kept", "claimed", "kill -9", "back soon"))


def test_every_position_and_order_comes_back_as_the_venue_has_it(bench: Bench) -> None:
    """Each cell ends CLEAN or ADJUSTED with an open gate, whatever becomes of it natively."""
    pairs = bench.pairs(KILLED, CELLS)
    print(*page.lines(KILLED, pairs), sep="\n")  # noqa: T201 (beside a failure, what is native)
    assert [str(pair.ours) for pair in pairs if not pair.ours.is_right] == []
    written = page.section(PAGE.read_text())
    assert written is None or page.counts(KILLED, pairs) in written, "run `make restarts`"

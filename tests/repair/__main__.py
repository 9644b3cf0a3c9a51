"""
Repair every wrong state on this version of NautilusTrader, by whom it may be found, among others
and by itself. Names narrow it down: ``python -m tests.repair phantom gone``. With ``killed`` as the
first of them a node is killed after each operation of the repair instead.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.repair.killed import killed_at_each
from tests.repair.repaired import REPAIRS
from tests.repair.repaired import Repaired
from tests.repair.repaired import by_itself
from tests.repair.repaired import by_the_next
from tests.repair.repaired import parted
from tests.repair.states import STATES
from tests.repair.states import WrongState
from tests.repair.world import wrong_world
from tests.restart.run import Bench
from tests.venues.binance.control import FakeBinance


def main(names: list[str]) -> int:
    """Print what came right and what did not, and return one if anything did not, else zero."""
    states = [
        one for one in STATES if one.is_difference and not one.absent and _is_named(one, names)
    ]
    start, mistakes = time.monotonic(), 0
    with FakeBinance() as venue, EmbeddedValkey() as valkey:
        if names[:1] == ["killed"]:
            return _killed(Bench(venue, valkey), names[1:])
        for finder, count, one in _all(Bench(venue, valkey), states):
            found = list(one.mistakes())
            mistakes += bool(found)
            company = ", among others" if count > 1 else ""
            words = f"{'WRONG' if found else 'right'} {one.state}, found {finder}{company}"
            print(words, *found, sep="\n  ", flush=True)  # noqa: T201
    print(f"{mistakes} wrong, in {time.monotonic() - start:.0f} s")  # noqa: T201
    return int(bool(mistakes))


def _killed(bench: Bench, names: list[str]) -> int:
    mistakes = 0
    states = [one for one in STATES if one.is_difference and not one.absent]
    for part in parted(one for one in states if _is_named(one, names)):
        world = asyncio.run(wrong_world(bench, part))
        for is_stored in (True, False):
            for kill in killed_at_each(world, is_stored=is_stored):
                found = kill.mistakes()
                mistakes += bool(found)
                print("WRONG" if found else "right", kill, *found, sep="\n  ", flush=True)  # noqa: T201
    return int(bool(mistakes))


def _all(bench: Bench, states: list[WrongState]) -> Iterator[tuple[str, int, Repaired]]:
    for part in (*parted(states), *([one] for one in states)):
        # The first node does not claim the others
        claimed = [one for one in part if one.is_claimed]
        if claimed:
            found = asyncio.run(by_itself(bench, claimed, **REPAIRS))
            for one in found.values():
                yield "by the node that got into it", len(claimed), one
        world = asyncio.run(wrong_world(bench, part))
        for one in asyncio.run(by_the_next(world, **REPAIRS)).values():
            yield "by the next node", len(part), one


def _is_named(state: WrongState, names: list[str]) -> bool:
    return not names or any(name in state.name for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

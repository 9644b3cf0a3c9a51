"""
Nodes that are killed in the middle of a repair, and the node that comes after.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nautilus_recovery_actor.testkit.process import NodeProcessError
from tests.repair.repaired import REPAIRS
from tests.repair.repaired import Repaired
from tests.repair.repaired import restarted
from tests.repair.states import WrongState
from tests.repair.world import World


_SECS = 60.0


@dataclass(frozen=True)
class Killed:
    """
    A node that was killed in the middle of a repair.

    Parameters
    ----------
    operations : tuple[str, ...]
        What it had done of its plan.
    is_stored : bool
        If Redis had all of it.
    repaired : dict[WrongState, Repaired]
        What became of each state at the next start.

    """

    operations: tuple[str, ...]
    is_stored: bool
    repaired: dict[WrongState, Repaired]

    def mistakes(self) -> list[str]:
        """Say what is not as it must be."""
        return [
            f"{state}: {mistake}"
            for state, one in self.repaired.items()
            for mistake in one.mistakes(is_begun=True)
        ]

    def __str__(self) -> str:
        stored = "stored" if self.is_stored else "at once"
        return f"killed after {len(self.operations)} ({self.operations[-1]}), {stored}"


def killed_at_each(world: World, *, is_stored: bool) -> Iterator[Killed]:
    """
    Kill a node after its first operation, the next after its second, and so on, with all that those
    have written in Redis or at once. Each starts from the same wrong states.
    """
    number = 1
    while (operations := _killed(world, number, is_stored=is_stored)) is not None:
        yield Killed(operations, is_stored, asyncio.run(_by_the_next(world)))
        number += 1


def _killed(world: World, number: int, *, is_stored: bool) -> tuple[str, ...] | None:
    world.rewind()
    options: dict[str, Any] = {"after": number, "is_stored": is_stored}
    with world.process(node="killed", claims_all=True, options=options, **REPAIRS) as node:
        try:
            last = node.wait_for(lambda fact: fact["fact"] in ("repaired", "state"), _SECS)
        except NodeProcessError:
            node.kill()  # It is over by itself, and waited for
            done = [one for one in node.facts if one["fact"] == "operation"]
            assert len(done) == number, node.log
            return tuple(f"{one['step']}: {one['operation']}" for one in done)
        assert last["fact"] == "repaired", (last, node.log)
        return None


async def _by_the_next(world: World) -> dict[WrongState, Repaired]:
    async with world.node(claims_all=True, **REPAIRS) as node:
        await node.ended()
        await node.until_right(outcomes=("ADJUSTED", "CLEAN"))
        found = node.found()
    return await restarted(world, found, count=1)

"""
What becomes of wrong states that a node repairs, and of the restarts after that.
"""

import asyncio
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.repair.found import Found
from tests.repair.states import IS_1_221
from tests.repair.states import WrongState
from tests.repair.world import World
from tests.repair.world import corrections
from tests.restart.run import Bench


RESTARTS = 3

# It asks the venue all the time: nothing else tells of what it does not hear
REPAIRS: dict[str, Any] = {"repair": "auto", "prove_interval_secs": 0.2}


@dataclass(frozen=True)
class Repaired:
    """
    What became of one state.

    Parameters
    ----------
    found : Found
        After the repair.
    restarts : tuple[Found, ...]
        After each restart since.
    real_pnl : Decimal
        What real trades have realized.
    fees : Decimal
        What was paid for those since the kill.
    gross_pnl : Decimal
        What real trades have realized, without any fee.

    """

    state: WrongState
    found: Found
    restarts: tuple[Found, ...]
    real_pnl: Decimal
    fees: Decimal
    gross_pnl: Decimal

    def mistakes(self, *, is_begun: bool = False) -> Iterator[str]:
        """Say what is not as it must be, of a repair that a node before may have begun."""
        found, result = self.found, self.found.result
        is_adjusted = "ADJUSTED" in found.outcomes or self.state.is_taken_up or is_begun
        if not (result.is_right and is_adjusted and result.outcome in ("ADJUSTED", "CLEAN")):
            yield f"not right: {found.outcomes}: {found}"
        # Nobody can take back a fee that the engine of 1.221 has put into what it made up
        real, fees = self.real_pnl, self.fees if self.state.is_inferred else 0
        known = {real, real + fees}
        if IS_1_221:
            known |= {real + found.holdings.made_up_pnl, real + fees - found.holdings.made_up_fees}
        # What the owner before has paid was in the memory of the node that was killed
        is_lost = is_begun and not self.state.is_claimed
        if not is_lost and found.holdings.pnl not in known:
            yield f"realized {found.holdings.pnl} where real trades realized {real}: {found}"
        if found.holdings.gross_pnl != self.gross_pnl:
            yield (
                f"realized {found.holdings.gross_pnl} without fees where real trades realized "
                f"{self.gross_pnl}: {found}"
            )
        steps = (
            step
            for step in found.report.repairs
            if step.instrument_id == self.state.instrument_id and step.state != "proven"
        )
        for step in steps:
            yield f"not proven: {step}"
        is_handed_over = not self.state.is_claimed
        for number, restart in enumerate(self.restarts, 1):
            is_clean = restart.result.is_right and restart.result.outcome == "CLEAN"
            # NautilusTrader stores no snapshots, and so not what the owner before has paid
            is_unknown = is_handed_over or (is_begun and IS_1_221)
            pnl = restart.holdings.pnl if is_unknown else found.holdings.pnl
            is_equal = restart.holdings.gross_pnl == found.holdings.gross_pnl
            if not is_clean or not is_equal or restart.holdings.pnl != pnl:
                yield f"restart {number} is not clean: {restart}"
                return


async def by_itself(
    bench: Bench, states: Sequence[WrongState], **settings: Any
) -> dict[WrongState, Repaired]:
    """Let the node that gets into states repair them."""
    world = World(bench, states)
    await asyncio.to_thread(world.set_up)
    async with world.first_node(corrections=corrections(states), **settings) as node:
        await node.until_right()
        found = node.found()
    return await restarted(world, found)


async def by_the_next(world: World, **settings: Any) -> dict[WrongState, Repaired]:
    """Let the next node repair what the one that got into states has left."""
    world.rewind()
    async with world.node(claims_all=True, **settings) as node:
        await node.ended()
        world.happen_live()
        await node.until_right()
        found = node.found()
    return await restarted(world, found)


async def restarted(
    world: World, found: dict[WrongState, Found], *, count: int = RESTARTS
) -> dict[WrongState, Repaired]:
    """Restart the node so many times, and say what became of each state."""
    restarts = []
    for _ in range(count):
        async with world.node(claims_all=True) as node:
            await node.ended()
            restarts.append(node.found())
    return {
        state: Repaired(
            state,
            found[state],
            tuple(restart[state] for restart in restarts),
            world.real_pnl(state),
            world.fees(state),
            world.gross_pnl(state),
        )
        for state in world.states
    }


def parted(states: Iterable[WrongState]) -> Iterator[list[WrongState]]:
    """Part states by whether they need trades reported twice: one node gets into each part."""
    for needs_duplicates in (False, True):
        part = [one for one in states if one.needs_duplicates is needs_duplicates]
        if part:
            yield part

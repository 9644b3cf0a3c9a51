"""
Each wrong state is set right: planned, carried out and proven by the venue's next answer, and the
restarts after that change nothing.

Found where it arises: by the node that got into it, or, where the cache has been wrong for longer,
by the next one.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.repair.states import STATES
from tests.repair.states import WrongState
from tests.repair.world import Found
from tests.repair.world import World
from tests.repair.world import wrong_world
from tests.restart.run import Bench


RESTARTS = 3

# It asks the venue all the time: nothing else tells of what it does not hear
REPAIRS: dict[str, Any] = {"repair": "auto", "prove_interval_secs": 0.2}

ARISING = [state for state in STATES if not state.absent]


@dataclass(frozen=True)
class Repaired:
    """What became of every state: after the repair, and after each restart since."""

    world: World
    found: dict[WrongState, Found]
    restarts: tuple[dict[WrongState, Found], ...]


async def repaired(world: World) -> Repaired:
    """Have a node repair what its predecessor left, and restart it."""
    async with world.node(claims_all=True, **REPAIRS) as node:
        await node.ended()
        world.happen_live()
        await node.until_right()
        found = node.found()
    restarts = []
    for _ in range(RESTARTS):
        async with world.node(claims_all=True) as node:
            await node.ended()
            restarts.append(node.found())
    return Repaired(world, found, tuple(restarts))


@pytest.fixture(scope="module")
def all_repaired(bench: Bench) -> dict[WrongState, Repaired]:
    """Return what became of every state: those made from duplicates have a world of their own."""
    found: dict[WrongState, Repaired] = {}
    for needs_duplicates in (False, True):
        states = [state for state in ARISING if state.needs_duplicates is needs_duplicates]
        if states:
            world = asyncio.run(wrong_world(bench, states))
            found |= dict.fromkeys(states, asyncio.run(repaired(world)))
    return found


@pytest.mark.parametrize("state", ARISING, ids=str)
def test_the_cache_equals_the_venue(
    all_repaired: dict[WrongState, Repaired], state: WrongState
) -> None:
    """Each position and order by itself, of its owner, and the strategy may trade."""
    one = all_repaired[state].found[state]
    assert one.result.is_right, one
    assert one.result.outcome == "ADJUSTED", one


@pytest.mark.parametrize("state", ARISING, ids=str)
def test_what_was_realized_is_what_real_trades_realized(
    all_repaired: dict[WrongState, Repaired], state: WrongState
) -> None:
    """But for the fees that 1.221 had invented before."""
    one, world = all_repaired[state].found[state], all_repaired[state].world
    invented = world.wrong[state].holdings.made_up_pnl
    assert one.holdings.pnl in (real := world.real_pnl(state), real + invented), one


@pytest.mark.parametrize("state", ARISING, ids=str)
def test_every_step_is_in_the_report_and_proven(
    all_repaired: dict[WrongState, Repaired], state: WrongState
) -> None:
    """A further answer of the venue proves it."""
    one = all_repaired[state].found[state]
    steps = [step for step in one.report.repairs if step.instrument_id == state.instrument_id]
    assert {step.state for step in steps} == {"proven"}, one


@pytest.mark.parametrize("state", ARISING, ids=str)
def test_restarts_change_nothing(
    all_repaired: dict[WrongState, Repaired], state: WrongState
) -> None:
    """Three of them, each clean."""
    for restart in all_repaired[state].restarts:
        one = restart[state]
        assert one.result.is_right, one
        assert one.result.outcome == "CLEAN", one

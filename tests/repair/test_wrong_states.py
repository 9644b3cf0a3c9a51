"""
Each wrong state is set right: planned, carried out and proven by the venue's next answer, and the
restarts after that change nothing. `python -m tests.repair` runs each by itself too.
"""

import asyncio

import pytest

from tests.repair.repaired import REPAIRS
from tests.repair.repaired import Repaired
from tests.repair.repaired import by_itself
from tests.repair.repaired import by_the_next
from tests.repair.repaired import parted
from tests.repair.states import STATES
from tests.repair.states import WrongState
from tests.repair.world import World
from tests.restart.run import Bench


pytestmark = pytest.mark.long


ARISING = [state for state in STATES if state.is_difference and not state.absent]
# The first node does not claim it
BY_ITSELF = [state for state in ARISING if state.is_claimed]


@pytest.fixture(scope="module")
def repaired_by_itself(bench: Bench) -> dict[WrongState, Repaired]:
    found: dict[WrongState, Repaired] = {}
    for states in parted(BY_ITSELF):
        found |= asyncio.run(by_itself(bench, states, **REPAIRS))
    return found


@pytest.fixture(scope="module")
def repaired_by_the_next(wrong_worlds: list[World]) -> dict[WrongState, Repaired]:
    found: dict[WrongState, Repaired] = {}
    for world in wrong_worlds:
        found |= asyncio.run(by_the_next(world, **REPAIRS))
    return found


@pytest.mark.parametrize("state", BY_ITSELF, ids=str)
def test_a_node_repairs_what_it_got_into(
    repaired_by_itself: dict[WrongState, Repaired], state: WrongState
) -> None:
    """Right as at the venue, with the PnL of real trades, proven, and clean from then on."""
    assert list(repaired_by_itself[state].mistakes()) == []


@pytest.mark.parametrize("state", ARISING, ids=str)
def test_a_node_repairs_what_its_predecessor_left(
    repaired_by_the_next: dict[WrongState, Repaired], state: WrongState
) -> None:
    """Where the cache has been wrong for longer."""
    assert list(repaired_by_the_next[state].mistakes()) == []

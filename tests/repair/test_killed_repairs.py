"""
A node that is killed in the middle of a repair: the next start ends right, whatever was stored.
"""

import asyncio

import pytest

from tests.repair.killed import Killed
from tests.repair.killed import killed_at_each
from tests.repair.states import named
from tests.repair.world import wrong_world
from tests.restart.run import Bench


# Closed at cost, ended, handed over and merged; `python -m tests.repair killed` takes all of them
CHOSEN = named("gone with its stop", "external claimed later")
MERGED = named("external claimed later", "stop triggered, its trade left out")
(CONTRARY,) = named("three contrary positions")
KILLS = [
    pytest.param((CHOSEN, False), id="at once"),
    pytest.param((MERGED, True), id="half a move stored"),
    pytest.param(
        ((CONTRARY,), True),
        id="stored",
        marks=pytest.mark.skipif(bool(CONTRARY.absent), reason=CONTRARY.absent or "it arises"),
    ),
]


@pytest.fixture(scope="module", params=KILLS)
def kills(bench: Bench, request: pytest.FixtureRequest) -> list[Killed]:
    states, is_stored = request.param
    world = asyncio.run(wrong_world(bench, states))
    return list(killed_at_each(world, is_stored=is_stored))


@pytest.mark.long
def test_the_start_after_a_kill_at_any_step_ends_right(kills: list[Killed]) -> None:
    """Half of a plan is a new difference, which is planned and proven as any other."""
    assert len(kills) > 1
    assert {str(kill): kill.mistakes() for kill in kills if kill.mistakes()} == {}

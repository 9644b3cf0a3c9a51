"""
Each wrong state really comes about where nothing is repaired, with NautilusTrader's own Binance
client after a restart: what a repair has to set right.
"""

import pytest

from tests.repair.found import Found
from tests.repair.states import STATES
from tests.repair.states import WrongState
from tests.repair.world import World


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def found(wrong_worlds: list[World]) -> dict[WrongState, Found]:
    return {state: one for world in wrong_worlds for state, one in world.wrong.items()}


@pytest.mark.parametrize("state", STATES, ids=str)
def test_the_cache_differs_from_the_venue(
    found: dict[WrongState, Found], state: WrongState
) -> None:
    """In the way that its name says, and the monitor says so where it has anything to go by."""
    one = found[state]
    if state.absent:
        assert one.result.is_right, f"{state.absent}, but {one}"
        return
    assert one.result.wrong.keys() == state.wrong, one
    assert one.kinds == state.kinds, one
    # Nothing blocks where nobody has noticed
    is_noticed = bool(state.kinds - {"UNCLAIMED_POSITION"})
    assert one.result.is_gate_open is not is_noticed


def test_of_the_parts_of_a_position_one_is_real(found: dict[WrongState, Found]) -> None:
    """All others are made up, or inferred from an order: no trade of the venue is in them."""
    for state, one in found.items():
        parts = one.holdings.open_positions
        if len(parts) > 1:
            assert sum(not part.is_made_up for part in parts) == 1, f"{state}: {one}"

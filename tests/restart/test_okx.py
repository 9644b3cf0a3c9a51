"""
Everyday restarts with NautilusTrader's own OKX client, at a fake of the venue.

OKX leaves pending stops out of its list of orders, answers "flat" for what is held on spot, and
reports nothing where a question failed.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.restart.okx import SPOT
from tests.restart.okx import SWAPS
from tests.restart.okx import Restart
from tests.restart.okx import open_orders
from tests.restart.okx import positions
from tests.venues.okx.control import FakeOKX


_LONG, _SHORT, _FLAT = SWAPS
_ADAPTER_TRIES = 2  # See `max_retries` in the configuration of the node
_HELD = {f"{_LONG} Plan-000": "1.500", f"{_SHORT} Plan-001": "-2.000"}


@pytest.fixture(scope="module")
def okx() -> Iterator[FakeOKX]:
    with FakeOKX() as venue:
        yield venue


@pytest.fixture(scope="module", params=[True, False], ids=["claimed", "not claimed"])
def killed(
    request: pytest.FixtureRequest, okx: FakeOKX, server: EmbeddedValkey
) -> dict[tuple[str, ...], Restart]:
    kinds: tuple[tuple[str, ...], ...] = (SWAPS, SPOT)
    restarts = {names: Restart(okx, server, names, request.param) for names in kinds}
    for restart in restarts.values():
        restart.trade_and_kill()
    return restarts


@pytest.fixture
def swaps(killed: dict[tuple[str, ...], Restart]) -> Restart:
    killed[SWAPS].rewind()
    return killed[SWAPS]


@pytest.fixture
def spot(killed: dict[tuple[str, ...], Restart]) -> Restart:
    killed[SPOT].rewind()
    return killed[SPOT]


def test_a_restart_finds_a_long_position_with_its_stop_a_short_one_and_a_flat_one(
    swaps: Restart,
) -> None:
    """Although the stop is in no list: asked for by itself, it is there."""
    ours = swaps.run_both("LONG with a resting stop, SHORT, flat")

    _assert_recovered(ours)
    assert positions(ours) == _HELD
    (stop,) = swaps.venue.state()["orders"]
    assert open_orders(ours) == {stop: "Plan-000"}


def test_a_stop_that_triggered_while_the_node_was_away_has_closed_the_position(
    swaps: Restart,
) -> None:
    """By an order with another ID, whose fills do not name the stop."""
    swaps.venue.set_price(_LONG, "90.00")

    ours = swaps.run_both("Stop triggered while away")

    _assert_recovered(ours)
    assert positions(ours) == {f"{_SHORT} Plan-001": "-2.000"}
    assert not open_orders(ours)


def test_a_position_question_that_fails_once_is_asked_again(swaps: Restart) -> None:
    """A failure is not a flat account."""
    swaps.venue.fail("account/positions", "error", times=_ADAPTER_TRIES)
    swaps.venue.requests()

    ours = swaps.run(monitored=True)

    _assert_recovered(ours)
    assert positions(ours) == _HELD
    assert swaps.venue.requests()["account/positions"] > _ADAPTER_TRIES


def test_a_position_question_that_always_fails_opens_no_gate(swaps: Restart) -> None:
    """Neither of a strategy that holds something, nor of one that is flat."""
    swaps.venue.fail("account/positions", "500")

    ours = swaps.run(monitored=True)

    assert all(ours["gates"].values())
    assert positions(ours) == _HELD


def test_what_is_held_on_spot_is_proven_by_the_balances(spot: Restart) -> None:
    """The client says that it is flat; natively, that closes it with a made-up fill."""
    ours = spot.run_both("Spot")

    _assert_recovered(ours)
    held = Decimal(spot.venue.state()["balances"]["BTC"])
    assert {name: Decimal(qty) for name, qty in positions(ours).items()} == {
        "BTC-USDT Plan-000": held
    }


def test_what_was_sold_on_spot_from_elsewhere_is_not_taken_for_held(spot: Restart) -> None:
    """The balance has gone: no gate opens on a position that it does not cover."""
    spot.venue.trade("BTC-USDT", "sell", "0.5")

    ours = spot.run_both("Spot, half of it sold while away")

    held = Decimal(spot.venue.state()["balances"]["BTC"])
    is_right = [Decimal(qty) for qty in positions(ours).values()] == [held]
    assert is_right or all(ours["gates"].values())


def _assert_recovered(state: dict[str, Any]) -> None:
    assert state["report"]["outcome"] in ("CLEAN", "ADJUSTED"), state["report"]["message"]
    assert not any(state["gates"].values())

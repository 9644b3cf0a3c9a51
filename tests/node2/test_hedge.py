"""
Restarts in hedge mode: two legs on one instrument, and what became of them while the node was away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.node2.support import FILLED
from tests.node2.support import OTHER
from tests.node2.support import RESTING
from tests.node2.support import SYMBOL
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.node2.support import Node2Process
from tests.node2.trial import INSTRUMENT


LONG, SHORT = f"{INSTRUMENT}-LONG", f"{INSTRUMENT}-SHORT"


class Scene(NamedTuple):
    """What is traded elsewhere, by leg, and what a start holds after it."""

    trades: dict[str, tuple[str, str]]
    held: list[str]
    outcome: str
    fills: list[str]
    blocking: list[str]


PRICES = {"BUY": "101", "SELL": "99"}
BOTH = [f"{LONG} 1.0", f"{SHORT} -2.0"]
SCENES = {
    "quiet": Scene({}, BOTH, "CLEAN", [], []),
    "one closed": Scene(
        {"LONG": ("SELL", "1")}, [f"{SHORT} -2.0"], "ADJUSTED", ["EXTERNAL -1.000"], []
    ),
    "one halved": Scene(
        {"SHORT": ("BUY", "1")},
        [f"{LONG} 1.0", f"{SHORT} -1.0"],
        "ADJUSTED",
        ["EXTERNAL 1.000"],
        [],
    ),
    "both closed": Scene(
        {"LONG": ("SELL", "1"), "SHORT": ("BUY", "2")},
        BOTH,
        "DEGRADED",
        ["EXTERNAL -1.000", "EXTERNAL 2.000"],
        [LONG, SHORT],
    ),
}


@contextmanager
def after_a_kill(
    bench: Bench, scene: Scene, *, is_monitored: bool, is_resting: bool = False
) -> Iterator[Node2Process]:
    """
    Run a node until it holds both legs, kill it, and start it anew after what is traded elsewhere.
    """
    target = {"target": "tests.node2.hedge:run", "is_monitored": is_monitored}
    first = {**target, "is_resting": is_resting}
    bench.venue.reset(SYMBOL, OTHER, is_hedged=True)
    with bench.node(**first) as node:
        node.wait_for(lambda _: len(node.all("filled")) == 2)
        node.wait_for(lambda _: len(node.all("accepted")) == 2 + is_resting)
        keys = [f"trader-{TRADER}:orders:{one['client_order_id']}" for one in node.all("accepted")]
        bench.valkey.wait_for(
            lambda client: (
                sum(map(client.llen, keys)) == 2 * FILLED + RESTING * is_resting
                and client.scard(f"trader-{TRADER}:index:positions_open") == 2
            )
        )
        node.kill()
    for order in bench.venue.state()["orders"]:
        if order["status"] == "NEW":
            bench.venue.cancel(order["clientOrderId"])
    for leg, (side, qty) in scene.trades.items():
        order = {"side": side, "price": PRICES[side], "quantity": qty, "positionSide": leg}
        bench.venue.place(symbol=SYMBOL, type="LIMIT", **order)
    with bench.node(**target) as node:
        yield node


@pytest.mark.parametrize("name", SCENES)
def test_a_restart_with_two_legs_is_judged_right(bench: Bench, name: str) -> None:
    """
    Each leg for itself. 2.0 closes one that is gone if the other is reported, and no others.
    """
    scene = SCENES[name]
    with after_a_kill(bench, scene, is_monitored=True) as node:
        complete = node.wait_for("complete")
        assert complete["outcome"] == scene.outcome
        assert complete["fills"] == scene.fills
        assert complete["blocking"] == scene.blocking
        assert node.wait_for("enabled")["positions"] == scene.held


@pytest.mark.parametrize("name", SCENES)
def test_a_native_restart_holds_the_legs_that_are_told(bench: Bench, name: str) -> None:
    """
    Where the venue is flat it holds both, and says that all is well.
    """
    scene = SCENES[name]
    with after_a_kill(bench, scene, is_monitored=False) as node:
        assert node.wait_for("enabled")["positions"] == scene.held


def test_a_leg_is_left_past_a_closed_gate_and_no_other_is_opened(bench: Bench) -> None:
    """
    An order that is not reduce-only would sell the other leg at the venue: it is denied.
    """
    gone = Scene({}, [f"{SHORT} -2.0"], "DEGRADED", [], [])
    with after_a_kill(bench, gone, is_monitored=True, is_resting=True) as node:
        denied = node.wait_for("denied")
        assert denied["reason"].startswith("RECOVERY_BLOCKED")
        assert node.wait_for("filled")["position_id"] == LONG
        node.stop()
        assert node.wait_for("held")["positions"] == gone.held
    last = bench.venue.state()["orders"][-1]
    assert (last["side"], last["positionSide"], last["type"]) == ("SELL", "LONG", "MARKET")

"""
Cancels and changes on 2.0 at a closed gate: none leaves a position naked, and none traps it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.node2.support import Node2Process


@contextmanager
def stopped(
    bench: Bench, way: str, *, is_closed: bool = True, **arguments: int
) -> Iterator[Node2Process]:
    """
    Run a strategy that holds a position with a stop, which was perhaps closed elsewhere: then it is
    blocked, and only what is reduce-only could close it.
    """
    with bench.after_a_kill(way="Stopped"):
        if is_closed:
            fields = {"side": "SELL", "type": "LIMIT", "price": "99", "quantity": "1"}
            bench.venue.place(symbol=SYMBOL, **fields)
    with bench.node(way=way, **arguments) as node:
        assert node.wait_for("complete")["outcome"] == ("DEGRADED" if is_closed else "CLEAN")
        yield node


def stops(bench: Bench) -> list[str]:
    return [one["algoStatus"] for one in bench.venue.state()["algo_orders"]]


@pytest.mark.parametrize("way", ["Uncovering", "UncoveringSome", "UncoveringAll"])
def test_a_cancel_that_would_leave_a_position_naked_is_held_back(bench: Bench, way: str) -> None:
    """
    The strategy hears why, and the stop still rests.
    """
    with stopped(bench, way) as node:
        reason = node.wait_for("kept")["reason"]
        assert reason.startswith("RECOVERY_WOULD_LEAVE_NAKED: its position could not be closed")
        assert not node.all("canceled")
        assert stops(bench) == ["NEW"]


@pytest.mark.parametrize("way", ["Replacing", "Leaving"])
def test_a_cancel_passes_with_what_closes_the_position(bench: Bench, way: str) -> None:
    """
    In the same breath, by an order that may only reduce.
    """
    with stopped(bench, way) as node:
        node.wait_for("canceled")
        assert not node.all("kept")
        assert stops(bench) == ["CANCELED"]


def test_a_stop_gets_no_looser(bench: Bench) -> None:
    """
    The change is answered with a rejection.
    """
    with stopped(bench, "Loosening") as node:
        assert node.wait_for("unchanged")["reason"].startswith("RECOVERY_BLOCKED")
        assert bench.venue.state()["algo_orders"][0]["triggerPrice"] == "50.00"


def test_what_is_held_back_before_the_recovery_passes_after_it(bench: Bench) -> None:
    """
    Nothing is known of the venue when the strategy starts; nobody is trapped once it is.
    """
    with stopped(bench, "Early", is_closed=False) as node:
        assert "RECOVERY_IN_PROGRESS" in node.wait_for("kept")["reason"]
        node.wait_for("canceled")
        assert len(node.all("kept")) == 1
        assert stops(bench) == ["CANCELED"]


@pytest.mark.parametrize("way", ["Uncovering", "Swapping"])
def test_a_position_that_is_proven_can_be_left(bench: Bench, way: str) -> None:
    """
    Another order is gone, so the instrument is blocked: the cancel of the stop passes, and what
    closes the position is sent once that is answered.
    """
    with bench.after_a_kill(way="Resting", orders=3) as ids:
        bench.venue.cancel(ids[1])
    with bench.node(way=way) as node:
        assert node.wait_for("complete")["outcome"] == "DEGRADED"
        node.wait_for("canceled")
        assert stops(bench) == ["CANCELED"]
        assert not node.all("kept")
        if way == "Swapping":
            node.wait_for("closed")
            facts = [one["fact"] for one in node.facts]
            assert facts.index("canceled") < facts.index("closed")
            assert not [one for one in node.all("denied") if "BLOCKED" in one["reason"]]


def test_what_is_asked_for_in_a_stop_is_answered(bench: Bench) -> None:
    """
    Also what waits for the end of the turn: the cancel passes, since a close was let pass.
    """
    with stopped(bench, "Stopping", post_stop_secs=3) as node:
        node.wait_for("left")
        assert stops(bench) == ["NEW"]
        node.stop(60)
        assert stops(bench) == ["CANCELED"]

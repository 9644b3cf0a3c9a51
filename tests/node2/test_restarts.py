"""
Restarts on the native Binance adapter: what NautilusTrader 2.0 makes of them, and what we say.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.venues.binance.control import FakeBinance


class Scene(NamedTuple):
    """What happens while the node is away, what a native start holds after it, and our judgment."""

    happens: Callable[[FakeBinance, list[str]], object]
    native: str
    outcome: str
    blocking: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()


def elsewhere(venue: FakeBinance, side: str, qty: str) -> None:
    px = "101" if side == "BUY" else "99"
    venue.place(symbol=SYMBOL, side=side, type="LIMIT", price=px, quantity=qty)


def all_gone(venue: FakeBinance, resting: str) -> None:
    venue.cancel(resting)
    elsewhere(venue, "SELL", "1")


SCENES = {
    "quiet": Scene(lambda *_: None, "1.0", "CLEAN"),
    "filled in part": Scene(
        lambda venue, ids: venue.fill(ids[1], "0.5"), "1.5", "ADJUSTED", fills=("VENUE 0.500",)
    ),
    "filled in full": Scene(
        lambda venue, ids: venue.fill(ids[1], "2.000"), "3.0", "ADJUSTED", fills=("VENUE 2.000",)
    ),
    "opened elsewhere": Scene(
        lambda venue, _: elsewhere(venue, "BUY", "0.5"),
        "1.5",
        "ADJUSTED",
        fills=("SYNTHETIC 0.500",),
    ),
    "closed elsewhere": Scene(
        lambda venue, _: elsewhere(venue, "SELL", "1"),
        "1.0",
        "DEGRADED",
        ("POSITION_NOT_AT_VENUE",),
    ),
    "resting order gone": Scene(
        lambda venue, ids: venue.cancel(ids[1]), "1.0", "DEGRADED", ("ORDER_NOT_AT_VENUE",)
    ),
    "all gone": Scene(
        lambda venue, ids: all_gone(venue, ids[1]),
        "1.0",
        "DEGRADED",
        ("ORDER_NOT_AT_VENUE", "POSITION_NOT_AT_VENUE"),
    ),
}
OPEN = {"NEW", "PARTIALLY_FILLED"}
HISTORY = "trader-TWO-001:general:recovery:history:{}"
# Where the cache is wrong after a start that succeeded
WRONG = {"closed elsewhere", "resting order gone", "all gone"}


@pytest.mark.parametrize("name", SCENES)
def test_a_restart_is_judged_right(bench: Bench, name: str) -> None:
    """
    Orders are denied before the judgment, and after it where the cache differs from the venue.
    """
    scene = SCENES[name]
    with bench.after_a_kill() as ids:
        scene.happens(bench.venue, ids)
    with bench.node() as node:
        complete = node.wait_for("complete")
        node.wait_for("enabled")
        assert node.wait_for("denied")["reason"].startswith("RECOVERY_IN_PROGRESS")
        assert complete["outcome"] == scene.outcome
        assert tuple(complete["blocking"]) == scene.blocking
        assert tuple(complete["fills"]) == scene.fills
        assert complete["clean_shutdown"] is False
        if scene.blocking:
            assert complete["blocked"] == ["C00USDT-PERP.BINANCE"]
            node.wait_for(lambda one: one.get("reason", "").startswith("RECOVERY_BLOCKED"))
            assert not node.all("accepted")
        else:
            node.wait_for("accepted")
            assert len(node.all("denied")) == 1
        node.stop()
        assert node.wait_for("held")["positions"] == [f"Trial-001 {scene.native}"]


@pytest.mark.parametrize("name", ["quiet", "filled in part", *sorted(WRONG)])
def test_a_native_restart_says_that_all_is_well(bench: Bench, name: str) -> None:
    """
    Without the monitor the strategy trades at once, on whatever the cache holds.
    """
    scene = SCENES[name]
    with bench.after_a_kill(is_monitored=False) as ids:
        scene.happens(bench.venue, ids)
    with bench.node(is_monitored=False) as node:
        node.wait_for("enabled")
        node.wait_for("accepted")
        node.stop()
        held = node.wait_for("held")
        assert held["positions"] == [f"Trial-001 {scene.native}"]
    state = bench.venue.state()
    at_venue = float(state["positions"].get(SYMBOL, {"qty": "0"})["qty"])
    open_ = {one["clientOrderId"] for one in state["orders"] if one["status"] in OPEN}
    is_right = float(scene.native) == at_venue and len(held["open"]) == len(open_)
    assert is_right is (name not in WRONG), (held, at_venue, open_)


def test_an_epoch_that_left_no_report_is_named_at_the_next_start(bench: Bench) -> None:
    """
    As on 1.x: its node was killed before it was over.
    """
    with bench.after_a_kill(), bench.valkey.client() as client:
        bench.valkey.wait_for(lambda client: client.exists(HISTORY.format(1)))
        client.delete(HISTORY.format(1))
    with bench.node() as node:
        node.wait_for("complete")
        assert "Recovery epoch 1 left no report: the node was killed, or Redis has lost" in node.log


@pytest.mark.parametrize("how", ["hang", "400"])
def test_a_start_that_raises_is_a_recovery_that_failed(bench: Bench, how: str) -> None:
    """
    The venue does not answer: `run` raises, and before that every gate, signal and record says so.
    """
    with bench.after_a_kill():
        bench.venue.fail("GET positionRisk", how)
    with bench.node() as node:
        assert node.wait_for("signal")["reason"] == "RECONCILIATION_FAILED"
        assert "mass status from BINANCE" in node.wait_for("raised")["error"]
        assert node.wait_for("held")["phase"] == "FAILED"
        assert not node.all("enabled")
    with bench.valkey.client() as client:
        report = client.get(HISTORY.format(2))
        assert isinstance(report, bytes)
        assert b"RECONCILIATION_FAILED" in report

"""
The warm-up on 2.0: a strategy trades once what it needs has come from the venue, whole.
"""

import time
from typing import Any

import pytest

from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.node2.support import Node2Process
from tests.node2.trial import COUNT


TARGET = "tests.node2.warm:run"
DAY_MS = 86_400_000


def reason(node: Node2Process, text: str) -> dict[str, Any]:
    return node.wait_for(lambda one: one["fact"] == "gate" and text in one["reason"])


def days_ago(days: int) -> int:
    return int(time.time() * 1000) // DAY_MS * DAY_MS - days * DAY_MS


def test_trading_is_enabled_once_the_data_have_come(bench: Bench) -> None:
    """
    While the venue does not answer, orders are denied with a reason that says what is missing.
    """
    bench.venue.fail("GET klines", "hang", times=1)
    with bench.node(target=TARGET) as node:
        reason(node, "RECOVERY_WARMUP: C00USDT-PERP.BINANCE-1-DAY-LAST-EXTERNAL: not answered")
        assert not node.all("enabled")
        denied = [one["reason"] for one in node.all("denied")]
        assert len(denied) == 2  # In `on_start`, and in `warmup_needs`
        warm = node.wait_for("warm")
        assert warm["past"] >= COUNT
        assert warm["count"] == warm["past"]
        assert warm["is_initialized"] is True
        assert warm["value"] == warm["expected"]
        node.wait_for("filled")
        assert len(node.all("needs")) == 1


@pytest.mark.parametrize(("how", "text"), [("short", "short: 19 of 20"), ("empty", "empty: no")])
def test_what_does_not_come_whole_enables_nothing(bench: Bench, how: str, text: str) -> None:
    """
    It is requested again until it does.
    """
    if how == "short":
        bench.venue.lose_bar(days_ago(5))
    else:
        bench.venue.fail("GET klines", "empty")
    with bench.node(target=TARGET) as node:
        reason(node, text)
        assert not node.all("warm")
        bench.venue.heal()
        warm = node.wait_for("warm")
        assert warm["value"] == warm["expected"]


def test_live_bars_go_on_where_the_history_ends(bench: Bench) -> None:
    """
    One that the history holds is not applied again, a newer one is, before the strategy hears it.
    """
    with bench.node(target=TARGET) as node:
        warm = node.wait_for("warm")
        bench.venue.send_bar(SYMBOL, "1d", days_ago(1), "222.00")
        old = node.wait_for("bar")
        assert (old["value"], old["count"]) == (warm["value"], warm["count"])
        bench.venue.send_bar(SYMBOL, "1d", days_ago(0), "333.00")
        new = node.wait_for(lambda one: one.get("close") == 333.0)
        assert new["count"] == warm["count"] + 1
        assert new["value"] > warm["value"]


def test_a_new_epoch_goes_on_with_what_live_bars_have_kept_whole(bench: Bench) -> None:
    """
    Its gate opens again without a second request.
    """
    bench.venue.requests()
    with bench.node(target=TARGET) as node:
        node.wait_for("filled")
        assert bench.venue.requests()["GET klines"] == 1
        bench.venue.place(symbol=SYMBOL, side="BUY", type="LIMIT", price="70", quantity="0.5")
        node.wait_for(lambda one: one.get("epoch") == 2)
        node.wait_for(lambda _: len(node.all("warm")) == 2)
        assert "GET klines" not in bench.venue.requests()
        assert len(node.all("needs")) == 1


def test_a_need_that_is_none_keeps_the_gate_closed(bench: Bench) -> None:
    """
    The reason says which hook raised, and nothing else ends.
    """
    with bench.node(target=TARGET, is_wrong=True) as node:
        why = reason(node, "RECOVERY_HOOK_RAISED")["reason"]
        assert "Watched.warmup_needs: TypeError" in why
        assert not node.all("enabled")
        node.stop()
        node.wait_for("stopped")

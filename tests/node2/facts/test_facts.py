"""
Facts about NautilusTrader 2.0, on which the host is built: a release that changes one turns red,
and its name says which.
"""

import importlib
import time
from typing import Any

import pytest
from nautilus_trader import model
from nautilus_trader.common import Clock

from tests.node2.support import TRADER
from tests.node2.support import Bench


ORDERS = [
    model.LimitIfTouchedOrder,
    model.LimitOrder,
    model.MarketIfTouchedOrder,
    model.MarketOrder,
    model.MarketToLimitOrder,
    model.StopLimitOrder,
    model.StopMarketOrder,
    model.TrailingStopLimitOrder,
    model.TrailingStopMarketOrder,
]
TARGET = "tests.node2.facts.nodes:run"


def stream(bench: Bench) -> list[bytes]:
    with bench.valkey.client() as client:
        entries: Any = client.xrange(f"trader-{TRADER}:stream")
        return [fields[b"topic"] for _, fields in entries]


def test_the_alert_at_registration_fires_before_anything_is_reconciled(bench: Bench) -> None:
    """
    It sees what the cache restored, on the thread of the node, before actors and strategies start.
    """
    with bench.after_a_kill(target=TARGET) as ids:
        bench.venue.fill(ids[1], "0.5")
    with bench.node(target=TARGET) as node:
        node.wait_for(lambda one: one.get("where") == "strategy started")
        seen = node.all("seen")
        assert [one["where"] for one in seen] == ["alert", "actor started", "strategy started"]
        assert {one["thread"] for one in seen} == {"MainThread"}
        assert seen[0]["positions"] == ["1.0"]
        assert seen[1]["positions"] == ["1.5"]


def test_the_bus_tells_what_the_venue_reported_before_what_was_reconciled(bench: Bench) -> None:
    """
    Then comes what an actor sends in `on_start`: whoever has read that has read all of the start.
    """
    with bench.after_a_kill(target=TARGET) as ids:
        bench.venue.fill(ids[1], "0.5")
    with bench.valkey.client() as client:
        client.delete(f"trader-{TRADER}:stream")
    with bench.node(target=TARGET) as node:
        node.wait_for(lambda one: one.get("where") == "strategy started")
        bench.valkey.wait_for(lambda _: b"data.SignalRecoverymark" in stream(bench))
    topics = stream(bench)
    mark = topics.index(b"data.SignalRecoverymark")
    raw = [i for i, one in enumerate(topics) if one.startswith(b"reconciliation.raw.")]
    events = [i for i, one in enumerate(topics) if one == b"events.order.Trial-001"]
    assert {topics[i] for i in raw} == {
        b"reconciliation.raw.OrderStatusReport",
        b"reconciliation.raw.FillReport",
        b"reconciliation.raw.PositionStatusReport",
    }
    assert events
    assert max(raw) < min(events) <= max(events) < mark


def test_an_actor_hears_no_native_event_and_any_object(bench: Bench) -> None:
    """
    Messages between components are Python objects, delivered at once.
    """
    with bench.node(target=TARGET) as node:
        node.wait_for("filled")
        facts = [one["fact"] for one in node.facts]
        assert "an event of a strategy reached an actor" not in facts
        assert facts.index("heard") < facts.index("published")


@pytest.mark.parametrize("strategy", ["Closing", "ClosingAll", "Exiting"])
def test_a_native_exit_goes_round_an_overridden_submit_order(bench: Bench, strategy: str) -> None:
    """
    So each of them has to be overridden itself.
    """
    with bench.node(target=TARGET, strategy=strategy) as node:
        assert node.wait_for("exit")["reduce_only"] is True
        assert not node.all("an exit came by")


def test_an_exception_in_an_actors_start_ends_the_node_before_a_strategy_starts(
    bench: Bench,
) -> None:
    with bench.node(target=TARGET, fails=True) as node:
        assert "as it was meant to" in node.wait_for("raised")["error"]
        assert [one["where"] for one in node.all("seen")] == ["alert"]


def test_touching_a_strategy_from_another_thread_ends_the_process(bench: Bench) -> None:
    """
    So what comes from Redis waits until the node takes it on its own thread.
    """
    with bench.node(target=TARGET, strategy="Touching") as node:
        node.wait_for("filled")
        for _ in range(200):
            if not node.is_running:
                break
            time.sleep(0.05)
        assert not node.is_running
        assert not node.all("touched")
        assert "unsendable" in node.log


def test_only_a_simulated_clock_can_be_set(bench: Bench) -> None:
    """
    Which tells a backtest from a node.
    """
    clock = Clock.new_test()
    clock.set_time(clock.timestamp_ns() + 1)
    with bench.node(target=TARGET) as node:
        node.wait_for("clock")


@pytest.mark.parametrize("module", ["common", "execution", "live", "risk", "trading"])
def test_nothing_in_python_sets_a_trading_state(module: str) -> None:
    """
    So a node cannot be halted, and `halt_until_recovered` is refused.
    """
    found = vars(importlib.import_module(f"nautilus_trader.{module}")).values()
    names = {name.lower() for one in found if isinstance(one, type) for name in dir(one)}
    assert names
    assert not [name for name in names if "trading_state" in name or "halt" in name]


@pytest.mark.parametrize("kind", ORDERS)
def test_each_kind_of_order_has_what_is_read_of_it(kind: type) -> None:
    """
    All but its prices, which some kinds do not have at all.
    """
    names = (
        "account_id client_order_id events filled_qty init_event instrument_id is_active_local "
        "is_open is_quote_quantity is_reduce_only leaves_qty order_type parent_order_id quantity "
        "side status strategy_id tags ts_init ts_last venue_order_id"
    )
    assert [name for name in names.split() if not hasattr(kind, name)] == []

"""
The rules of stored data on plain facts, and what a start costs.
"""

from itertools import pairwise
from typing import Any

import pytest

from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.outside.checks.node_facts import MonitorFacts
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import StoredFacts
from nautilus_recovery_actor.outside.checks.start_cost import start_secs
from nautilus_recovery_actor.outside.checks.stored_rules import stored_findings


MIN_NS = 60_000_000_000
NOW = 1_000_000 * MIN_NS


def told(node: NodeFacts | None = None, **stored: Any) -> dict[str, str]:
    found = stored_findings(node or NodeFacts(), StoredFacts(**{"now": NOW, **stored}))
    return {finding.code: finding.message for finding in found}


@pytest.mark.parametrize(
    ("lookback_mins", "away_mins", "message"),
    [
        (60, 60, None),
        (60, 61, "It is 60 min, and the node was last alive 61 min ago."),
        (180, 2_879, "It is 3.0 h, and the node was last alive 48.0 h ago."),
        (119, 120, "It is 119 min, and the node was last alive 2.0 h ago."),
        (2_880, 4_320, "It is 2.0 days, and the node was last alive 3.0 days ago."),
        (60, -5, None),
        (None, 10_000, None),
        (0, 10_000, None),
    ],
)
def test_a_look_back_is_compared_with_the_time_away(
    lookback_mins: int | None, away_mins: int, message: str | None
) -> None:
    """
    It must reach back to the last sign of life; without an end it does.
    """
    node = NodeFacts(lookback_mins=lookback_mins)
    found = told(node, ts_last_alive=NOW - away_mins * MIN_NS, order_count=5)
    assert found == ({} if message is None else {"LOOKBACK_TOO_SHORT": message})


def test_a_look_back_says_nothing_if_reconciliation_is_off() -> None:
    """
    That it is off is told elsewhere.
    """
    node = NodeFacts(lookback_mins=1, reconciliation=False)
    assert told(node, ts_last_alive=1, order_count=5) == {}


def test_orders_without_a_heartbeat_leave_the_time_away_unknown() -> None:
    """
    Nothing on record is a first start.
    """
    node = NodeFacts(lookback_mins=60)
    assert told(node, order_count=0) == {}
    assert told(node, order_count=1_234) == {
        "LAST_ALIVE_UNKNOWN": (
            "It is 60 min, and there are 1,234 orders on record but no heartbeat."
        )
    }


def test_another_encoding_is_told_also_among_entries_of_the_same() -> None:
    """
    One entry that cannot be read is enough.
    """
    assert told(encodings=frozenset({"msgpack"})) == {}
    assert told(encodings=frozenset({"msgpack", "json"})) == {
        "ENCODING_CHANGED": "It is msgpack, but some entries are stored as json."
    }
    assert told(NodeFacts(encoding="json"), encodings=frozenset({"json"})) == {}


@pytest.mark.parametrize(
    ("orders", "codes"),
    [
        (6_250, set()),
        (6_350, {"SLOW_START"}),
        (17_400, {"SLOW_START"}),
        (18_000, {"SLOW_START", "STARTUP_TIMEOUT_TOO_SHORT"}),
    ],
)
def test_a_start_that_takes_long_is_told_and_one_longer_than_the_monitor_waits(
    orders: int, codes: set[str]
) -> None:
    """
    Twenty seconds are long, and the monitor waits for 120.
    """
    node = NodeFacts(monitors=(MonitorFacts(name="M"),))
    found = told(node, order_count=9, recent_order_count=orders, closed_order_count=7)
    assert found.keys() == codes


def test_an_estimate_is_told_in_words() -> None:
    """
    With the numbers that it comes from.
    """
    node = NodeFacts(monitors=(MonitorFacts(name="M"),))
    assert told(node, recent_order_count=50_000, closed_order_count=60_000) == {
        "SLOW_START": "60,000 closed orders are on record, and up to 50,000 orders are within "
        "the lookback: the start takes about 15 min.",
        "STARTUP_TIMEOUT_TOO_SHORT": "The start takes about 15 min, and startup_timeout_secs is "
        "120.",
    }


@pytest.mark.parametrize(
    ("orders", "secs"), [(250, 0.3), (1_000, 1.0), (4_000, 10.0), (10_000, 40.0), (50_000, 900.0)]
)
def test_the_cost_goes_through_what_was_measured(orders: int, secs: float) -> None:
    """
    The points of the curve are those of the benchmark.
    """
    assert start_secs(orders) == pytest.approx(secs)


def test_the_cost_grows_with_every_order() -> None:
    """
    Also before the first point, between all, and beyond the last.
    """
    assert start_secs(0) == 0.0
    assert start_secs(-1) == 0.0
    costs = [start_secs(orders) for orders in (1, 100, 250, 700, 3_000, 9_999, 20_000, 10**6)]
    assert all(0 < low < high for low, high in pairwise(costs))
    assert start_secs(100_000) == pytest.approx(900 * 2**1.934, rel=0.01)


@pytest.mark.parametrize(
    ("client_order_id", "made"),
    [
        ("O-20240102-030405-001-000-1", 1_704_164_645.0),
        ("O20240102030405001000", 1_704_164_645.0),
        ("O-20240102-030405-001-000-1-E1", 1_704_164_645.0),
        ("O-20241302-030405-001-000-1", None),
        ("O-2024010", None),
        ("7c9e6679-7425-40de-944b-e07fc1f90ae7", None),
        ("", None),
    ],
)
def test_an_order_id_tells_when_the_order_was_made(
    client_order_id: str, made: float | None
) -> None:
    """
    Those of NautilusTrader name their second.
    """
    assert made_at(client_order_id) == made

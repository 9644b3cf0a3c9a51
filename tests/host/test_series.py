"""
Which series is fit to warm up with, and what continues it.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.host.series import Edge
from nautilus_recovery_actor.host.series import Point
from nautilus_recovery_actor.host.series import SeriesRule
from nautilus_recovery_actor.host.series import find_fault
from nautilus_recovery_actor.host.series import find_gap


SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def series(*seconds: int) -> list[Point]:
    return [(T0 + second * SECOND, None) for second in seconds]


RULE = SeriesRule(count=3, max_gap=SECOND, max_age=2 * SECOND)


def fault(points: list[Point], now: int = 5, rule: SeriesRule = RULE) -> str | None:
    return find_fault(points, rule, T0 + now * SECOND)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (series(1, 2, 3, 4), None),
        (series(1, 2, 3), None),
        (series(), "empty: no data arrived"),
        (series(3, 4), "short: 2 of 3 arrived"),
        (series(4, 3, 2), "newest first: from 2023-11-14T22:13:24Z down to 2023-11-14T22:13:22Z"),
        (series(1, 3, 2, 4), "not ascending: 2023-11-14T22:13:22Z follows 2023-11-14T22:13:23Z"),
        (series(1, 2, 2, 3), "duplicate: 2023-11-14T22:13:22Z appears twice"),
        (series(1, 2, 4), "gap: no data between 2023-11-14T22:13:22Z and 2023-11-14T22:13:24Z"),
        (series(0, 1, 2), "too old: ends at 2023-11-14T22:13:22Z, 3.0 s ago"),
    ],
)
def test_each_fault_is_named_in_one_line(points: list[Point], expected: str | None) -> None:
    """What is wrong and where, with the numbers."""
    assert fault(points) == expected


def test_a_span_has_to_be_covered_from_its_beginning() -> None:
    """The first may be as late as one gap after the time asked for, and no later."""
    rule = SeriesRule(since=T0, max_gap=SECOND)
    assert fault(series(1, 2), rule=rule) is None
    assert fault(series(2, 3), rule=rule) == (
        "short: begins at 2023-11-14T22:13:22Z, requested from 2023-11-14T22:13:20Z"
    )


def test_what_the_rule_leaves_out_is_not_checked() -> None:
    """Without `max_gap` there are no gaps and no beginning, without `max_age` no age."""
    rule = SeriesRule(since=T0)
    assert fault(series(100, 900), now=100_000, rule=rule) is None
    assert find_gap(series(1, 900), None) is None


def test_points_of_the_same_time_are_told_apart_by_their_key() -> None:
    """Two trades in one instant are no duplicate, one that comes twice is."""
    rule = SeriesRule(max_gap=SECOND)
    assert fault([(T0, "a"), (T0, "b"), (T0 + 1, "a")], rule=rule) is None
    duplicated = "duplicate: 2023-11-14T22:13:20Z appears twice"
    assert fault([(T0, "a"), (T0, "b"), (T0, "a")], rule=rule) == duplicated


lengths = st.integers(3, 60)


def good(length: int) -> list[Point]:
    return series(*range(length))


@given(lengths)
def test_a_series_without_a_fault_has_none(length: int) -> None:
    """Whole, in order and recent: nothing is found."""
    assert fault(good(length), now=length) is None


@given(lengths, st.data())
def test_any_one_thing_wrong_is_found(length: int, data: st.DataObject) -> None:
    """Whichever point is missing, comes twice, comes too early or ends the series."""
    points = good(length)
    inner = data.draw(st.integers(1, length - 2))
    spoil: dict[str, Callable[[], list[Point]]] = {
        "gap:": lambda: points[:inner] + points[inner + 1 :],
        "duplicate:": lambda: [*points[: inner + 1], *points[inner:]],
        "newest first:": lambda: points[::-1],
        "not ascending:": lambda: [*points[:inner], points[inner + 1], points[inner]],
        "too old:": lambda: points,
    }
    name = data.draw(st.sampled_from(sorted(spoil)))
    rule = SeriesRule(max_gap=SECOND, max_age=2 * SECOND)
    now = length + 3 if name == "too old:" else length
    found = find_fault(spoil[name](), rule, T0 + now * SECOND)
    assert found is not None
    assert found.startswith(name)


times = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=40)


@given(times | times.map(sorted) | st.sets(st.integers(0, 20)).map(lambda s: series(*sorted(s))))
def test_what_is_found_without_a_fault_is_ascending_and_unique(points: list[Point]) -> None:
    """No series passes that is out of order, doubled, short, old or with a gap."""
    rule = SeriesRule(count=2, max_gap=5 * SECOND, max_age=10 * SECOND)
    now = T0 + 25 * SECOND
    if find_fault(points, rule, now) is None:
        stamps = [ts for ts, _ in points]
        assert stamps == sorted(stamps)
        assert len(set(points)) == len(points) >= 2
        assert all(b - a <= 5 * SECOND for a, b in pairwise(stamps))
        assert now - stamps[-1] <= 10 * SECOND


@given(times, times)
def test_live_points_continue_a_series_once_and_in_order(
    before: list[Point], live: list[Point]
) -> None:
    """However live points overlap a series, the whole is ascending and nothing is in it twice."""
    series_before = sorted(set(before))
    edge = Edge(None, series_before)
    taken = [point for point in live if edge.take(*point)]
    whole = [*series_before, *taken]
    assert [ts for ts, _ in whole] == sorted(ts for ts, _ in whole)
    assert len(set(whole)) == len(whole)
    newest = max((ts for ts, _ in series_before), default=-1)
    lost = {p for p in live if p[0] > newest} - set(taken)
    assert all(any(ts < other for other, _ in taken) for ts, _ in lost)  # Late ones alone


def test_an_edge_knows_of_a_gap_and_of_its_age() -> None:
    """It is fresh while the live points follow each other, until now."""
    edge = Edge(10, [(100, None), (110, None)])
    assert edge.is_fresh(now=115, max_age=5)
    assert not edge.is_fresh(now=116, max_age=5)
    assert edge.take(120, None)
    assert edge.is_whole
    assert edge.last == 120
    assert edge.take(131, None)
    assert not edge.is_whole
    assert not edge.is_fresh(now=131, max_age=5)


def test_an_edge_that_cannot_tell_a_gap_is_never_fresh() -> None:
    """Without `max_gap` nobody knows whether live points were missed."""
    assert not Edge(None, [(100, None)]).is_fresh(now=100, max_age=5)
    assert not Edge(10).is_fresh(now=100, max_age=5)


def test_a_key_tells_apart_only_what_is_of_the_same_time() -> None:
    """A trade ID that was seen at an earlier time may come again at a later one."""
    edge = Edge(None, [(100, "a"), (110, "b")])
    assert edge.take(110, "a")
    assert not edge.take(110, "a")
    assert not edge.take(110, "b")
    assert not edge.take(109, "c")

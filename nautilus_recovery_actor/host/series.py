"""
Whether a series of historical data is fit to warm up with, and which live data continue it.

A point is a time (UNIX ns) and a key that distinguishes data of the same time.
"""

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from itertools import pairwise

import msgspec


Point = tuple[int, Hashable]


class SeriesRule(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a series must be, beyond ascending and free of duplicates. Times are in nanoseconds.
    """

    # The least number of points
    count: int = 1
    # The time (UNIX) from which the series must reach. Not checked without `max_gap`
    since: int | None = None
    # The longest time between two points
    max_gap: int | None = None
    # The longest time from the last point until now
    max_age: int | None = None


def find_fault(points: Sequence[Point], rule: SeriesRule, now: int) -> str | None:
    """Return why a series does not satisfy a rule."""
    if not points:
        return "empty: no data arrived"
    return (
        _find_disorder(points)
        or _find_shortage(points, rule)
        or find_gap(points, rule.max_gap)
        or _find_age(points[-1][0], rule.max_age, now)
    )


def find_gap(points: Sequence[Point], max_gap: int | None) -> str | None:
    """Return where two neighbours of a series are too far apart."""
    if max_gap is None:
        return None
    for (before, _), (after, _) in pairwise(points):
        if after - before > max_gap:
            return f"gap: no data between {_iso(before)} and {_iso(after)}"
    return None


def _find_disorder(points: Sequence[Point]) -> str | None:
    first, last = points[0][0], points[-1][0]
    if first > last:
        return f"newest first: from {_iso(first)} down to {_iso(last)}"
    seen: set[Point] = set()
    previous = first
    for point in points:
        ts = point[0]
        if ts < previous:
            return f"not ascending: {_iso(ts)} follows {_iso(previous)}"
        if ts > previous:
            seen.clear()
        if point in seen:
            return f"duplicate: {_iso(ts)} appears twice"
        seen.add(point)
        previous = ts
    return None


def _find_shortage(points: Sequence[Point], rule: SeriesRule) -> str | None:
    if len(points) < rule.count:
        return f"short: {len(points)} of {rule.count} arrived"
    first = points[0][0]
    if rule.since is None or rule.max_gap is None or first - rule.since <= rule.max_gap:
        return None
    return f"short: begins at {_iso(first)}, requested from {_iso(rule.since)}"


def _find_age(last: int, max_age: int | None, now: int) -> str | None:
    if max_age is None or now - last <= max_age:
        return None
    return f"too old: ends at {_iso(last)}, {(now - last) / 1e9:,.1f} s ago"


def _iso(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%dT%H:%M:%S}Z"


class Edge:
    """Where a series ends: live data either continue it, or are part of it already."""

    __slots__ = ("_at_last", "_max_gap", "is_whole", "last")

    def __init__(self, max_gap: int | None = None, points: Iterable[Point] = ()) -> None:
        self._max_gap = max_gap
        self._at_last: set[Hashable] = set()
        self.last: int | None = None
        self.is_whole = True
        for ts, key in points:
            self.take(ts, key)

    def take(self, ts: int, key: Hashable) -> bool:
        """Return whether a point continues the series; if so, the series ends with it now."""
        last = self.last
        if last is None or ts > last:
            if last is not None and self._max_gap is not None and ts - last > self._max_gap:
                self.is_whole = False
            self.last = ts
            self._at_last = {key}
            return True
        if ts < last or key in self._at_last:
            return False
        self._at_last.add(key)
        return True

    def is_fresh(self, now: int, max_age: int) -> bool:
        """Return whether the series is up to date, without a gap."""
        if self.last is None or self._max_gap is None:
            return False  # Without `max_gap` it cannot be known
        return self.is_whole and now - self.last <= max_age

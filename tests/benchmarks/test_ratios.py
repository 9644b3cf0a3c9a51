"""
When a guarded ratio counts as over its limit.
"""

import pytest

from benchmarks.ratios import Ratio
from benchmarks.ratios import checked


@pytest.mark.parametrize(
    ("rounds", "median", "is_over"),
    [
        ([[1.0, 9.0, 2.0]], 2.0, False),  # One round that was disturbed
        ([[4.0]], 4.0, False),
        ([[5.0], [3.0]], 3.0, False),  # The machine was busy the first time
        ([[5.0], [6.0]], 6.0, True),
    ],
)
def test_a_ratio_is_over_when_its_median_is_so_twice(
    rounds: list[list[float]], median: float, is_over: bool
) -> None:
    """A second look, and not a third."""
    left = iter(rounds)
    (figure,) = checked([Ratio("ratio", lambda: next(left), 4)])
    assert (figure.name, figure.target) == ("ratio", 4)
    assert (figure.median, figure.is_over) == (median, is_over)
    assert not list(left)

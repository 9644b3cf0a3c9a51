"""
Numbers, times and plurals, as a person writes them.
"""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.core.text import signed


@given(st.floats(0) | st.floats(0, 1e7))
def test_no_time_is_written_with_an_exponent(secs: float) -> None:
    """Nor with more digits than somebody reads, whatever was configured."""
    told = seconds(secs)
    assert re.fullmatch(
        r"-?\d+(\.\d{1,3})? s|less than 0\.001 s|more than a hundred years"
        r"|\d+ (d|h|min|s)( \d+ (h|min|s))?",
        told,
    ), told


@pytest.mark.parametrize(
    ("secs", "told"),
    [
        (0, "0 s"),
        (0.0002, "less than 0.001 s"),
        (0.25, "0.25 s"),
        (120, "120 s"),
        (3600, "1 h"),
        (5_999_940.0, "69 d 10 h"),
        (float("inf"), "more than a hundred years"),
    ],
)
def test_a_time_is_written_as_it_was_configured_until_it_is_long(secs: float, told: str) -> None:
    assert seconds(secs) == told


@given(st.integers(-(2**62), 2**62))
def test_a_duration_has_one_unit_or_two(ns: int) -> None:
    assert re.fullmatch(r"\d+ (d|h|min|s)( \d+ (h|min|s))?|less than 1 s", duration(ns))


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "fill", "0 fills"),
        (1, "fill", "1 fill"),
        (2, "broken entry", "2 broken entries"),
        (1, "blocking difference", "1 blocking difference"),
        (12_345, "order", "12,345 orders"),
        (7, "known order or trade", "7 known orders and trades"),
        (1, "known order or trade", "1 known order or trade"),
    ],
)
def test_one_is_one_and_several_are_several(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_nothing_is_written_with_the_sign_of_zero(number: Decimal) -> None:
    assert re.fullmatch(r"[+-]\d+(\.\d+)?" if number else "0", signed(number))
    assert signed(Decimal("-0")) == "0"

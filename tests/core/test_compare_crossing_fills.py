"""
Fills that crossed the report: begun before them, arrived after them.
"""

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


REPORT_TS = 1_000


def crossed(
    held: str, reported: str, is_aligned: bool, ts_init: int = REPORT_TS + 1
) -> Observation:
    """
    Return a report that a live BUY 2 crossed, with or without a fill that the engine made up.
    """
    made_up = [fill("-2", trade_id="S-1f-2e", index=0)] if is_aligned else []
    return observation(
        reports=[
            venue_report([venue_position(reported)], ts=REPORT_TS, seen_events=1, seen_live_fills=1)
        ],
        after=[cached_position(held)],
        fills=made_up,
        live_fills=[fill("2", index=0, ts_init=ts_init)],
    )


@pytest.mark.parametrize("reported", ["1", "3"])
def test_a_report_may_count_a_fill_that_crossed_it_or_not(reported: str) -> None:
    """
    LONG 3 in the cache after the fill is right whether the venue looked before it or after it.
    """
    assert judge(crossed("3", reported, is_aligned=False), Policy()).discrepancies == ()


def test_a_difference_that_no_crossing_fill_explains_is_told_as_it_is() -> None:
    """
    Only the quantity with, or without, the fills that crossed is right.
    """
    report = judge(crossed("3", "5", is_aligned=False), Policy())
    (found,) = report.discrepancies
    assert (found.kind, found.venue, found.cache) == ("POSITION_QTY_MISMATCH", "5", "3")


def test_a_position_aligned_to_a_report_that_a_fill_crossed_is_not_proven() -> None:
    """
    The engine took the older report for the truth, and made the newer position equal to it.
    """
    report = judge(crossed("1", "1", is_aligned=True), Policy())
    (found,) = report.discrepancies
    assert found.kind is DiscrepancyKind.POSITION_QTY_MISMATCH
    assert (found.venue, found.cache) == ("1, before or after the latest fills (1)", "1")
    assert found.detail == (
        "The engine aligned this position to a report that was begun before the latest fills: "
        "check the venue; it is blocked until a proof holds"
    )
    assert report.blocked_instruments == (BTC,)


def test_a_fill_from_before_the_report_was_begun_is_in_it() -> None:
    """
    What the venue had filled when it was asked crosses nothing.
    """
    observed = crossed("1", "1", is_aligned=True, ts_init=REPORT_TS)
    assert judge(observed, Policy()).discrepancies == ()


def test_a_position_aligned_away_after_a_fill_that_crossed_is_not_proven_flat() -> None:
    """
    Neither side holds it any more: the engine made up the fill that closed what had just opened.
    """
    observed = observation(
        reports=[venue_report(ts=REPORT_TS, seen_events=1, seen_live_fills=1)],
        fills=[fill("-2", trade_id="S-1f-2e", index=0)],
        live_fills=[fill("2", index=0, ts_init=REPORT_TS + 1)],
    )
    assert judge(observed, Policy()).blocked_instruments == (BTC,)


@pytest.mark.parametrize(
    ("held", "is_blocked"), [("3", False), ("4", False), ("6", False), ("5", True)]
)
def test_a_report_may_lack_just_the_last_of_the_fills_that_cross_it(
    held: str, is_blocked: bool
) -> None:
    """
    It was made between two of them: what it counts is the first ones, in the order they came.
    """
    observed = observation(
        reports=[venue_report([venue_position("3")], seen_live_fills=2)],
        after=[cached_position(held)],
        live_fills=[fill("2", 0, ts_init=TS_REPORT + 1), fill("1", 1, ts_init=TS_REPORT + 2)],
    )
    assert bool(judge(observed, PLAIN).blocked_instruments) is is_blocked


def test_an_aligned_position_that_differs_all_the_same_is_not_excused_by_a_crossing_fill() -> None:
    """
    LONG 3 would be right had the engine not aligned it to the older report of 1.
    """
    report = judge(crossed("3", "1", is_aligned=True), Policy())
    (found,) = report.discrepancies
    assert (found.kind, found.venue) == (DiscrepancyKind.POSITION_QTY_MISMATCH, "1")
    assert report.blocked_instruments == (BTC,)

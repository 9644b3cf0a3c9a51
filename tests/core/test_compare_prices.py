"""
Average open prices of positions whose quantities are equal.
"""

from decimal import Decimal

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


def priced(venue: str | None, cache: str | None, qty: str = "1") -> Observation:
    return observation(
        reports=[venue_report([venue_position(qty, avg_px=venue)])],
        after=[cached_position(qty, avg_px=cache)],
    )


def test_other_average_price_is_told_and_blocks_nothing() -> None:
    """
    A position of the right quantity with another price is information.
    """
    report = judge(priced("100", "101"), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.AVG_PX_MISMATCH,
            severity=Severity.INFO,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id="P-1",
            venue="100",
            cache="101",
            detail="The quantity matches, but the average open price does not: the PnL of this "
            "position is not the venue's",
        ),
    )
    assert report.blocked_instruments == ()
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert report.message.endswith("differences that block nothing: 1")


def test_other_average_price_blocks_if_it_is_so_configured() -> None:
    """
    Who trades by the average price may have it proven.
    """
    policy = Policy(severities={DiscrepancyKind.AVG_PX_MISMATCH: Severity.BLOCK})
    assert judge(priced("100", "101"), policy).blocked_instruments == (BTC,)
    assert judge(priced("100", "100"), policy).blocked_instruments == ()


@pytest.mark.parametrize("qty", ["1", "-2"])
@pytest.mark.parametrize(
    ("venue", "cache", "is_equal"),
    [
        ("1000", "1001", True),
        ("1000", "999", True),
        ("1000", "1001.0001", False),
        ("1000", "998.9999", False),
        ("-40", "-40.04", True),
        ("-40", "-40.05", False),
        ("0.001", "0.001001", True),
        ("0.001", "0.00100101", False),
    ],
)
def test_tolerance_is_a_part_of_the_venues_price(
    qty: str, venue: str, cache: str, is_equal: bool
) -> None:
    """
    Up to and with a thousandth of the venue's price, below zero too, prices count as equal.
    """
    assert (found(priced(venue, cache, qty)) == []) is is_equal


def test_tolerance_is_that_of_the_policy() -> None:
    """
    A wider tolerance takes what a narrower one tells, and zero takes nothing but equal prices.
    """
    for tolerance, expected in (("0.01", []), ("0.0099", [DiscrepancyKind.AVG_PX_MISMATCH])):
        policy = Policy(avg_px_tolerance=Decimal(tolerance))
        assert [d.kind for d in found(priced("100", "101"), policy)] == expected
    exact = Policy(avg_px_tolerance=Decimal(0))
    assert found(priced("100", "100.00"), exact) == []
    assert len(found(priced("100", "100.01"), exact)) == 1


@pytest.mark.parametrize(("venue", "cache"), [(None, "100"), ("100", None), (None, None)])
def test_price_that_one_side_does_not_tell_is_not_compared(
    venue: str | None, cache: str | None
) -> None:
    """
    A venue without average prices differs in none.
    """
    assert found(priced(venue, cache)) == []


def test_venue_price_of_zero_is_no_price() -> None:
    """
    A venue that fills in zero where it knows nothing says nothing.
    """
    assert found(priced("0", "100")) == []
    assert kinds(priced("100", "0")) == ["AVG_PX_MISMATCH"]


def leg(position_id: str, qty: str, avg_px: str) -> tuple[VenuePosition, CachedPosition]:
    return (
        venue_position(qty, leg=position_id, avg_px="100"),
        cached_position(qty, position_id=position_id, avg_px=avg_px),
    )


def test_each_leg_is_compared_with_its_own_price() -> None:
    """
    Of two legs only the one with another price is told.
    """
    pairs = [leg("L", "2", "100"), leg("S", "-1", "90")]
    observed = observation(
        reports=[venue_report([there for there, _ in pairs])], after=[here for _, here in pairs]
    )
    assert [(d.kind.value, d.position_id, d.venue, d.cache) for d in found(observed)] == [
        ("AVG_PX_MISMATCH", "S", "100", "90")
    ]


def test_legs_of_one_name_are_not_taken_for_one_another() -> None:
    """
    A single leg is compared by its id, and not because it is the only one.
    """
    observed = observation(
        reports=[venue_report([venue_position("1", leg="L", avg_px="100")])],
        after=[cached_position("1", position_id="L", avg_px="90")],
    )
    assert kinds(observed) == ["AVG_PX_MISMATCH"]


def test_net_position_in_parts_is_not_compared() -> None:
    """
    Parts have as many prices, none of them that of the whole.
    """
    held = [cached_position("1", avg_px="90"), cached_position("1", position_id="P-2", avg_px="80")]
    whole = observation(reports=[venue_report([venue_position("2", avg_px="100")])], after=held)
    assert found(whole) == []
    parts = observation(
        reports=[venue_report([venue_position("1", avg_px="100"), venue_position("1")])],
        after=[cached_position("2", avg_px="90")],
    )
    assert found(parts) == []


def test_price_is_not_compared_where_quantities_differ() -> None:
    """
    One cause is told once: another quantity has another price.
    """
    for venue in ("2", "1.0001"):
        observed = observation(
            reports=[venue_report([venue_position(venue, avg_px="100")])],
            after=[cached_position("1", avg_px="90")],
        )
        assert kinds(observed) == ["POSITION_QTY_MISMATCH"]


def test_price_is_not_compared_after_late_fills() -> None:
    """
    A fill after the report has moved the cache's price and not the reported one.
    """
    observed = observation(
        reports=[venue_report([venue_position("1", avg_px="100")])],
        after=[cached_position("2", avg_px="90")],
        live_fills=[fill("1")],
    )
    assert found(observed) == []


@pytest.mark.parametrize("reported", ["1", "3"])
def test_price_is_not_compared_after_crossing_fills(reported: str) -> None:
    """
    It is not known whether the reported price counts a fill that crossed the report.
    """
    observed = observation(
        reports=[venue_report([venue_position(reported, avg_px="100")], seen_live_fills=1)],
        after=[cached_position("3", avg_px="90")],
        live_fills=[fill("2", ts_init=TS_REPORT + 1)],
    )
    assert found(observed) == []

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


ADVICE = (
    "The legs of a hedged position differ: if the strategy's configuration lacks "
    '`oms_type="HEDGING"`, or client and account have different position modes, correct that '
    "first; then close the position at the venue, then `nautilus-recovery verify`: what the cache "
    "still holds then can be repaired, or forgotten"
)


def test_legs_that_cancel_out_and_are_not_held_are_mismatches() -> None:
    """
    LONG 2 and SHORT 2 at the venue against nothing in the cache is not flat against flat.
    """
    legs = [venue_position("2", leg="L"), venue_position("-2", leg="S")]
    report = judge(observation(reports=[venue_report(legs)]), PLAIN)
    assert report.discrepancies == tuple(
        Discrepancy(
            kind=DiscrepancyKind.HEDGE_LEG_MISMATCH,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id=leg,
            venue=qty,
            cache="not held",
            detail=ADVICE,
        )
        for leg, qty in (("L", "2"), ("S", "-2"))
    )
    assert report.blocked_instruments == (BTC,)


def test_legs_held_leg_by_leg_are_equal() -> None:
    """
    Each leg with its own quantity is no difference.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", leg="L"), venue_position("-2", leg="S")])],
        after=[cached_position("2", position_id="L"), cached_position("-2", position_id="S")],
    )
    assert found(observed) == []


def test_legs_with_the_right_net_and_wrong_quantities_are_mismatches() -> None:
    """
    LONG 3 and SHORT 2 is not LONG 2 and SHORT 1, though both net to LONG 1.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", leg="L"), venue_position("-1", leg="S")])],
        after=[cached_position("3", position_id="L"), cached_position("-2", position_id="S")],
    )
    assert [(d.position_id, d.venue, d.cache) for d in found(observed)] == [
        ("L", "2", "3"),
        ("S", "-1", "-2"),
    ]


def test_legs_held_as_one_net_position_are_mismatches() -> None:
    """
    Legs that the cache has merged differ leg by leg, though the net is right.
    """
    observed = observation(
        reports=[venue_report([venue_position("3", leg="L"), venue_position("-1", leg="S")])],
        after=[cached_position("2", position_id="NET")],
    )
    assert [(d.kind.value, d.position_id, d.venue, d.cache) for d in found(observed)] == [
        ("HEDGE_LEG_MISMATCH", "L", "3", "not held"),
        ("HEDGE_LEG_MISMATCH", "NET", "no report", "2"),
        ("HEDGE_LEG_MISMATCH", "S", "-1", "not held"),
    ]


def test_flat_leg_that_is_not_held_is_equal() -> None:
    """
    A leg that the venue reports flat needs no position in the cache.
    """
    observed = observation(
        reports=[venue_report([venue_position("1", leg="L"), venue_position("0", leg="S")])],
        after=[cached_position("1", position_id="L")],
    )
    assert found(observed) == []


def test_leg_of_the_cache_that_the_venue_left_out_is_a_mismatch() -> None:
    """
    One leg reported proves nothing of the other.
    """
    observed = observation(
        reports=[venue_report([venue_position("1", leg="L")])],
        after=[cached_position("1", position_id="L"), cached_position("-1", position_id="S")],
    )
    assert [(d.position_id, d.venue, d.cache) for d in found(observed)] == [
        ("S", "no report", "-1")
    ]


def test_report_without_a_leg_id_beside_legs_is_a_leg_of_its_own() -> None:
    """
    A part without an id is not taken for any leg of the cache.
    """
    observed = observation(
        reports=[venue_report([venue_position("1", leg="L"), venue_position("1")])],
        after=[cached_position("1", position_id="L"), cached_position("1", position_id="S")],
    )
    assert [(d.kind.value, d.position_id, d.venue, d.cache) for d in found(observed)] == [
        ("HEDGE_LEG_MISMATCH", None, "1", "not held"),
        ("HEDGE_LEG_MISMATCH", "S", "no report", "1"),
    ]


def test_one_leg_reported_twice_with_two_quantities_is_a_mismatch() -> None:
    """
    Two reports of one leg count together in either order: none of them hides the other.
    """
    parts = [venue_position("2", leg="L"), venue_position("3", leg="L")]
    for order in (parts, parts[::-1]):
        for qty in ("2", "3", "5"):
            observed = observation(
                reports=[venue_report(order)], after=[cached_position(qty, position_id="L")]
            )
            (one,) = found(observed)
            assert one.kind is DiscrepancyKind.HEDGE_LEG_MISMATCH
            assert (one.position_id, one.venue, one.cache) == ("L", "2, 3", qty)


def test_legs_without_ids_that_cancel_out_and_are_not_held_are_no_zero() -> None:
    """
    LONG 2 and SHORT 2 reported without leg ids against nothing in the cache is not flat.
    """
    legs = [venue_position("2"), venue_position("-2")]
    report = judge(observation(reports=[venue_report(legs)]), PLAIN)
    assert report.blocked_instruments == (BTC,)


@pytest.mark.parametrize(
    ("held", "late", "is_equal"),
    [
        (["2", "-2"], None, True),
        (["3", "-3"], None, False),
        ([], None, False),
        (["2"], None, False),
        (["2", "-2"], "1", False),
        (["3", "-2"], "1", False),
    ],
)
def test_legs_without_ids_are_equal_only_to_the_same_quantities(
    held: list[str], late: str | None, is_equal: bool
) -> None:
    """
    Both sides without ids are compared by their quantities, and a late fill leaves them unproven.
    """
    observed = observation(
        reports=[venue_report([venue_position("2"), venue_position("-2"), venue_position("0")])],
        after=[cached_position(qty, position_id=f"P-{n}") for n, qty in enumerate(held)],
        live_fills=[] if late is None else [fill(late)],
    )
    assert (found(observed) == []) is is_equal
    assert set(kinds(observed)) <= {"HEDGE_LEG_MISMATCH"}


def test_legs_without_ids_are_compared_as_numbers() -> None:
    """
    Parts that are equal one by one are equal in whatever order and form they come.
    """
    told = [venue_position("10"), venue_position("-2.0"), venue_position("3")]
    held = ["-2", "3.0", "10"]
    observed = observation(
        reports=[venue_report(told)],
        after=[cached_position(qty, position_id=f"P-{n}") for n, qty in enumerate(held)],
    )
    assert found(observed) == []


@pytest.mark.parametrize(("held", "cache"), [([], "not held"), (["3", "-1"], "-1, 3")])
def test_legs_without_ids_are_told_with_what_the_cache_holds(held: list[str], cache: str) -> None:
    """
    One line gives both sides of the venue and all that the cache holds of it.
    """
    observed = observation(
        reports=[venue_report([venue_position("2"), venue_position("-2")])],
        after=[cached_position(qty, position_id=f"P-{n}") for n, qty in enumerate(held)],
    )
    (one,) = found(observed)
    assert one.kind is DiscrepancyKind.HEDGE_LEG_MISMATCH
    assert (one.position_id, one.venue, one.cache) == (None, "-2, 2", cache)
    parts = "The cache holds 3 of Trend-001 (`P-0`) and -1 of Trend-001 (`P-1`). "
    assert one.detail == (parts if held else "") + ADVICE

"""
Differences too small to trade, and quantities in other forms.
"""

from decimal import Decimal

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.policy import Policy
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


STRICT = Policy(
    severities={
        DiscrepancyKind.POSITION_QTY_MISMATCH: Severity.BLOCK,
        DiscrepancyKind.HEDGE_LEG_MISMATCH: Severity.BLOCK,
    }
)
DUST = (
    "Venue and cache differ by less than the instrument's size increment: no order can trade that"
)


@pytest.mark.parametrize("leg", [None, "P-1"], ids=["net", "leg"])
@pytest.mark.parametrize("policy", [PLAIN, STRICT], ids=["default", "BLOCK"])
@pytest.mark.parametrize("venue", ["1.0009", "0.9991", "1.00000001"])
def test_less_than_an_increment_is_told_and_never_blocks(
    leg: str | None, policy: Policy, venue: str
) -> None:
    """
    Dust on either side is information, also where its kind is configured to block.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position(venue, leg=leg)])],
            after=[cached_position("1")],
            increment="0.001",
        ),
        policy,
    )
    (one,) = report.discrepancies
    kind = DiscrepancyKind.HEDGE_LEG_MISMATCH if leg else DiscrepancyKind.POSITION_QTY_MISMATCH
    assert (one.kind, one.severity, one.detail) == (kind, Severity.INFO, DUST)
    assert (one.position_id, one.venue, one.cache) == ("P-1", venue, "1")
    assert report.blocked_instruments == ()
    assert report.outcome is not RecoveryOutcome.DEGRADED


@pytest.mark.parametrize("leg", [None, "P-1"], ids=["net", "leg"])
@pytest.mark.parametrize("venue", ["1.001", "0.999", "2"])
def test_one_increment_is_no_dust(leg: str | None, venue: str) -> None:
    """
    What an order can trade blocks.
    """
    observed = observation(
        reports=[venue_report([venue_position(venue, leg=leg)])],
        after=[cached_position("1")],
        increment="0.001",
    )
    (one,) = found(observed)
    assert one.severity is Severity.BLOCK
    assert one.detail != DUST
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_short_positions_have_dust_too() -> None:
    """
    The difference counts, whatever the side.
    """
    observed = observation(
        reports=[venue_report([venue_position("-1.0005")])], after=[cached_position("-1")]
    )
    assert [d.severity.value for d in found(observed)] == ["INFO"]


def test_dust_that_the_cache_does_not_hold_is_dust() -> None:
    """
    A fee taken in the base currency leaves a rest that nobody can trade.
    """
    observed = observation(reports=[venue_report([venue_position("0.0004")])])
    assert [(d.venue, d.cache, d.severity.value) for d in found(observed)] == [
        ("0.0004", "0", "INFO")
    ]


def test_dust_is_measured_from_what_is_expected_after_late_fills() -> None:
    """
    A fill after the report moves both sides, and the rest between them is as small as before.
    """
    observed = observation(
        reports=[venue_report([venue_position("1.0005")])],
        after=[cached_position("3")],
        live_fills=[fill("2")],
    )
    assert [(d.venue, d.severity.value) for d in found(observed)] == [("3.0005", "INFO")]


def test_dust_of_one_instrument_is_a_trade_of_another() -> None:
    """
    Each instrument has its own increment.
    """
    for increment, severity in (("1", Severity.INFO), ("0.5", Severity.BLOCK)):
        observed = observation(
            reports=[venue_report([venue_position("10.5")])],
            after=[cached_position("10")],
            increment=increment,
        )
        assert [d.severity for d in found(observed)] == [severity]


def test_leg_reported_twice_is_dust_only_if_both_are() -> None:
    """
    Of two quantities for one leg the one farther from the cache counts.
    """
    for other, severity in (("0.9995", Severity.INFO), ("3", Severity.BLOCK)):
        parts = [venue_position("1.0005", leg="L"), venue_position(other, leg="L")]
        for order in (parts, parts[::-1]):
            observed = observation(
                reports=[venue_report(order)], after=[cached_position("1", position_id="L")]
            )
            assert [d.severity for d in found(observed)] == [severity]


def test_nothing_is_dust_without_an_increment() -> None:
    """
    An instrument that is not loaded has no increment, and the smallest rest of it blocks.
    """
    observed = observation(
        reports=[venue_report([venue_position("0")])],
        after=[cached_position("0.0000001")],
        instruments=[],
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_missing_report_is_never_dust() -> None:
    """
    A small position that the venue left out is as unproven as a large one.
    """
    observed = observation(reports=[venue_report()], after=[cached_position("0.0001")])
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_dust_can_make_no_split_position_harmless() -> None:
    """
    Who owns a position is another question than how much.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2", strategy_id="Other-002")]
    report = judge(
        observation(reports=[venue_report([venue_position("2.0001")])], after=held), PLAIN
    )
    assert [(d.kind.value, d.severity.value) for d in report.discrepancies] == [
        ("POSITION_QTY_MISMATCH", "INFO"),
        ("SPLIT_OWNERSHIP", "BLOCK"),
    ]
    assert report.blocked_instruments == (BTC,)


@pytest.mark.parametrize("leg", [None, "P-1"], ids=["net", "leg"])
@pytest.mark.parametrize(("venue", "cache"), [("1.0", "1.000"), ("1.000", "1"), ("1E+1", "10.0")])
def test_precision_is_no_difference(leg: str | None, venue: str, cache: str) -> None:
    """
    One quantity in two precisions is one quantity.
    """
    held = cached_position(cache)
    report = judge(
        observation(
            reports=[venue_report([venue_position(venue, leg=leg)])], before=[held], after=[held]
        ),
        PLAIN,
    )
    assert report.discrepancies == ()
    assert report.outcome is RecoveryOutcome.CLEAN


@pytest.mark.parametrize("avg_px", ["0.00002", "65000.5"])
def test_contracts_are_compared_in_contracts(avg_px: str) -> None:
    """
    A position in contracts, of whatever multiplier and inverse or not, is neither valued nor
    multiplied: 100 contracts are equal to 100, and one of them is no dust, at any price.
    """
    held = cached_position("100", avg_px=avg_px)
    equal = observation(
        reports=[venue_report([venue_position("100", avg_px=avg_px)])], after=[held], increment="1"
    )
    assert found(equal) == []
    other = observation(
        reports=[venue_report([venue_position("99", avg_px=avg_px)])], after=[held], increment="1"
    )
    (one,) = found(other)
    assert (one.venue, one.cache, one.severity) == ("99", "100", Severity.BLOCK)


def test_quantities_are_summed_without_a_rounding_error() -> None:
    """
    A tenth thrice is three tenths.
    """
    held = [cached_position("0.1", position_id=f"P-{n}") for n in range(3)]
    observed = observation(reports=[venue_report([venue_position("0.3")])], after=held)
    assert sum(p.qty for p in held) == Decimal("0.3")
    assert found(observed) == []

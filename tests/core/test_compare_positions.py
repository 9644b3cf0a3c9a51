from decimal import Decimal

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import cached_position
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


def test_position_with_another_quantity_is_a_mismatch() -> None:
    """
    Both know the position, with different quantities: the instrument is blocked.
    """
    report = judge(
        observation(reports=[venue_report([venue_position("2")])], after=[cached_position("1.5")]),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.POSITION_QTY_MISMATCH,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id="P-1",
            venue="2",
            cache="1.5",
            detail="Cache and venue hold different quantities: close the position at the venue, "
            "then `nautilus-recovery verify`: what the cache still holds then can be repaired, or "
            "forgotten",
        ),
    )
    assert report.blocked_instruments == (BTC,)
    assert report.outcome is RecoveryOutcome.DEGRADED
    assert report.failure is None
    assert report.message == f"Remaining differences: 1; blocked: {BTC}"


@pytest.mark.parametrize("qty", ["2", "2.000", "-1"])
def test_position_with_the_same_quantity_is_none(qty: str) -> None:
    """
    Equal values are equal whatever their decimals, and their sign counts.
    """
    position = cached_position(qty)
    observed = observation(
        reports=[venue_report([venue_position(str(Decimal(qty)))])],
        before=[position],
        after=[position],
    )
    assert found(observed) == []
    assert judge(observed, PLAIN).outcome is RecoveryOutcome.CLEAN


def test_side_counts() -> None:
    """
    LONG 1 is not SHORT 1.
    """
    observed = observation(
        reports=[venue_report([venue_position("1")])], after=[cached_position("-1")]
    )
    assert kinds(observed) == ["POSITION_QTY_MISMATCH"]


def test_flat_at_the_venue_and_held_in_the_cache_is_a_mismatch() -> None:
    """
    A venue that says zero is believed, and the cached position differs from it.
    """
    observed = observation(
        reports=[venue_report([venue_position("0")])], after=[cached_position("1")]
    )
    assert kinds(observed) == ["POSITION_QTY_MISMATCH"]


def test_flat_at_the_venue_and_in_the_cache_is_equal() -> None:
    """
    A flat report of an instrument that the cache does not hold is no difference.
    """
    assert found(observation(reports=[venue_report([venue_position("0")])])) == []


def test_position_that_the_cache_lacks_is_a_mismatch_without_a_position_id() -> None:
    """
    What the venue holds and the cache does not is told against a cache of zero.
    """
    (one,) = found(observation(reports=[venue_report([venue_position("2")])]))
    assert one.kind is DiscrepancyKind.POSITION_QTY_MISMATCH
    assert (one.position_id, one.venue, one.cache) == (None, "2", "0")


def test_several_positions_of_one_strategy_are_compared_as_their_net() -> None:
    """
    Without legs the sum of the cached positions equals the sum of the reported ones.
    """
    cached = [cached_position("3"), cached_position("1", position_id="P-2")]
    assert found(observation(reports=[venue_report([venue_position("4")])], after=cached)) == []
    (one,) = found(observation(reports=[venue_report([venue_position("1")])], after=cached))
    assert one.kind is DiscrepancyKind.POSITION_QTY_MISMATCH
    assert (one.position_id, one.venue, one.cache) == (None, "1", "4")


def test_several_reports_of_one_instrument_are_summed() -> None:
    """
    Net positions reported in parts count together.
    """
    parts = [venue_position("1"), venue_position("2")]
    observed = observation(reports=[venue_report(parts)], after=[cached_position("3")])
    assert found(observed) == []


def test_position_that_the_venue_left_out_is_not_proven() -> None:
    """
    Missing is not flat: each cached position without a report is told and blocks.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("1", ETH)])],
            after=[
                cached_position("2"),
                cached_position("-0.5", position_id="P-2"),
                cached_position("1", ETH, "P-3"),
            ],
        ),
        PLAIN,
    )
    assert report.discrepancies == tuple(
        Discrepancy(
            kind=DiscrepancyKind.POSITION_NOT_AT_VENUE,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id=position_id,
            venue="no report",
            cache=qty,
            detail="The cache holds 2 of Trend-001 (`P-1`) and -0.5 of Trend-001 (`P-2`). The "
            "venue did not report this position: if it is flat there, stop the node, "
            f"`nautilus-recovery forget positions:{position_id}`, and start; if not, look for "
            "errors of its client: the block ends by itself once the venue reports it",
        )
        for position_id, qty in (("P-1", "2"), ("P-2", "-0.5"))
    )
    assert report.blocked_instruments == (BTC,)


def test_opposite_positions_that_the_venue_left_out_are_not_proven_by_their_net() -> None:
    """
    Two cached positions that cancel out are still two that the venue did not report.
    """
    cached = [cached_position("2"), cached_position("-2", position_id="P-2")]
    observed = observation(reports=[venue_report()], after=cached)
    assert kinds(observed) == ["POSITION_NOT_AT_VENUE", "POSITION_NOT_AT_VENUE"]


def test_flat_cached_position_needs_no_report() -> None:
    """
    A cached quantity of zero asks nothing of the venue.
    """
    assert found(observation(reports=[venue_report()], after=[cached_position("0")])) == []


def test_positions_of_another_account_are_not_compared() -> None:
    """
    One account's report says nothing of the positions of another.
    """
    observed = observation(
        reports=[
            venue_report([venue_position("1")]),
            venue_report([venue_position("2")], account_id=OTHER_ACCOUNT),
        ],
        after=[cached_position("1"), cached_position("2", account_id=OTHER_ACCOUNT)],
    )
    assert found(observed) == []
    crossed = observation(
        reports=[
            venue_report([venue_position("2")]),
            venue_report([venue_position("1")], account_id=OTHER_ACCOUNT),
        ],
        after=[cached_position("1"), cached_position("2", account_id=OTHER_ACCOUNT)],
    )
    assert [(d.account_id, d.venue, d.cache) for d in found(crossed)] == [
        (ACCOUNT, "2", "1"),
        (OTHER_ACCOUNT, "1", "2"),
    ]


def test_position_on_an_instrument_that_is_not_loaded_is_told_and_nothing_else_of_it() -> None:
    """
    What cannot be reconciled for want of the instrument is named as that.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("-2", leg="S"), venue_position("2", leg="L")])],
            instruments=[ETH],
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.INSTRUMENT_NOT_LOADED,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            venue="-2, 2",
            cache="instrument not loaded",
            detail="The venue holds a position on an instrument that the node did not load: close "
            "it there, and the block then ends by itself, or at once with `nautilus-recovery "
            "verify`; to keep it, load the instrument and restart",
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_flat_report_of_an_instrument_that_is_not_loaded_is_nothing() -> None:
    """
    A venue that lists every instrument it has does not block those that nobody trades.
    """
    observed = observation(reports=[venue_report([venue_position("0")])], instruments=[])
    assert found(observed) == []


def test_cached_position_that_the_venue_reports_flat_differs_on_any_instrument() -> None:
    """
    That the instrument is not loaded does not hide a position the venue says is gone.
    """
    observed = observation(
        reports=[venue_report([venue_position("0")])], after=[cached_position("2")], instruments=[]
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_cached_position_without_a_report_is_told_whether_or_not_its_instrument_is_loaded() -> None:
    """
    An instrument occurs among those loaded only if it was reported, so its absence says nothing.
    """
    observed = observation(reports=[venue_report()], after=[cached_position("2")], instruments=[])
    assert kinds(observed) == ["POSITION_NOT_AT_VENUE"]


@pytest.mark.parametrize("owner", ["EXTERNAL", "INTERNAL-DIFF"])
def test_position_that_nobody_owns_is_warned_of_and_blocks_nothing(owner: str) -> None:
    """
    A position that equals the venue's and belongs to no strategy is a warning.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("2")])],
            after=[cached_position("2", strategy_id=owner)],
            events=2,
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.UNCLAIMED_POSITION,
            severity=Severity.WARN,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id="P-1",
            venue="2",
            cache=f"2 of {owner}",
            detail="No strategy owns this position: name the instrument in the "
            "`external_order_claims` (2.0: `external_order_instrument_ids`) of a "
            "RecoverableStrategy, or close it with `closing_order`",
        ),
    )
    assert report.blocked_instruments == ()
    assert report.outcome is RecoveryOutcome.ADJUSTED


def test_unclaimed_position_without_a_report_is_both() -> None:
    """
    Nobody's position that the venue left out is told as both differences.
    """
    observed = observation(
        reports=[venue_report()], after=[cached_position("2", strategy_id="EXTERNAL")]
    )
    assert [(d.kind.value, d.venue) for d in found(observed)] == [
        ("POSITION_NOT_AT_VENUE", "no report"),
        ("UNCLAIMED_POSITION", "no report"),
    ]


@pytest.mark.parametrize(
    ("told", "held"),
    [(["2", "0"], ["1", "1"]), (["-2", "0"], ["-1", "-1"]), (["0.5", "2"], ["2.5"])],
)
def test_parts_of_one_side_are_a_net_position(told: list[str], held: list[str]) -> None:
    """
    Parts of which none opposes another are compared by their sum, flat ones left out.
    """
    observed = observation(
        reports=[venue_report([venue_position(qty) for qty in told])],
        after=[cached_position(qty, position_id=f"P-{n}") for n, qty in enumerate(held)],
    )
    assert found(observed) == []


def test_a_part_of_nobody_that_the_venue_does_not_hold_is_named() -> None:
    """
    Without it the cache equals the venue's report.
    """
    held = [cached_position("2"), cached_position("-2", position_id="P-2", strategy_id="EXTERNAL")]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    (one,) = (o for o in found(observed) if o.kind is DiscrepancyKind.POSITION_QTY_MISMATCH)
    assert one.detail == (
        "The cache holds 2 of Trend-001 (`P-1`) and -2 of EXTERNAL (`P-2`). The venue does not "
        "hold the -2 of EXTERNAL: check that there, then stop the node, `nautilus-recovery forget "
        "positions:P-2`, and start"
    )


def test_a_claimed_position_of_nobody_is_no_difference() -> None:
    """
    The strategy that claims its instrument is handed it.
    """
    held = [cached_position("2", strategy_id="EXTERNAL")]
    observed = observation(
        reports=[venue_report([venue_position("2")])], after=held, claims={BTC: "Trend-001"}
    )
    assert found(observed) == []

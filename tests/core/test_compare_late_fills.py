import msgspec
import pytest

from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import STRATEGY
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_position
from tests.core.builders import discrepancy
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


def test_flagged_fill_after_the_report_is_added_to_it() -> None:
    """
    What the venue filled after it had reported is expected in the cache.
    """
    late = fill("0.5", index=3)
    status = venue_report([venue_position("1")], seen_events=3)
    equal = observation(reports=[status], after=[cached_position("1.5")], fills=[late])
    assert found(equal) == []
    missed = observation(reports=[status], after=[cached_position("1")], fills=[late])
    assert [(d.kind.value, d.venue, d.cache) for d in found(missed)] == [
        ("POSITION_QTY_MISMATCH", "1.5", "1")
    ]


def test_flagged_fill_before_the_report_is_in_it() -> None:
    """
    A fill that preceded the mass status is not added to it again.
    """
    status = venue_report([venue_position("1")], seen_events=4)
    observed = observation(
        reports=[status], after=[cached_position("1")], fills=[fill("0.5", index=3)]
    )
    assert found(observed) == []


def test_synthetic_fill_after_the_report_proves_nothing() -> None:
    """
    A fill that the engine made up is no trade of the venue and is not expected there.
    """
    made_up = fill("0.5", index=3, trade_id="S-18c2-a1b2", placed_here=False)
    observed = observation(
        reports=[venue_report([venue_position("1")], seen_events=3)],
        after=[cached_position("1.5")],
        fills=[made_up],
    )
    assert kinds(observed) == ["POSITION_QTY_MISMATCH"]


@pytest.mark.parametrize(("index", "expected"), [(1, []), (2, []), (0, ["POSITION_QTY_MISMATCH"])])
def test_live_fill_counts_if_it_came_after_the_report(index: int, expected: list[str]) -> None:
    """
    A fill without the flag is added to a report that preceded it, and to no other.
    """
    observed = observation(
        reports=[venue_report([venue_position("1")], seen_live_fills=1)],
        after=[cached_position("0.25")],
        live_fills=[fill("-0.75", index=index)],
    )
    assert kinds(observed) == expected


def test_late_fills_of_another_account_or_instrument_do_not_count() -> None:
    """
    A late fill is added where it happened and nowhere else.
    """
    observed = observation(
        reports=[
            venue_report([venue_position("1"), venue_position("1", ETH)]),
            venue_report([venue_position("1")], account_id=OTHER_ACCOUNT),
        ],
        after=[
            cached_position("2.5"),
            cached_position("1", ETH, "P-2"),
            cached_position("1", account_id=OTHER_ACCOUNT),
        ],
        fills=[fill("1", index=0)],
        live_fills=[fill("0.5", index=0)],
    )
    assert found(observed) == []


def test_position_opened_after_the_report_needs_none() -> None:
    """
    A position made of late fills alone was not there to be reported.
    """
    observed = observation(
        reports=[venue_report()],
        after=[cached_position("2")],
        live_fills=[fill("1.5", index=0), fill("0.5", index=1)],
    )
    assert found(observed) == []


@pytest.mark.parametrize("late", ["1", "-2"])
def test_position_that_late_fills_do_not_account_for_needs_a_report(late: str) -> None:
    """
    A cached quantity other than that of the late fills was held before, and was not reported.
    """
    observed = observation(
        reports=[venue_report()], after=[cached_position("2")], live_fills=[fill(late)]
    )
    assert kinds(observed) == ["POSITION_NOT_AT_VENUE"]


def test_late_fills_that_cancel_out_do_not_prove_a_position() -> None:
    """
    A round trip after the report leaves the unreported position as unproven as before.
    """
    observed = observation(
        reports=[venue_report()],
        after=[cached_position("2"), cached_position("-2", position_id="P-2")],
        live_fills=[fill("1"), fill("-1", index=1)],
    )
    assert kinds(observed) == ["POSITION_NOT_AT_VENUE", "POSITION_NOT_AT_VENUE"]


def test_unreported_position_that_a_late_fill_closed_is_not_proven_flat() -> None:
    """
    SHORT 2 that the venue never reported and a late BUY 2: the cache is flat, the venue LONG 2.
    """
    observed = observation(
        reports=[venue_report()], before=[cached_position("-2")], live_fills=[fill("2")]
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_late_fill_that_the_cache_never_applied_blocks() -> None:
    """
    A late fill on an instrument that neither side holds leaves the cache behind the venue.
    """
    observed = observation(reports=[venue_report()], fills=[fill("2")])
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_late_fill_that_no_leg_of_the_cache_applied_blocks() -> None:
    """
    In hedge mode too a late fill leaves a cache that equals the older report behind the venue.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", leg="L")])],
        after=[cached_position("2", position_id="L")],
        live_fills=[fill("1")],
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_late_fill_does_not_prove_two_unreported_positions_by_their_net() -> None:
    """
    LONG 2 and SHORT 1 without a report are not made of one late BUY 1, though their net is.
    """
    observed = observation(
        reports=[venue_report()],
        after=[cached_position("2"), cached_position("-1", position_id="P-2")],
        live_fills=[fill("1")],
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_made_up_fill_without_a_mass_status_blocks_its_instrument_alone() -> None:
    """
    A position that was aligned at run time is unproven until the venue reports, the rest may trade.
    """
    report = judge(
        observation(
            fills=[fill(is_made_up=True), fill(index=1, is_made_up=True), fill("1", 2, "T-2")],
            after=[cached_position("3")],
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.NO_MASS_STATUS,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            venue="no report",
            cache="aligned by a synthetic fill",
            detail="The engine made up a fill to align this position, and no mass status has "
            "arrived since: check the venue; it is blocked until a proof holds",
        ),
    )
    assert report.failure is None
    assert report.outcome is RecoveryOutcome.DEGRADED
    assert report.blocked_instruments == (BTC,)
    assert report.fill_counts == {FillOrigin.SYNTHETIC: 2, FillOrigin.VENUE: 1}


def test_fill_that_was_not_made_up_needs_no_mass_status() -> None:
    """
    An adapter's own fills at run time block nothing.
    """
    assert found(observation(fills=[fill()], after=[cached_position("1")])) == []


def test_made_up_fill_of_an_account_that_reports_is_compared() -> None:
    """
    A mass status tells whether the aligned position is right.
    """
    for qty, expected in (("1", []), ("2", ["POSITION_QTY_MISMATCH"])):
        observed = observation(
            reports=[venue_report([venue_position(qty)], seen_events=1)],
            fills=[fill(is_made_up=True)],
            after=[cached_position("1")],
        )
        assert kinds(observed) == expected


def test_made_up_fill_after_the_report_is_not_expected_at_the_venue() -> None:
    """
    What the engine made up after the report is no trade that the venue made.
    """
    observed = observation(
        reports=[venue_report([venue_position("1")])],
        fills=[fill(is_made_up=True)],
        after=[cached_position("2")],
    )
    assert [(d.kind.value, d.venue, d.cache) for d in found(observed)] == [
        ("POSITION_QTY_MISMATCH", "1", "2")
    ]


def test_made_up_fill_is_warned_of_if_accounts_may_trade_unreconciled() -> None:
    """
    Who trades without mass statuses is told and not blocked.
    """
    report = judge(observation(fills=[fill(is_made_up=True)]), Policy(allow_unreconciled=True))
    assert [d.severity for d in report.discrepancies] == [Severity.WARN]
    assert report.blocked_instruments == ()
    assert report.outcome is RecoveryOutcome.ADJUSTED


def test_made_up_fills_of_several_instruments_and_accounts_block_each() -> None:
    """
    Every instrument that was aligned is named, with the account that it was aligned in.
    """
    observed = observation(
        reports=[venue_report(account_id="PAPER-003")],
        fills=[
            fill(index=0, is_made_up=True),
            fill(index=1, is_made_up=True, instrument_id=ETH),
            fill(index=2, is_made_up=True, account_id=OTHER_ACCOUNT),
        ],
    )
    assert [(d.account_id, d.instrument_id) for d in found(observed)] == [
        (ACCOUNT, BTC),
        (ACCOUNT, ETH),
        (OTHER_ACCOUNT, BTC),
    ]


def test_second_made_up_fill_of_an_instrument_is_not_told_twice() -> None:
    """
    One epoch after another that aligns the same position finds one difference, not one more each.
    """
    observed = observation(fills=[fill(is_made_up=True)])
    first = found(observed)
    again = msgspec.structs.replace(observed, carried=tuple(first))
    assert found(again) == first


@pytest.mark.parametrize(
    ("moved", "held"),
    [
        ([("L", "1")], {"L": "3", "S": "-1"}),
        ([("L", "-2")], {"S": "-1"}),
        ([("L", "1"), ("S", "-1")], {"L": "3", "S": "-2"}),
        ([("L", "1"), ("L", "0.5")], {"L": "3.5", "S": "-1"}),
        ([("X", "1")], {"L": "2", "S": "-1", "X": "1"}),
        ([("L", "1"), ("L", "-1")], {"L": "2", "S": "-1"}),
    ],
    ids=["added to", "closed", "both moved", "twice", "opened", "round trip"],
)
def test_late_fill_is_added_to_the_leg_that_it_moved(
    moved: list[tuple[str, str]], held: dict[str, str]
) -> None:
    """
    Each fill tells its leg, and each leg is expected with its own late fills.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", leg="L"), venue_position("-1", leg="S")])],
        after=[cached_position(qty, position_id=leg) for leg, qty in held.items()],
        live_fills=[
            fill(qty, index=n, position_id=position_id)
            for n, (position_id, qty) in enumerate(moved)
        ],
    )
    assert found(observed) == []


@pytest.mark.parametrize(
    ("position_id", "held", "expected"),
    [
        ("S", {"L": "3", "S": "-1"}, [("L", "2", "3"), ("S", "0", "-1")]),
        ("L", {"L": "2", "S": "-1"}, [("L", "3", "2")]),
        ("L", {"L": "4", "S": "-2"}, [("L", "3", "4"), ("S", "-1", "-2")]),
        ("L", {"S": "-1"}, [("L", "3", "not held")]),
        ("X", {"L": "3", "S": "-1"}, [("L", "2", "3"), ("X", "1", "not held")]),
        (None, {"L": "3", "S": "-1"}, [(None, "1", "not held"), ("L", "2", "3")]),
    ],
    ids=["other leg", "not applied", "two legs", "not held", "unknown leg", "no leg"],
)
def test_late_fill_excuses_no_other_leg(
    position_id: str | None, held: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    """
    A leg that differs by the quantity of another one's fill differs all the same.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", leg="L"), venue_position("-1", leg="S")])],
        after=[cached_position(qty, position_id=leg) for leg, qty in held.items()],
        live_fills=[fill("1", position_id=position_id)],
    )
    assert set(kinds(observed)) == {"HEDGE_LEG_MISMATCH"}
    assert [(d.position_id, d.venue, d.cache) for d in found(observed)] == expected
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_late_fills_without_a_report_are_proven_owner_by_owner() -> None:
    """
    Each strategy's position must be made of its own late fills, not of another's.
    """
    mine = cached_position("1")
    other = cached_position("1", position_id="P-2", strategy_id="Other-002")
    fills = [fill("1"), msgspec.structs.replace(fill("1", index=1), strategy_id="Other-002")]
    assert found(observation(reports=[venue_report()], after=[mine, other], live_fills=fills)) == []
    crossed = observation(
        reports=[venue_report()],
        after=[mine, other],
        live_fills=[fills[0], msgspec.structs.replace(fills[1], strategy_id=STRATEGY)],
    )
    assert [(d.kind.value, d.position_id, d.cache) for d in found(crossed)] == [
        ("POSITION_NOT_AT_VENUE", "P-1", "1"),
        ("POSITION_NOT_AT_VENUE", "P-2", "1"),
    ]


def test_position_that_one_owner_has_proven_proves_none_of_the_next() -> None:
    """
    Each owner is looked at, also after one whose position is made of its late fills.
    """
    observed = observation(
        reports=[venue_report()],
        after=[
            cached_position("1", position_id="P-2", strategy_id="Other-002"),
            cached_position("1", strategy_id="Trend-001"),
        ],
        live_fills=[fill("1", strategy_id="Other-002")],
    )
    assert [(d.kind.value, d.position_id) for d in found(observed)] == [
        ("POSITION_NOT_AT_VENUE", "P-1")
    ]


def test_late_fill_without_a_position_is_told_as_flat() -> None:
    """
    A cache that is flat after a late fill is told as that, with no position to name.
    """
    (one,) = found(observation(reports=[venue_report()], live_fills=[fill("2")]))
    assert one.kind is DiscrepancyKind.POSITION_NOT_AT_VENUE
    assert (one.position_id, one.venue, one.cache) == (None, "no report", "flat")


def test_flat_cached_position_beside_one_of_late_fills_needs_no_report() -> None:
    """
    A quantity of zero counts for nothing where late fills are added up.
    """
    observed = observation(
        reports=[venue_report()],
        after=[cached_position("2"), cached_position("0", position_id="P-2")],
        live_fills=[fill("2")],
    )
    assert found(observed) == []


def test_made_up_fill_is_told_beside_what_was_carried_of_another_kind() -> None:
    """
    A difference that an epoch before found does not stand for the new one.
    """
    carried = discrepancy(severity=Severity.WARN)
    told = found(observation(fills=[fill(is_made_up=True)], carried=[carried]))
    assert [d.kind.value for d in told] == ["NO_MASS_STATUS", "POSITION_QTY_MISMATCH"]
    assert told[1] == carried


COUNTED_TWICE = (
    "The engine guessed what was filled, and then a fill arrived that is older than the report, so "
    "it may be counted twice: check the venue; it is blocked until a proof holds"
)


def guessed(held: str, late: str = "1", ts_event: int = TS_REPORT) -> Observation:
    """
    The venue reports 2, the engine inferred a fill of 2, and then one more came.
    """
    one = msgspec.structs.replace(fill(late, index=7), ts_event=ts_event)
    return observation(
        reports=[venue_report([venue_position("2")], seen_events=1)],
        after=[cached_position(held)],
        fills=[fill("2")],
        live_fills=[one],
    )


@pytest.mark.parametrize("held", ["3", "3.0005"], ids=["equal", "dust"])
@pytest.mark.parametrize("severity", [Severity.BLOCK, Severity.INFO])
def test_late_fill_that_the_engine_may_have_guessed_is_not_proven(
    held: str, severity: Severity
) -> None:
    """
    Although cache and venue agree: both may count it twice.
    """
    policy = Policy(severities={DiscrepancyKind.POSITION_QTY_MISMATCH: severity})
    (one,) = found(guessed(held), policy)
    assert (one.kind, one.severity) == (DiscrepancyKind.POSITION_QTY_MISMATCH, severity)
    assert (one.venue, one.cache) == ("3, or that less a late fill", held)
    assert one.detail == COUNTED_TWICE


@pytest.mark.parametrize("severity", [Severity.BLOCK, Severity.INFO])
def test_a_difference_is_told_as_such_also_where_the_engine_guessed(severity: Severity) -> None:
    """
    However severe it is, it is not taken for dust.
    """
    policy = Policy(severities={DiscrepancyKind.POSITION_QTY_MISMATCH: severity})
    (one,) = found(guessed("5"), policy)
    assert (one.severity, one.venue, one.cache) == (severity, "3", "5")
    assert one.detail.startswith("Cache and venue hold different quantities")


def test_fill_after_the_report_was_not_guessed() -> None:
    """
    What happened after the report cannot be in it.
    """
    assert found(guessed("3", ts_event=TS_REPORT + 1)) == []


def test_a_doubt_is_told_like_the_difference_it_may_be() -> None:
    """
    A fill at run time may be counted already, too.
    """
    one = doubt(ACCOUNT, BTC, PLAIN)
    assert one.is_blocking
    assert (one.account_id, one.instrument_id) == (ACCOUNT, BTC)
    assert (one.venue, one.cache) == ("no newer report", "one more fill")
    assert one.detail == COUNTED_TWICE
    severities = {DiscrepancyKind.POSITION_QTY_MISMATCH: Severity.WARN}
    assert doubt(ACCOUNT, BTC, Policy(severities=severities)).severity is Severity.WARN

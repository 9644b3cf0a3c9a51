"""
Positions that the venue left out: once, twice, or because its adapter reports none at all.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import own_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


REPORTING = frozenset({ACCOUNT})
NOBODY: frozenset[str] = frozenset()
TWICE = frozenset({(ACCOUNT, BTC)})


def missing(**fields: Any) -> Observation:
    return observation(reports=[venue_report()], after=[cached_position("2")], **fields)


def test_a_position_left_out_once_is_asked_for_again() -> None:
    """
    Missing is not flat: most adapters answer with an empty list after an error.
    """
    report = judge(missing(reporting=REPORTING), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=Kind.UNPROVEN_REPORT,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id="P-1",
            venue="no report",
            cache="2",
            detail="The venue left this position out once, which proves nothing: it is asked again",
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_a_position_left_out_twice_is_flat_at_the_venue() -> None:
    """
    Of an account that reports positions two answers tell it.
    """
    (one,) = found(missing(reporting=REPORTING, twice_missing=TWICE))
    assert (one.kind, one.severity) == (Kind.POSITION_NOT_AT_VENUE, Severity.BLOCK)
    assert "`nautilus-recovery forget positions:P-1`" in one.detail


@pytest.mark.parametrize("twice", [frozenset(), TWICE])
@pytest.mark.parametrize("mute", [NOBODY, REPORTING])
@pytest.mark.parametrize("reporting", [NOBODY, frozenset({OTHER_ACCOUNT})])
def test_an_account_that_never_reports_positions_proves_nothing_by_silence(
    reporting: frozenset[str], mute: frozenset[str], twice: frozenset[tuple[str, str]]
) -> None:
    """
    However often it leaves one out, where its adapter is known to; both ways out are named.
    """
    (one,) = found(missing(reporting=reporting, mute=mute, twice_missing=twice))
    is_told_flat = twice and not mute
    assert (one.kind, one.severity, one.venue) == (
        Kind.POSITION_NOT_AT_VENUE if is_told_flat else Kind.UNPROVEN_REPORT,
        Severity.BLOCK,
        "no report",
    )
    assert one.detail == (
        "No answer of this account has had a position in it yet, so that this one is left out "
        "proves nothing: check the venue; if it is flat there, stop the node, `nautilus-recovery "
        f"forget positions:P-1`, and start; if not, `nautilus-recovery release {BTC}`"
    )


def test_where_nothing_is_known_of_the_account_absence_is_told_as_ever() -> None:
    """
    A host that counts no answers has one, and says so by saying nothing.
    """
    assert kinds(missing()) == ["POSITION_NOT_AT_VENUE"]
    assert kinds(missing(twice_missing=TWICE)) == ["POSITION_NOT_AT_VENUE"]


def test_twice_is_counted_by_account_and_instrument() -> None:
    """
    That another was left out twice says nothing.
    """
    for twice in ((ACCOUNT, ETH), (OTHER_ACCOUNT, BTC)):
        observed = missing(reporting=REPORTING, twice_missing=frozenset({twice}))
        assert kinds(observed) == ["UNPROVEN_REPORT"]


def test_an_explicit_report_is_a_report_whatever_was_missing_before() -> None:
    """
    Flat is told by a number.
    """
    flat = [venue_report([venue_position("0")])]
    for reporting in (None, NOBODY, REPORTING):
        observed = observation(
            reports=flat, after=[cached_position("2")], reporting=reporting, twice_missing=TWICE
        )
        assert kinds(observed) == ["POSITION_QTY_MISMATCH"]


@pytest.mark.parametrize("reporting", [None, NOBODY, REPORTING])
def test_what_was_filled_after_the_report_need_not_be_in_it(
    reporting: frozenset[str] | None,
) -> None:
    """
    A position that is made of newer trades alone is proven by them, and one without them is not.
    """
    late = [fill("2")]
    opened = observation(
        reports=[venue_report()], after=[cached_position("2")], live_fills=late, reporting=reporting
    )
    assert found(opened) == []
    lacking = observation(reports=[venue_report()], live_fills=late, reporting=reporting)
    assert kinds(lacking) == ["POSITION_NOT_AT_VENUE"]


def test_a_position_that_is_not_proven_asks_for_no_stop() -> None:
    """
    Whoever placed one for a position that is not there would open one.
    """
    observed = missing(reporting=REPORTING, live_orders=[])
    (stop,) = (one for one in found(observed) if one.kind is Kind.UNPROTECTED_POSITION)
    assert stop.detail == "How large it is is not settled: see UNPROVEN_REPORT first"
    assert kinds(missing(reporting=REPORTING, live_orders=[own_order(leaves="-2")])) == [
        "UNPROVEN_REPORT"
    ]


@given(
    st.dictionaries(st.sampled_from([BTC, ETH]), st.sampled_from(["-1", "0", "2"])),
    st.sampled_from([None, NOBODY, REPORTING, frozenset({ACCOUNT, OTHER_ACCOUNT})]),
    st.sets(st.tuples(st.sampled_from([ACCOUNT, OTHER_ACCOUNT]), st.sampled_from([BTC, ETH]))),
)
def test_no_gate_opens_on_a_position_that_nobody_saw(
    reported: dict[str, str], reporting: frozenset[str] | None, twice: set[tuple[str, str]]
) -> None:
    """
    Whatever is known of an account, a position without a report blocks its instrument, and is
    called flat only if it was left out twice.
    """
    held = [cached_position("2"), cached_position("2", ETH, "P-2")]
    told = [venue_position(qty, instrument_id) for instrument_id, qty in reported.items()]
    report = judge(
        observation(
            reports=[venue_report(told)],
            after=held,
            reporting=reporting,
            twice_missing=frozenset(twice),
        ),
        PLAIN,
    )
    right = {instrument_id for instrument_id, qty in reported.items() if Decimal(qty) == 2}
    assert set(report.blocked_instruments) == {BTC, ETH} - right
    for one in report.discrepancies:
        if one.instrument_id not in reported:
            is_flat = reporting is None or (ACCOUNT, one.instrument_id) in twice
            expected = Kind.POSITION_NOT_AT_VENUE if is_flat else Kind.UNPROVEN_REPORT
            assert one.kind is expected

"""
An epoch that is checked more than once: what resolved itself, and what was told before.
"""

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.verdict import describe
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_position
from tests.core.builders import discrepancy
from tests.core.builders import fill
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


HELD = cached_position("1")
STATUS = venue_report([venue_position("1")])
MISSED = venue_report([venue_position("2")])


# -- WHAT RESOLVED ITSELF --


def test_difference_that_is_gone_is_kept_as_resolved_and_blocks_nothing() -> None:
    """
    What was found at first stays in the report as it was told, and the instrument is open.
    """
    first = judge(observation(reports=[MISSED], before=[HELD], after=[HELD]), PLAIN)
    (found,) = first.discrepancies
    assert first.blocked_instruments == (BTC,)
    report = judge(
        observation(reports=[STATUS], before=[HELD], after=[HELD], earlier=first.discrepancies),
        PLAIN,
    )
    assert report.discrepancies == (msgspec.structs.replace(found, resolved=True),)
    assert report.blocked_instruments == ()
    assert report.failure is None


def test_recovery_with_something_resolved_is_an_adjustment_that_ends_equal() -> None:
    """
    A cache that had to change is not called clean, and nothing of the difference remains.
    """
    observed = observation(reports=[STATUS], before=[HELD], after=[HELD])
    assert judge(observed, PLAIN).outcome is RecoveryOutcome.CLEAN
    resolved = msgspec.structs.replace(observed, earlier=(discrepancy(),))
    report = judge(resolved, PLAIN)
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert report.message == (
        "Reconciliation changed the cache (order events: 0, fills: 0); equal to the venue's report"
    )


def test_difference_that_remains_is_told_once_and_as_it_is_now() -> None:
    """
    Found again, in whatever words, it is not resolved.
    """
    first = judge(observation(reports=[MISSED], after=[HELD]), PLAIN)
    worse = venue_report([venue_position("3")])
    again = judge(observation(reports=[worse], after=[HELD], earlier=first.discrepancies), PLAIN)
    assert [(d.venue, d.resolved) for d in again.discrepancies] == [("3", False)]
    assert again.blocked_instruments == (BTC,)
    assert again.outcome is RecoveryOutcome.DEGRADED
    assert again.message == f"Remaining differences: 1; blocked: {BTC}"


def test_difference_that_comes_back_is_not_resolved() -> None:
    """
    Gone at one check and found at the next: it stands, and nothing of the past excuses it.
    """
    first = judge(observation(reports=[MISSED], after=[HELD]), PLAIN)
    second = judge(observation(reports=[STATUS], after=[HELD], earlier=first.discrepancies), PLAIN)
    assert [d.resolved for d in second.discrepancies] == [True]
    third = judge(observation(reports=[MISSED], after=[HELD], earlier=second.discrepancies), PLAIN)
    assert third.discrepancies == first.discrepancies
    assert third.blocked_instruments == (BTC,)
    fourth = judge(observation(reports=[STATUS], after=[HELD], earlier=third.discrepancies), PLAIN)
    assert fourth.discrepancies == second.discrepancies


@pytest.mark.parametrize(
    "other",
    [
        discrepancy(DiscrepancyKind.SPLIT_OWNERSHIP),
        discrepancy(account_id=OTHER_ACCOUNT),
        discrepancy(instrument_id=ETH),
        discrepancy(position_id="P-9"),
        discrepancy(client_order_id="O-9"),
    ],
    ids=["kind", "account", "instrument", "position", "order"],
)
def test_difference_is_resolved_beside_another_one_that_stands(other: object) -> None:
    """
    Kind, account, instrument, position and order tell one difference from another.
    """
    observed = observation(
        reports=[MISSED],
        after=[HELD],
        earlier=[other],  # type: ignore[list-item]
    )
    report = judge(observed, PLAIN)
    assert sorted(d.resolved for d in report.discrepancies) == [False, True]
    assert report.blocked_instruments == (BTC,)
    assert report.message == f"Remaining differences: 1; blocked: {BTC}"


def test_account_that_reports_late_fails_nothing() -> None:
    """
    A mass status that comes between two checks resolves that there was none.
    """
    silent = observation(required=[ACCOUNT])
    first = judge(silent, PLAIN)
    assert first.failure is FailureReason.NOT_RECONCILED
    report = judge(
        observation(required=[ACCOUNT], reports=[venue_report()], earlier=first.discrepancies),
        PLAIN,
    )
    assert report.failure is None
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert [(d.kind.value, d.resolved) for d in report.discrepancies] == [("NO_MASS_STATUS", True)]


def test_resolved_difference_of_an_epoch_before_is_over() -> None:
    """
    What is carried from one epoch to the next are the differences that stood at its end.
    """
    carried = [discrepancy(resolved=True), discrepancy(instrument_id=ETH)]
    report = judge(observation(carried=carried), PLAIN)
    assert report.discrepancies == (carried[1],)
    assert report.blocked_instruments == (ETH,)


def test_difference_that_warned_and_is_gone_is_resolved_too() -> None:
    """
    Also what never blocked is kept, with the severity that it had.
    """
    warned = discrepancy(DiscrepancyKind.UNCLAIMED_POSITION, Severity.WARN)
    report = describe(observation(reports=[STATUS], after=[HELD], earlier=[warned]), PLAIN)
    assert [(d.severity.value, d.resolved) for d in report.discrepancies] == [("WARN", True)]


def test_resolved_and_remaining_differences_are_in_reading_order() -> None:
    """
    By account and instrument, whether resolved or not.
    """
    observed = observation(
        reports=[venue_report([venue_position("2", ETH)])],
        earlier=[discrepancy(instrument_id="ZECUSDT.PAPER"), discrepancy()],
    )
    report = judge(observed, PLAIN)
    assert [(d.instrument_id, d.resolved) for d in report.discrepancies] == [
        (BTC, True),
        (ETH, False),
        ("ZECUSDT.PAPER", True),
    ]


# -- WHAT AN EPOCH BEFORE HAS TOLD --


def test_fill_that_an_epoch_before_told_of_is_not_told_again() -> None:
    """
    Only the flagged events since then are in the report, in its counts and in its message.
    """
    told = [fill("1", index=0), fill("1", index=2)]
    report = judge(
        observation(
            reports=[
                venue_report([venue_position("3")], trade_ids=["T-0", "T-2", "T-3"], seen_events=5)
            ],
            after=[cached_position("3")],
            fills=[*told, fill("1", index=3)],
            events=5,
            reported_events=3,
        ),
        PLAIN,
    )
    assert [one.trade_id for one in report.fills] == ["T-3"]
    assert report.fill_counts == {FillOrigin.VENUE: 1}
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert report.message.startswith("Reconciliation changed the cache (order events: 2, fills: 1)")


def test_events_that_were_all_told_change_nothing() -> None:
    """
    An epoch in which nothing new came is clean, whatever the one before had.
    """
    observed = observation(
        reports=[venue_report([venue_position("1")], seen_events=1)],
        before=[HELD],
        after=[HELD],
        fills=[fill("1")],
        reported_events=1,
    )
    report = judge(observed, PLAIN)
    assert (report.fills, report.fill_counts) == ((), {})
    assert report.outcome is RecoveryOutcome.CLEAN
    untold = msgspec.structs.replace(observed, reported_events=0)
    assert judge(untold, PLAIN).outcome is RecoveryOutcome.ADJUSTED


def test_told_fill_is_compared_with_all_the_same() -> None:
    """
    A fill after the venue's report counts in it, whichever epoch told of the fill.
    """
    late = fill("0.5", index=0)
    for held, expected in (("1.5", []), ("1", ["POSITION_QTY_MISMATCH"])):
        observed = observation(
            reports=[STATUS], after=[cached_position(held)], fills=[late], reported_events=1
        )
        assert kinds(observed) == expected


def test_told_fill_that_was_made_up_still_needs_a_report() -> None:
    """
    An alignment that no venue has confirmed blocks its instrument also in the next epoch.
    """
    observed = observation(fills=[fill(is_made_up=True)], reported_events=1)
    assert kinds(observed) == ["NO_MASS_STATUS"]
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


# -- ACCOUNTS --


def test_account_tells_of_its_connection_and_of_its_balances() -> None:
    """
    What the node knows of an account without asking is in its entry, if it reported or not.
    """
    report = judge(
        observation(
            reports=[venue_report()],
            required=[OTHER_ACCOUNT],
            accounts=[
                AccountState(ACCOUNT, is_connected=True, ts_account=950),
                AccountState(OTHER_ACCOUNT, is_connected=False, ts_account=10),
                AccountState("PAPER-003", is_connected=True),
            ],
        ),
        PLAIN,
    )
    assert report.accounts == (
        AccountRecovery(ACCOUNT, "PAPER", TS_REPORT, 0, 0, 0, True, 950, answers=1),
        AccountRecovery(OTHER_ACCOUNT, "", None, 0, 0, 0, False, 10),
    )


def test_account_of_which_nothing_is_known_says_so() -> None:
    """
    Not known is neither connected nor disconnected.
    """
    (one,) = judge(observation(reports=[venue_report()]), PLAIN).accounts
    assert (one.is_connected, one.ts_account) == (None, None)
    known = observation(reports=[venue_report()], accounts=[AccountState(ACCOUNT)])
    (two,) = judge(known, PLAIN).accounts
    assert (two.is_connected, two.ts_account) == (None, None)

"""
Several accounts, several venues, and accounts that reach many venues.
"""

from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.report import RecoveryReport
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


BROKER = "IB-001"
STOCK = "AAPL.NASDAQ"
FUTURE = "ESZ6.CME"


def broker_report(*quantities: tuple[str, str]) -> VenueReport:
    return VenueReport(
        account_id=BROKER,
        venue="INTERACTIVE_BROKERS",
        ts=1_000,
        positions=tuple(venue_position(qty, instrument_id) for instrument_id, qty in quantities),
    )


def told(observed: Observation) -> list[tuple[str, str, str]]:
    return [(d.account_id, d.instrument_id, d.kind.value) for d in found(observed)]


def positions(report: RecoveryReport) -> list[tuple[str, str, str | None]]:
    return [
        (p.account_id, p.instrument_id, None if p.qty_venue is None else str(p.qty_venue))
        for p in report.positions
    ]


def test_one_account_reports_instruments_of_many_venues() -> None:
    """
    A client that routes answers for its account, whatever venues its instruments name.
    """
    observed = observation(
        reports=[broker_report((STOCK, "100"), (FUTURE, "-2"))],
        after=[
            cached_position("100", STOCK, "P-1", BROKER),
            cached_position("-2", FUTURE, "P-2", BROKER),
        ],
        instruments=[STOCK, FUTURE],
        required=[BROKER],
    )
    report = judge(observed, PLAIN)
    assert (report.failure, report.discrepancies) == (None, ())
    assert [(a.account_id, a.venue, a.positions) for a in report.accounts] == [
        (BROKER, "INTERACTIVE_BROKERS", 2)
    ]
    assert positions(report) == [(BROKER, STOCK, "100"), (BROKER, FUTURE, "-2")]


def test_difference_of_a_routed_instrument_is_that_of_the_account() -> None:
    """
    One instrument of many is blocked, the others of the account may trade.
    """
    observed = observation(
        reports=[broker_report((STOCK, "100"), (FUTURE, "-1"))],
        after=[
            cached_position("100", STOCK, "P-1", BROKER),
            cached_position("-2", FUTURE, "P-2", BROKER),
        ],
        instruments=[STOCK, FUTURE],
    )
    assert told(observed) == [(BROKER, FUTURE, "POSITION_QTY_MISMATCH")]
    assert judge(observed, PLAIN).blocked_instruments == (FUTURE,)


def test_routed_instrument_of_another_account_is_not_this_ones() -> None:
    """
    What the broker holds of an instrument proves nothing of an exchange account, nor blocks it.
    """
    exchange = venue_report([venue_position("5", STOCK)], account_id="NASDAQ-001")
    after = [
        cached_position("100", STOCK, "P-1", BROKER),
        cached_position("5", STOCK, "P-2", "NASDAQ-001"),
    ]
    equal = observation(
        reports=[broker_report((STOCK, "100")), exchange], after=after, instruments=[STOCK]
    )
    assert told(equal) == []
    silent = observation(
        reports=[broker_report((STOCK, "100")), venue_report(account_id="NASDAQ-001")],
        after=after,
        instruments=[STOCK],
    )
    assert told(silent) == [("NASDAQ-001", STOCK, "POSITION_NOT_AT_VENUE")]


def test_accounts_on_one_instrument_are_not_netted() -> None:
    """
    LONG 1 here and SHORT 1 there are two differences if the cache has them the other way round.
    """
    observed = observation(
        reports=[
            venue_report([venue_position("1")]),
            venue_report([venue_position("-1")], account_id=OTHER_ACCOUNT),
        ],
        after=[cached_position("-1"), cached_position("1", account_id=OTHER_ACCOUNT)],
    )
    assert told(observed) == [
        (ACCOUNT, BTC, "POSITION_QTY_MISMATCH"),
        (OTHER_ACCOUNT, BTC, "POSITION_QTY_MISMATCH"),
    ]
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)


def test_fill_of_one_account_excuses_no_other() -> None:
    """
    A fill that crossed a report, or came after it, counts in its own account alone.
    """
    crossing = fill("2", index=0, account_id=OTHER_ACCOUNT, ts_init=5_000)
    late = fill("2", index=1, account_id="PAPER-003")
    observed = observation(
        reports=[
            venue_report([venue_position("1")], seen_live_fills=1),
            venue_report([venue_position("1")], account_id=OTHER_ACCOUNT, seen_live_fills=1),
        ],
        after=[cached_position("3"), cached_position("3", account_id=OTHER_ACCOUNT)],
        live_fills=[crossing, late],
    )
    assert told(observed) == [(ACCOUNT, BTC, "POSITION_QTY_MISMATCH")]


def test_order_of_each_account_is_looked_for_in_its_own_report() -> None:
    """
    An order that rests in one account is not one that another account left out.
    """
    observed = observation(
        reports=[
            venue_report(orders=[venue_order("O-1", "V-1")]),
            venue_report(account_id=OTHER_ACCOUNT),
        ],
        orders=[cached_order("O-1", "V-1"), cached_order("O-2", "V-1", account_id=OTHER_ACCOUNT)],
    )
    assert told(observed) == [(OTHER_ACCOUNT, BTC, "ORDER_NOT_AT_VENUE")]

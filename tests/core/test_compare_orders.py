import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_report


ENDS = "the block then ends by itself, or at once with `nautilus-recovery verify`"


def test_open_order_in_both_is_equal() -> None:
    """
    An order that is open at the venue and in the cache is no difference.
    """
    observed = observation(reports=[venue_report(orders=[venue_order()])], orders=[cached_order()])
    assert found(observed) == []


def test_order_is_known_by_its_venue_order_id_where_it_has_no_other() -> None:
    """
    A report without the client order id is matched by the venue's own.
    """
    observed = observation(
        reports=[venue_report(orders=[venue_order(client_order_id=None)])], orders=[cached_order()]
    )
    assert found(observed) == []


def test_order_is_known_by_its_client_order_id_before_the_venues() -> None:
    """
    An order that the venue has given a new id of its own is still the order we placed.
    """
    observed = observation(
        reports=[venue_report(orders=[venue_order("O-1", "V-9")])],
        orders=[cached_order("O-1", "V-1")],
    )
    assert found(observed) == []


def test_open_order_that_the_cache_does_not_know_is_told() -> None:
    """
    An order that rests at the venue and not in the cache blocks its instrument.
    """
    report = judge(observation(reports=[venue_report(orders=[venue_order()])]), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.ORDER_NOT_IN_CACHE,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="O-1",
            venue="ACCEPTED",
            cache="unknown",
            detail=f"The cache does not know order V-1: cancel it at the venue, and {ENDS}",
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_order_without_a_client_order_id_is_named_by_the_venues() -> None:
    """
    An order placed elsewhere is told under the only id that it has.
    """
    (one,) = found(observation(reports=[venue_report(orders=[venue_order(None, "V-7")])]))
    assert one.client_order_id == "V-7"


def test_order_closed_in_the_cache_and_open_at_the_venue_is_told() -> None:
    """
    An order that the cache closed before the report and the venue holds open differs.
    """
    closed = cached_order(status="CANCELED", is_open=False, ts_last=TS_REPORT)
    observed = observation(reports=[venue_report(orders=[venue_order()])], orders=[closed])
    assert [(d.kind.value, d.venue, d.cache) for d in found(observed)] == [
        ("ORDER_MISMATCH", "ACCEPTED", "CANCELED")
    ]


def test_order_that_ended_after_the_report_is_equal() -> None:
    """
    An order that was open when the venue reported and closed since is no difference.
    """
    closed = cached_order(status="FILLED", is_open=False, ts_last=TS_REPORT + 1)
    observed = observation(reports=[venue_report(orders=[venue_order()])], orders=[closed])
    assert found(observed) == []


def test_closed_order_at_the_venue_that_the_cache_does_not_know_is_nothing() -> None:
    """
    The history of orders that are over blocks nothing, loaded instrument or not.
    """
    closed = venue_order(status="FILLED", is_open=False)
    for instruments in ([BTC], []):
        observed = observation(reports=[venue_report(orders=[closed])], instruments=instruments)
        assert found(observed) == []


def test_open_order_on_an_instrument_that_is_not_loaded_is_told_as_that() -> None:
    """
    An order that cannot be reconciled for want of the instrument is named as that.
    """
    report = judge(
        observation(
            reports=[venue_report(orders=[venue_order(None, "V-7", status="PARTIALLY_FILLED")])],
            instruments=[],
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.INSTRUMENT_NOT_LOADED,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="V-7",
            venue="PARTIALLY_FILLED",
            cache="instrument not loaded",
            detail="The venue holds order V-7 on an instrument that the node did not load: cancel "
            f"it there, and {ENDS}; to keep it, load the instrument and restart",
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_open_cached_order_that_the_venue_left_out_is_told() -> None:
    """
    An open order that the venue does not report protects nothing.
    """
    report = judge(
        observation(reports=[venue_report()], orders=[cached_order(status="TRIGGERED")]), PLAIN
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.ORDER_NOT_AT_VENUE,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="O-1",
            venue="no report",
            cache="TRIGGERED",
            detail="The venue did not report this order, so it protects nothing: if it is not "
            "there, stop the node, `nautilus-recovery forget orders:O-1`, and start, then place it "
            "again if it is needed",
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_open_cached_order_that_is_closed_at_the_venue_is_a_mismatch() -> None:
    """
    An order that the venue reports as over, and the cache holds open, is not what it seems.
    """
    report = judge(
        observation(
            reports=[venue_report(orders=[venue_order(status="CANCELED", is_open=False)])],
            orders=[cached_order(status="TRIGGERED")],
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.ORDER_MISMATCH,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="O-1",
            venue="CANCELED",
            cache="TRIGGERED",
            detail="The order is over at the venue (CANCELED) and protects nothing: stop the "
            "node, `nautilus-recovery forget orders:O-1`, and start, then place what is needed",
        ),
    )
    assert report.blocked_instruments == (BTC,)


@pytest.mark.parametrize(
    ("ts_init", "expected"), [(TS_REPORT, ["ORDER_NOT_AT_VENUE"]), (TS_REPORT + 1, [])]
)
def test_order_placed_after_the_report_is_not_expected_in_it(
    ts_init: int, expected: list[str]
) -> None:
    """
    Only an order that is older than the report has to be in it.
    """
    observed = observation(reports=[venue_report()], orders=[cached_order(ts_init=ts_init)])
    assert kinds(observed) == expected


def test_emulated_order_is_not_expected_at_the_venue() -> None:
    """
    An order that rests in the node is none of the venue's.
    """
    local = cached_order(status="EMULATED", is_local=True)
    assert found(observation(reports=[venue_report()], orders=[local])) == []


@pytest.mark.parametrize("account_id", [OTHER_ACCOUNT, None])
def test_order_of_another_account_is_not_expected_in_this_report(account_id: str | None) -> None:
    """
    One account's report says nothing of the orders of another, or of none.
    """
    observed = observation(reports=[venue_report()], orders=[cached_order(account_id=account_id)])
    assert found(observed) == []


@pytest.mark.parametrize(
    ("orders", "venue"),
    [([], "no report"), ([venue_order(status="REJECTED", is_open=False)], "REJECTED")],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_order_without_an_answer_is_in_flight(
    orders: list[object], venue: str, is_open: bool
) -> None:
    """
    A command sent before the restart, whose order is not open at the venue, is told as in flight.
    """
    sent = cached_order(status="SUBMITTED", is_open=is_open, is_inflight=True)
    detail = (
        "The order is over at the venue (REJECTED) and protects nothing: stop the node, "
        "`nautilus-recovery forget orders:O-1`, and start, then place what is needed"
        if orders
        else "Sent and still unanswered: look for it at the venue; the engine asks for it, and "
        "gives it up if the venue does not know it; the block ends by itself then"
    )
    report = judge(
        observation(
            reports=[venue_report(orders=orders)],  # type: ignore[arg-type]
            orders=[sent],
        ),
        PLAIN,
    )
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.INFLIGHT_ORDER,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="O-1",
            venue=venue,
            cache="SUBMITTED",
            detail=detail,
        ),
    )
    assert report.blocked_instruments == (BTC,)


def test_order_in_flight_that_the_venue_holds_open_is_equal_if_the_cache_does_too() -> None:
    """
    An order whose cancel has no answer yet, still open on both sides, is no difference.
    """
    pending = cached_order(status="PENDING_CANCEL", is_open=True, is_inflight=True)
    observed = observation(reports=[venue_report(orders=[venue_order()])], orders=[pending])
    assert found(observed) == []


def test_order_sent_and_not_open_in_the_cache_is_told_if_the_venue_holds_it_open() -> None:
    """
    An order that the venue accepted and the cache only knows as sent is not reconciled.
    """
    sent = cached_order(status="SUBMITTED", is_open=False, is_inflight=True)
    observed = observation(reports=[venue_report(orders=[venue_order()])], orders=[sent])
    assert [(d.kind.value, d.venue, d.cache) for d in found(observed)] == [
        ("ORDER_MISMATCH", "ACCEPTED", "SUBMITTED")
    ]


def test_closed_cached_order_without_a_report_is_nothing() -> None:
    """
    An order that is over in the cache is not looked for at the venue.
    """
    closed = cached_order(status="FILLED", is_open=False)
    assert found(observation(reports=[venue_report()], orders=[closed])) == []


def test_each_order_is_compared_with_its_own_report() -> None:
    """
    Several orders of one instrument are told apart by their ids.
    """
    observed = observation(
        reports=[
            venue_report(
                orders=[
                    venue_order("O-1", "V-1"),
                    venue_order("O-2", "V-2", status="CANCELED", is_open=False),
                    venue_order(None, "V-3"),
                    venue_order("O-4", "V-4", ETH),
                ]
            )
        ],
        orders=[
            cached_order("O-1", "V-1"),
            cached_order("O-2", "V-2"),
            cached_order("O-3", "V-3"),
            cached_order("O-5", "V-5", ETH),
        ],
    )
    assert [(d.instrument_id, d.kind.value, d.client_order_id) for d in found(observed)] == [
        (BTC, "ORDER_MISMATCH", "O-2"),
        (ETH, "ORDER_NOT_AT_VENUE", "O-5"),
        (ETH, "ORDER_NOT_IN_CACHE", "O-4"),
    ]


@pytest.mark.parametrize(
    "namesake",
    [
        cached_order("O-9", "V-1", account_id=OTHER_ACCOUNT),
        cached_order("O-9", "V-1", instrument_id=ETH, account_id=OTHER_ACCOUNT),
        cached_order("O-9", "V-1", instrument_id=ETH),
    ],
    ids=["other account", "other account and instrument", "other instrument"],
)
def test_venue_order_id_of_another_account_or_instrument_is_another_order(namesake: object) -> None:
    """
    Venues number their orders by themselves, some per symbol, so one number may mean two orders.
    """
    observed = observation(
        reports=[venue_report(orders=[venue_order(None, "V-1")])],
        orders=[namesake],  # type: ignore[list-item]
    )
    assert "ORDER_NOT_IN_CACHE" in kinds(observed)
    assert BTC in judge(observed, PLAIN).blocked_instruments


def test_order_that_the_venue_replaced_is_open_in_either_order_of_its_reports() -> None:
    """
    A cancel-replace leaves a closed and an open report under one client order id: it is open.
    """
    parts = [venue_order("O-1", "V-1", status="CANCELED", is_open=False), venue_order("O-1", "V-2")]
    for orders in (parts, parts[::-1]):
        observed = observation(
            reports=[venue_report(orders=orders)], orders=[cached_order("O-1", "V-2")]
        )
        assert found(observed) == []


def test_an_order_that_is_over_in_the_cache_only_is_cancelled_at_the_venue() -> None:
    """
    Forgotten it would come back as an order of nobody.
    """
    (one,) = found(
        observation(
            reports=[venue_report(orders=[venue_order()])],
            orders=[cached_order(status="REJECTED", is_open=False)],
        )
    )
    assert one.detail == f"The order is over in the cache only: cancel it at the venue, and {ENDS}"

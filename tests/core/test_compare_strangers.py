import pytest

from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


@pytest.mark.parametrize("pending", ["PENDING_CANCEL", "PENDING_UPDATE"])
@pytest.mark.parametrize("status", ["CANCELED", "FILLED", "REJECTED", "SUBMITTED"])
def test_order_that_rests_at_the_venue_and_is_over_in_the_cache_is_told(
    pending: str, status: str
) -> None:
    """
    What was asked for explains no order that is not open in the cache.
    """
    observed = observation(
        reports=[venue_report(orders=[venue_order(status=pending)])],
        orders=[cached_order(status=status, is_open=False)],
    )
    assert kinds(observed) == ["ORDER_MISMATCH"]


def test_order_of_another_instrument_under_a_known_client_order_id_is_unknown() -> None:
    """
    Two nodes number their orders alike: what rests on another instrument is another order.
    """
    stranger = venue_order("O-1", "V-7", ETH)
    both = observation(
        reports=[venue_report(orders=[stranger, venue_order("O-1", "V-1")])],
        orders=[cached_order("O-1", "V-1")],
    )
    alone = observation(
        reports=[venue_report(orders=[stranger])], orders=[cached_order("O-1", "V-1")]
    )
    assert judge(both, PLAIN).blocked_instruments == (ETH,)
    assert judge(alone, PLAIN).blocked_instruments == (BTC, ETH)


def test_order_of_another_account_under_a_known_client_order_id_is_unknown() -> None:
    """
    Each account's orders are its own.
    """
    observed = observation(
        reports=[venue_report(orders=[venue_order("O-1", "V-7")], account_id=OTHER_ACCOUNT)],
        orders=[cached_order("O-1", "V-1")],
    )
    assert kinds(observed) == ["ORDER_NOT_IN_CACHE"]


def test_dust_does_not_hide_an_alignment_that_a_fill_crossed() -> None:
    """
    The engine aligned the position to a report begun before a fill of 2, and 0.0005 differs too.
    """
    observed = observation(
        reports=[venue_report([venue_position("1.0005")], seen_events=1, seen_live_fills=1)],
        after=[cached_position("1")],
        fills=[fill("-2", trade_id="S-1f-2e")],
        live_fills=[fill("2", ts_init=TS_REPORT + 1)],
    )
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)

"""
Orders that both sides know, field by field.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_report


FIELDS: dict[str, Any] = {
    "side": "BUY",
    "qty": Decimal(10),
    "filled_qty": Decimal(4),
    "px": Decimal("100.5"),
    "trigger_px": Decimal(99),
}
OTHERS: dict[str, Any] = {
    "side": "SELL",
    "qty": Decimal(11),
    "filled_qty": Decimal(5),
    "px": Decimal("100.6"),
    "trigger_px": Decimal("99.1"),
}
DETAIL = (
    "The order at the venue is not what the cache holds: cancel it at the venue, and the block "
    "then ends by itself, or at once with `nautilus-recovery verify`; then place it again"
)


def at_venue(status: str = "ACCEPTED", is_open: bool = True, **fields: Any) -> VenueOrder:
    order = venue_order(status=status, is_open=is_open)
    return msgspec.structs.replace(order, **(FIELDS | fields))


def in_cache(
    status: str = "ACCEPTED", is_open: bool = True, is_inflight: bool = False, **fields: Any
) -> CachedOrder:
    order = cached_order(status=status, is_open=is_open, is_inflight=is_inflight)
    return msgspec.structs.replace(order, **(FIELDS | fields))


def both(venue: VenueOrder, cache: CachedOrder) -> Observation:
    return observation(reports=[venue_report(orders=[venue])], orders=[cache])


def test_order_with_equal_fields_is_equal() -> None:
    """
    An order that is what the cache takes it for is no difference.
    """
    assert found(both(at_venue(), in_cache())) == []


@pytest.mark.parametrize("name", FIELDS)
def test_order_with_another_value_in_one_field_is_told(name: str) -> None:
    """
    Side, quantity, filled quantity, price and trigger price each block by themselves.
    """
    report = judge(both(at_venue(**{name: OTHERS[name]}), in_cache()), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.ORDER_MISMATCH,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            client_order_id="O-1",
            venue=f"{name} {OTHERS[name]}",
            cache=f"{name} {FIELDS[name]}",
            detail=DETAIL,
        ),
    )
    assert report.blocked_instruments == (BTC,)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("is_venue_silent", [True, False])
def test_field_that_one_side_does_not_tell_is_not_compared(
    name: str, is_venue_silent: bool
) -> None:
    """
    A venue that leaves a field out, or an order that has none, differs in nothing.
    """
    nothing: dict[str, Any] = {name: None}
    venue = at_venue(**nothing) if is_venue_silent else at_venue()
    cache = in_cache() if is_venue_silent else in_cache(**nothing)
    assert found(both(venue, cache)) == []


def test_filled_quantity_of_zero_is_a_value() -> None:
    """
    Nothing filled is not nothing told.
    """
    for venue, cache in (("0", "4"), ("4", "0")):
        observed = both(at_venue(filled_qty=Decimal(venue)), in_cache(filled_qty=Decimal(cache)))
        (one,) = found(observed)
        assert (one.venue, one.cache) == (f"filled_qty {venue}", f"filled_qty {cache}")


def test_precision_of_a_price_is_no_difference() -> None:
    """
    One price in two precisions is one price.
    """
    assert found(both(at_venue(px=Decimal("100.500")), in_cache(px=Decimal("100.5")))) == []


def test_all_that_differs_in_an_order_is_told_in_one_line() -> None:
    """
    Status first, then the fields, each with the same words on both sides.
    """
    observed = both(at_venue("ACCEPTED", **OTHERS), in_cache("CANCELED", is_open=False))
    (one,) = found(observed)
    assert one.venue == "ACCEPTED, side SELL, qty 11, filled_qty 5, px 100.6, trigger_px 99.1"
    assert one.cache == "CANCELED, side BUY, qty 10, filled_qty 4, px 100.5, trigger_px 99"


@pytest.mark.parametrize(
    ("venue", "cache"),
    [
        ("ACCEPTED", "PARTIALLY_FILLED"),
        ("PARTIALLY_FILLED", "ACCEPTED"),
        ("ACCEPTED", "TRIGGERED"),
        ("PARTIALLY_FILLED", "TRIGGERED"),
        ("ACCEPTED", "PENDING_UPDATE"),
        ("ACCEPTED", "PENDING_CANCEL"),
        ("PARTIALLY_FILLED", "PENDING_CANCEL"),
        ("PENDING_UPDATE", "ACCEPTED"),
        ("PENDING_CANCEL", "ACCEPTED"),
        ("PENDING_CANCEL", "PENDING_UPDATE"),
        ("TRIGGERED", "ACCEPTED"),
        ("TRIGGERED", "PARTIALLY_FILLED"),
        ("SUBMITTED", "ACCEPTED"),
    ],
)
def test_statuses_that_say_the_same_are_equal(venue: str, cache: str) -> None:
    """
    What was filled is compared by itself, a trigger is not known everywhere, what was asked for
    shows at the venue later, and some venues call what rests there submitted.
    """
    is_inflight = cache.startswith("PENDING")
    assert found(both(at_venue(venue), in_cache(cache, is_inflight=is_inflight))) == []


@pytest.mark.parametrize(
    ("venue", "cache"), [("ACCEPTED", "SUBMITTED"), ("ACCEPTED", "INITIALIZED")]
)
def test_open_statuses_that_say_another_thing_are_told(venue: str, cache: str) -> None:
    """
    An order that was accepted, and the cache does not know it, differs.
    """
    (one,) = found(both(at_venue(venue), in_cache(cache, is_open=False)))
    assert (one.kind.value, one.venue, one.cache) == ("ORDER_MISMATCH", venue, cache)


@pytest.mark.parametrize("status", ["CANCELED", "FILLED", "EXPIRED", "REJECTED"])
def test_open_at_the_venue_and_closed_in_the_cache_is_told(status: str) -> None:
    """
    An order that rests at the venue and is over in the cache can fill unforeseen.
    """
    (one,) = found(both(at_venue(), in_cache(status, is_open=False)))
    assert (one.kind.value, one.venue, one.cache) == ("ORDER_MISMATCH", "ACCEPTED", status)


@pytest.mark.parametrize("status", ["CANCELED", "FILLED", "EXPIRED", "REJECTED"])
def test_closed_at_the_venue_and_open_in_the_cache_is_told(status: str) -> None:
    """
    An order that is over at the venue and rests in the cache protects nothing.
    """
    (one,) = found(both(at_venue(status, is_open=False), in_cache()))
    assert (one.kind.value, one.venue, one.cache) == ("ORDER_MISMATCH", status, "ACCEPTED")


@pytest.mark.parametrize("cache", ["PENDING_UPDATE", "PENDING_CANCEL"])
def test_order_that_ended_while_it_was_to_change_is_in_flight(cache: str) -> None:
    """
    A change that was asked for, of an order that is over at the venue, has no known answer.
    """
    observed = both(at_venue("FILLED", is_open=False), in_cache(cache, is_inflight=True))
    assert [(d.kind.value, d.venue, d.cache) for d in found(observed)] == [
        ("INFLIGHT_ORDER", "FILLED", cache)
    ]
    assert kinds(both(at_venue("FILLED", is_open=False), in_cache(cache))) == ["ORDER_MISMATCH"]


def test_closed_on_both_sides_is_not_compared() -> None:
    """
    How an order ended that is over here and there is told by the position.
    """
    venue = at_venue("FILLED", is_open=False, **OTHERS)
    assert found(both(venue, in_cache("CANCELED", is_open=False))) == []


@pytest.mark.parametrize("name", ["ts_init", "ts_last"])
@pytest.mark.parametrize(
    ("venue", "cache"),
    [
        (at_venue(**OTHERS), in_cache()),
        (at_venue("FILLED", is_open=False), in_cache()),
        (at_venue("FILLED", is_open=False), in_cache("SUBMITTED", is_inflight=True)),
        (at_venue(), in_cache("CANCELED", is_open=False)),
    ],
    ids=["fields", "closed there", "in flight", "closed here"],
)
def test_order_that_changed_after_the_report_is_not_compared(
    name: str, venue: VenueOrder, cache: CachedOrder
) -> None:
    """
    What came after the report cannot be in it; what came with it is.
    """
    for ts, expected in ((TS_REPORT, 1), (TS_REPORT + 1, 0)):
        observed = both(venue, msgspec.structs.replace(cache, **{name: ts}))
        assert len(found(observed)) == expected


def test_order_that_is_too_new_hides_none_of_the_others() -> None:
    """
    Each order is compared by its own times.
    """
    new = cached_order("O-1", "V-1", ts_last=TS_REPORT + 1)
    observed = observation(reports=[venue_report()], orders=[new, cached_order("O-2", "V-2")])
    assert [d.client_order_id for d in found(observed)] == ["O-2"]


@pytest.mark.parametrize(("known", "unknown"), [("V-1", "V-2"), ("V-2", "V-1")])
def test_second_order_under_one_client_order_id_is_unknown(known: str, unknown: str) -> None:
    """
    Of two that rest at the venue under one id the cache knows one, and the other is told.
    """
    orders = [venue_order("O-1", "V-1"), venue_order("O-1", "V-2")]
    for reported in (orders, orders[::-1]):
        observed = observation(
            reports=[venue_report(orders=reported)], orders=[cached_order("O-1", known)]
        )
        (one,) = found(observed)
        assert (one.kind.value, one.client_order_id) == ("ORDER_NOT_IN_CACHE", "O-1")
        assert one.detail.startswith(f"The cache does not know order {unknown}: ")


def test_second_order_of_which_the_cache_knows_neither_number_is_told() -> None:
    """
    Two orders rest at the venue under one id and the cache holds one of another number.
    """
    orders = [venue_order("O-1", "V-1"), venue_order("O-1", "V-2")]
    observed = observation(
        reports=[venue_report(orders=orders)], orders=[cached_order("O-1", "V-9")]
    )
    assert kinds(observed) == ["ORDER_NOT_IN_CACHE"]


def test_order_that_replaced_a_closed_one_is_the_one_compared() -> None:
    """
    The open order counts, whichever of the two has the number that the cache knows.
    """
    orders = [
        msgspec.structs.replace(
            at_venue("CANCELED", is_open=False, **OTHERS), venue_order_id="V-8"
        ),
        msgspec.structs.replace(at_venue(), venue_order_id="V-2"),
    ]
    for reported in (orders, orders[::-1]):
        observed = observation(reports=[venue_report(orders=reported)], orders=[in_cache()])
        assert found(observed) == []


def test_known_order_on_an_instrument_that_is_not_loaded_is_told_as_that() -> None:
    """
    An order that rests on an instrument without a definition is named as that and nothing else.
    """
    observed = observation(
        reports=[venue_report(orders=[at_venue(**OTHERS)])], orders=[in_cache()], instruments=[]
    )
    assert kinds(observed) == ["INSTRUMENT_NOT_LOADED"]
    closed = observation(
        reports=[venue_report(orders=[at_venue("CANCELED", is_open=False)])],
        orders=[in_cache()],
        instruments=[],
    )
    assert kinds(closed) == ["ORDER_MISMATCH"]


def test_order_that_neither_side_has_accepted_is_in_flight() -> None:
    """
    A venue that calls it submitted has not said more than the cache knows.
    """
    known = in_cache("SUBMITTED", is_open=False, is_inflight=True)
    (one,) = found(both(at_venue("SUBMITTED"), known))
    assert one.kind.value == "INFLIGHT_ORDER"


@pytest.mark.parametrize("name", ["side", "qty", "px", "trigger_px"])
def test_fill_after_the_report_excuses_nothing_that_a_fill_does_not_change(name: str) -> None:
    """
    What was agreed on stays as it was, however much of it is filled.
    """
    known = in_cache("FILLED", is_open=False, filled_qty=Decimal(10), ts_filled=TS_REPORT + 1)
    assert found(both(at_venue(), known)) == []
    (one,) = found(both(at_venue(**{name: OTHERS[name]}), known))
    assert one.venue == f"{name} {OTHERS[name]}"


def test_order_that_was_filled_after_the_report_may_be_missing_in_it() -> None:
    """
    The venue would not have filled what it does not have.
    """
    known = msgspec.structs.replace(cached_order(), ts_filled=TS_REPORT + 1)
    assert found(observation(reports=[venue_report()], orders=[known])) == []
    known = msgspec.structs.replace(cached_order(), ts_filled=TS_REPORT)
    assert len(found(observation(reports=[venue_report()], orders=[known]))) == 1

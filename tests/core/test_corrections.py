"""
What is corrected in a venue's report, and what looks like it and is left as it is (long: seven
corrections).
"""

from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor.core.corrections import ALL
from nautilus_recovery_actor.core.corrections import Corrected
from nautilus_recovery_actor.core.corrections import correct
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.report import CorrectionMade
from tests.core.corrected import ACCOUNT
from tests.core.corrected import BTC
from tests.core.corrected import ETH
from tests.core.corrected import ETH_USDC
from tests.core.corrected import OTHER_ACCOUNT
from tests.core.corrected import Cache
from tests.core.corrected import CachedOrder
from tests.core.corrected import FillReport
from tests.core.corrected import Id
from tests.core.corrected import OrderReport
from tests.core.corrected import PositionReport
from tests.core.corrected import rebuilt


# Long enough that a part of it is one order's
LONG_ID = Id("O-20260102-030405-001-000-1")
CUT_ID = Id(LONG_ID.value[:18])
ONE, TWO = Decimal(1), Decimal(2)


def corrected(
    *reports: OrderReport | FillReport | PositionReport, known: Cache | None = None, **how: Any
) -> Corrected:
    """
    Return what the engine is given of these reports.
    """
    return correct(
        [report for report in reports if isinstance(report, OrderReport)],
        [report for report in reports if isinstance(report, FillReport)],
        [report for report in reports if isinstance(report, PositionReport)],
        known or Cache(),
        rebuilt,
        **how,
    )


def names(done: Corrected) -> list[Correction]:
    """
    Return the corrections that were made.
    """
    return [made.name for made in done.made]


def reports_of(done: Corrected) -> list[Any]:
    """
    Return all that the engine is given.
    """
    return [*done.orders, *done.fills, *done.positions]


def is_untouched(done: Corrected, *reports: Any) -> bool:
    """
    Return whether the engine is given these very reports, and nothing is said of them.
    """
    given = reports_of(done)
    return list(map(id, given)) == list(map(id, reports)) and not (done.made or done.renamed)


# -- DUPLICATE_FILL --------------------------------------------------------------------------------


def test_a_trade_that_is_reported_twice_is_given_once() -> None:
    """
    The first counts, and what was left out is named.
    """
    first, other = FillReport(), FillReport(trade_id=Id("T-2"))
    done = corrected(first, FillReport(), other, FillReport())
    assert [id(fill) for fill in done.fills] == [id(first), id(other)]
    (made,) = done.made
    assert made == CorrectionMade(Correction.DUPLICATE_FILL, ACCOUNT.value, ETH.value, 2, "T-1")


@pytest.mark.parametrize(
    "other",
    [
        FillReport(venue_order_id=Id("V-2")),  # The other side of a trade with oneself
        FillReport(instrument_id=BTC),  # Trades are numbered by instrument at some venues
        FillReport(last_qty=TWO),
        FillReport(last_px=Decimal(2001)),
        FillReport(trade_id=Id("T-2")),
    ],
)
def test_a_trade_that_differs_in_anything_is_another(other: FillReport) -> None:
    """
    Two orders of one's own that trade with each other have one trade ID.
    """
    first = FillReport()
    assert is_untouched(corrected(first, other), first, other)


def test_of_trades_that_differ_under_one_id_each_is_given_once_in_any_order() -> None:
    """
    Which of them comes first changes nothing.
    """
    changed = FillReport(last_qty=TWO)
    for fills in ([FillReport(), changed, changed], [changed, FillReport(), changed]):
        done = corrected(*fills)
        assert sorted(fill.last_qty for fill in done.fills) == [1, 2]


# -- CLIENT_ORDER_ID_CUT ---------------------------------------------------------------------------


@pytest.mark.parametrize("told", [CUT_ID, Id("1234567890"), Id("7")])
def test_an_order_that_the_venue_calls_otherwise_is_found_by_its_venue_order_id(told: Id) -> None:
    """
    A part or a number: it gets its whole client order ID, and the report that was made is kept.
    """
    report = OrderReport(client_order_id=told, order_status="CANCELED")
    done = corrected(report, known=Cache(CachedOrder(client_order_id=LONG_ID)))
    (given,) = done.orders
    assert given == OrderReport(client_order_id=LONG_ID, order_status="CANCELED")
    assert report.client_order_id == told
    assert done.made == [
        CorrectionMade(Correction.CLIENT_ORDER_ID_CUT, ACCOUNT.value, ETH.value, 1, LONG_ID.value)
    ]


@pytest.mark.parametrize(
    "told", [LONG_ID.value[:12], LONG_ID.value[:18], f"O{LONG_ID.value[-17:]}"]
)
def test_a_cut_id_of_the_one_order_that_the_venue_has_not_answered_is_completed(told: str) -> None:
    """
    The node was killed before the answer, so the venue order ID is not known. Some cut the end, and
    the adapter of Kraken futures the beginning.
    """
    report = OrderReport(client_order_id=Id(told))
    done = corrected(report, known=Cache(in_flight()))
    assert [report.client_order_id for report in done.orders] == [LONG_ID]
    assert names(done) == [Correction.CLIENT_ORDER_ID_CUT]


def in_flight(**fields: Any) -> CachedOrder:
    """
    Return an order that the venue has not answered.
    """
    wanted = {"client_order_id": LONG_ID, "venue_order_id": None, "status": "SUBMITTED", **fields}
    return CachedOrder(**wanted)


@pytest.mark.parametrize(
    ("report", "orders"),
    [
        (OrderReport(client_order_id=CUT_ID), [in_flight(instrument_id=BTC)]),
        (OrderReport(client_order_id=CUT_ID), [in_flight(side="BUY")]),
        (OrderReport(client_order_id=CUT_ID), [in_flight(quantity=ONE)]),
        (OrderReport(client_order_id=CUT_ID), [in_flight(venue_order_id=Id("V-9"))]),
        (OrderReport(client_order_id=Id(LONG_ID.value[:11])), [in_flight()]),
        (OrderReport(client_order_id=Id(LONG_ID.value[2:])), [in_flight()]),
        (OrderReport(client_order_id=None), [in_flight()]),
        # It begins two orders
        (
            OrderReport(client_order_id=CUT_ID),
            [in_flight(), in_flight(client_order_id=Id(f"{LONG_ID.value}0"))],
        ),
        # The venue order id is of another order
        (OrderReport(client_order_id=CUT_ID), [in_flight(), CachedOrder(side="BUY")]),
        # There is an order of just that id
        (OrderReport(client_order_id=CUT_ID), [in_flight(), CachedOrder(client_order_id=CUT_ID)]),
    ],
)
def test_an_id_that_may_be_another_order_s_is_left(
    report: OrderReport, orders: list[CachedOrder]
) -> None:
    """
    It is not guessed.
    """
    on = {Correction.CLIENT_ORDER_ID_CUT}
    assert is_untouched(corrected(report, known=Cache(*orders), on=on), report)


@pytest.mark.parametrize("other", [CUT_ID, LONG_ID])
def test_where_two_reports_may_mean_one_order_neither_gets_its_id(other: Id) -> None:
    """
    One that has the whole ID means it for certain.
    """
    reports = [
        OrderReport(client_order_id=CUT_ID),
        OrderReport(client_order_id=other, venue_order_id=Id("V-2")),
    ]
    for order in (reports, reports[::-1]):
        assert is_untouched(corrected(*order, known=Cache(in_flight())), *order)


# -- VENUE_ORDER_ID_CHANGED ------------------------------------------------------------------------


def test_a_triggered_stop_under_a_new_id_is_the_order_that_rested() -> None:
    """
    The order is to get the new ID, and its report and fills are given.
    """
    stop = CachedOrder()
    report = OrderReport(
        venue_order_id=Id("V-2"), order_status="FILLED", filled_qty=TWO, trigger_price=None
    )
    fill = FillReport(venue_order_id=Id("V-2"), last_qty=TWO)
    done = corrected(report, fill, known=Cache(stop))
    assert done.renamed == [(stop, report)]
    assert reports_of(done) == [report, fill]
    assert done.made == [
        CorrectionMade(Correction.VENUE_ORDER_ID_CHANGED, ACCOUNT.value, ETH.value, 1, "O-1")
    ]


@pytest.mark.parametrize("ended", ["CANCELED", "EXPIRED", "FILLED", "REJECTED"])
@pytest.mark.parametrize("is_old_first", [True, False])
def test_what_the_venue_says_of_the_old_id_is_left_out(ended: str, is_old_first: bool) -> None:
    """
    The stop ended as it was and goes on under another ID: the engine would take it for ended.
    """
    stop = CachedOrder()
    old = OrderReport(order_status=ended)
    new = OrderReport(venue_order_id=Id("V-2"))
    reports = [old, new] if is_old_first else [new, old]
    done = corrected(*reports, known=Cache(stop))
    assert done.renamed == [(stop, new)]
    assert done.orders == [new]
    assert [(made.name, made.count) for made in done.made] == [
        (Correction.VENUE_ORDER_ID_CHANGED, 2)
    ]


def test_an_order_that_was_renamed_before_loses_only_the_reports_of_its_old_ids() -> None:
    """
    Each start finds them again.
    """
    order = CachedOrder(venue_order_id=Id("V-2"), venue_order_ids=[Id("V-1")])
    old, now = OrderReport(order_status="CANCELED"), OrderReport(venue_order_id=Id("V-2"))
    on = {Correction.VENUE_ORDER_ID_CHANGED}
    for reports in ([old, now], [now, old]):
        done = corrected(*reports, known=Cache(order), on=on)
        assert (done.orders, done.renamed) == ([now], [])
        assert names(done) == [Correction.VENUE_ORDER_ID_CHANGED]


def test_an_order_that_is_renamed_once_more_loses_the_reports_of_all_its_old_ids() -> None:
    """
    The id before the one that the cache has is none of two that may be meant.
    """
    order = CachedOrder(venue_order_id=Id("V-2"), venue_order_ids=[Id("V-1")])
    old, new = OrderReport(order_status="CANCELED"), OrderReport(venue_order_id=Id("V-3"))
    done = corrected(old, new, known=Cache(order))
    assert (done.orders, done.renamed) == ([new], [(order, new)])


STILL = OrderReport()
NEW = OrderReport(venue_order_id=Id("V-2"))


@pytest.mark.parametrize(
    ("reports", "order"),
    [
        ([STILL], CachedOrder()),
        ([NEW], CachedOrder(status="CANCELED")),
        ([NEW], CachedOrder(side="BUY")),
        ([NEW], CachedOrder(instrument_id=BTC)),
        ([NEW], CachedOrder(client_order_id=Id("O-2"))),
        ([NEW], in_flight(client_order_id=Id("O-1"))),  # It has no id yet: its first is no change
        # Both may be meant
        ([NEW, OrderReport(venue_order_id=Id("V-3"))], CachedOrder()),
        # The old one still rests, or triggered and rests
        ([STILL, NEW], CachedOrder()),
        ([OrderReport(order_status="TRIGGERED"), NEW], CachedOrder()),
        ([OrderReport(order_status="PENDING_CANCEL"), NEW], CachedOrder()),
        # It ended otherwise than the cache holds it: filled in part, and then replaced
        ([OrderReport(order_status="CANCELED", filled_qty=ONE), NEW], CachedOrder()),
        # The only report of it, and of an id before the one it has
        (
            [OrderReport(order_status="CANCELED")],
            CachedOrder(venue_order_id=Id("V-2"), venue_order_ids=[Id("V-1")]),
        ),
    ],
)
def test_where_the_new_id_is_not_certain_nothing_is_changed(
    reports: list[OrderReport], order: CachedOrder
) -> None:
    """
    Neither is an order renamed nor a report left out.
    """
    on = {Correction.VENUE_ORDER_ID_CHANGED}
    assert is_untouched(corrected(*reports, known=Cache(order), on=on), *reports)


# -- PRICE_IS_AVERAGE ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["price", "trigger_price"])
@pytest.mark.parametrize("told", [Id("O-1"), None])
def test_zero_is_no_price_of_an_order_that_has_one(name: str, told: Id | None) -> None:
    """
    The one that the cache has stays; found by its venue order ID where the venue names no other.
    """
    order = CachedOrder(**{name: Decimal(1500)})  # type: ignore[arg-type]
    report = OrderReport(client_order_id=told, **{name: Decimal(0)})  # type: ignore[arg-type]
    on = {Correction.PRICE_IS_AVERAGE}
    done = corrected(report, known=Cache(order), on=on)
    assert getattr(done.orders[0], name) == 1500
    assert getattr(report, name) == 0
    assert done.made == [
        CorrectionMade(
            Correction.PRICE_IS_AVERAGE, ACCOUNT.value, ETH.value, 1, "O-1" if told else "V-1"
        )
    ]


def test_an_average_is_the_price_only_where_the_adapter_is_known_to_say_so() -> None:
    """
    Elsewhere a venue has filled at the order's price, or the price was changed.
    """
    order = CachedOrder(price=Decimal(1510))
    report = OrderReport(price=Decimal(1505), avg_px=Decimal(1505))
    on = {Correction.PRICE_IS_AVERAGE}
    done = corrected(report, known=Cache(order), on=on, is_price_average=True)
    assert [each.price for each in done.orders] == [1510]
    assert names(done) == [Correction.PRICE_IS_AVERAGE]
    assert is_untouched(corrected(report, known=Cache(order), on=on), report)


@pytest.mark.parametrize(
    ("report", "order"),
    [
        (OrderReport(price=Decimal(0)), CachedOrder()),  # A market order has no other
        (OrderReport(price=Decimal(0)), CachedOrder(price=Decimal(0))),
        (
            OrderReport(client_order_id=None, price=Decimal(0)),
            CachedOrder(instrument_id=BTC, price=Decimal(1510)),
        ),
        (OrderReport(price=Decimal(0)), CachedOrder(client_order_id=Id("X"), venue_order_id=None)),
        (OrderReport(price=Decimal(1490), avg_px=Decimal(1505)), CachedOrder(price=Decimal(1510))),
        (OrderReport(price=Decimal(1510), avg_px=Decimal(1510)), CachedOrder(price=Decimal(1510))),
        (OrderReport(price=None, avg_px=None), CachedOrder(price=Decimal(1510))),
    ],
)
def test_a_price_that_may_be_one_is_left(report: OrderReport, order: CachedOrder) -> None:
    """
    The order was changed, has no other price, or is not known.
    """
    on = {Correction.PRICE_IS_AVERAGE}
    done = corrected(report, known=Cache(order), on=on, is_price_average=True)
    assert is_untouched(done, report)


# -- CASH_POSITION_FLAT ----------------------------------------------------------------------------

SPOT = {ETH: "ETH", ETH_USDC: "ETH", BTC: "BTC"}


def test_flat_is_not_true_of_what_a_cash_account_has_bought() -> None:
    """
    It would close what is in the balances.
    """
    known = Cache(held={ETH: TWO}, bases=SPOT)
    done = corrected(PositionReport(Decimal(0)), known=known)
    assert done.positions == []
    assert done.made == [
        CorrectionMade(Correction.CASH_POSITION_FLAT, ACCOUNT.value, ETH.value, 1, "0")
    ]


def test_a_balance_that_is_told_for_each_pair_of_its_currency_is_held_once() -> None:
    """
    The pair on which it was bought keeps it, and the other gets none.
    """
    known = Cache(held={ETH: TWO}, bases=SPOT)
    bought, other = PositionReport(TWO), PositionReport(TWO, ETH_USDC)
    for reports in ([bought, other], [other, bought]):
        done = corrected(*reports, known=known)
        assert done.positions == [bought]
        assert [(made.instrument_id, made.detail) for made in done.made] == [(ETH_USDC.value, "2")]


def test_a_balance_that_is_the_sum_of_two_pairs_changes_neither() -> None:
    """
    1 by one pair and 2 by the other are 3 in the wallet.
    """
    known = Cache(held={ETH: ONE, ETH_USDC: TWO}, bases=SPOT)
    done = corrected(PositionReport(Decimal(3)), known=known)
    assert done.positions == []


def test_a_balance_told_twice_is_no_position_even_if_it_is_not_what_is_held() -> None:
    """
    Which of the pairs has changed is not known.
    """
    known = Cache(held={ETH: ONE}, bases=SPOT)
    reports = [PositionReport(TWO), PositionReport(TWO, ETH_USDC)]
    assert corrected(*reports, known=known).positions == []


@pytest.mark.parametrize(
    ("reports", "known"),
    [
        # On a margin account flat is flat
        ([PositionReport(Decimal(0))], Cache(held={ETH: TWO})),
        ([PositionReport(Decimal(0))], Cache(held={ETH: TWO}, bases={BTC: "BTC"})),
        # A cash account that holds none is flat
        ([PositionReport(Decimal(0))], Cache(bases=SPOT)),
        ([PositionReport(TWO)], Cache(held={ETH: TWO}, bases=SPOT)),
        # It has bought or sold meanwhile
        ([PositionReport(TWO)], Cache(held={ETH: ONE}, bases=SPOT)),
        ([PositionReport(TWO)], Cache(bases=SPOT)),
        ([PositionReport(TWO), PositionReport(Decimal(0), ETH_USDC)], Cache(bases=SPOT)),
        # Each of its own currency
        ([PositionReport(TWO), PositionReport(ONE, BTC)], Cache(held={ETH: ONE}, bases=SPOT)),
    ],
)
def test_a_position_that_may_be_true_is_left(reports: list[PositionReport], known: Cache) -> None:
    """
    Also of a cash account, if only one pair of the currency tells it.
    """
    assert is_untouched(corrected(*reports, known=known), *reports)


# -- ALREADY_APPLIED -------------------------------------------------------------------------------


def filled(**fields: Any) -> CachedOrder:
    """
    Return an order of 2 that two trades have filled.
    """
    wanted: dict[str, Any] = {
        "status": "FILLED",
        "filled_qty": TWO,
        "trade_ids": [Id("T-1"), Id("T-2")],
        **fields,
    }
    return CachedOrder(**wanted)


FILLED = OrderReport(order_status="FILLED", filled_qty=TWO)
FIRST, SECOND = FillReport(), FillReport(trade_id=Id("T-2"))


def test_an_order_that_was_purged_is_known_by_the_positions_it_made() -> None:
    """
    The venue's history still has it: given to the engine, it would be booked once more. One whose
    trades are not all known is, and so is one that rests there.
    """
    everything = Cache(past=(Id("T-1"), Id("T-2")))
    done = corrected(FILLED, FIRST, SECOND, known=everything)
    assert (done.orders, done.fills) == ([], [])
    assert names(done) == [Correction.ALREADY_APPLIED]
    resting = OrderReport(order_status="PARTIALLY_FILLED", filled_qty=TWO)
    for report, known in (
        (FILLED, Cache(past=(Id("T-1"),))),
        (FILLED, Cache()),
        (resting, everything),
    ):
        done = corrected(report, FIRST, SECOND, known=known)
        assert (done.orders, done.fills) == ([report], [FIRST, SECOND])
        assert done.made == []
    without = corrected(FILLED, known=everything)
    assert without.orders == [FILLED]


def test_what_the_cache_has_exactly_so_is_not_given_again() -> None:
    """
    Orders that rest and orders that ended, with their trades, counted by account.
    """
    resting = CachedOrder(client_order_id=Id("O-2"), venue_order_id=Id("V-2"))
    theirs = CachedOrder(client_order_id=Id("O-3"), venue_order_id=Id("V-3"))
    done = corrected(
        FILLED,
        OrderReport(client_order_id=Id("O-2"), venue_order_id=Id("V-2")),
        OrderReport(account_id=OTHER_ACCOUNT, client_order_id=Id("O-3"), venue_order_id=Id("V-3")),
        FIRST,
        SECOND,
        known=Cache(filled(), resting, theirs),
    )
    assert reports_of(done) == []
    assert done.made == [
        CorrectionMade(Correction.ALREADY_APPLIED, account.value, "", count, f"{count} {what}")
        for account, count, what in [
            (ACCOUNT, 4, "orders and trades"),
            (OTHER_ACCOUNT, 1, "orders and trades"),
        ]
    ]


def test_an_order_without_a_client_order_id_is_known_by_its_venue_order_id() -> None:
    """
    Some venues return none.
    """
    report = OrderReport(client_order_id=None)
    assert corrected(report, known=Cache(CachedOrder())).orders == []


@pytest.mark.parametrize(
    ("report", "order"),
    [
        (OrderReport(order_status="CANCELED"), CachedOrder()),
        (OrderReport(order_status="TRIGGERED"), CachedOrder()),
        (OrderReport(filled_qty=ONE), CachedOrder()),
        (OrderReport(quantity=ONE), CachedOrder()),
        (OrderReport(trigger_price=Decimal(1490)), CachedOrder()),
        (OrderReport(price=Decimal(1490)), CachedOrder(price=Decimal(1500))),
        (OrderReport(price=Decimal(1490)), CachedOrder()),
        (OrderReport(order_side="BUY"), CachedOrder()),
        (OrderReport(venue_order_id=Id("V-2")), CachedOrder()),
        (
            OrderReport(venue_order_id=Id("V-2"), order_status="FILLED"),
            CachedOrder(status="FILLED"),
        ),
        (OrderReport(instrument_id=BTC), CachedOrder()),
        (OrderReport(client_order_id=None, venue_order_id=Id("V-2")), CachedOrder()),
        (OrderReport(), in_flight(client_order_id=Id("O-1"))),
    ],
)
def test_an_order_of_which_anything_has_changed_is_given(
    report: OrderReport, order: CachedOrder
) -> None:
    """
    The engine has to see it.
    """
    on = {Correction.ALREADY_APPLIED}
    assert is_untouched(corrected(report, known=Cache(order), on=on), report)


def test_the_prices_of_an_order_that_ended_do_not_count() -> None:
    """
    No event changes them any more.
    """
    order = CachedOrder(status="CANCELED", trigger_price=Decimal(1490))
    assert corrected(OrderReport(order_status="CANCELED"), known=Cache(order)).orders == []


@pytest.mark.parametrize("missing", [FIRST, SECOND])
def test_a_trade_that_the_cache_lacks_is_given_with_its_order(missing: FillReport) -> None:
    """
    The other one is not.
    """
    (has,) = {FIRST.trade_id, SECOND.trade_id} - {missing.trade_id}
    order = filled(status="PARTIALLY_FILLED", filled_qty=ONE, trade_ids=[has])
    done = corrected(FILLED, FIRST, SECOND, known=Cache(order))
    assert (done.orders, done.fills) == ([FILLED], [missing])
    assert [(made.count, made.detail) for made in done.made] == [(1, "1 orders and trades")]


def test_a_trade_is_given_whose_order_looks_the_same_without_it() -> None:
    """
    The cache counts as much filled, by other trades: the engine has to see that.
    """
    third = FillReport(trade_id=Id("T-3"))
    done = corrected(FILLED, FIRST, third, known=Cache(filled()))
    assert (done.orders, done.fills) == ([FILLED], [third])


def test_of_an_order_that_is_reported_twice_nothing_is_left_out() -> None:
    """
    Which of the reports is true is not known, and left alone the other would be believed.
    """
    report = OrderReport(client_order_id=Id("O-1"), order_status="FILLED", filled_qty=TWO)
    for reports in ([report, NEW], [NEW, report]):
        done = corrected(*reports, FIRST, known=Cache(filled()))
        assert is_untouched(done, *reports, FIRST)


def test_a_trade_whose_order_is_not_reported_is_left() -> None:
    """
    Nothing is known of its order as it is now.
    """
    assert is_untouched(corrected(FIRST, known=Cache(filled())), FIRST)


# -- ALL OF THEM -----------------------------------------------------------------------------------

WRONG: dict[Correction, tuple[list[Any], Cache]] = {
    Correction.DUPLICATE_FILL: ([FillReport(), FillReport()], Cache()),
    Correction.CLIENT_ORDER_ID_CUT: (
        [OrderReport(client_order_id=CUT_ID, order_status="CANCELED")],
        Cache(CachedOrder(client_order_id=LONG_ID)),
    ),
    Correction.VENUE_ORDER_ID_CHANGED: (
        [OrderReport(order_status="CANCELED"), OrderReport(venue_order_id=Id("V-2"))],
        Cache(CachedOrder()),
    ),
    Correction.PRICE_IS_AVERAGE: (
        [OrderReport(order_status="CANCELED", trigger_price=Decimal(0))],
        Cache(CachedOrder()),
    ),
    Correction.CASH_POSITION_FLAT: (
        [PositionReport(Decimal(0))],
        Cache(held={ETH: ONE}, bases=SPOT),
    ),
    Correction.ALREADY_APPLIED: ([OrderReport()], Cache(CachedOrder())),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_correction_is_made_alone_and_not_if_it_is_switched_off(name: Correction) -> None:
    """
    It needs none of the others.
    """
    reports, known = WRONG[name]
    assert names(corrected(*reports, known=known)) == [name]
    assert names(corrected(*reports, known=known, on={name})) == [name]
    assert is_untouched(corrected(*reports, known=known, on=ALL - {name}), *reports)
    assert is_untouched(corrected(*reports, known=known, on=()), *reports)


def test_all_but_the_question_that_a_host_asks_are_made_here() -> None:
    """
    An order that has to be asked for by itself is no matter of the report.
    """
    assert ALL - WRONG.keys() == {Correction.ORDER_ASKED}


def test_many_are_named_by_the_first_of_them() -> None:
    """
    What is said of a correction stays short.
    """
    fills = [FillReport(trade_id=Id(f"T-{number}")) for number in range(5)]
    (made,) = corrected(*fills, *fills).made
    assert (made.count, made.detail) == (5, "T-0, T-1, T-2 and 2 more")
    (made,) = corrected(*fills[:3], *fills[:3]).made
    assert made.detail == "T-0, T-1, T-2"


def test_what_was_given_is_changed_nowhere() -> None:
    """
    The reports as made are the evidence.
    """
    for reports, known in WRONG.values():
        before = [vars(report).copy() for report in reports]
        corrected(*reports, known=known)
        assert [vars(report) for report in reports] == before

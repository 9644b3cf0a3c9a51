"""
What holds for every report of a venue: a right one stays, and an evident fault changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.corrections import ALL
from nautilus_recovery_actor.core.corrections import Corrected
from nautilus_recovery_actor.core.corrections import correct
from nautilus_recovery_actor.core.enums import Correction
from tests.core.corrected import BTC
from tests.core.corrected import CLOSED
from tests.core.corrected import ETH
from tests.core.corrected import ETH_USDC
from tests.core.corrected import OPEN
from tests.core.corrected import Cache
from tests.core.corrected import CachedOrder
from tests.core.corrected import FillReport
from tests.core.corrected import Id
from tests.core.corrected import OrderReport
from tests.core.corrected import PositionReport
from tests.core.corrected import rebuilt


PRICES = st.sampled_from([Decimal(1490), Decimal(1500), Decimal(1510)])
STATUSES = st.sampled_from(["ACCEPTED", "FILLED", "CANCELED", "EXPIRED"])
ON = st.frozensets(st.sampled_from(Correction))


def name_of(number: int) -> Id:
    """
    Return a client order ID whose first 18 characters are another's in no case.
    """
    return Id(f"O-2026010{number}-030405-001-000-1")


@dataclass
class Case:
    """
    What a venue reports, and what the cache holds.
    """

    orders: list[OrderReport] = field(default_factory=list)
    fills: list[FillReport] = field(default_factory=list)
    positions: list[PositionReport] = field(default_factory=list)
    cached: list[CachedOrder] = field(default_factory=list)

    def corrected(self, on: frozenset[Correction] = ALL, **reports: Sequence[Any]) -> Corrected:
        """
        Return what the engine is given of these reports, or of others.
        """
        known = Cache(*self.cached, held={ETH: Decimal(2), BTC: Decimal(1)})
        return correct(
            reports.get("orders", self.orders),
            reports.get("fills", self.fills),
            reports.get("positions", self.positions),
            known,
            rebuilt,
            on,
        )

    def applied(self, done: Corrected) -> dict[Id, tuple[Any, ...]]:
        """
        Return the orders of the cache after an engine has applied what it is given.
        """
        orders = {order.client_order_id: replace(order) for order in self.cached}
        for order, report in done.renamed:
            orders[order.client_order_id].venue_order_id = report.venue_order_id
        for report in done.orders:
            if report.client_order_id is None:
                report.client_order_id = next(
                    (
                        order.client_order_id
                        for order in self.cached
                        if order.venue_order_id == report.venue_order_id
                    ),
                    Id(f"EXTERNAL-{report.venue_order_id.value}"),
                )
            order = orders.setdefault(
                report.client_order_id,
                CachedOrder(client_order_id=report.client_order_id, venue_order_id=None),
            )
            order.venue_order_id = order.venue_order_id or report.venue_order_id
            order.status, order.filled_qty = report.order_status, report.filled_qty
            order.quantity, order.price = report.quantity, report.price
            new = [f.trade_id for f in done.fills if f.venue_order_id == order.venue_order_id]
            order.trade_ids = [*order.trade_ids, *new]
        return {
            key: (
                order.venue_order_id,
                order.status,
                order.filled_qty,
                order.quantity,
                order.price,
                tuple(sorted(order.trade_ids)),
            )
            for key, order in orders.items()
        }


@st.composite
def right(draw: st.DrawFn) -> Case:
    """
    Return a history of which the venue reports all, and the cache has an earlier state or nothing.
    """
    case = Case(positions=draw(st.lists(positions(), max_size=3)))
    for number in range(draw(st.integers(0, 4))):
        trades = [Id(f"T-{number}{n}") for n in range(draw(st.integers(0, 3)))]
        client_order_id, venue_order_id = name_of(number), Id(f"V-{number}")
        px, status = draw(PRICES), draw(STATUSES)
        qty = Decimal(3) if status == "FILLED" else Decimal(5)
        status = "PARTIALLY_FILLED" if trades and status == "ACCEPTED" else status
        report = OrderReport(
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
            order_status=status,
            quantity=qty,
            filled_qty=Decimal(len(trades)),
            price=px,
            trigger_price=None,
        )
        case.orders.append(report)
        case.fills += [FillReport(venue_order_id=venue_order_id, trade_id=each) for each in trades]
        state = draw(st.sampled_from(["unknown", "equal", "earlier", "in flight"]))
        before = CachedOrder(
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
            status=status,
            quantity=qty,
            filled_qty=report.filled_qty,
            price=px,
            trigger_price=None,
            trade_ids=list(trades),
        )
        if state == "earlier":
            seen = draw(st.integers(0, len(trades)))
            before.status = "PARTIALLY_FILLED" if seen else "ACCEPTED"
            before.filled_qty, before.trade_ids = Decimal(seen), trades[:seen]
            before.price = draw(PRICES)
        if state == "in flight":
            before.status, before.venue_order_id = "SUBMITTED", None
            before.filled_qty, before.trade_ids = Decimal(0), []
        if state != "unknown":
            case.cached.append(before)
            if state != "in flight" and draw(st.booleans()):
                report.client_order_id = None
    return case


def positions() -> st.SearchStrategy[PositionReport]:
    """
    Return what a venue may say of positions.
    """
    quantities = st.sampled_from([Decimal(each) for each in (-1, 0, 1, 2)])
    return st.builds(PositionReport, quantities, st.sampled_from([ETH, BTC, ETH_USDC]))


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    """
    Return reports that are right or wrong in any way, with few values, so that many are equal.
    """
    numbers = st.integers(0, 2)
    ids = [*map(name_of, range(3)), *(Id(name_of(n).value[:18]) for n in range(3)), Id("7"), None]
    prices = st.sampled_from([None, Decimal(0), Decimal(1500), Decimal(1510)])
    statuses = st.sampled_from([*OPEN, *CLOSED])
    quantities = st.sampled_from([Decimal(0), Decimal(1), Decimal(2)])
    orders = st.builds(
        OrderReport,
        instrument_id=st.sampled_from([ETH, ETH, BTC]),
        client_order_id=st.sampled_from(ids),
        venue_order_id=st.builds("V-{}".format, st.integers(0, 5)).map(Id),
        order_side=st.sampled_from(["BUY", "SELL", "SELL"]),
        order_status=statuses,
        quantity=quantities,
        filled_qty=quantities,
        price=prices,
        trigger_price=prices,
        avg_px=prices,
    )
    fills = st.builds(
        FillReport,
        venue_order_id=st.builds("V-{}".format, st.integers(0, 5)).map(Id),
        trade_id=st.builds("T-{}".format, numbers).map(Id),
        last_qty=quantities,
    )
    cached = st.builds(
        CachedOrder,
        client_order_id=numbers.map(name_of),
        venue_order_id=st.sampled_from([None, Id("V-0"), Id("V-1"), Id("V-2")]),
        venue_order_ids=st.lists(st.builds("V-{}".format, st.integers(3, 5)).map(Id), max_size=1),
        side=st.sampled_from(["BUY", "SELL", "SELL"]),
        status=statuses,
        quantity=quantities,
        filled_qty=quantities,
        price=prices,
        trigger_price=prices,
        trade_ids=st.lists(st.builds("T-{}".format, numbers).map(Id), max_size=2),
    )
    return Case(
        # As in a mass status, where each venue order id is one report's
        orders=draw(st.lists(orders, max_size=5, unique_by=lambda each: each.venue_order_id)),
        fills=draw(st.lists(fills, max_size=6)),
        positions=draw(st.lists(positions(), max_size=3)),
        cached=draw(st.lists(cached, max_size=3, unique_by=lambda each: each.client_order_id)),
    )


def told(done: Corrected) -> tuple[Any, ...]:
    """
    Return what was given, whatever its order.
    """
    reports = (done.orders, done.fills, done.positions, done.renamed)
    return tuple(sorted(map(repr, each)) for each in reports)


@given(right(), ON)
def test_a_right_report_is_passed_on_less_what_the_cache_has(
    case: Case, on: frozenset[Correction]
) -> None:
    """
    No report is replaced, no order renamed, no position left out, and what is left out is known.
    """
    done = case.corrected(on)
    assert {made.name for made in done.made} <= {Correction.ALREADY_APPLIED} & on
    assert done.renamed == []
    assert list(map(id, done.positions)) == list(map(id, case.positions))
    given_on = {*map(id, done.orders), *map(id, done.fills)}
    # In the same order, for the engine applies one after the other
    assert [id(o) for o in case.orders if id(o) in given_on] == list(map(id, done.orders))
    assert [id(f) for f in case.fills if id(f) in given_on] == list(map(id, done.fills))
    cached = {order.venue_order_id: order for order in case.cached}
    for report in case.orders:
        if id(report) not in given_on:
            order = cached[report.venue_order_id]
            assert (order.status, order.filled_qty) == (report.order_status, report.filled_qty)
            assert (order.quantity, order.side) == (report.quantity, report.order_side)
            assert order.is_closed or order.price == report.price
    for fill in case.fills:
        if id(fill) not in given_on:
            assert fill.trade_id in cached[fill.venue_order_id].trade_ids


@given(right())
def test_the_engine_comes_to_the_same_cache_with_less(case: Case) -> None:
    """
    Nothing is left out that would have changed it.
    """
    natively = case.applied(case.corrected(frozenset()))
    for key, (*state, trade_ids) in case.applied(case.corrected()).items():
        *expected, repeated = natively[key]
        assert (state, set(trade_ids)) == (expected, set(repeated))
        assert len(trade_ids) == len(set(trade_ids))


@given(right(), st.data())
def test_evident_faults_change_nothing_of_what_the_engine_comes_to(
    case: Case, data: st.DataObject
) -> None:
    """
    Trades told twice, IDs cut, stops that go on under another ID, prices of zero.
    """
    expected = case.applied(case.corrected())
    cached = {order.venue_order_id: order for order in case.cached}
    orders: list[OrderReport] = []
    twice = st.lists(st.sampled_from(case.fills), max_size=3) if case.fills else st.just([])
    fills = [replace(fill) for fill in (*case.fills, *data.draw(twice))]
    new_ids: dict[Id, Id] = {}
    for report in case.orders:
        told_id, order = report.client_order_id, cached.get(report.venue_order_id)
        wrong = replace(report)
        orders.append(wrong)
        if order is None or told_id is None:
            continue
        if order.price == report.price and data.draw(st.booleans()):
            wrong.price = Decimal(0)
        if not order.is_closed and data.draw(st.booleans()):
            wrong.venue_order_id = Id(f"{report.venue_order_id.value}-NEW")
            new_ids[report.venue_order_id] = wrong.venue_order_id
            orders.append(
                replace(
                    report,
                    order_status=data.draw(st.sampled_from(["CANCELED", "EXPIRED"])),
                    filled_qty=order.filled_qty,
                )
            )
        elif data.draw(st.booleans()):
            wrong.client_order_id = Id(told_id.value[: data.draw(st.integers(1, 18))])
    for fill in fills:
        fill.venue_order_id = new_ids.get(fill.venue_order_id, fill.venue_order_id)
    done = case.corrected(
        orders=data.draw(st.permutations(orders)), fills=data.draw(st.permutations(fills))
    )
    found = case.applied(done)
    assert {key: (new_ids.get(at, at), *state) for key, (at, *state) in expected.items()} == found


@given(any_case(), ON)
def test_what_is_corrected_is_right_and_corrected_no_further(
    case: Case, on: frozenset[Correction]
) -> None:
    """
    A reconnect gives the engine what was given before.
    """
    done = case.corrected(on)
    again = case.corrected(on, orders=done.orders, fills=done.fills, positions=done.positions)
    assert told(again) == told(done)


@given(any_case(), ON, st.data())
def test_the_order_of_the_reports_does_not_matter(
    case: Case, on: frozenset[Correction], data: st.DataObject
) -> None:
    """
    Venues send them as they like.
    """
    done = case.corrected(on)
    shuffled = case.corrected(
        on,
        orders=data.draw(st.permutations(case.orders)),
        fills=data.draw(st.permutations(case.fills)),
        positions=data.draw(st.permutations(case.positions)),
    )
    assert told(shuffled) == told(done)
    assert [(made.name, made.count) for made in shuffled.made] == [
        (made.name, made.count) for made in done.made
    ]


@given(any_case(), ON)
def test_what_is_not_switched_on_is_not_made(case: Case, on: frozenset[Correction]) -> None:
    """
    And what the venue made is changed in no case.
    """
    before = repr(case)
    done = case.corrected(on)
    assert {made.name for made in done.made} <= on
    assert repr(case) == before

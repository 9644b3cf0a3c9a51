"""
Positions without a stop, exits without a position, and strategies that are not on the node.
"""

from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor.core.compare.owners import unprotected
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import STRATEGY
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import discrepancy
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import own_order
from tests.core.builders import stop_of
from tests.core.builders import venue_position
from tests.core.builders import venue_report


def net(qty: str, strategy_id: str = STRATEGY, **fields: Any) -> CachedPosition:
    """
    Return a position as the engine names it on a net account.
    """
    return cached_position(
        qty, position_id=f"{BTC}-{strategy_id}", strategy_id=strategy_id, **fields
    )


def seen(observed: Observation, policy: Policy = PLAIN) -> list[Discrepancy]:
    """
    Return what is no difference in the report.
    """
    found = judge(observed, policy).discrepancies
    return [one for one in found if not one.kind.is_difference]


def naked(*held: CachedPosition, orders: tuple[OwnOrder, ...] = ()) -> dict[str | None, str]:
    """
    Return what covers each position that is not protected.
    """
    found = seen(observation(after=held, live_orders=orders))
    return {one.position_id: one.venue for one in found if one.kind is Kind.UNPROTECTED_POSITION}


# -- POSITIONS WITHOUT A STOP --


def test_a_position_without_a_stop_is_named_and_changes_no_outcome() -> None:
    """It is no difference, so cache and venue are still equal."""
    held = net("1.000")
    observed = observation(
        reports=[venue_report([venue_position("1")])], before=[held], after=[held], live_orders=[]
    )
    report = judge(observed, PLAIN)
    assert report.outcome is RecoveryOutcome.CLEAN
    assert report.message == "Nothing was changed; equal to the venue's report"
    assert report.discrepancies == (
        Discrepancy(
            kind=Kind.UNPROTECTED_POSITION,
            severity=Severity.INFO,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id=held.position_id,
            venue="no stop at the venue",
            cache=f"LONG 1 {BTC} of {STRATEGY}",
            detail="Place a stop, or close the position",
        ),
    )


def test_a_severity_that_blocks_blocks() -> None:
    """The configuration may ask for it."""
    policy = Policy(severities={Kind.UNPROTECTED_POSITION: Severity.BLOCK})
    held = net("1")
    observed = observation(
        reports=[venue_report([venue_position("1")])], before=[held], after=[held], live_orders=[]
    )
    report = judge(observed, policy)
    assert report.outcome is RecoveryOutcome.DEGRADED
    assert report.message == f"Remaining differences: 1; blocked: {BTC}"


@pytest.mark.parametrize(
    ("fields", "covers"),
    [
        ({}, None),
        ({"status": "EMULATED", "account_id": None}, None),
        ({"leaves": "-0.4"}, "stops cover 0.4 of 1"),
        ({"leaves": "-0.9995"}, None),
        ({"leaves": "1"}, "no stop at the venue"),
        ({"kind": "LIMIT"}, "no stop at the venue"),
        ({"status": "SUBMITTED"}, "no stop at the venue"),
        ({"status": "PENDING_CANCEL"}, "no stop at the venue"),
        ({"is_dormant": True}, "no stop at the venue"),
        ({"account_id": OTHER_ACCOUNT}, "no stop at the venue"),
        ({"instrument_id": ETH}, "no stop at the venue"),
        ({"is_child": True, "parent_filled": Decimal(0)}, "no stop at the venue"),
    ],
    ids=str,
)
def test_what_counts_as_a_stop(fields: dict[str, Any], covers: str | None) -> None:
    """It rests on the other side, at the venue or emulated, and what is left is no dust."""
    held = net("1")
    orders = (own_order(**fields),)
    assert naked(held, orders=orders) == ({} if covers is None else {held.position_id: covers})


def test_a_stop_that_the_venue_does_not_hold_protects_nothing() -> None:
    """The cache alone has it."""
    held = net("1")
    observed = observation(
        reports=[venue_report([venue_position("1")])],
        after=[held],
        orders=[cached_order("O-1")],
        live_orders=[own_order("O-1")],
    )
    assert [one.kind for one in seen(observed)] == [Kind.UNPROTECTED_POSITION]
    assert "ORDER_NOT_AT_VENUE" in {one.kind for one in judge(observed, PLAIN).discrepancies}


def test_stops_of_anybody_cover_a_net_position_together() -> None:
    """The venue holds one position, and whatever reduces it reduces it."""
    mine, other = net("1"), net("2", "EXTERNAL")
    by_hand = own_order("STOP", "-3", strategy_id="EXTERNAL", is_reduce_only=False)
    assert naked(mine, other, orders=(by_hand,)) == {}
    smaller = own_order("STOP", "-2", strategy_id="EXTERNAL")
    assert naked(mine, other, orders=(smaller,)) == {mine.position_id: "no stop at the venue"}


def test_a_leg_has_its_own_stops() -> None:
    """One with its position id, or one that may only reduce if no other leg could be meant."""
    one, two = cached_position("1", position_id="L-1"), cached_position("2", position_id="L-2")
    short = cached_position("-1", position_id="S-1")
    bound = own_order("A", "-2", position_id="L-2", strategy_id="EXTERNAL")
    free = own_order("B", "-1")
    assert naked(one, two, orders=(bound, free)) == {"L-1": "no stop at the venue"}
    assert naked(one, short, orders=(free,)) == {"S-1": "no stop at the venue"}
    loose = own_order("B", "-1", is_reduce_only=False)
    assert naked(one, orders=(loose,)) == {"L-1": "no stop at the venue"}
    by_hand = own_order("C", "-1", strategy_id="EXTERNAL")
    assert naked(one, orders=(by_hand,)) == {}


def test_stops_that_cancel_one_another_count_once() -> None:
    """The smallest is what is left of them."""
    pair = (
        own_order("A", "-1", rivals=frozenset({"B"})),
        own_order("B", "-0.5", rivals=frozenset({"A"})),
    )
    held = net("1")
    assert naked(held, orders=pair) == {held.position_id: "stops cover 0.5 of 1"}
    with_profit = (own_order("A", "-1", rivals=frozenset({"PROFIT"})),)
    assert naked(held, orders=with_profit) == {}


def test_a_host_may_pause_between_any_two_positions_and_orders() -> None:
    """It is never longer than one of them."""
    held = [net("1", f"S-{number}") for number in range(5)]
    orders = [stop_of(position) for position in held]
    steps = list(unprotected(held, orders, PLAIN, frozenset(), lambda _: Decimal(0)))
    assert steps == [None] * 20


def test_what_the_epoch_before_found_is_not_carried_over() -> None:
    """It is looked at again, whether its account has reported or not, and is never resolved."""
    old = discrepancy(kind=Kind.UNPROTECTED_POSITION, severity=Severity.INFO)
    report = judge(observation(carried=[old], earlier=[old]), PLAIN)
    assert report.discrepancies == ()


# -- EXITS WITHOUT A POSITION --


def orphans(*orders: OwnOrder, **fields: Any) -> dict[str | None, str]:
    """
    Return what is said of each exit without a position.
    """
    found = seen(observation(live_orders=orders, **fields))
    assert {one.kind for one in found} <= {Kind.ORPHAN_EXIT}
    assert {one.severity for one in found} <= {Severity.WARN}
    return {one.client_order_id: one.detail for one in found}


REDUCES = "It has outlived its position and may reduce the next one: cancel it"
OPENS = "It has outlived its position and would open a new one: cancel it"


@pytest.mark.parametrize("status", ["ACCEPTED", "TRIGGERED", "EMULATED", "PARTIALLY_FILLED"])
@pytest.mark.parametrize("kind", ["STOP_MARKET", "LIMIT"])
def test_an_exit_without_a_position_is_named(status: str, kind: str) -> None:
    """Whoever owns it."""
    order = own_order(status=status, kind=kind, strategy_id="EXTERNAL")
    assert orphans(order) == {"O-1": REDUCES}
    (found,) = seen(observation(live_orders=[order]))
    assert found.cache == f"SELL 1 {kind} {BTC} of EXTERNAL"


def test_an_exit_with_a_position_in_the_cache_or_at_the_venue_is_not_named() -> None:
    """Of the side that it reduces, on its account."""
    order = own_order(kind="LIMIT")
    stop = stop_of(net("1"))
    assert orphans(order, stop, after=[net("1")]) == {}
    emulated = own_order(status="EMULATED", account_id=None, kind="LIMIT")
    assert orphans(emulated, stop, after=[net("1")]) == {}
    assert orphans(order, reports=[venue_report([venue_position("1")])]) == {}
    assert orphans(order, reports=[venue_report([venue_position("-1")])]) == {"O-1": REDUCES}
    there = net("1", account_id=OTHER_ACCOUNT)
    assert orphans(order, stop_of(there), after=[there]) == {"O-1": REDUCES}


@pytest.mark.parametrize("status", ["SUBMITTED", "PENDING_CANCEL", "INITIALIZED"])
def test_an_exit_that_does_not_rest_is_not_named(status: str) -> None:
    """It is on its way, taken back, or held back."""
    assert orphans(own_order(status=status)) == {}


def test_a_child_is_an_orphan_once_the_entry_is_over() -> None:
    """Until then its position is yet to come."""
    child: dict[str, Any] = {"is_child": True, "is_opposite": True}
    waiting = own_order(parent_filled=Decimal(0), **child)
    assert orphans(waiting) == {}
    over = own_order(parent_filled=Decimal(1), is_parent_over=True, is_reduce_only=False, **child)
    assert orphans(over) == {"O-1": OPENS}
    # What is released by an order and goes on in its direction is an entry
    further = own_order(is_child=True, is_parent_over=True, is_reduce_only=False)
    assert orphans(further) == {}


def test_an_order_without_the_flag_is_an_orphan_if_its_position_is_gone() -> None:
    """One that it is tied to, or one of its owner that was there before the epoch."""
    loose = own_order(is_reduce_only=False)
    assert orphans(loose) == {}
    assert orphans(loose, before=[net("1")]) == {"O-1": OPENS}
    assert orphans(loose, before=[net("1", "Other-001")]) == {}
    assert orphans(loose, before=[net("-1")]) == {}
    tied = own_order(is_reduce_only=False, position_id="L-1")
    leg = cached_position("1", position_id="L-1")
    assert orphans(tied, closed=[leg]) == {"O-1": OPENS}
    adds = own_order(leaves="1", is_reduce_only=False, position_id="L-1")
    assert orphans(adds, closed=[leg]) == {}


def test_a_position_that_changed_its_side_is_gone() -> None:
    """The stop of the LONG would make the SHORT larger."""
    short = net("-1")
    loose = own_order(is_reduce_only=False)
    found = orphans(loose, stop_of(short), before=[net("1")], after=[short])
    assert found == {"O-1": OPENS}


def test_an_exit_that_the_venue_does_not_report_is_not_said_twice() -> None:
    """It is ORDER_NOT_AT_VENUE, which blocks."""
    observed = observation(
        reports=[venue_report()], orders=[cached_order("O-1")], live_orders=[own_order("O-1")]
    )
    assert seen(observed) == []


# -- STRATEGIES THAT THE NODE DOES NOT RUN --


def test_what_belongs_to_a_strategy_that_is_not_there_is_named() -> None:
    """With what to do; EXTERNAL is nobody's name."""
    held, nobodys = net("2"), net("1", "EXTERNAL")
    orders = [stop_of(held), stop_of(nobodys)]
    observed = observation(after=[held, nobodys], live_orders=orders, strategies=["New-001"])
    (found,) = seen(observed)
    assert (found.kind, found.severity) == (Kind.ABSENT_STRATEGY, Severity.WARN)
    assert (found.position_id, found.client_order_id) == (held.position_id, None)
    assert (found.cache, found.venue) == (
        f"LONG 2, 1 order {BTC} of {STRATEGY}",
        "not on this node",
    )
    assert found.detail == (
        'Start a strategy with that ID (strategy_id="Trend", order_id_tag="001"), or cancel and '
        "close at the venue"
    )
    kinds = [one.kind for one in judge(observed, PLAIN).discrepancies]
    assert kinds == [Kind.ABSENT_STRATEGY, Kind.UNCLAIMED_POSITION]


def test_orders_alone_are_named_by_the_first() -> None:
    """There may be many, and one line says it."""
    orders = [own_order(f"O-{number}", "1", is_reduce_only=False) for number in (2, 1)]
    (found,) = seen(observation(live_orders=orders, strategies=[]))
    assert (found.client_order_id, found.cache) == ("O-1", f"2 orders {BTC} of {STRATEGY}")


def test_many_positions_of_one_strategy_are_one_line() -> None:
    """The first few, and how many more."""
    held = [cached_position("1", position_id=f"L-{number}") for number in range(5)]
    observed = observation(after=held, strategies=[])
    (found,) = seen(observed)
    assert found.cache == f"LONG 1, LONG 1, LONG 1, 2 more, 5 orders {BTC} of {STRATEGY}"


@pytest.mark.parametrize("strategies", [None, [STRATEGY]])
def test_a_strategy_that_runs_or_may_run_is_not_named(strategies: list[str] | None) -> None:
    """Nothing is said if the strategies of the node are not known."""
    assert seen(observation(after=[net("1")], strategies=strategies)) == []

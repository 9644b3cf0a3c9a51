from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Held
from nautilus_recovery_actor.core.exits import cancel
from nautilus_recovery_actor.core.exits import is_looser
from nautilus_recovery_actor.core.exits import may_change
from nautilus_recovery_actor.core.exits import passage
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC


OWNER, OTHER = "OWNER-001", "OTHER-001"


def holding(qty: str = "2", **fields: Any) -> Holding:
    return Holding("P-1", ACCOUNT, BTC, Decimal(qty), strategy_id=OWNER, **fields)


def held(*orders: OwnOrder, qty: str = "2", venue: str | None = "2", **fields: Any) -> Held:
    leg = {key: fields.pop(key) for key in ("is_leg", "is_only_leg") if key in fields}
    at_venue = None if venue is None else Decimal(venue)
    return Held(holding(qty, **leg), orders, at_venue, **fields)


def order(leaves: str = "-2", order_id: str = "O-1", **fields: Any) -> OwnOrder:
    values = {"status": "ACCEPTED", "kind": "STOP_MARKET", "strategy_id": OWNER, **fields}
    return OwnOrder(client_order_id=order_id, leaves=Decimal(leaves), **values)


def market(leaves: str = "-2", order_id: str = "NEW", **fields: Any) -> OwnOrder:
    values = {"status": "INITIALIZED", "kind": "MARKET", "is_new": True, **fields}
    return order(leaves, order_id, **values)


FLAG: dict[str, Any] = {"is_reduce_only": True}


# -- ORDERS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaves", "qty", "venue", "passes"),
    [
        ("-2", "2", "2", True),
        ("-1", "2", "2", True),
        ("-2.1", "2", "3", False),  # The cache holds less
        ("-2", "2", "1", False),  # The venue holds less
        ("-1", "2", "1", True),
        ("-2", "2", "-2", False),  # The venue holds the contrary
        ("-2", "2", "0", False),
        ("-2", "2", None, False),  # Nobody knows
        ("2", "2", "2", False),  # It adds
        ("2", "-2", "-2", True),
        ("-2", "-2", "-2", False),
    ],
)
def test_without_the_flag_an_exit_is_no_larger_than_what_cache_and_venue_hold(
    leaves: str, qty: str, venue: str | None, passes: bool
) -> None:
    """Of both sides, the smaller counts."""
    assert passage(market(leaves), held(qty=qty, venue=venue)).is_free is passes


@pytest.mark.parametrize("venue", ["2", "0", "-2", None])
def test_with_the_flag_an_exit_is_no_larger_than_what_the_cache_holds(venue: str | None) -> None:
    """The venue itself sees to it that the order only reduces."""
    assert passage(market(**FLAG), held(venue=venue)).is_free
    assert passage(market("-2.1", **FLAG), held(venue=venue)).refusal


def test_on_spot_the_flag_binds_nobody() -> None:
    """So what is proven counts, as without it."""
    assert passage(market(**FLAG), held(venue="1", is_flag_binding=False)).refusal
    assert passage(market("-1", **FLAG), held(venue="1", is_flag_binding=False)).is_free


def test_exits_without_the_flag_count_together() -> None:
    """Those of the owner against its position, those of everybody against the account's."""
    half = order("-1", "HALF")
    assert passage(market("-1"), held(half)).is_free
    assert passage(market("-1.5"), held(half)).refusal
    foreign = order("-1", "FOREIGN", strategy_id=OTHER, position_id="P-2")
    assert passage(market("-2"), held(foreign, venue="3")).is_free
    assert passage(market("-2"), held(foreign, venue="2")).refusal


def test_on_an_account_with_legs_only_the_orders_of_the_leg_count() -> None:
    """Another leg of that side is another position."""
    beside = order("-2", "BESIDE", strategy_id=OTHER, position_id="P-2")
    leg: dict[str, Any] = {"is_leg": True, "is_leg_at_venue": True}
    assert passage(market(position_id="P-1"), held(beside, **leg)).is_free


def test_exits_with_the_flag_may_each_be_as_large_as_the_position() -> None:
    """Whichever is filled first leaves less for the others, at the venue itself."""
    for other in (order(**FLAG), market("-1.5", "FIRST", **FLAG), order()):
        assert passage(market(**FLAG), held(other)).is_free
        assert passage(order("-2", "FAR", kind="LIMIT", **FLAG), held(other)).is_free


def test_an_exit_waits_for_the_answer_to_the_cancel_of_another() -> None:
    """Until then both could be filled; what nobody cancels it does not wait for."""
    leaving = order("-2", "LEAVING", status="PENDING_CANCEL")
    found = passage(market(), held(leaving))
    assert (found.awaits, found.refusal, found.is_free) == (frozenset({"LEAVING"}), "", False)
    assert passage(market(**FLAG), held(leaving)).is_free
    assert passage(market(), held(leaving, order("-1", "STAYS"))).refusal


def test_an_order_that_evidence_and_venue_deny_closes_nothing() -> None:
    """One of the two alone could be wrong."""
    gone = order(is_cancel_rejected=True)
    assert passage(market(), held(gone, unproven=frozenset({"O-1"}))).is_free
    assert passage(market(), held(gone)).refusal
    assert passage(market(), held(order(), unproven=frozenset({"O-1"}))).refusal


def test_an_exit_is_only_obstructed_by_what_its_owner_may_cancel() -> None:
    """Neither by somebody else's order, nor by what nothing proves, nor by its own size."""
    assert passage(market(), held(order())).is_obstructed
    foreign = order("-1", "FOREIGN", strategy_id=OTHER, position_id="P-2")
    assert not passage(market(), held(order(), foreign)).is_obstructed
    assert not passage(market(), held(order(), venue=None)).is_obstructed
    assert not passage(market("-3"), held(order(), venue="4")).is_obstructed


def test_orders_that_cancel_one_another_count_once() -> None:
    """Also when they are sent together."""
    stop = order("-2", "STOP", rivals=frozenset({"FAR"}), status="INITIALIZED", is_new=True)
    far = order("-2", "FAR", rivals=frozenset({"STOP"}), status="INITIALIZED", is_new=True)
    assert passage(stop, held(), [far]).is_free
    assert passage(stop, held(), [order("-2", "ALONE", status="INITIALIZED", is_new=True)]).refusal


def test_a_quantity_in_the_quote_currency_cannot_be_compared() -> None:
    """Whatever its flag."""
    assert passage(market("-1", is_quote_quantity=True, **FLAG), held()).refusal


# -- CHANGES ---------------------------------------------------------------------------------------


def changed(one: OwnOrder, leaves: str) -> OwnOrder:
    return order(leaves, one.client_order_id, is_reduce_only=one.is_reduce_only)


@pytest.mark.parametrize("fields", [FLAG, {}])
def test_an_exit_may_shrink_and_grow_up_to_the_position(fields: dict[str, Any]) -> None:
    """A stop follows a bracket's entry that is filled in parts."""
    stop = order("-1", **fields)
    for leaves, passes in (("-0.5", True), ("-2", True), ("-2.5", False)):
        assert may_change(stop, changed(stop, leaves), held(stop)) is passes
        assert not may_change(stop, changed(stop, leaves), held(stop), is_looser=True)


def test_a_stop_may_not_shrink_where_what_it_leaves_could_not_be_closed() -> None:
    """Unless the flag lets another one pass."""
    for fields, passes in (({}, False), (FLAG, True)):
        stop = order("-2", **fields)
        assert may_change(stop, changed(stop, "-1"), held(stop, venue=None)) is passes
        # Larger than the position, it may shrink to it
        large = order("-3", **fields)
        assert may_change(large, changed(large, "-2"), held(large, venue=None))


def test_what_reduces_nothing_may_only_shrink_if_it_is_reduce_only() -> None:
    """An entry is no exit."""
    entry, orphan = order("2"), order("2", is_reduce_only=True)
    assert not may_change(entry, changed(entry, "1"), held(entry))
    assert may_change(orphan, changed(orphan, "1"), held(orphan))
    assert may_change(orphan, changed(orphan, "1"), None)
    assert not may_change(orphan, changed(orphan, "3"), None)


def prices(before: str | None, after: str | None) -> tuple[Decimal | None, Decimal | None]:
    one, two = (None if px is None else Decimal(px) for px in (before, after))
    return one, two


@pytest.mark.parametrize(
    ("px", "trigger_px", "looser"),
    [
        ((None, None), ("1900", "1950"), False),
        ((None, None), ("1900", "1850"), True),
        (("2100", "2000"), (None, None), False),
        (("2100", "2200"), (None, None), True),
        (("1890", "1940"), ("1900", "1950"), False),
        (("1890", "1880"), ("1900", "1900"), False),
        (("1890", "1895"), ("1900", "1900"), True),
        (("1890", None), ("1900", "1890"), True),
        (("1890", "1990"), ("1900", "1950"), True),
        (("1890", None), ("1900", None), False),
    ],
)
@pytest.mark.parametrize("is_sell", [True, False])
def test_an_exit_is_looser_if_it_closes_later_or_for_more(
    px: tuple[str | None, str | None],
    trigger_px: tuple[str | None, str | None],
    looser: bool,
    is_sell: bool,
) -> None:
    """A stop later, a limit order for more, and one that is both with less room in between."""

    def seen(pair: tuple[str | None, str | None]) -> tuple[Decimal | None, Decimal | None]:
        one, two = prices(*pair)
        if is_sell:
            return one, two
        return tuple(None if x is None else 4000 - x for x in (one, two))  # type: ignore[return-value]

    exit_order = order("-2" if is_sell else "2")
    assert is_looser(exit_order, seen(px), seen(trigger_px)) is looser


def test_a_stop_that_was_triggered_is_a_limit_order() -> None:
    """Its trigger does not matter any more."""
    triggered = order(is_triggered=True)
    assert is_looser(triggered, prices("1890", "1895"), prices("1900", "1950"))
    assert not is_looser(triggered, prices("1890", "1880"), prices("1900", "1850"))


# -- CANCELS ---------------------------------------------------------------------------------------


def means(held_as: Held, *going: str) -> list[Cancel]:
    return [cancel(one, frozenset(going), held_as) for one in going]


def test_a_cancel_passes_if_its_position_could_be_closed() -> None:
    """With whatever the owner sends next."""
    assert means(held(order()), "O-1") == [Cancel.CLOSABLE]


@pytest.mark.parametrize("venue", ["0", "1", None])
def test_a_cancel_of_what_alone_protects_depends_where_the_position_is_not_proven(
    venue: str | None,
) -> None:
    """On the flag of what follows; on spot, where there is none, it leaves the position naked."""
    assert means(held(order(), venue=venue), "O-1") == [Cancel.DEPENDS]
    spot = held(order(), venue=venue, is_flag_binding=False)
    assert means(spot, "O-1") == [Cancel.LEAVES_NAKED]


def test_on_spot_a_cancel_beside_a_take_profit_depends_on_what_becomes_of_that() -> None:
    """Both may be canceled in one go, and the position closed."""
    far = order("-2", "FAR", kind="LIMIT")
    assert means(held(order(), far, is_flag_binding=False), "O-1") == [Cancel.DEPENDS]
    assert means(held(order(), far, venue="1", is_flag_binding=False), "O-1") == [
        Cancel.LEAVES_NAKED
    ]


def test_a_cancel_of_what_does_not_protect_passes() -> None:
    """A take-profit, one of two stops, the stop of somebody else's position."""
    far = order("-2", "FAR", kind="LIMIT")
    assert means(held(order(), far, venue=None), "FAR") == [Cancel.PASSES]
    two = held(order("-2", "ONE"), order("-2", "TWO"), venue=None)
    assert means(two, "ONE") == [Cancel.PASSES]
    assert means(two, "ONE", "TWO") == [Cancel.DEPENDS, Cancel.DEPENDS]
    foreign = order(position_id="P-2")
    assert means(held(foreign, venue=None), "O-1") == [Cancel.PASSES]


def test_a_position_that_is_being_closed_needs_no_stop_any_more() -> None:
    """The close was let pass."""
    assert means(held(order(), market(**FLAG), venue=None), "O-1") == [Cancel.CLOSABLE]
    half = held(order(), market("-1", **FLAG), venue=None)
    assert means(half, "O-1") == [Cancel.DEPENDS]


def test_a_stop_that_is_not_proven_is_kept_and_replaces_none() -> None:
    """It may be there, and it may not."""
    unproven = frozenset({"UNPROVEN"})
    stops = (order("-2", "UNPROVEN"), order("-2", "PROVEN"))
    assert means(held(stops[0], venue=None, unproven=unproven), "UNPROVEN") == [Cancel.DEPENDS]
    assert means(held(*stops, venue=None, unproven=unproven), "PROVEN") == [Cancel.DEPENDS]


def test_a_cancel_that_is_on_its_way_already_is_judged_as_the_others() -> None:
    """Before an engine the order is pending."""
    pending = order(status="PENDING_CANCEL")
    assert means(held(pending, venue=None), "O-1") == [Cancel.DEPENDS]


def test_what_others_close_on_the_account_is_not_left_to_the_owner() -> None:
    """Their orders are not its own to cancel."""
    foreign = order("-1", "FOREIGN", strategy_id=OTHER, position_id="P-2")
    assert means(held(order(), foreign, venue="2"), "O-1") == [Cancel.DEPENDS]
    assert means(held(order(), foreign, venue="3"), "O-1") == [Cancel.CLOSABLE]

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import Protection
from nautilus_recovery_actor.core.protection import closable
from nautilus_recovery_actor.core.protection import protection
from nautilus_recovery_actor.core.protection import reduces
from nautilus_recovery_actor.core.protection import unproven
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import discrepancy
from tests.core.builders import full_report


STEP = Decimal("0.001")
OVER = ["DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"]
RESTS = ["ACCEPTED", "PARTIALLY_FILLED", "PENDING_UPDATE", "EMULATED"]
MOVES = ["SUBMITTED", "RELEASED", "TRIGGERED", "PENDING_CANCEL"]


def held(qty: str = "2", **fields: Any) -> Holding:
    values = {"position_id": "P-1", "account_id": ACCOUNT, "instrument_id": BTC, **fields}
    return Holding(qty=Decimal(qty), **values)


def own(leaves: str = "-2", order_id: str = "O-1", **fields: Any) -> OwnOrder:
    values = {"status": "ACCEPTED", "kind": "STOP_MARKET", **fields}
    return OwnOrder(client_order_id=order_id, leaves=Decimal(leaves), **values)


def rivals(*order_ids: str) -> frozenset[str]:
    return frozenset(order_ids)


# -- WHICH ORDERS ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qty", "leaves", "expected"),
    [
        ("2", "-1", True),
        ("2", "1", False),
        ("-2", "1", True),
        ("-2", "-1", False),
        ("0", "1", False),
        ("0", "-1", False),
        ("2", "-3", True),
    ],
)
def test_an_order_reduces_what_is_on_its_other_side(qty: str, leaves: str, expected: bool) -> None:
    """A sell reduces a long position and a buy a short one, however large it is."""
    assert reduces(own(leaves), held(qty)) is expected


@pytest.mark.parametrize("status", OVER)
def test_an_order_that_is_over_reduces_nothing(status: str) -> None:
    """It will not be filled any more."""
    assert not reduces(own(status=status), held())


@pytest.mark.parametrize("status", [*RESTS, *MOVES])
def test_an_order_that_may_still_be_filled_reduces(status: str) -> None:
    """Also one that is on its way, or asked to be cancelled."""
    assert reduces(own(status=status), held())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"is_new": True}, True),
        ({}, False),
        ({"is_child": True, "parent_filled": Decimal("0.1")}, True),
        ({"is_child": True}, False),
        ({"is_child": True, "parent_filled": Decimal(0), "is_new": True}, False),
    ],
)
def test_an_order_that_nobody_has_heard_of_counts_if_it_is_new_or_held_back(
    fields: dict[str, Any], expected: bool
) -> None:
    """One that a crash left behind will never be sent."""
    assert reduces(own(status="INITIALIZED", **fields), held()) is expected


def test_a_child_of_an_entry_that_waits_reduces_nothing_yet() -> None:
    """It belongs to a position that is not there; when nobody knows its parent it counts."""
    assert not reduces(own(is_child=True, parent_filled=Decimal(0)), held())
    assert reduces(own(is_child=True, parent_filled=Decimal(1)), held())
    assert reduces(own(is_child=True), held())


@pytest.mark.parametrize(
    ("account_id", "expected"), [(None, True), (ACCOUNT, True), (OTHER_ACCOUNT, False)]
)
def test_an_order_of_another_account_reduces_nothing(account_id: str, expected: bool) -> None:
    """One that is at no account yet can be of this one."""
    assert reduces(own(account_id=account_id), held()) is expected


@pytest.mark.parametrize("is_leg", [False, True])
@pytest.mark.parametrize(("position_id", "expected"), [("P-1", True), ("P-2", False)])
def test_an_order_with_a_position_id_concerns_that_position(
    is_leg: bool, position_id: str, expected: bool
) -> None:
    """On a net position as on a leg."""
    order = own(position_id=position_id, is_reduce_only=True)
    assert reduces(order, held(is_leg=is_leg)) is expected


@pytest.mark.parametrize(
    ("is_reduce_only", "is_only_leg", "expected"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_an_order_without_a_position_id_reduces_a_leg_only_if_it_can_concern_no_other(
    is_reduce_only: bool, is_only_leg: bool, expected: bool
) -> None:
    """Without that it may open the other leg."""
    leg = held(is_leg=True, is_only_leg=is_only_leg)
    assert reduces(own(is_reduce_only=is_reduce_only), leg) is expected


# -- PROTECTION ------------------------------------------------------------------------------------


def protects(*orders: OwnOrder, qty: str = "2", **fields: Any) -> tuple[str, str, bool]:
    found = protection(held(qty), orders, **fields)
    return str(found.unprotected), str(found.excess), found.is_whole


@pytest.mark.parametrize("kind", ["STOP_MARKET", "TRAILING_STOP_MARKET"])
@pytest.mark.parametrize("status", [*RESTS, *MOVES])
def test_a_market_stop_protects_while_it_rests(kind: str, status: str) -> None:
    """Also what is left of one that was filled in part."""
    order = own(kind=kind, status=status, is_triggered=status == "PARTIALLY_FILLED")
    assert protection(held(), [order]).is_whole is (status in RESTS)


@pytest.mark.parametrize("kind", ["STOP_LIMIT", "TRAILING_STOP_LIMIT"])
@pytest.mark.parametrize("status", [*RESTS, *MOVES])
@pytest.mark.parametrize("is_triggered", [False, True])
def test_a_limit_stop_protects_until_it_is_triggered(
    kind: str, status: str, is_triggered: bool
) -> None:
    """From then on it is a limit order, which the price can pass."""
    order = own(kind=kind, status=status, is_triggered=is_triggered)
    is_whole = status in RESTS and not is_triggered
    assert protection(held(), [order]).is_whole is is_whole


@pytest.mark.parametrize("kind", ["LIMIT", "MARKET", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"])
def test_no_other_order_protects(kind: str) -> None:
    """A take-profit alone leaves all of it."""
    assert protects(own(kind=kind)) == ("2", "0", False)


def test_what_no_stop_covers_is_told() -> None:
    """The stops add up, and what opens counts for nothing."""
    assert protects() == ("2", "0", False)
    assert protects(own("-1")) == ("1", "0", False)
    assert protects(own("-1"), own("-0.4", "O-2")) == ("0.6", "0", False)
    assert protects(own("-1"), own("-1", "O-2")) == ("0", "0", True)
    assert protects(own("2")) == ("2", "0", False)
    assert protects(own("2"), qty="-2") == ("0", "0", True)


def test_stops_larger_than_the_position_protect_only_if_they_may_only_reduce() -> None:
    """At the worst those that may only reduce come first, and the others open the other side."""
    assert protects(own("-3")) == ("0", "1", False)
    assert protects(own("-3", is_reduce_only=True)) == ("0", "0", True)
    bound, loose = own("-2", is_reduce_only=True), own("-0.5", "O-2")
    assert protects(bound, loose) == ("0", "0.5", False)
    assert protects(own("-1", is_reduce_only=True), own("-4", "O-2")) == ("0", "3", False)
    assert protects(own("-1", is_reduce_only=True), loose) == ("0.5", "0", False)


def test_stops_that_cancel_one_another_count_once() -> None:
    """At the worst it is the smaller that covers, and the larger that opens."""
    one, other = own("-2", "O-1", rivals=rivals("O-2")), own("-2", "O-2", rivals=rivals("O-1"))
    assert protects(one, other) == ("0", "0", True)
    assert protects(one, own("-1", "O-2")) == ("1", "0", False)
    assert protects(own("-3", "O-1"), own("-2", "O-2", rivals=rivals("O-1"))) == ("0", "1", False)
    chain = [own("-2", f"O-{i}", rivals=rivals(f"O-{i + 1}")) for i in (1, 3, 2)]
    assert protects(*chain) == ("0", "0", True)


def test_a_stop_that_is_not_known_to_be_at_the_venue_protects_nothing() -> None:
    """The cache alone proves nothing."""
    assert protects(own(), unproven=frozenset({"O-1"})) == ("2", "0", False)
    assert protects(own(), unproven=frozenset({"O-2"})) == ("0", "0", True)


def test_unproven_are_the_orders_of_the_differences_that_stand() -> None:
    """What was resolved is proven."""
    found = (
        discrepancy(client_order_id="O-1"),
        discrepancy(client_order_id="O-2", resolved=True),
        discrepancy(),
    )
    report = full_report()
    assert unproven(report) == {"O-1"}
    assert unproven(type(report)("T-1", "x", 1, "startup", discrepancies=found)) == {"O-1"}


def test_only_all_of_it_and_no_more_is_whole() -> None:
    """Neither too little nor too much."""
    assert Protection(Decimal(0), Decimal("0.00")).is_whole
    assert not Protection(STEP, Decimal(0)).is_whole
    assert not Protection(Decimal(0), STEP).is_whole


# -- CLOSING ---------------------------------------------------------------------------------------


def test_all_is_closed_where_nothing_is_asked() -> None:
    """The quantity is positive, for a long position and for a short one."""
    assert closable(held("2"), [], STEP) == 2
    assert closable(held("-2"), [], STEP) == 2


def test_what_other_orders_close_is_left_out() -> None:
    """Whatever kind they are of, those on their way included; what opens does not count."""
    orders = [own("-0.5", kind="LIMIT"), own("-0.3", "O-2", status="SUBMITTED"), own("4", "O-3")]
    assert closable(held(), orders, STEP) == Decimal("1.2")
    assert closable(held(), orders, STEP, Decimal("1.2")) == Decimal("1.2")
    assert closable(held(), orders, STEP, STEP) == STEP
    with pytest.raises(
        ValueError,
        match=r"^Cannot close 1\.201 of position P-1 \(\+2\): 0\.8 is being closed by O-1, O-2; "
        r"cancel what should not, or name it in `ignoring`$",
    ):
        closable(held(), orders[::-1], STEP, Decimal("1.201"))


def test_orders_that_cancel_one_another_close_once() -> None:
    """The larger of a stop and a take-profit."""
    pair = [own("-1", rivals=rivals("O-2")), own("-1.5", "O-2", kind="LIMIT")]
    assert closable(held(), pair, STEP) == Decimal("0.5")


@pytest.mark.parametrize("leaves", ["-2", "-3"])
def test_nothing_is_left_where_all_is_being_closed(leaves: str) -> None:
    """That is an error, and says which order it is."""
    with pytest.raises(ValueError, match=r"^Cannot close anything of .* is being closed by O-1;"):
        closable(held(), [own(leaves)], STEP)


def test_more_than_there_is_cannot_be_closed() -> None:
    """Also where no other order does."""
    with pytest.raises(
        ValueError, match=r"^Cannot close 2\.001 of position P-1 \(-2\): 2\.000 can be$"
    ):
        closable(held("-2"), [], STEP, Decimal("2.001"))


@pytest.mark.parametrize("wanted", ["0", "-1", "0.0005"])
def test_what_is_no_quantity_cannot_be_closed(wanted: str) -> None:
    """It is positive, and a multiple of what the venue trades."""
    with pytest.raises(
        ValueError,
        match=rf"^Cannot close {wanted} of position P-1: "
        r"a quantity is a positive multiple of 0\.001$",
    ):
        closable(held(), [], STEP, Decimal(wanted))


def test_dust_is_left_over() -> None:
    """What is smaller than the increment cannot be traded."""
    assert closable(held("1.9996"), [], STEP) == Decimal("1.999")
    with pytest.raises(ValueError, match=r"\(\+0\.0004\): 0\.0000 can be$"):
        closable(held("0.0004"), [], STEP)


_LEAVES = st.integers(-30, 30).map(lambda n: str(Decimal(n) / 10))
_ORDERS = st.lists(
    st.tuples(
        _LEAVES,
        st.sampled_from([*RESTS, *MOVES, *OVER, "INITIALIZED"]),
        st.sampled_from(["STOP_MARKET", "LIMIT", "STOP_LIMIT"]),
        st.booleans(),
    ),
    max_size=5,
).map(
    lambda rows: [
        own(leaves, f"O-{i}", status=status, kind=kind, is_reduce_only=is_reduce_only)
        for i, (leaves, status, kind, is_reduce_only) in enumerate(rows)
    ]
)


@given(_LEAVES, _ORDERS)
def test_no_closing_order_exceeds_the_position_with_all_the_others(
    qty: str, orders: list[OwnOrder]
) -> None:
    """Whatever fills, and in whatever order, the position is not turned by what was added."""
    position = held(qty)
    others = sum(abs(order.leaves) for order in orders if reduces(order, position))
    try:
        added = closable(position, orders, STEP)
    except ValueError:
        assert others >= abs(position.qty)
    else:
        assert added > 0
        assert added + others == abs(position.qty)


@given(_LEAVES, _ORDERS, st.randoms())
def test_stops_that_protect_close_all_of_it_and_open_nothing_in_any_order(
    qty: str, orders: list[OwnOrder], random: Any
) -> None:
    """Fill the stops one after the other, as a venue would, and look at what is left."""
    position = held(qty)
    found = protection(position, orders)
    stops = [
        order
        for order in orders
        if reduces(order, position) and order.kind != "LIMIT" and order.status in RESTS
    ]
    random.shuffle(stops)
    left = position.qty
    for order in stops:
        reducible = max(-left if order.leaves > 0 else left, Decimal(0))
        filled = min(abs(order.leaves), reducible) if order.is_reduce_only else abs(order.leaves)
        left += filled.copy_sign(order.leaves)
    if left * position.qty > 0:
        assert abs(left) == found.unprotected
    else:
        assert found.unprotected == 0
        assert abs(left) <= found.excess
    if found.is_whole:
        assert left == 0


@given(_LEAVES, _ORDERS)
def test_long_and_short_mirror_each_other(qty: str, orders: list[OwnOrder]) -> None:
    """With all signs turned the protection is the same."""
    turned = [own(str(-o.leaves), **_fields(o)) for o in orders]
    assert protection(held(qty), orders) == protection(held(str(-Decimal(qty))), turned)


def _fields(order: OwnOrder) -> dict[str, Any]:
    return {
        "order_id": order.client_order_id,
        "status": order.status,
        "kind": order.kind,
        "is_reduce_only": order.is_reduce_only,
    }


@pytest.mark.parametrize("kind", ["STOP_MARKET", "STOP_LIMIT", "TRAILING_STOP_MARKET"])
def test_a_stop_that_is_dormant_protects_nothing(kind: str) -> None:
    """
    A trailing stop may wait for a price that is far away, and a quantity of quotes says nothing.
    """
    assert protects(own("-2", kind=kind))[2] is True
    assert protects(own("-2", kind=kind, is_dormant=True))[2] is False

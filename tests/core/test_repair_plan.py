"""
Which steps are planned for what differs, one rule after another, and what is refused.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.repair.steps import Adopt
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import End
from nautilus_recovery_actor.core.repair.steps import Fill
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.repair.steps import Update
from nautilus_recovery_actor.core.repair.steps import plan_id
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import STRATEGY
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import observation
from tests.core.builders import own_order
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report
from tests.core.test_proof import answer


POLICY = Policy(plans=True)
OTHER = "Other-002"
BOTH, ALIGNED, NUMBERED = f"{BTC}-BOTH", f"{BTC}-EXTERNAL", "P-20260101-000000-001-001-1"
replace = msgspec.structs.replace
D = Decimal


def part(qty: str, px: str | None = "100", made_up: str | None = None, **of: Any) -> CachedPosition:
    """
    Return a position, the strategy's own unless it says otherwise, `made_up` by as much.
    """
    fields: dict[str, Any] = {"position_id": BOTH} | of
    position = cached_position(qty, avg_px=px, made_up=made_up == qty, **fields)
    return replace(position, made_up_qty=D(made_up or 0))


def order(**fields: Any) -> CachedOrder:
    """
    Return an order to buy 2, restored, that rests in the cache.
    """
    values: dict[str, Any] = {
        "side": "BUY",
        "qty": D(2),
        "filled_qty": D(0),
        "px": D(90),
        "ts_init": 0,
        "ts_last": 0,
    }
    return replace(cached_order(), **(values | fields))


def reported(**fields: Any) -> VenueOrder:
    """
    Return what the venue says of that order.
    """
    values: dict[str, Any] = {"side": "BUY", "qty": D(2), "filled_qty": D(0), "px": D(90)}
    if "status" in fields:
        fields["is_open"] = fields["status"] in ("ACCEPTED", "PARTIALLY_FILLED")
    return replace(venue_order(), **(values | fields))


def trade(qty: str, px: str = "90", *, known: bool = True, **fields: Any) -> VenueTrade:
    """
    Return a trade that the cache lacks, of that order or, if it is not `known`, of somebody's.
    """
    values: dict[str, Any] = {
        "instrument_id": BTC,
        "trade_id": "T-1",
        "venue_order_id": "V-1" if known else "V-9",
        "client_order_id": "O-1" if known else None,
        "strategy_id": STRATEGY if known else None,
        "position_id": None,
        "qty": D(qty),
        "px": D(px),
        "status": "ACCEPTED" if known else None,
    }
    return VenueTrade(**(values | fields))


def seen(
    *parts: CachedPosition,
    venue: str | Iterable[VenuePosition] = (),
    px: str | None = None,
    orders: Iterable[CachedOrder] = (),
    at_venue: Iterable[VenueOrder] = (),
    trades: Iterable[VenueTrade] = (),
    position_id: str | None = BOTH,
    explored: bool = True,
    **fields: Any,
) -> Observation:
    """
    Return what was seen of a cache and a venue that has answered twice, and told its past.
    """
    held = (venue_position(venue, avg_px=px),) if isinstance(venue, str) else tuple(venue)
    at_venue, orders = tuple(at_venue), tuple(orders)
    resting = tuple(one for one in at_venue if one.is_open)
    second = replace(
        answer(held, resting),
        explored=frozenset({BTC} if explored else ()),
        history=at_venue,
        trades=tuple(trades),
    )
    values: dict[str, Any] = {
        "reports": [venue_report(held, resting)],
        "answers": (second,),
        "asked_accounts": frozenset({ACCOUNT}),
        "reporting": frozenset({ACCOUNT}),
        "strategies": [STRATEGY, OTHER],
        "required": [ACCOUNT],
        "after": parts,
        "orders": orders,
        "live_orders": [
            own_order(one.client_order_id, "1", position_id=position_id) for one in orders
        ],
    }
    return observation(**(values | fields))


LEAVES: dict[str, Any] = {"strategy_id": "EXTERNAL", "is_real": True}


def plan(observed: Observation, policy: Policy = POLICY) -> Plan:
    return verdict.judge(observed, policy).plan


def steps(observed: Observation) -> list[tuple[str, tuple[Operation, ...]]]:
    """
    Return kind and operations of each step of a plan of which nothing is refused.
    """
    planned = plan(observed)
    assert planned.refused == ()
    return [(step.told.kind, step.operations) for step in planned.steps]


def refusal(observed: Observation) -> str:
    """
    Return why nothing at all is planned.
    """
    planned = plan(observed)
    assert planned.steps == ()
    (refused,) = planned.refused
    assert (refused.state, refused.instrument_id) == ("refused", BTC)
    return refused.detail


def book(qty: str, px: str, held: str, position_id: str | None = BOTH, **fields: Any) -> Book:
    values: dict[str, Any] = {"strategy_id": STRATEGY} | fields
    return Book(position_id=position_id, qty=D(qty), px=D(px), held=D(held), **values)


# -- WHAT IS MADE UP --


PHANTOM = seen(part("1"), part("-1", "101", "-1", position_id=NUMBERED), venue="1")


def test_what_is_made_up_is_closed_at_its_own_open_price() -> None:
    """
    And nothing else is touched.
    """
    assert steps(PHANTOM) == [("close_phantom", (book("1", "101", "-1", NUMBERED),))]
    (step,) = plan(PHANTOM).steps
    assert step.told.detail == (
        f"Close -1 of {STRATEGY} (`{NUMBERED}`) at 101, its own open price: it is made up, no "
        "trade of the venue is in it"
    )
    assert step.told.position_id == NUMBERED


def test_of_three_contrary_positions_those_that_are_made_up_are_closed() -> None:
    """
    Both, though their sum is nothing.
    """
    observed = seen(
        part("2"),
        part("-2", "101", "-2", position_id=NUMBERED),
        part("2", "102", "2", position_id=ALIGNED),
        venue="2",
    )
    made = steps(observed)
    assert [kind for kind, _ in made] == ["close_phantom"] * 2
    assert {book.position_id for _, (book,) in made if isinstance(book, Book)} == {
        NUMBERED,
        ALIGNED,
    }


def test_of_what_is_made_up_in_part_only_that_is_undone() -> None:
    """
    At the open price of the position, so that nothing is realized.
    """
    observed = seen(part("3", "100", "1"), venue="2")
    assert steps(observed) == [("undo_fill", (book("-1", "100", "3"),))]
    turned = seen(part("-1", "100", "-3"), venue="2")
    assert refusal(turned) == f"more than all of `{BOTH}` is made up, so that it has turned round"


@pytest.mark.parametrize(("name", "reopened"), [(BOTH, BOTH), (NUMBERED, None)])
def test_what_only_a_made_up_fill_closed_is_opened_again(name: str, reopened: str | None) -> None:
    """
    Under its id, unless the engine has numbered it.
    """
    closed = replace(part("0", "100", position_id=name), made_up_qty=D(-2))
    observed = seen(venue="2", past=(closed,))
    assert steps(observed) == [("reopen", (book("2", "100", "0", reopened, is_real=True),))]
    unpriced = seen(venue="2", past=(replace(closed, avg_px=None),))
    assert refusal(unpriced) == f"the open price of {name} is not known"


def test_a_real_trade_takes_the_place_of_what_is_made_up() -> None:
    """
    First that is closed, then the trade is applied.
    """
    observed = seen(
        part("1"),
        part("2", "91", "2", position_id=ALIGNED),
        venue="3",
        orders=[order()],
        at_venue=[reported(status="FILLED", filled_qty=D(2))],
        trades=[trade("2", position_id=BOTH)],
    )
    assert steps(observed) == [
        ("close_phantom", (book("-2", "91", "2", ALIGNED),)),
        ("apply_fills", (Fill("O-1", "V-1", "T-1"),)),
    ]


# -- ORDERS --


def filled_by(*told: VenueTrade, **fields: Any) -> Observation:
    return seen(
        venue="2",
        px="90",
        orders=[order()],
        at_venue=[reported(status="FILLED", filled_qty=D(2), avg_px=D(91))],
        trades=told,
        position_id=None,
        **fields,
    )


def test_missing_trades_are_applied_to_their_order_each_once() -> None:
    """
    What a trade was applied of is not: it is in a fill that the cache knows.
    """
    observed = filled_by(trade("1"), trade("1", trade_id="T-2"))
    fills = (Fill("O-1", "V-1", "T-1"), Fill("O-1", "V-1", "T-2"))
    assert steps(observed) == [("apply_fills", fills)]
    (step,) = plan(observed).steps
    assert step.told.detail == "Apply 2 trades (2 in all) to order O-1: the cache lacks it"


def test_what_is_filled_without_a_trade_is_inferred() -> None:
    """
    As much of it as no trade tells, at the order's average and without a fee.
    """
    whole = Infer("O-1", "V-1", None, D(2), D(91))
    assert steps(filled_by()) == [("infer_fill", (whole,))]
    rest = replace(whole, qty=D(1), filled=D(1))
    fill = Fill("O-1", "V-1", "T-1")
    assert steps(filled_by(trade("1"))) == [("apply_fills", (fill,)), ("infer_fill", (rest,))]


@pytest.mark.parametrize("status", ["EXPIRED", "REJECTED", "DENIED"])
def test_no_fill_is_applied_to_an_order_that_takes_none(status: str) -> None:
    """
    NautilusTrader would change the position all the same.
    """
    observed = seen(
        venue="2",
        at_venue=[reported(status="FILLED", filled_qty=D(2))],
        trades=[trade("2", status=status)],
    )
    assert refusal(observed) == (
        f"order O-1 is {status} in the cache, so what the venue has filled of it cannot be applied"
    )


def test_an_order_that_a_fill_opens_again_is_ended_again() -> None:
    """
    It was canceled when the cache learned that it had been filled in part.
    """
    observed = seen(
        venue="1",
        at_venue=[reported(status="CANCELED", filled_qty=D(1))],
        trades=[trade("1", status="CANCELED")],
    )
    assert steps(observed) == [
        ("apply_fills", (Fill("O-1", "V-1", "T-1"),)),
        ("end_order", (End("O-1", "CANCELED"),)),
    ]


@pytest.mark.parametrize(
    ("status", "filled", "venue_order_id", "ended"),
    [
        ("CANCELED", 0, "V-1", "CANCELED"),
        ("EXPIRED", 0, "V-1", "EXPIRED"),
        ("REJECTED", 0, "V-1", "REJECTED"),
        ("REJECTED", 1, "V-1", "CANCELED"),
        ("FILLED", 0, "V-1", "CANCELED"),
    ],
)
def test_what_is_over_at_the_venue_is_ended(
    status: str, filled: int, venue_order_id: str, ended: Any
) -> None:
    """
    As it is there, where the engine can end it so.
    """
    observed = seen(
        part("1"),
        venue="1",
        orders=[order(filled_qty=D(filled), venue_order_id=venue_order_id)],
        at_venue=[reported(status=status, filled_qty=D(2 if status == "FILLED" else filled))],
    )
    assert steps(observed) == [("end_order", (End("O-1", ended),))]


def test_an_order_that_the_venue_does_not_know_is_canceled_or_was_never_there() -> None:
    """
    It was asked for by its id. What this run has sent may still be on its way.
    """
    assert steps(seen(part("1"), venue="1", orders=[order()])) == [
        ("end_order", (End("O-1", "CANCELED"),))
    ]
    sent = order(venue_order_id=None, status="SUBMITTED", is_open=False, is_inflight=True)
    assert steps(seen(part("1"), venue="1", orders=[sent])) == [
        ("end_order", (End("O-1", "REJECTED"),))
    ]
    new = seen(part("1"), venue="1", orders=[replace(sent, ts_init=900)])
    assert refusal(new) == "order O-1 may still be on its way"


def test_an_order_gets_its_id_and_its_values_at_the_venue() -> None:
    """
    In one event, before anything is filled.
    """
    renamed = seen(orders=[order()], at_venue=[reported(venue_order_id="V-2", px=D(95))])
    assert steps(renamed) == [("rename_order", (Update("O-1", "V-2", px=D(95)),))]
    amended = seen(orders=[order()], at_venue=[reported(qty=D(3))])
    assert steps(amended) == [("update_order", (Update("O-1", "V-1", qty=D(3)),))]
    (step,) = plan(renamed).steps
    assert step.told.detail == (
        "Order O-1 has the ID V-2 at the venue, and not V-1, px 95: take that over"
    )


def test_an_order_that_has_ended_in_the_cache_and_rests_at_the_venue_is_refused() -> None:
    """
    Nothing opens it again.
    """
    ended = order(status="CANCELED", is_open=False)
    assert refusal(seen(orders=[ended], at_venue=[reported()])) == (
        "order O-1 rests at the venue (V-1) and is CANCELED in the cache, which cannot be undone: "
        "cancel it at the venue"
    )


def test_an_order_of_which_the_venue_has_less_filled_is_refused() -> None:
    """
    No fill can be taken back.
    """
    observed = seen(orders=[order(filled_qty=D(1))], at_venue=[reported(px=D(95))])
    assert refusal(observed) == "the venue has 0 of order O-1 filled, and the cache 1"


# -- WHAT SOMEBODY ELSE HAS DONE --


STRANGERS = {"client_order_id": None, "venue_order_id": "V-9"}


def test_an_order_that_rests_and_is_not_known_is_taken_up_with_its_trades() -> None:
    """
    Under the strategy that claims the instrument, or nobody.
    """
    resting = seen(at_venue=[reported(**STRANGERS)])
    assert steps(resting) == [("adopt_order", (Adopt("V-9", "EXTERNAL"),))]
    filled = seen(
        venue="1",
        at_venue=[reported(**STRANGERS, status="PARTIALLY_FILLED", filled_qty=D(1))],
        trades=[trade("1", known=False)],
        claims={BTC: STRATEGY},
    )
    assert steps(filled) == [("adopt_order", (Adopt("V-9", STRATEGY, ("T-1",)),))]


def test_an_order_that_rests_is_not_taken_up_without_all_of_its_trades() -> None:
    """
    The engine would make up what is missing, beside what the position has of it.
    """
    rests = reported(**STRANGERS, status="PARTIALLY_FILLED", filled_qty=D(2))
    observed = seen(part("2"), venue="2", at_venue=[rests], trades=[trade("1", known=False)])
    assert refusal(observed).startswith(
        "order V-9 rests at the venue, the cache lacks 2 that it has filled"
    )


def test_what_a_stranger_traded_of_a_position_is_taken_up_and_moved_to_it() -> None:
    """
    A hand has halved it: the venue tells the order, so its PnL is real.
    """
    observed = seen(
        part("2"),
        venue="1",
        at_venue=[reported(**STRANGERS, side="SELL", qty=D(1), status="FILLED", filled_qty=D(1))],
        trades=[trade("-1", "103", known=False)],
    )
    assert steps(observed) == [
        ("adopt_order", (Adopt("V-9", "EXTERNAL", ("T-1",)),)),
        (
            "merge",
            (
                book("1", "103", "-1", None, **LEAVES, goes_to=(STRATEGY, BOTH)),
                book("-1", "103", "2", is_real=True, completes=""),
            ),
        ),
    ]


# -- WHAT NOBODY TELLS --


UNTOLD: dict[str, Any] = {"is_real": True, "is_untold": True}


def test_what_the_venue_holds_no_more_is_closed_at_cost() -> None:
    """
    Its PnL is not known, so none is booked, and it is not taken for made up later.
    """
    assert steps(seen(part("2"), venue="0.5")) == [
        ("close_position", (book("-1.5", "100", "2", **UNTOLD),))
    ]
    assert steps(seen(part("2"), venue="0")) == [
        ("close_position", (book("-2", "100", "2", **UNTOLD),))
    ]
    (step,) = plan(seen(part("2"), venue="0")).steps
    assert step.told.detail == (
        f"Close `{BOTH}` of {STRATEGY}, which holds 2, at 100, its own open price: the venue holds "
        "no more, and reports no trade that closed it, so its PnL is not known and none is booked"
    )


def test_what_a_repair_closed_is_given_back_if_the_venue_holds_it_all_the_same() -> None:
    """
    To whose it was, at the price at which it was closed; only the rest is adopted.
    """
    reduced = replace(part("0.5"), untold_qty=D("-1.5"))
    assert steps(seen(reduced, venue="2", px="95")) == [
        ("reopen", (book("1.5", "100", "0.5", **UNTOLD),))
    ]
    closed = replace(part("0"), untold_qty=D(-2))
    assert [step.operations for step in plan(seen(venue="3", px="95", past=(closed,))).steps] == [
        (book("2", "100", "0", is_real=True),),
        (book("1", "95", "0", None, strategy_id="EXTERNAL", is_real=True),),
    ]
    # Of the other side it was nobody's
    kinds = [kind for kind, _ in steps(seen(venue="-1", px="95", past=(closed,)))]
    assert kinds == ["adopt_position"]


def test_of_an_account_that_never_reported_a_position_somebody_has_to_look() -> None:
    """
    That none is reported twice may mean nothing.
    """
    observed = seen(part("2"), twice_missing=frozenset({(ACCOUNT, BTC)}))
    (step,) = plan(observed).steps
    assert not step.needs_word
    (step,) = plan(replace(observed, reporting=frozenset())).steps
    assert step.needs_word
    assert step.told.detail.endswith("only if the venue's screen shows none)")
    assert plan(replace(observed, mute=frozenset({ACCOUNT}))).steps == ()


def test_whose_position_was_closed_is_not_guessed() -> None:
    """
    Of two strategies either may be meant; what is nobody's goes first.
    """
    two = (part("1"), part("1", position_id="X-2", strategy_id=OTHER))
    assert refusal(seen(*two, venue="1")) == (
        f"which position was closed is not known: {OTHER} and {STRATEGY} hold some"
    )
    flat = steps(seen(*two, venue="0"))  # Both
    assert [kind for kind, _ in flat] == ["close_position", "close_position"]
    nobodys = part("1", position_id="X-3", strategy_id="EXTERNAL")
    (step, *_) = plan(seen(part("1"), nobodys, venue="1")).steps
    assert step.told.position_id == "X-3"


def test_what_the_venue_holds_and_nobody_traded_is_taken_up_at_its_average() -> None:
    """
    Or refused, if it tells no price.
    """
    assert steps(seen(venue="2", px="95.5", claims={BTC: STRATEGY})) == [
        ("adopt_position", (book("2", "95.5", "0", None, is_real=True),))
    ]
    assert refusal(seen(venue="2")) == (
        "the venue holds 2 more, of which it reports neither a trade nor a price"
    )


# -- LEGS, CASH, OWNERS --


def test_each_leg_is_repaired_by_itself() -> None:
    """
    What is made up of one does not touch the other.
    """
    long, short = f"{BTC}-LONG", f"{BTC}-SHORT"
    observed = seen(
        part("3", "100", "1", position_id=long),
        part("-1", position_id=short),
        venue=(venue_position("2", leg=long), venue_position("-1", leg=short)),
    )
    assert steps(observed) == [("undo_fill", (book("-1", "100", "3", long),))]


def test_legs_without_a_name_are_refused() -> None:
    """
    Which position is which cannot be told.
    """
    observed = seen(part("1"), venue=(venue_position("2"), venue_position("-1")))
    assert refusal(observed) == "the venue reports a LONG and a SHORT position, and no IDs for them"


def test_a_cash_account_is_repaired_by_its_balance() -> None:
    """
    What it covers stays, and what it does not is closed.
    """
    fields: dict[str, Any] = {
        "cash_accounts": {ACCOUNT: {"BTC": D("1")}},
        "base_currencies": {BTC: "BTC"},
        "orders": [order()],
    }
    enough = seen(part("1"), **fields)
    assert steps(enough) == [("end_order", (End("O-1", "CANCELED"),))]
    short = seen(part("1.5"), **fields)
    assert [kind for kind, _ in steps(short)] == ["end_order", "close_position"]


@pytest.mark.parametrize("name", [BOTH, f"{BTC}-EXTERNAL"])
def test_what_is_nobodys_goes_to_the_strategy_that_claims_it(name: str) -> None:
    """
    At its own open price, under the venue's id if it is the venue's.
    """
    external = part("1", "101", position_id=name, strategy_id="EXTERNAL")
    observed = seen(external, venue="1", claims={BTC: STRATEGY})
    target = BOTH if name == BOTH else None
    assert steps(observed) == [
        (
            "hand_over",
            (
                book("-1", "101", "1", name, **LEAVES, goes_to=(STRATEGY, target)),
                book("1", "101", "0", target, is_real=True, completes=""),
            ),
        )
    ]
    assert plan(replace(observed, strategies=frozenset({OTHER}))) == Plan()


def test_contrary_positions_of_two_strategies_are_left_to_them() -> None:
    """
    What is made up is closed all the same.
    """
    observed = seen(
        part("2"),
        part("-1", position_id="X-2", strategy_id=OTHER),
        part("-1", "101", "-1", position_id=NUMBERED),
        venue="1",
    )
    planned = plan(observed)
    assert [step.told.kind for step in planned.steps] == ["close_phantom"]
    assert planned.refused[0].detail == (
        f"{OTHER} and {STRATEGY} hold contrary parts of one net position (-1 and 2): let one of "
        "them close its own"
    )


def test_what_is_made_up_and_held_without_a_trade_is_left_with_the_reason() -> None:
    """
    It may be right, and nothing tells.
    """
    observed = seen(part("1"), part("1", "95", "1", position_id=ALIGNED), venue="2")
    assert refusal(observed) == (
        f"the venue holds 1 of {STRATEGY} (`{BOTH}`) and 1 of {STRATEGY} (`{ALIGNED}`) in one net "
        f"position, and reports no trade of `{ALIGNED}`, which is made up: close that with "
        "`closing_order`"
    )


# -- THE PLAN AS A WHOLE --


def test_the_steps_are_in_the_order_in_which_they_last() -> None:
    """
    What is made up, ids, trades, ends, what is left, and then moves.
    """
    orders = [
        order(),
        order(client_order_id="O-2", venue_order_id="V-2"),
        order(client_order_id="O-3", venue_order_id="V-3"),
    ]
    observed = seen(
        part("1"),
        part("-3", "101", "-3", position_id=NUMBERED),
        part("-1", "104", position_id="X-1", strategy_id="EXTERNAL"),
        venue="1",
        orders=orders,
        at_venue=[
            reported(status="FILLED", filled_qty=D(2)),
            reported(client_order_id="O-2", venue_order_id="V-20"),
        ],
        trades=[trade("2", position_id=BOTH)],
    )
    assert [kind for kind, _ in steps(observed)] == [
        "close_phantom",
        "rename_order",
        "apply_fills",
        "end_order",
        "close_position",
        "merge",
    ]


def test_nothing_is_planned_in_part() -> None:
    """
    Where one step is refused the others of its instrument are not made either.
    """
    sent = order(venue_order_id=None, status="SUBMITTED", is_open=False, is_inflight=True)
    new = replace(sent, ts_init=900)
    observed = seen(part("1"), part("-1", "1", "-1", position_id=NUMBERED), venue="1", orders=[new])
    assert refusal(observed) == "order O-1 may still be on its way"


@pytest.mark.parametrize("problem", ["", "Close -1 of P-1: the engine did not do it"])
def test_what_was_tried_in_vain_is_not_planned_again(problem: str) -> None:
    """
    Nor what comes after it; what goes before it is.
    """
    observed = seen(
        part("1"),
        part("-1", "101", "-1", position_id=NUMBERED),
        venue="1",
        orders=[order()],
        at_venue=[reported(status="CANCELED")],
    )
    first, second = plan(observed).steps
    assert refusal(replace(observed, tried={first: problem})) == (
        f"this was tried, and the difference is still there: {problem or first.told.detail}"
    )
    planned = plan(replace(observed, tried={second: problem}))
    assert planned.steps == (first,)
    assert planned.complete == frozenset()


def test_only_what_blocks_is_repaired() -> None:
    """
    An average price that differs a little, and what nobody claims, are told and left.
    """
    assert plan(seen(part("1"), venue="1", px="99")) == Plan()
    assert plan(seen(part("1", strategy_id="EXTERNAL"), venue="1")) == Plan()


def test_first_the_past_of_a_place_is_asked_for() -> None:
    """
    Nothing is planned, and nothing refused, until it was told.
    """
    observed = seen(part("1"), venue="2", explored=False)
    assert plan(observed) == Plan(unexplored=frozenset({(ACCOUNT, BTC)}))
    single = replace(observed, answers=(), asked_accounts=frozenset())
    assert plan(single) == Plan()


def test_a_place_that_cannot_be_planned_is_refused() -> None:
    """
    The instrument is not loaded.
    """
    observed = seen(venue="2", px="1", instruments=[])
    assert refusal(observed) == "the node has not loaded the instrument"


def test_a_plan_is_told_by_its_id() -> None:
    """
    Any other price, quantity or position makes it another.
    """
    plans = [
        PHANTOM,
        seen(part("1"), part("-1", "102", "-1", position_id=NUMBERED), venue="1"),
        seen(part("2"), part("-1", "101", "-1", position_id=NUMBERED), venue="2"),
        seen(part("1"), part("-1", "101", "-1", position_id=ALIGNED), venue="1"),
        seen(part("2"), part("-2", "101", "-2", position_id=NUMBERED), venue="2"),
    ]
    ids = [plan_id(plan(observed).told) for observed in plans]
    assert ids[0] == plan_id(plan(PHANTOM).told)
    assert len({*ids}) == len(plans) - 1  # What is real of the third is not in a step

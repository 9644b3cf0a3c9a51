"""
What somebody else traded of a net position, and when it is booked on the strategy that holds it.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Step
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import STRATEGY
from tests.core.builders import cached_position
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report
from tests.core.test_proof import answer


POLICY = Policy(plans=True, repairs=True)
replace = msgspec.structs.replace


def owned(qty: str | Decimal, **fields: Any) -> CachedPosition:
    return cached_position(qty, avg_px="90", **fields)


def nobodys(qty: str | Decimal, **fields: Any) -> CachedPosition:
    values: dict[str, Any] = {"strategy_id": "EXTERNAL", "position_id": "X-1", "avg_px": "101.5"}
    return cached_position(qty, **(values | fields))


def held(*parts: CachedPosition, venue: tuple[VenuePosition, ...], **fields: Any) -> Observation:
    """
    Return an observation of what the venue has said twice.
    """
    values: dict[str, Any] = {
        "reports": [venue_report(venue)],
        "answers": (answer(venue),),
        "asked_accounts": frozenset({ACCOUNT}),
        "reporting": frozenset({ACCOUNT}),
        "strategies": [STRATEGY],
        "after": parts,
        "required": [ACCOUNT],
    }
    return observation(**(values | fields))


def merges(observed: Observation, policy: Policy = POLICY) -> tuple[Step, ...]:
    """
    Return what is moved without anybody's word.
    """
    steps = verdict.judge(observed, policy).plan.steps
    return tuple(step for step in steps if step.is_automatic)


ONE = (venue_position("1"),)
PARTS = (owned("2"), nobodys("-1"))


@pytest.mark.parametrize(
    ("mine", "theirs", "moved"), [("2", "-1", "-1"), ("-2", "1", "1"), ("2", "-5", "-2")]
)
def test_a_contrary_part_of_nobodys_is_booked_on_the_strategy(
    mine: str, theirs: str, moved: str
) -> None:
    """
    As much of it as the strategy holds, at the price at which it was traded.
    """
    net = (venue_position(Decimal(mine) + Decimal(theirs)),)
    (merge,) = merges(held(owned(mine), nobodys(theirs), venue=net))
    assert merge.told.kind == "merge"
    assert merge.told.state == "planned"
    assert merge.place == (ACCOUNT, BTC)
    px, qty = Decimal("101.5"), Decimal(moved)
    assert merge.operations == (
        Book("X-1", "EXTERNAL", -qty, px, Decimal(theirs), True, goes_to=(STRATEGY, "P-1")),
        Book("P-1", STRATEGY, qty, px, Decimal(mine), is_real=True, completes=""),
    )


def test_what_is_closed_by_hand_is_booked_when_the_venue_leaves_it_out_twice() -> None:
    """
    Of an account that reports positions, and of no other.
    """
    flat = held(owned("2"), nobodys("-2"), venue=())
    assert len(merges(flat)) == 1
    assert merges(replace(flat, reporting=frozenset({OTHER_ACCOUNT}))) == ()
    assert merges(replace(flat, reports=(venue_report(ONE),))) == ()


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(held(*PARTS, venue=ONE, answers=()), id="one answer"),
        pytest.param(held(*PARTS, venue=ONE, asked_accounts=frozenset()), id="not asked"),
        pytest.param(
            held(*PARTS, venue=ONE, answers=(answer((venue_position("2"),)),)), id="two that differ"
        ),
        pytest.param(
            held(*PARTS, venue=ONE, answers=(answer(problem="timed out"),)), id="a failing answer"
        ),
        pytest.param(held(*PARTS, venue=(venue_position("2"),)), id="another net"),
        pytest.param(held(owned("2"), nobodys("1"), venue=(venue_position("3"),)), id="one side"),
        pytest.param(held(PARTS[0], nobodys("-1", made_up=True), venue=ONE), id="made up"),
        pytest.param(held(owned("2", made_up=True), PARTS[1], venue=ONE), id="made up, its own"),
        pytest.param(held(PARTS[0], nobodys("-1", avg_px=None), venue=ONE), id="no price"),
        pytest.param(held(*PARTS, venue=ONE, strategies=["Other-002"]), id="not of this node"),
        pytest.param(held(*PARTS, venue=ONE, strategies=None), id="unknown strategies"),
        pytest.param(
            held(*PARTS, venue=ONE, cash_accounts={ACCOUNT: {"USDT": Decimal(1)}}), id="cash"
        ),
        pytest.param(
            held(*PARTS, venue=(venue_position("2", leg="P-1"), venue_position("-1", leg="X-1"))),
            id="legs",
        ),
        pytest.param(
            held(*PARTS, venue=(venue_position("2"), venue_position("-1"))), id="unnamed legs"
        ),
        pytest.param(
            held(
                *PARTS,
                owned("1", position_id="P-2", strategy_id="Other-002"),
                venue=(venue_position("2"),),
                strategies=[STRATEGY, "Other-002"],
            ),
            id="two strategies",
        ),
        pytest.param(
            held(*PARTS, nobodys("-1", position_id="X-2"), venue=(venue_position("0"),)),
            id="two of nobody's",
        ),
        pytest.param(held(nobodys("2"), nobodys("-1", position_id="X-2"), venue=ONE), id="nobody"),
        pytest.param(
            held(PARTS[0], nobodys("-1", account_id=OTHER_ACCOUNT), venue=(venue_position("2"),)),
            id="another account",
        ),
    ],
)
def test_nothing_else_is_moved(observed: Observation) -> None:
    """
    What is not proven, or is not evident, is left as it is.
    """
    assert merges(observed) == ()


def test_nothing_is_moved_where_nothing_may_be_changed() -> None:
    """
    In shadow, and with no corrections: the difference stands.
    """
    observed = held(*PARTS, venue=ONE)
    assert merges(observed, Policy()) == ()
    assert verdict.judge(observed, Policy()).report.repairs == ()
    assert verdict.judge(observed, Policy()).report.blocked_instruments == (BTC,)


QTY = st.sampled_from([Decimal(q) for q in ("-3", "-1", "-0.5", "0", "0.5", "1", "2")])
PART = st.tuples(QTY, st.sampled_from([STRATEGY, "Other-002", "EXTERNAL", "INTERNAL-DIFF"]))


@given(
    st.lists(PART, max_size=4),
    st.lists(st.tuples(QTY, st.none() | st.just("P-0")), max_size=2),
    st.booleans(),
    st.booleans(),
)
def test_what_is_held_in_all_stays_and_no_strategy_is_turned(
    drawn: list[tuple[Decimal, str]],
    venue: list[tuple[Decimal, str | None]],
    is_equal: bool,
    is_made_up: bool,
) -> None:
    """
    Whatever is there: a merge makes both parts smaller, and neither turns round.
    """
    parts = [
        cached_position(
            qty, position_id=f"P-{n}", strategy_id=owner, avg_px="100", made_up=is_made_up and not n
        )
        for n, (qty, owner) in enumerate(drawn)
    ]
    net = sum((one.qty for one in parts), Decimal(0))
    said = [venue_position(net)] if is_equal else [venue_position(q, leg=leg) for q, leg in venue]
    made = merges(held(*parts, venue=tuple(said), strategies=[STRATEGY, "Other-002"]))
    assert len(made) <= 1
    for merge in made:
        assert sum((one.qty for one in said), Decimal(0)) == net
        before = {one.position_id: one for one in parts}
        books = [one for one in merge.operations if isinstance(one, Book)]
        source, target = (before[str(one.position_id)] for one in books)
        assert not source.made_up
        assert not target.made_up
        assert target.strategy_id == books[1].strategy_id
        assert source.strategy_id in ("EXTERNAL", "INTERNAL-DIFF")
        assert books[0].qty == -books[1].qty
        for old, book in zip((source.qty, target.qty), books, strict=True):
            assert abs(old + book.qty) == abs(old) - abs(book.qty) >= 0
            assert (old + book.qty) * old >= 0


def test_the_step_is_proven_by_the_answer_after_it() -> None:
    """
    It is made, and is proven once nothing blocks any more.
    """
    observed = held(*PARTS, venue=ONE)
    (merge,) = merges(observed)
    step = replace(merge.told, state="made")
    still = verdict.judge(replace(observed, repairs=(step,)), POLICY).report
    assert [one.state for one in still.repairs] == ["made", "planned"]
    done = replace(observed, after=(owned("1"),), repairs=(step,))
    assert [one.state for one in verdict.judge(done, POLICY).report.repairs] == ["proven"]
    silent = replace(done, answers=(answer(problem="timed out"),))
    assert [one.state for one in verdict.judge(silent, POLICY).report.repairs] == ["made"]

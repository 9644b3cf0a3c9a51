"""
Moves of which only the first half was booked: what completes them, and when that makes no sense.
"""

from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import HalfMove
from nautilus_recovery_actor.core.observation import Observation
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import STRATEGY
from tests.core.builders import venue_position
from tests.core.test_repair_plan import ALIGNED
from tests.core.test_repair_plan import BOTH
from tests.core.test_repair_plan import NUMBERED
from tests.core.test_repair_plan import OTHER
from tests.core.test_repair_plan import D
from tests.core.test_repair_plan import book
from tests.core.test_repair_plan import part
from tests.core.test_repair_plan import plan
from tests.core.test_repair_plan import seen
from tests.core.test_repair_plan import steps
from tests.core.test_repair_plan import trade


# 1 that was sold at 90 goes on to a position of 3 at 100
HALF = HalfMove("M-1", ACCOUNT, BTC, STRATEGY, BOTH, D(-1), D(90))
SECOND: dict[str, Any] = {"is_real": True, "completes": "M-1"}
replace = msgspec.structs.replace


def half_done(*parts: CachedPosition, half: HalfMove = HALF, **fields: Any) -> Observation:
    return seen(*parts, half_moves=(half,), **fields)


def test_the_other_half_is_booked_where_it_was_to_go() -> None:
    """
    At the price at which it left, so that the PnL is what it would have been.
    """
    assert steps(half_done(part("3"), venue="2")) == [("merge", (book("-1", "90", "3", **SECOND),))]
    assert not plan(half_done(part("3"), venue="2")).steps[0].is_automatic
    assert steps(half_done(part("3"), venue="2", explored=False)) == []


def test_what_the_engine_made_up_in_its_place_is_undone_first() -> None:
    """
    Apart from it, or on it; also where the quantities are equal, and nobody is asked.
    """
    apart = half_done(part("3"), part("-1", "100", "-1", position_id=ALIGNED), venue="2")
    assert steps(apart) == [
        ("close_phantom", (book("1", "100", "-1", ALIGNED),)),
        ("merge", (book("-1", "90", "3", **SECOND),)),
    ]
    within = half_done(part("2", "100", "-1"), venue="2", explored=False)
    assert steps(within) == [
        ("undo_fill", (book("1", "100", "2"),)),
        ("merge", (book("-1", "90", "3", **SECOND),)),
    ]


@pytest.mark.parametrize(("name", "reopened"), [(BOTH, BOTH), (NUMBERED, None)])
def test_a_position_that_the_engine_closed_meanwhile_is_opened_for_it(
    name: str, reopened: str | None
) -> None:
    """
    Its PnL is realized in it, though nothing differs from the venue.
    """
    closed = replace(part("0", "100", position_id=name), made_up_qty=D(-1))
    observed = half_done(half=replace(HALF, position_id=name), past=(closed,), explored=False)
    assert steps(observed) == [
        ("reopen", (book("1", "100", "0", reopened, is_real=True),)),
        ("merge", (book("-1", "90", "1", reopened, **SECOND),)),
    ]
    assert all(step.is_automatic for step in plan(observed).steps)
    others = replace(closed, strategy_id=OTHER)
    assert steps(replace(observed, past=(others,))) == []


def test_a_position_that_there_is_not_yet_is_opened() -> None:
    """
    Under the id that it was to have, if any, and also if somebody else's was closed for it.
    """
    half = replace(HALF, qty=D(2), px=D(101))
    made_up = part("2", "100", "2", strategy_id="EXTERNAL")
    for position_id, parts in ((BOTH, ()), (None, ()), (BOTH, (made_up,))):
        observed = half_done(*parts, half=replace(half, position_id=position_id), venue="2")
        assert steps(observed)[-1] == ("merge", (book("2", "101", "0", position_id, **SECOND),))
        assert len(steps(observed)) == 1 + len(parts)


def test_each_leg_gets_what_was_to_go_to_it() -> None:
    """
    And nothing is done to the other.
    """
    long, short = f"{BTC}-LONG", f"{BTC}-SHORT"
    half = replace(HALF, position_id=long, qty=D(2), px=D(101))
    venue = (venue_position("2", leg=long), venue_position("-1", leg=short))
    kept = part("-1", position_id=short)
    completed = ("merge", (book("2", "101", "0", long, **SECOND),))
    assert steps(half_done(kept, half=half, venue=venue)) == [completed]
    made_up = part("2", "99", "2", position_id=long, strategy_id="EXTERNAL")
    assert [kind for kind, _ in steps(half_done(kept, made_up, half=half, venue=venue))] == [
        "close_phantom",
        "merge",
    ]


def test_trades_since_are_applied_after_it() -> None:
    """
    What was sold while the node was away does not keep it from being right.
    """
    observed = half_done(
        part("3"), venue="1", trades=[trade("-1", "95", known=False, strategy_id=STRATEGY)]
    )
    assert steps(observed)[0] == ("merge", (book("-1", "90", "3", **SECOND),))


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(half_done(part("3"), venue="3"), id="the quantities are equal without it"),
        pytest.param(half_done(part("2"), venue=(), past=()), id="what is held is gone"),
        pytest.param(
            half_done(part("3", strategy_id=OTHER), venue="2"), id="somebody else has its position"
        ),
        pytest.param(half_done(part("3"), venue="2", mute=frozenset({ACCOUNT})), id="not reported"),
        pytest.param(
            half_done(part("3"), cash_accounts={ACCOUNT: {"BTC": D(3)}}), id="a cash account"
        ),
        pytest.param(
            half_done(part("3"), venue=(venue_position("3"), venue_position("-1"))), id="unnamed"
        ),
    ],
)
def test_nothing_is_completed_where_it_does_not_explain_what_the_venue_holds(
    observed: Observation,
) -> None:
    """
    Nor PnL made up.
    """
    assert not any(
        getattr(each, "completes", None)
        for step in plan(observed).steps
        for each in step.operations
    )


def test_a_difference_is_solved_without_it_then_and_the_lost_pnl_is_told() -> None:
    """
    The quantities come right all the same; where nothing differs, nothing is said.
    """
    planned = plan(half_done(part("2"), venue="0.5"))
    assert [step.told.kind for step in planned.steps] == ["close_position"]
    (refused,) = planned.refused
    assert refused.detail == (
        f"a repair was broken off that moved -1 at 90 to {STRATEGY}, and what the venue holds does "
        "not say what has become of that: its PnL is not booked"
    )
    assert plan(half_done(part("3"), venue="3")).refused == ()

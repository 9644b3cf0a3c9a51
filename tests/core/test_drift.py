"""
What one answer of the venues leaves of the cache.
"""

import msgspec

from nautilus_recovery_actor.core.drift import ACTIVE
from nautilus_recovery_actor.core.drift import active
from nautilus_recovery_actor.core.drift import as_report
from nautilus_recovery_actor.core.drift import drift
from nautilus_recovery_actor.core.drift import names
from nautilus_recovery_actor.core.drift import parts
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import SOL
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position


TS = 10 * ACTIVE


def found(observed: Observation) -> list[tuple[Kind, str]]:
    parted = [one for part in parts(observed) for one in drift(part, Policy())]
    return sorted((one.kind, one.instrument_id) for one in parted if one.kind.is_difference)


def answered(*positions: str, **fields: object) -> Observation:
    """
    Return an observation with an answer that has LONG 1 of these instruments.
    """
    answer = Answer(ACCOUNT, TS, positions=tuple(venue_position("1", one) for one in positions))
    return observation([as_report(answer, 9)], reporting=frozenset({ACCOUNT}), **fields)  # type: ignore[arg-type]


def test_what_an_answer_leaves_out_is_gone() -> None:
    """Nothing follows from it before another one says so too."""
    held = [cached_position("1"), cached_position("1", ETH, "P-2")]
    assert found(answered(BTC, ETH, after=held)) == []
    assert found(answered(ETH, after=held)) == [(Kind.POSITION_NOT_AT_VENUE, BTC)]


def test_a_fill_that_came_since_the_question_may_be_in_the_answer_or_not() -> None:
    held = [cached_position("2")]
    assert found(answered(BTC, after=held)) == [(Kind.POSITION_QTY_MISMATCH, BTC)]
    since = fill("1", 0, ts_init=TS + 1)
    assert found(answered(BTC, after=held, live_fills=[since])) == []
    before = msgspec.structs.replace(since, ts_init=TS)
    assert found(answered(BTC, after=held, live_fills=[before])) != []


def test_instrument_by_instrument_the_same_differs() -> None:
    """However many parts there are; what shares a balance stays in one."""
    orders = [cached_order(f"O-{n}", f"V-{n}", ETH) for n in range(70)]
    held = [cached_position("2"), cached_position("1", SOL, "P-3")]
    observed = answered(BTC, after=held, orders=orders)
    assert sum(1 for _ in parts(observed)) > 1
    whole = sorted(
        (one.kind, one.instrument_id)
        for one in drift(
            msgspec.structs.replace(observed, twice_missing=frozenset({(ACCOUNT, SOL)})), Policy()
        )
        if one.kind.is_difference
    )
    assert found(observed) == whole
    assert names(observed) == {BTC: 2, SOL: 1, ETH: 70}
    shared = msgspec.structs.replace(
        observed, cash_accounts={ACCOUNT: {}}, base_currencies=dict.fromkeys((BTC, ETH, SOL), "X")
    )
    assert next(len(names(part)) for part in parts(shared)) == 3


def test_an_instrument_is_active_shortly_after_its_events() -> None:
    """Of orders and of trades, by the time of the question."""
    old, new = TS - ACTIVE - 1, TS - ACTIVE
    orders = [
        cached_order("O-1", ts_init=0, ts_last=new),
        cached_order("O-2", instrument_id=ETH, ts_init=old, ts_last=old),
    ]
    fills = [
        fill("1", 0, instrument_id=SOL, ts_init=new),
        fill("1", 1, instrument_id=ETH, ts_init=old),
    ]
    observed = answered(orders=orders, live_fills=fills)
    assert active(observed, TS) == {(ACCOUNT, BTC), (ACCOUNT, SOL)}


def test_orders_are_compared_too() -> None:
    answer = Answer(ACCOUNT, TS, orders=(venue_order("O-9", "V-9"),))
    observed = observation([as_report(answer, 0)], orders=[cached_order()])
    assert found(observed) == [(Kind.ORDER_NOT_AT_VENUE, BTC), (Kind.ORDER_NOT_IN_CACHE, BTC)]

"""
Random caches and venues, of NautilusTrader's own objects: what is planned, once it is made, makes
the cache equal to the venue, or it was refused; and no PnL comes of it but that of real trades.

More examples by hand: ``REPAIR_EXAMPLES=5000 pytest tests/node/test_repair_machine.py``.
"""

import asyncio
import os
from decimal import Decimal

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from nautilus_trader.model.events import OrderFilled

from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import Vacate
from tests.node.repair_world import EXTERNAL
from tests.node.repair_world import STRATEGIES
from tests.node.repair_world import ZERO
from tests.node.repair_world import Bench
from tests.node.repair_world import Deal
from tests.node.repair_world import MadeUp
from tests.node.repair_world import Way
from tests.node.repair_world import World
from tests.node.repair_world import position_id_of
from tests.node.repair_world import positions_of
from tests.node.repair_world import taken


# What the ninth decimal of a price comes to
TINY = Decimal("0.000001")
OWNERS = st.sampled_from((STRATEGIES[0], STRATEGIES[0], STRATEGIES[1], EXTERNAL))
# How often it may be planned anew
ROUNDS = 3
LEGS = st.sampled_from(("LONG", "SHORT"))
QTY, PX = st.integers(1, 3), st.integers(90, 110)


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    trades = draw(st.lists(st.tuples(QTY, PX), max_size=3))
    rest = draw(st.sampled_from((0, 0, 1))) if trades else draw(QTY)
    return Deal(
        owner=draw(OWNERS),
        is_buy=draw(st.booleans()),
        trades=tuple(trades),
        leg=draw(LEGS),
        rest=rest,
        is_open=bool(rest) and draw(st.booleans()),
        known=draw(st.sampled_from(("whole", "whole", "order", "part", "inferred", "nothing"))),
        knows_end=draw(st.booleans()),
        told=draw(st.sampled_from(("all", "all", "all", "order", "nothing"))),
        is_renamed=draw(st.sampled_from((False, False, False, True))),
    )


MADE_UP = st.builds(
    MadeUp,
    owner=OWNERS,
    qty=st.sampled_from((0, 0, 1, 2, -1, -2)),
    px=PX,
    is_synthetic=st.booleans(),
    is_apart=st.booleans(),
    leg=LEGS,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    way = draw(st.sampled_from(Way))
    drawn = draw(st.lists(deals(), min_size=1, max_size=5))
    claimant = draw(st.sampled_from((None, STRATEGIES[0])))
    made_up = draw(st.lists(MADE_UP, max_size=2))
    at = draw(st.sampled_from((99, 1, 2)))
    is_reporting = draw(st.booleans()) or way is Way.LEGS
    if way is Way.LEGS:
        drawn = _with_legs(drawn)
    return World(way, tuple(drawn), tuple(made_up), claimant, is_reporting, at)


def _with_legs(drawn: list[Deal]) -> list[Deal]:
    # No leg turns round
    held = {"LONG": 0, "SHORT": 0}
    kept = []
    for deal in drawn:
        after = held[deal.leg] + deal.sign * deal.filled
        if after * (1 if deal.leg == "LONG" else -1) >= 0:
            held[deal.leg] = after
            kept.append(deal)
    return kept


@settings(
    max_examples=int(os.environ.get("REPAIR_EXAMPLES", "100")),
    derandomize="REPAIR_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(worlds())
def test_what_is_planned_makes_the_cache_equal_to_the_venue_or_is_refused(world: World) -> None:
    """
    Each step realizes what its real trades do, and the next plan is empty.
    """
    asyncio.run(run(world))


async def run(world: World) -> None:
    bench = Bench(world, asyncio.get_running_loop())
    bench.engine.start()
    try:
        await repaired(bench)
    finally:
        bench.close()


async def repaired(bench: Bench) -> None:
    trades_before = bench.trades()
    judgment = await bench.judge()
    was_blocked = bool(judgment.report.blocked_instruments)
    for _ in range(ROUNDS):
        for step in judgment.plan.steps:
            await make(bench, step)
        assert len(bench.trades()) == len(set(bench.trades()))
        assert set(trades_before) <= set(bench.trades())
        judgment = await bench.judge()
        if not judgment.plan.steps:
            break
    assert judgment.plan.steps == ()
    if judgment.report.blocked_instruments:
        assert judgment.plan.refused, judgment.report.discrepancies
    elif was_blocked:
        is_equal(bench)


def is_equal(bench: Bench) -> None:
    """
    Compare the cache with the venue, and not as the monitor does.
    """
    held, venue = bench.held(), bench.client.held()
    if bench.world.way is Way.LEGS:
        legs = {str(position_id_of(Way.LEGS, leg)): qty for leg, (qty, _) in venue.items() if qty}
        assert held == legs
    else:
        assert sum(held.values(), ZERO) == venue.get("", (ZERO, ZERO))[0]
    rests = {
        order.venue_order_id: sum((abs(one.qty) for one in order.trades), ZERO)
        for order in bench.client.orders
        if order.deal.is_open
    }
    assert bench.open_orders() == rests


async def make(bench: Bench, step: Step) -> None:
    """
    Make one step, and look at what came of it.
    """
    positions = {one[0]: one[1:] for one in positions_of(bench)}
    realized, trades, lives = bench.realized(), set(bench.trades()), bench.closed()
    bench.events.clear()
    assert await bench.make(step) == (1, None)
    fills = [event for event in bench.events if type(event) is OrderFilled]
    is_allowed = step.told.kind in ("merge", "apply_fills", "adopt_order", "infer_fill")
    expected: dict[str, Decimal] = {}
    model = dict(positions)
    for fill in fills:
        check_fill(bench, step, fill, trades)
        strategy_id, position_id = fill.strategy_id.value, str(fill.position_id)
        # A position stays with who opened it, whoever trades in it
        owner, qty, avg_px = model.get(position_id, (strategy_id, ZERO, ZERO))
        strategy_id = owner if qty else strategy_id
        signed = fill.last_qty.as_decimal() * (1 if fill.is_buy else -1)
        qty, avg_px, gain = taken(qty, avg_px, signed, fill.last_px.as_decimal())
        assert is_allowed or abs(gain) < TINY, (step, gain)
        model[position_id] = strategy_id, qty, avg_px
        expected[strategy_id] = expected.get(strategy_id, ZERO) + gain
        expected[strategy_id] -= fill.commission.as_decimal()
    after = {one[0]: one[1:] for one in positions_of(bench)}
    assert after.keys() == {key for key, one in model.items() if one[1]}
    for key, (strategy_id, qty, avg_px) in after.items():
        assert (strategy_id, qty) == model[key][:2]
        assert abs(avg_px - model[key][2]) < TINY
    for position_id, (strategy_id, pnl) in lives.items():
        # NautilusTrader forgets what it was before where the venue names positions
        is_vacated = any(each == Vacate(position_id) for each in step.operations)
        is_reopened = position_id in after and bench.world.way is not Way.NETTING
        if is_vacated or is_reopened:
            expected[strategy_id] = expected.get(strategy_id, ZERO) - pnl
    for strategy_id in realized.keys() | expected.keys():
        change = bench.realized().get(strategy_id, ZERO) - realized.get(strategy_id, ZERO)
        assert abs(change - expected.get(strategy_id, ZERO)) < TINY, (step, change, expected)


def check_fill(bench: Bench, step: Step, fill: OrderFilled, known: set[str]) -> None:
    """
    Assert that a fill is a trade of the venue, or what the step says.
    """
    told = {one.trade_id: one for order in bench.client.orders for one in order.trades}
    signed = fill.last_qty.as_decimal() * (1 if fill.is_buy else -1)
    if (trade := told.get(fill.trade_id.value)) is not None:
        assert fill.trade_id.value not in known
        assert (signed, fill.last_px.as_decimal()) == (trade.qty, trade.px)
        assert fill.commission.as_decimal() == trade.fee
        return
    books = [each for each in step.operations if isinstance(each, Book)]
    infers = [each for each in step.operations if isinstance(each, Infer)]
    assert any(each.qty == signed for each in books) or (infers and infers[0].qty == signed), (
        step,
        fill,
    )

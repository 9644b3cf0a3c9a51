"""
Random caches and venues, of NautilusTrader's own objects: what is planned, once it is made, makes
the cache equal to the venue, or it was refused; and no PnL comes of it but that of real trades.

More examples by hand: ``REPAIR_EXAMPLES=5000 pytest tests/node/test_repair_machine.py``.
"""

import asyncio
import os
from collections import defaultdict
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from nautilus_trader import __version__ as version
from nautilus_trader.model.events import OrderFilled

from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Step
from tests.node.repair_world import EXTERNAL
from tests.node.repair_world import KILLED
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
EXAMPLES = int(os.environ.get("REPAIR_EXAMPLES", "200"))
OWNERS = st.sampled_from((STRATEGIES[0], STRATEGIES[0], STRATEGIES[1], EXTERNAL))
# How often it may be planned anew
ROUNDS = 3
LEGS = st.sampled_from(("LONG", "SHORT"))
KNOWN = ("whole", "whole", "whole", "order", "part", "inferred", "sent", "nothing")
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
        known=draw(st.sampled_from(KNOWN)),
        knows_end=draw(st.booleans()),
        told=draw(st.sampled_from(("all", "all", "all", "order", "nothing"))),
        is_renamed=draw(st.sampled_from((False, False, False, True))),
        is_amended=draw(st.sampled_from((False, False, False, True))),
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
    killed = draw(st.sampled_from((None, None, "nobody", EXTERNAL, *STRATEGIES)))
    if way is Way.LEGS:
        drawn = _with_legs(drawn)
    return World(way, tuple(drawn), tuple(made_up), claimant, is_reporting, at, killed)


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


# Each takes a tenth of a second, on a machine that is busy several of them
@pytest.mark.long
@pytest.mark.timeout(EXAMPLES * 3)
@settings(
    max_examples=EXAMPLES,
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


# What was wrong once
MINE, OTHER = STRATEGIES
CASES = {
    "the venue has filled an order that rests, and reports no trade of it": World(
        Way.NETTING,
        (
            Deal(OTHER, is_buy=False, trades=((2, 106),), rest=1, is_open=True),
            Deal(EXTERNAL, False, ((1, 93),), rest=1, is_open=True, known="nothing", told="order"),
        ),
    ),
    "a canceled order was filled in part": World(
        Way.NETTING,
        (Deal(EXTERNAL, is_buy=True, trades=((1, 101), (3, 97)), rest=1, known="order"),),
    ),
    "contrary positions of two strategies, one of them made up in part": World(
        Way.NETTING,
        (
            Deal(OTHER, is_buy=True, trades=((3, 91), (2, 107))),
            Deal(MINE, is_buy=False, trades=((2, 103), (3, 92), (1, 99)), known="inferred"),
            Deal(MINE, is_buy=True, trades=(), rest=3, known="order", knows_end=False),
        ),
        (MadeUp(MINE, -1, 108, is_synthetic=True), MadeUp(MINE, 3, 92, is_synthetic=True)),
        claimant=MINE,
        at=2,
    ),
    "a made-up fill has turned a position": World(
        Way.NETTING, (Deal(MINE, is_buy=True, trades=((1, 100),)),), (MadeUp(MINE, -3, 105),)
    ),
    "an order placed elsewhere has another ID": World(
        Way.NETTING,
        (
            Deal(EXTERNAL, True, ((3, 100), (2, 108)), rest=1, is_open=True, is_renamed=True),
            Deal(MINE, is_buy=False, trades=(), rest=1, knows_end=False),
        ),
    ),
    "the engine numbers positions, and one is to be made larger": World(
        Way.ENGINE,
        (Deal(MINE, is_buy=True, trades=((3, 110), (1, 99)), known="part", told="nothing"),),
        claimant=MINE,
    ),
    "another strategy has closed the venue's position": World(
        Way.LEGS,
        (Deal(OTHER, is_buy=True, trades=((3, 96),), rest=1, is_open=True, known="order"),),
        (MadeUp(EXTERNAL, 0, 90),),
        at=1,
    ),
    "an order that was on its way is filled": World(
        Way.BOTH, (Deal(MINE, is_buy=True, trades=((1, 100), (3, 99)), known="sent"),)
    ),
    "an average open price has more digits than a price": World(
        Way.BOTH,
        (
            Deal(MINE, is_buy=True, trades=((1, 100), (2, 101))),
            Deal(EXTERNAL, False, ((1, 103),), known="nothing", told="nothing"),
        ),
    ),
    "an order is filled in part, and the venue has another price of it": World(
        Way.BOTH,
        (Deal(MINE, True, ((1, 100),), rest=1, is_open=True, known="order", is_amended=True),),
    ),
    "another strategy has turned a position that is to be adopted": World(
        Way.BOTH,
        (
            Deal(MINE, is_buy=False, trades=((1, 90),)),
            Deal(MINE, is_buy=True, trades=((1, 90),), known="order", told="nothing"),
            Deal(OTHER, is_buy=True, trades=((2, 90),)),
        ),
        claimant=MINE,
        is_reporting=False,
    ),
    "nothing is held, and an order is to be adopted": World(
        Way.BOTH,
        (
            Deal(MINE, is_buy=False, trades=((1, 90),)),
            Deal(MINE, is_buy=False, trades=((1, 90),), known="nothing"),
            Deal(MINE, is_buy=True, trades=((1, 90),)),
        ),
        claimant=MINE,
        is_reporting=False,
    ),
}


@pytest.mark.parametrize("world", CASES.values(), ids=CASES)
def test_what_was_wrong_once_is_planned_right(world: World) -> None:
    """
    The same holds of what random worlds have shown.
    """
    asyncio.run(run(world))


async def run(world: World) -> None:
    gain = await gained(msgspec.structs.replace(world, killed=None))
    if world.killed is not None:
        killed = await gained(world)
        # An average has more digits than the price of what is made up
        if gain is not None and killed is not None:
            assert abs(gain - killed) < Decimal("0.1"), (gain, killed)


async def gained(world: World) -> Decimal | None:
    """
    Return what the steps have realized, ``None`` if not all could be planned.
    """
    bench = Bench(world, asyncio.get_running_loop())
    bench.engine.start()
    try:
        return await repaired(bench)
    finally:
        bench.close()


async def repaired(bench: Bench) -> Decimal | None:
    trades_before = bench.trades()
    judgment = await bench.judge()
    was_blocked = bool(judgment.report.blocked_instruments)
    killed, gain, is_refused = bench.world.killed, ZERO, bool(judgment.plan.refused)
    for _ in range(ROUNDS + (killed is not None)):
        for step in judgment.plan.steps:
            if killed is not None and is_move(step):
                killed = None if await is_begun(bench, step, killed) else killed
                break
            made = await make(bench, step)
            if made is None:
                break
            gain += made
        assert len(bench.trades()) == len(set(bench.trades()))
        assert set(trades_before) <= set(bench.trades())
        judgment = await bench.judge()
        is_refused |= bool(judgment.plan.refused)
        if not judgment.plan.steps:
            break
    assert judgment.plan.steps == ()
    if judgment.report.blocked_instruments:
        assert judgment.plan.refused, judgment.report.discrepancies
    elif was_blocked:
        is_equal(bench)
    return None if is_refused else gain


def is_move(step: Step) -> bool:
    return any(isinstance(one, Book) and one.goes_to is not None for one in step.operations)


async def is_begun(bench: Bench, step: Step, aligned: str) -> bool:
    """
    Do the first half of a move, and what an engine does that is started then.
    """
    second = step.operations[1]
    assert isinstance(second, Book)
    _, problem = await bench.begin(step)
    if not problem.endswith(KILLED):
        return False
    if aligned != "nobody":
        bench.align(aligned, "LONG" if second.qty > 0 else "SHORT")
    return True


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


async def make(bench: Bench, step: Step) -> Decimal | None:
    """
    Make one step, and look at what came of it: all that it says, or nothing. Return what it gained.
    """
    ledger, trades = Ledger(bench, step), set(bench.trades())
    bench.events.clear()
    made, problem = await bench.make(step)
    if not made:
        assert problem is not None
        assert bench.events == [], problem
        return None
    total = ZERO
    is_allowed = step.told.kind in ("merge", "apply_fills", "adopt_order", "infer_fill")
    for fill in bench.events:
        if type(fill) is OrderFilled:
            check_fill(bench, step, fill, trades)
            gain = ledger.take(fill)
            assert is_allowed or abs(gain) < TINY, (step, gain)
            total += gain
    ledger.compare(step)
    return total


class Life(msgspec.Struct):
    """
    A position from its opening to its end.
    """

    strategy_id: str
    qty: Decimal
    avg_px: Decimal
    realized: Decimal


class Ledger:
    """
    Books fills as NautilusTrader does.
    """

    def __init__(self, bench: Bench, step: Step) -> None:
        self._bench = bench
        # What a position was before it turned 1.221 forgets, and 1.231 if it has a venue's id, as
        # it does with what it was before it was opened again
        is_first, is_netting = version.startswith("1.221"), bench.world.way is Way.NETTING
        self._is_first, self._is_report = is_first, step.told.kind == "adopt_order"
        self._ended: set[str] = set()
        self._nets = is_netting and not is_first
        self._appends = is_netting or is_first
        self.lives = {
            one.id.value: Life(
                one.strategy_id.value,
                one.signed_decimal_qty(),
                Decimal(str(one.avg_px_open)),
                one.realized_pnl.as_decimal(),
            )
            for one in bench.cache.positions()
        }
        self._past: dict[str, Decimal] = defaultdict(Decimal)
        for one in bench.cache.position_snapshots():
            self._past[one.strategy_id.value] += one.realized_pnl.as_decimal()

    def take(self, fill: OrderFilled) -> Decimal:
        """
        Book a fill, and return what it realizes.
        """
        position_id, px = str(fill.position_id), fill.last_px.as_decimal()
        qty = fill.last_qty.as_decimal() * (1 if fill.is_buy else -1)
        fee = fill.commission.as_decimal()
        life = self.lives.get(position_id)
        if life is None or not life.qty:
            # Room is made before a step, and within one report there is none
            has_room = not (self._is_report and position_id in self._ended)
            is_others = life is not None and life.strategy_id != fill.strategy_id.value
            keeps = self._appends or (is_others and has_room)
            self._open(position_id, fill, qty, fee, keeps=keeps)
            if life is not None and self._is_first and not has_room:
                self.lives[position_id].strategy_id = life.strategy_id
            return ZERO
        before = life.qty
        after, life.avg_px, gain = taken(before, life.avg_px, qty, px)
        if after * before >= 0:
            life.qty = after
            life.realized += gain - fee
            if not after:
                self._ended.add(position_id)
            return gain
        share = round(fee * abs(before / qty), 8)
        life.qty = ZERO
        life.realized += gain - share
        if position_id.startswith("P-"):
            position_id = next(
                one.id.value
                for one in self._bench.cache.positions_open()
                if one.id.value not in self.lives and one.id.value.endswith("F")
            )
        self._open(position_id, fill, after, fee - share, keeps=self._nets)
        return gain

    def _open(
        self, position_id: str, fill: OrderFilled, qty: Decimal, fee: Decimal, *, keeps: bool
    ) -> None:
        strategy_id = fill.strategy_id.value
        if (old := self.lives.get(position_id)) is not None and keeps:
            self._past[old.strategy_id] += old.realized
        self.lives[position_id] = Life(strategy_id, qty, fill.last_px.as_decimal(), -fee)

    def compare(self, step: Step) -> None:
        """
        Assert that the cache is just so.
        """
        held = {one[0]: one[1:] for one in positions_of(self._bench)}
        own = {key: one for key, one in self.lives.items() if one.qty}
        assert held.keys() == own.keys()
        for key, (strategy_id, qty, avg_px) in held.items():
            assert (strategy_id, qty) == (own[key].strategy_id, own[key].qty)
            assert abs(avg_px - own[key].avg_px) < TINY
        realized = dict(self._past)
        for one in self.lives.values():
            realized[one.strategy_id] = realized.get(one.strategy_id, ZERO) + one.realized
        for strategy_id, pnl in self._bench.realized().items():
            assert abs(pnl - realized[strategy_id]) < TINY, (step, strategy_id)


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

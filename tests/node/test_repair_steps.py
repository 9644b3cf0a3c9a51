"""
What one step of a repair is planned and made for, on NautilusTrader's own objects.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.orders import MarketOrder

from nautilus_recovery_actor.core.repair.steps import Adopt
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.host.way_out import WayOut
from nautilus_recovery_actor.node.exits.books import CacheBooks
from nautilus_recovery_actor.node.monitor.repairs import StoppedError
from nautilus_recovery_actor.node.observing.exits import holding
from nautilus_recovery_actor.node.strategy.exits import Exits
from tests.node.repair_world import ACCOUNT
from tests.node.repair_world import INSTRUMENT
from tests.node.repair_world import STRATEGIES
from tests.node.repair_world import TRADER
from tests.node.repair_world import Bench
from tests.node.repair_world import Deal
from tests.node.repair_world import Way
from tests.node.repair_world import World
from tests.node.repair_world import positions_of


MINE, OTHER = STRATEGIES
SOLD = Deal(MINE, is_buy=False, trades=((1, 90),))
# A position of one's own that another strategy has turned, and what is to be adopted beside it
TURNED = World(
    Way.BOTH,
    (
        SOLD,
        Deal(MINE, is_buy=True, trades=((1, 90),), known="order", told="nothing"),
        Deal(OTHER, is_buy=True, trades=((2, 90),)),
    ),
    claimant=MINE,
)
# Nothing is held in the cache, and the venue has an order that the cache lacks
FLAT = World(
    Way.BOTH,
    (
        SOLD,
        Deal(MINE, is_buy=False, trades=((1, 90),), known="nothing"),
        Deal(MINE, is_buy=True, trades=((1, 90),)),
    ),
    claimant=MINE,
)
# The engine numbers each
NUMBERED = World(
    Way.ENGINE,
    (Deal(MINE, is_buy=True, trades=((1, 100),)), Deal(MINE, is_buy=True, trades=((1, 101),))),
)


def on(world: World, do: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(world, asyncio.get_running_loop())
        bench.engine.start()
        try:
            await do(bench)
        finally:
            bench.close()

    asyncio.run(run())


def test_a_position_that_another_strategy_has_turned_is_not_ones_own() -> None:
    """
    Though the cache still lists it by the strategy that opened it.
    """

    async def do(bench: Bench) -> None:
        planned = (await bench.judge()).plan.steps
        assert [step.told.kind for step in planned] == ["end_order", "adopt_position"]
        assert await bench.make(*planned) == (2, None)
        held = {strategy_id: int(qty) for _, strategy_id, qty, _ in positions_of(bench)}
        assert held == {MINE: 1, OTHER: 1}

    on(TURNED, do)


def test_nor_do_the_exits_of_a_strategy_reach_it() -> None:
    """
    An order that names no position closes the one that is its own.
    """

    async def do(bench: Bench) -> None:
        await bench.make(*(await bench.judge()).plan.steps)
        cache, strategy_id = bench.cache, StrategyId(MINE)
        assert len(cache.positions_open(strategy_id=strategy_id)) == 2
        strategy: Any = SimpleNamespace(cache=cache, id=strategy_id)
        nothing: Any = SimpleNamespace(orders=list)
        (own,) = Exits(strategy, nothing).held()
        assert own.strategy_id == strategy_id
        assert holding(cache, own).is_only_leg
        close = MarketOrder(
            TRADER,
            strategy_id,
            INSTRUMENT.id,
            ClientOrderId("O-9"),
            OrderSide.SELL,
            INSTRUMENT.make_qty(1),
            UUID4(),
            0,
            reduce_only=True,
        )
        assert WayOut(CacheBooks(cache, bench.msgbus, 0)).closed_by(close, None) == own.id

    on(TURNED, do)


def test_of_several_positions_none_is_booked_on_that_is_not_named() -> None:
    """
    Though one of them holds what the step was planned for.
    """

    async def do(bench: Bench) -> None:
        held = list(positions_of(bench))
        book = Book(None, MINE, Decimal(-1), Decimal(101), Decimal(1), is_real=True)
        told = RepairStep("close_position", ACCOUNT.value, INSTRUMENT.id.value, detail="Close 1")
        stopped = (0, f"Close 1: {MINE} holds 2 positions by now, any may be meant")
        assert await bench.make(Step(told, (book,))) == stopped
        assert list(positions_of(bench)) == held

    on(NUMBERED, do)


def test_an_order_is_adopted_for_the_strategy_that_claims_it_though_nothing_is_held() -> None:
    """
    As the engine will do it, and as the step says.
    """

    async def do(bench: Bench) -> None:
        (step,) = (await bench.judge()).plan.steps
        assert step.operations == (Adopt("V-1", MINE, ("T-1-0",)),)
        assert await bench.make(step) == (1, None)
        assert [strategy_id for _, strategy_id, _, _ in positions_of(bench)] == [MINE]

    on(FLAT, do)


def test_a_step_that_failed_is_refused_and_what_goes_before_it_is_not() -> None:
    """
    With the reason for which it failed.
    """

    async def fail(step: Step, operation: Operation) -> None:
        raise StoppedError("the engine is gone")

    async def do(bench: Bench) -> None:
        end, adopt = (await bench.judge()).plan.steps
        bench.repairs._do = fail  # type: ignore[method-assign]
        assert (await bench.make(adopt))[0] == 0
        planned = (await bench.judge()).plan
        assert planned.steps == (end,)
        (refused,) = planned.refused
        assert refused.detail == (
            "this was tried, and the difference is still there: "
            f"{adopt.told.detail}: the engine is gone"
        )

    on(TURNED, do)

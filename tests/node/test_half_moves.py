"""
What the cache tells of a move of which one booking is missing.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.cache.cache import Cache
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.observation import HalfMove
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.node.monitor.repair_events import RepairEvents
from nautilus_recovery_actor.node.observing.moves import begun_moves
from nautilus_recovery_actor.node.observing.moves import half_moves
from tests.node.repair_world import ACCOUNT
from tests.node.repair_world import EXTERNAL
from tests.node.repair_world import INSTRUMENT
from tests.node.repair_world import STRATEGIES
from tests.node.repair_world import TRADER
from tests.node.repair_world import Bench
from tests.node.repair_world import Deal
from tests.node.repair_world import Way
from tests.node.repair_world import World


MINE = STRATEGIES[0]
# What somebody else has sold of a strategy's 3
SOLD = World(
    Way.NETTING,
    (Deal(MINE, is_buy=True, trades=((3, 100),)), Deal(EXTERNAL, is_buy=False, trades=((1, 90),))),
)


Moving = Callable[[Bench, Step], Awaitable[None]]


def about_to_move(do: Moving) -> None:
    """
    Give a node that has planned a move and has not begun it.
    """

    async def run() -> None:
        bench = Bench(SOLD, asyncio.get_running_loop())
        bench.engine.start()
        try:
            (step,) = (await bench.judge()).plan.steps
            await do(bench, step)
        finally:
            bench.close()

    asyncio.run(run())


def half(step: Step, number: int) -> Step:
    return msgspec.structs.replace(step, operations=(step.operations[number],))


def found(bench: Bench) -> tuple[HalfMove, ...]:
    """
    Return what a node finds that is started now.
    """
    return half_moves(bench.cache, set(begun_moves(bench.cache)))


def test_a_move_is_half_done_between_its_two_bookings() -> None:
    """
    What goes on, where and at which price; and no longer once it is booked there.
    """

    async def do(bench: Bench, step: Step) -> None:
        assert found(bench) == ()
        await bench.make(half(step, 0))
        (move,) = found(bench)
        assert msgspec.structs.asdict(move) | {"move_id": ""} == {
            "move_id": "",
            "account_id": ACCOUNT.value,
            "instrument_id": INSTRUMENT.id.value,
            "strategy_id": MINE,
            "position_id": f"{INSTRUMENT.id}-{MINE}",
            "qty": Decimal(-1),
            "px": Decimal(90),
        }
        begun = set(begun_moves(bench.cache))
        await bench.make(half(step, 1))
        assert begun == {move.move_id}
        assert half_moves(bench.cache, begun) == ()
        assert begun == set()  # It is not looked at again

    about_to_move(do)


def test_what_was_torn_before_the_position_has_not_left_it() -> None:
    """
    The order is filled, and the position still holds all of it.
    """

    async def do(bench: Bench, step: Step) -> None:
        events = RepairEvents(TRADER, bench.cache, bench.clock, set())
        first = step.operations[0]
        assert isinstance(first, Book)
        order = events.order_for(first, INSTRUMENT)
        position_id = PositionId(str(first.position_id))
        bench.cache.add_order(order)
        assert found(bench) == ()
        for event in events.booked(order, INSTRUMENT, ACCOUNT, position_id, first.px):
            order.apply(event)
        assert order.is_closed
        assert found(bench) == ()

    about_to_move(do)


def test_a_second_order_that_was_never_filled_completes_nothing() -> None:
    """
    The next one has another id.
    """

    async def do(bench: Bench, step: Step) -> None:
        await bench.make(half(step, 0))
        (move,) = found(bench)
        events = RepairEvents(TRADER, bench.cache, bench.clock, set())
        second = step.operations[1]
        assert isinstance(second, Book)
        again = msgspec.structs.replace(second, completes=move.move_id)
        unfilled = events.order_for(again, INSTRUMENT)
        assert unfilled.client_order_id == ClientOrderId(f"{move.move_id}-2")
        bench.cache.add_order(unfilled)
        assert found(bench) == (move,)
        (completion,) = (await bench.judge()).plan.steps
        await bench.make(completion)
        assert found(bench) == ()
        assert bench.cache.order(ClientOrderId(f"{move.move_id}-3")).is_closed
        realized = bench.realized()
        assert round(realized[MINE]) == -10

    about_to_move(do)


def test_a_second_order_whose_position_was_torn_completes_nothing() -> None:
    """
    It is filled, and the position to which it was to go does not have it.
    """

    async def do(bench: Bench, step: Step) -> None:
        await bench.make(half(step, 0))
        (move,) = found(bench)
        events = RepairEvents(TRADER, bench.cache, bench.clock, set())
        second = step.operations[1]
        assert isinstance(second, Book)
        torn = events.order_for(msgspec.structs.replace(second, completes=move.move_id), INSTRUMENT)
        bench.cache.add_order(torn)
        position_id = PositionId(str(second.position_id))
        for event in events.booked(torn, INSTRUMENT, ACCOUNT, position_id, second.px):
            torn.apply(event)
        assert found(bench) == (move,)

    about_to_move(do)


class Kept:
    """
    Says what a kill would leave at each moment: whether the order is there that is said to have a
    position.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.is_whole: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def add_order(self, order: Order, position_id: PositionId | None = None) -> None:
        # NautilusTrader writes the position first
        self.is_whole.append(position_id is None)
        self._cache.add_order(order, position_id)

    def add_position_id(self, *args: Any) -> None:
        self.is_whole.append(self._cache.order(args[2]) is not None)
        self._cache.add_position_id(*args)


def test_no_kill_leaves_a_position_of_an_order_that_there_is_not() -> None:
    """
    The order is written first.
    """

    async def do(bench: Bench, step: Step) -> None:
        kept = Kept(bench.cache)
        bench.repairs._cache = kept
        assert await bench.make(step) == (1, None)
        assert kept.is_whole == [True] * 4

    about_to_move(do)

"""
What the venue does not answer, or answers wrongly, when a node comes back.

The monitor asks twice: first before the engine reconciles, and once more after it. A gate opens
only on what was seen twice.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from nautilus_trader.execution.reports import ExecutionMassStatus

from nautilus_recovery_actor.testkit import running
from tests.restart.cells import CELLS
from tests.restart.cells import Cell
from tests.restart.cells import Holding
from tests.restart.cells import Working
from tests.restart.judge import Result
from tests.restart.node import build
from tests.restart.node import come_back
from tests.restart.run import Bench
from tests.restart.run import Stored
from tests.restart.state import state
from tests.restart.ways import Way


POSITIONS = ("GET positionRisk",)
OPEN_ORDERS = ("GET openOrders", "GET openAlgoOrders")
HISTORY = ("GET allOrders", "GET allAlgoOrders")
TRADES = ("GET userTrades",)

SOME = {
    (Holding.FLAT, Working.PARTLY_FILLED),
    (Holding.LONG, Working.STOP),
    (Holding.LONG, Working.TRIGGERED),
    (Holding.SHORT, Working.BRACKET),
    (Holding.SEVERAL_FILLS, Working.CANCELED),
    (Holding.ROUND_TRIPS, Working.NONE),
    (Holding.FLIP, Working.NONE),
}
SOME_CELLS = [cell for cell in CELLS if (cell.holding, cell.working) in SOME]


@dataclass(frozen=True)
class Failure:
    endpoints: tuple[str, ...]
    how: str
    is_always: bool
    is_second: bool
    is_warm: bool

    @property
    def way(self) -> Way:
        return Way(is_redis_kept=self.is_warm, is_claimed=True, is_killed=True)

    def __str__(self) -> str:
        words = (
            "+".join(endpoint.removeprefix("GET ") for endpoint in self.endpoints),
            self.how,
            "always" if self.is_always else "once",
            "second" if self.is_second else "first",
            "warm" if self.is_warm else "cold",
        )
        return "-".join(words)


def failures(*questions: tuple[str, ...]) -> list[Failure]:
    return [
        Failure(endpoints, how, is_always, is_second, is_warm)
        for endpoints, (how, is_always), is_second, is_warm in product(
            questions,
            (("503", False), ("503", True), ("empty", False), ("empty", True)),
            (False, True),
            (False, True),
        )
    ]


FAILURES = failures(POSITIONS, OPEN_ORDERS, HISTORY, TRADES)


@pytest.fixture(scope="module")
def stored(bench: Bench) -> Iterator[Stored]:
    way = Way(is_redis_kept=True, is_claimed=True, is_killed=True)
    bench.set_up(way, SOME_CELLS, is_monitored=True)
    yield bench.stored()
    bench.forget()


async def come_back_to(bench: Bench, failure: Failure, cells: list[Cell]) -> list[Result]:
    """Bring a node back with this failure, and judge every cell."""

    def fail(_: object = None) -> None:
        for endpoint in failure.endpoints:
            bench.venue.fail(endpoint, failure.how, times=-1 if failure.is_always else 1)

    trading_node, monitor = build(**bench.arguments(failure.way, cells, is_monitored=True))
    if failure.is_second:
        trading_node.kernel.msgbus.subscribe("reports.execution.*", _once(fail))
    else:
        fail()
    async with running(trading_node, wait=False):
        await come_back(trading_node, monitor)
        back = state(trading_node, monitor)
    bench.venue.heal()
    return bench.judged(failure.way, cells, back)


def _once(do: Callable[[], None]) -> Callable[[object], None]:
    done: list[object] = []

    def handler(message: object) -> None:
        if isinstance(message, ExecutionMassStatus) and not done:
            done.append(message)
            do()

    return handler


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_no_gate_opens_on_what_was_not_seen_twice(
    bench: Bench, stored: Stored, failure: Failure
) -> None:
    bench.forget()
    if failure.is_warm:
        bench.store(stored)
    results = asyncio.run(come_back_to(bench, failure, SOME_CELLS))
    assert [str(one) for one in results if one.is_open_on_a_difference] == []
    if failure.how == "503" and not failure.is_always:
        assert [str(one) for one in results if not one.is_right] == []

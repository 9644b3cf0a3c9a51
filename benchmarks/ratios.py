"""
What continuous integration guards: ratios of times that one process took side by side.

A limit lies between what a busy machine shows and what a regression that was once made showed.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from functools import partial
from statistics import median

import msgspec
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus

from benchmarks import delivery
from benchmarks import fills
from benchmarks import orders
from benchmarks import startup
from benchmarks import warm
from benchmarks.measure import Figure
from benchmarks.measure import elapsed
from benchmarks.measure import quiet_gc
from benchmarks.scene import TRADER_ID
from nautilus_recovery_actor.core.order_ids import OrderIdForms


_STRATEGIES = 1_000
_ROUNDS = 5
_PUBLICATIONS = 50
_MANY_FILLS = 100_000
_WARM_ORDERS = 10_000


class Ratio(msgspec.Struct, frozen=True):
    """
    A ratio, how to measure it, and what the median of its rounds must not exceed.
    """

    name: str
    measure: Callable[[], list[float]]
    limit: float


def guarded() -> tuple[Ratio, ...]:
    """
    Return what is guarded.
    """
    return (
        Ratio("startup reconciliation, with / without", startup.ratios, 1.010),
        Ratio("warm start, 10,000 orders, with / without", _starting_warm, 0.35),
        Ratio("reconciled fill, handler / no-op", _handling, 3.6),
        Ratio("per fill judged, 100,000 fills / 1,000", _scaling, 1.5),
        Ratio("submit_order, open gate / plain", _submitting, 1.05),
        Ratio("order denied / plain submit_order", _denying, 0.02),
        Ratio("1,000 strategies told / bus publish", _telling, 1_000),
        Ratio("owner among 1,000 found / bus publish", _finding, 200),
    )


def checked(ratios: Iterable[Ratio]) -> Iterator[Figure]:
    """
    Measure each, and once more if it is over its limit, since a machine can be busy for a while.
    """
    for ratio in ratios:
        figure = _figure(ratio)
        yield _figure(ratio) if figure.is_over else figure


def _figure(ratio: Ratio) -> Figure:
    return Figure(ratio.name, ratio.measure(), "", ratio.limit)


def _starting_warm() -> list[float]:
    return warm.ratios(_WARM_ORDERS)


def _handling() -> list[float]:
    return asyncio.run(fills.handling())[1]


def _scaling() -> list[float]:
    return asyncio.run(fills.scaling(_MANY_FILLS))[0]


def _submitting() -> list[float]:
    added, plain = asyncio.run(orders.submissions())
    return [1 + more / alone for more, alone in zip(added, plain, strict=True)]


def _denying() -> list[float]:
    _, plain = asyncio.run(orders.submissions())
    return [denied / alone for denied, alone in zip(orders.decisions(), plain, strict=False)]


def _telling() -> list[float]:
    return _by_publication(lambda: delivery.latency_ms(_STRATEGIES) * 1e6)


def _finding() -> list[float]:
    strategy_ids = [f"S-{i:04}" for i in range(_STRATEGIES)]

    def find() -> None:
        assert OrderIdForms("T-001", strategy_ids).owners("O-20260101-120000-001-0999-1")

    return _by_publication(lambda: elapsed(find))


def _by_publication(measure_ns: Callable[[], float]) -> list[float]:
    # By the time that a bus takes to call as many as there are strategies
    bus = MessageBus(TRADER_ID, LiveClock())
    for _ in range(_STRATEGIES):
        bus.subscribe("benchmark", _Subscriber().on_message)
    publish = partial(bus.publish, "benchmark", "message")
    ratios = []
    for _ in range(_ROUNDS):
        spent_ns = measure_ns()
        with quiet_gc():
            ratios.append(spent_ns / median(elapsed(publish) for _ in range(_PUBLICATIONS)))
    return ratios


class _Subscriber:
    def on_message(self, message: object) -> None:
        pass

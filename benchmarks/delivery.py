"""
How soon every strategy of a real node knows that it may trade.
"""

import asyncio
import math
import threading
from collections.abc import Iterator

import uvloop
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from benchmarks.measure import Figure
from benchmarks.measure import Stopwatch
from benchmarks.measure import quiet_gc
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig


_TARGETS_MS = {1: 0.5, 100: 1.0, 1_000: 5.0}
_RUNS = {1: 15, 100: 15, 1_000: 9}
_PATIENCE = 500


class _Delivery:
    # From the start of the last of `strategies` to its word to the last of them. To ask the time
    # of each would slow all of them.

    def __init__(self, strategies: int) -> None:
        self.to_start = self.to_tell = strategies
        self.threads: set[int] = set()
        self.stopwatch = Stopwatch()

    def start(self) -> None:
        self.to_start -= 1
        if self.to_start == 0:
            self.stopwatch.start()

    def tell(self) -> None:
        self.to_tell -= 1
        self.threads.add(threading.get_ident())
        if self.to_tell == 0:
            self.stopwatch.stop()


class _Told(RecoverableStrategy):
    def __init__(self, tag: str, delivery: _Delivery) -> None:
        super().__init__(RecoverableStrategyConfig(order_id_tag=tag))
        self._delivery = delivery

    def on_start(self) -> None:
        self._delivery.start()

    def on_trading_enabled(self) -> None:
        self._delivery.tell()


def figures() -> Iterator[Figure]:
    """
    Return the time from the last strategy's start to the last delivery, `settle_ms` aside.
    """
    for strategies, target in _TARGETS_MS.items():
        values = [latency_ms(strategies) for _ in range(_RUNS[strategies])]
        yield Figure(f"last start to last delivery, {strategies:,}", values, "ms", target)


def latency_ms(strategies: int) -> float:
    """
    Return one time from the last start to the last delivery, infinite if not all were told once.
    """
    delivery = _Delivery(strategies)
    loop = uvloop.new_event_loop()  # The kind that a node takes
    node = TradingNode(
        TradingNodeConfig(logging=LoggingConfig(log_level="OFF"), timeout_post_stop=0.001),
        loop=loop,
    )
    try:
        node.trader.add_actor(RecoveryMonitorActor(RecoveryMonitorConfig(settle_ms=0)))
        node.trader.add_strategies([_Told(f"{i:04}", delivery) for i in range(strategies)])
        node.build()
        with quiet_gc():
            loop.run_until_complete(_run(node, delivery))
    finally:
        node.dispose()
    # Elsewhere, or more than once, is as bad as never
    is_proper = delivery.to_tell == 0 and delivery.threads == {threading.get_ident()}
    return delivery.stopwatch.elapsed_ns / 1e6 if is_proper else math.inf


async def _run(node: TradingNode, delivery: _Delivery) -> None:
    await node.kernel.start_async()
    for _ in range(_PATIENCE):
        await asyncio.sleep(0.02)
        if delivery.to_tell <= 0:
            break
    await node.stop_async()
    idle = asyncio.all_tasks() - {asyncio.current_task()}  # The executors of actors never end
    for task in idle:
        task.cancel()
    await asyncio.gather(*idle, return_exceptions=True)

"""
What the lease costs: for each order, at the registration, and the loop while the server is stalled.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from time import perf_counter_ns
from uuid import uuid4

from nautilus_trader.common.component import Logger

from benchmarks.measure import Figure
from benchmarks.measure import elapsed
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.lease import LeaseKeeper
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.testkit import EmbeddedValkey


_ROUNDS = 10
_ORDERS = 20_000
_HEARTBEAT_SECS = 0.2
_STALLED_SECS = 1.5


def figures() -> Iterator[Figure]:
    """
    Measure.
    """
    with EmbeddedValkey() as valkey:
        taking, asking = [], []
        for _ in range(_ROUNDS):
            keeper = _keeper(valkey)
            start = perf_counter_ns()
            keeper.take(may_wait=False)
            taking.append((perf_counter_ns() - start) / 1e6)
            asking.append(elapsed(lambda keeper=keeper: _ask(keeper)) / _ORDERS)  # type: ignore[misc]
            keeper.give_back()
        yield Figure("lease taken at the registration", taking, "ms", 20)
        yield Figure("lease asked for an order", asking, "ns", 2_000)
        yield Figure("loop held, no lease", [asyncio.run(_longest(None))], "ms")
        keeper = _keeper(valkey)
        keeper.take(may_wait=False)
        with valkey.client() as client:
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            held = asyncio.run(_longest(keeper))
        finally:
            os.kill(pid, signal.SIGCONT)
        yield Figure("loop held, server stalled", [held], "ms", 50)


def _keeper(valkey: EmbeddedValkey) -> LeaseKeeper:
    server = Server(valkey.url, Namespace(trader_id=uuid4().hex))
    return LeaseKeeper(server, _HEARTBEAT_SECS, Logger("lease"), lambda: 1, lambda _: None)


def _ask(keeper: LeaseKeeper) -> None:
    for _ in range(_ORDERS):
        keeper.is_over()


async def _longest(keeper: LeaseKeeper | None) -> float:
    # The longest turn of the loop (ms)
    keeping = None if keeper is None else asyncio.ensure_future(keeper.keep())
    longest, last = 0, perf_counter_ns()
    end = last + round(_STALLED_SECS * 1e9)
    while last < end:
        await asyncio.sleep(0)
        now = perf_counter_ns()
        longest, last = max(longest, now - last), now
    if keeping is not None:
        keeping.cancel()
    return longest / 1e6

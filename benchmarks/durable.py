"""
What a checkpoint that is stored before the order leaves adds to that order, on this machine.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter_ns

from nautilus_trader.common.component import Logger

from benchmarks.measure import Figure
from benchmarks.scene import TRADER_ID
from benchmarks.scene import System
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor.core.names import RISK_ENGINE_EXECUTE
from nautilus_recovery_actor.core.names import WRITES_ENDPOINT
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.writes import Place
from nautilus_recovery_actor.link.writes import Writes
from nautilus_recovery_actor.testkit import EmbeddedValkey


_ROUNDS = 300
_BYTES = 1_000


class _Saver(RecoverableStrategy):
    number = 0

    def on_start(self) -> None:
        pass

    def on_save(self) -> dict[str, bytes]:
        return {"number": self.number.to_bytes(8), "ballast": bytes(_BYTES)}


def figures() -> Iterator[Figure]:
    """
    Return the figures of `checkpoint()` followed by `submit_order`, until the order leaves.
    """
    for name, arguments in (("everysec", ()), ("always", ("--appendfsync", "always"))):
        with EmbeddedValkey(appendonly=True, arguments=arguments) as valkey:
            held = asyncio.run(_rounds(valkey))
        yield Figure(f"checkpoint(), submit_order, fsync {name}", held, "us")
    yield Figure("  without a database", asyncio.run(_rounds(None)), "us")


async def _rounds(valkey: EmbeddedValkey | None) -> list[float]:
    """
    Return how long each order took to leave, in microseconds on the clock.
    """
    loop = asyncio.get_running_loop()
    system = System(loop)
    left = asyncio.Event()
    system.msgbus.deregister(RISK_ENGINE_EXECUTE, system.risk_engine.execute)
    system.msgbus.register(RISK_ENGINE_EXECUTE, lambda _: left.set())
    writes = None
    if valkey is not None:
        server = Server(valkey.url, Namespace(trader_id=TRADER_ID.value))
        place = Place(lambda: "", lambda: False, is_restored=True)
        writes = Writes(server, place, Logger("Bench"))
        writes.begin(loop)
        system.msgbus.register(WRITES_ENDPOINT, lambda take: take(writes))
    strategy = _Saver(RecoverableStrategyConfig(checkpoint_secs=None))
    strategy.register(TRADER_ID, system.portfolio, system.msgbus, system.cache, system.clock)
    strategy.start()
    strategy.gate.complete(epoch=1)

    spent = []
    for _ in range(_ROUNDS):
        strategy.number += 1
        order = strategy.order_factory.market(
            system.instruments[0].id, 1, system.instruments[0].make_qty(1)
        )
        start = perf_counter_ns()
        strategy.checkpoint()
        strategy.submit_order(order)
        await left.wait()
        spent.append((perf_counter_ns() - start) / 1_000)
        left.clear()
    strategy.stop()
    if writes is not None:
        writes.close()
        await writes.disconnect()
    return spent[10:]

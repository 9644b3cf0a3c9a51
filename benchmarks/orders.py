"""
What the gate costs: an order denied, an order that passes, and the report it all rests on.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from statistics import median
from time import thread_time_ns

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from benchmarks.measure import Figure
from benchmarks.measure import elapsed
from benchmarks.measure import quiet_gc
from benchmarks.scene import TRADER_ID
from benchmarks.scene import System
from nautilus_recovery_actor import PositionChange
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryGate
from nautilus_recovery_actor import RecoveryReport


_CHUNKS = 40
_CALLS = 1_000
_PAIRS = 200
_POSITIONS = 1_000


def figures() -> Iterator[Figure]:
    """
    Return the figures of the gate and of the report.
    """
    yield Figure("order denied at a closed gate, decision", decisions(), "ns", 150)
    added, native = asyncio.run(submissions())
    yield Figure("submit_order through an open gate, added", added, "ns", 500)
    yield Figure("  natively", native, "ns")
    yield Figure("report of 1,000 positions, encoded", _encodings(), "ms", 1)


def decisions() -> list[float]:
    """
    Return what it costs to deny an order, in nanoseconds.
    """
    gate = RecoveryGate()
    instrument_id = System(asyncio.new_event_loop()).instruments[0].id
    calls = range(_CALLS)

    def decide() -> None:
        for _ in calls:
            if not gate.is_open_for(instrument_id):
                gate.reason(instrument_id)

    def iterate() -> None:
        for _ in calls:
            pass

    with quiet_gc():
        return [(elapsed(decide) - elapsed(iterate)) / _CALLS for _ in range(_CHUNKS)]


async def submissions() -> tuple[list[float], list[float]]:
    """
    Return what an open gate adds to a submit, and what that costs natively, in nanoseconds.
    """
    system = System(asyncio.get_running_loop())
    system.msgbus.deregister("RiskEngine.execute", system.risk_engine.execute)
    system.msgbus.register("RiskEngine.execute", _swallow)
    native = Strategy(StrategyConfig(order_id_tag="001"))
    gated = RecoverableStrategy(RecoverableStrategyConfig(order_id_tag="002"))
    for strategy in (native, gated):
        strategy.register(TRADER_ID, system.portfolio, system.msgbus, system.cache, system.clock)
    gated.gate.complete(epoch=1)

    added, alone = [], []
    for _ in range(_CHUNKS):
        with quiet_gc():
            spent = _submit_alternately((native, gated), system.instruments[0])
        alone.append(median(spent[native]))
        added.append(median(spent[gated]) - alone[-1])
    return added[1:], alone[1:]


def _submit_alternately(
    strategies: tuple[Strategy, Strategy], instrument: Instrument
) -> dict[Strategy, list[int]]:
    spent: dict[Strategy, list[int]] = {strategy: [] for strategy in strategies}
    for pair in range(_PAIRS):
        # Now the one goes first, now the other
        for strategy in strategies if pair % 2 else reversed(strategies):
            order = _order(strategy, instrument)
            start = thread_time_ns()
            strategy.submit_order(order)
            spent[strategy].append(thread_time_ns() - start)
    return spent


def _order(strategy: Strategy, instrument: Instrument) -> Order:
    return strategy.order_factory.market(instrument.id, OrderSide.BUY, Quantity.from_int(1))


def _swallow(_: object) -> None:
    pass


def _encodings() -> list[float]:
    report = RecoveryReport(
        trader_id="BENCH-001",
        recovery_id="R",
        epoch=1,
        trigger="startup",
        positions=tuple(_change(i) for i in range(_POSITIONS)),
    )
    with quiet_gc():
        return [elapsed(report.to_bytes) / 1e6 for _ in range(_CHUNKS)]


def _change(index: int) -> PositionChange:
    qty, px = Decimal(f"{index + 1}.125"), Decimal(f"1{index:04}.25")
    return PositionChange(
        account_id="BENCH-001",
        instrument_id=f"SYM{index}.BENCH",
        position_id=f"SYM{index}.BENCH-S-001",
        strategy_id="S-001",
        qty_before=qty,
        qty_after=qty,
        qty_venue=qty,
        avg_px_before=px,
        avg_px_after=px,
    )

"""
A warm-up where the data engine validates the sequence of data: what comes late is still applied.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from nautilus_trader.config import LiveDataEngineConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.enums import PriceType

from nautilus_recovery_actor import TicksNeeded
from nautilus_recovery_actor.testkit import HistoryFault
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_quotes
from nautilus_recovery_actor.testkit import paper_trades
from tests.node.support import ETH
from tests.node.warm import BARS
from tests.node.warm import INSTRUMENT
from tests.node.warm import Warmed
from tests.node.warm import average
from tests.node.warm import bar_after
from tests.node.warm import last_bar
from tests.node.warm import warming


VALIDATED: Any = {"data_engine": LiveDataEngineConfig(validate_data_sequence=True)}


def test_a_history_that_comes_after_a_live_bar_warms_up(venue: PaperVenue) -> None:
    """1.231 drops bars of an answer that are older than the newest in the cache: all of them."""
    strategy = Warmed()
    venue.set_history(HistoryFault.EMPTY)

    async def scenario() -> None:
        async with warming(venue, strategy, **VALIDATED) as node:
            await node.run.until(lambda: "empty" in (strategy.gate.reason() or ""))
            node.node.kernel.data_engine.process(new := bar_after(last_bar(strategy)))
            await node.run.until(lambda: strategy.bars)
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.bars == [new]
            assert strategy.ema.value == average([*strategy.history, new])
            assert strategy.cache.bars(BARS) == [new]

    asyncio.run(scenario())


def test_each_of_two_strategies_that_need_the_same_bars_warms_up(venue: PaperVenue) -> None:
    """To the second, every bar but the last is older than what the first one's answer brought."""
    strategies = first, second = Warmed(order_id_tag="1"), Warmed(order_id_tag="2")

    async def scenario() -> None:
        async with warming(venue, *strategies, **VALIDATED) as node:
            await node.run.until(lambda: first.gate.is_open and second.gate.is_open)
            for strategy in strategies:
                assert strategy.ema.value == average(strategy.history)
            times = [bar.ts_event for bar in first.cache.bars(BARS)]
            assert times == sorted(times, reverse=True)
            assert len(set(times)) >= 20

    asyncio.run(scenario())


def test_a_second_warm_up_completes_as_the_first_did(venue: PaperVenue) -> None:
    """After a gap in the live bars the same history is requested again, all of it old by now."""
    strategy = Warmed()

    async def scenario() -> None:
        async with warming(venue, strategy, **VALIDATED) as node:
            await node.run.until(lambda: strategy.gate.is_open)
            strategy.history.clear()
            node.node.kernel.data_engine.process(bar_after(last_bar(strategy), intervals=2))
            await node.run.until(lambda: strategy.bars)
            venue.push_mass_status()
            await node.run.until(lambda: strategy.told.count("enabled") == 2)
            assert len(strategy.history) >= 20
            assert strategy.ema.value == average(strategy.history)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [HistoryFault.SHORT, HistoryFault.GAP, HistoryFault.DUPLICATED])
def test_what_is_not_fit_is_still_refused(venue: PaperVenue, fault: HistoryFault) -> None:
    """An answer that is handed on directly is checked as every other, and told as it came."""
    strategy = Warmed()
    venue.set_history(fault)

    async def scenario() -> None:
        async with warming(venue, strategy, **VALIDATED) as node:
            await node.run.until(
                lambda: f"{BARS}: {fault.value.lower()[:5]}" in (strategy.gate.reason() or "")
            )
            assert strategy.ema.count == 0
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.ema.value == average(strategy.history)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["quotes", "trades"])
def test_ticks_that_come_after_a_live_one_warm_up(venue: PaperVenue, kind: Any) -> None:
    """Their sequence is not validated, on neither version."""
    strategy = Warmed()
    price = PriceType.MID if kind == "quotes" else PriceType.LAST
    ema = ExponentialMovingAverage(20, price)
    need = TicksNeeded(
        instrument_id=ETH, kind=kind, span=timedelta(seconds=40), count=30, indicators=(ema,)
    )
    strategy.warmup_needs = lambda: [need]  # type: ignore[method-assign]
    venue.set_history(HistoryFault.EMPTY)
    make = paper_quotes if kind == "quotes" else paper_trades

    async def scenario() -> None:
        async with warming(venue, strategy, **VALIDATED) as node:
            await node.run.until(lambda: "empty" in (strategy.gate.reason() or ""))
            now = strategy.clock.timestamp_ns()
            live = make(INSTRUMENT, now - 1_000_000_000, now)[-1]
            node.node.kernel.data_engine.process(live)
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert ema.count >= len(strategy.history) >= 30

    asyncio.run(scenario())

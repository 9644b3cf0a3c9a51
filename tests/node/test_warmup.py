"""
A strategy trades only after its warm-up, and its indicators hold nothing that is wrong.
"""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor.testkit import HistoryFault
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.warm import BARS
from tests.node.warm import DAY_NS
from tests.node.warm import SORTS_HISTORY
from tests.node.warm import Warmed
from tests.node.warm import average
from tests.node.warm import warming


def test_trading_is_enabled_after_the_indicators_are_warm(venue: PaperVenue) -> None:
    """The history comes complete, is applied once and in order, and only then the gate opens."""
    strategy = Warmed()
    venue.set_history(delay_secs=0.3)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.result()
            reason = strategy.gate.reason()
            assert reason is not None
            assert reason.startswith(f"RECOVERY_WARMUP: {BARS}: requested")
            strategy.submit_order(order := strategy.market())
            assert order.status_string() == "DENIED"
            assert strategy.denied[0].reason == reason

            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.told == ["start", "complete", "needs", "enabled"]
            assert strategy.ema.initialized
            assert strategy.indicators_initialized()
            times = [bar.ts_event for bar in strategy.history]
            assert len(times) >= 20
            assert times == list(range(times[0], times[-1] + 1, DAY_NS))
            assert strategy.ema.value == average(strategy.history)
            assert strategy.gate.reason() is None

    asyncio.run(scenario())


FAULTS = {
    HistoryFault.EMPTY: "empty: no data arrived",
    HistoryFault.SHORT: "short: 1",
    HistoryFault.REVERSED: "newest first: ",
    HistoryFault.DUPLICATED: "duplicate: ",
    HistoryFault.GAP: "gap: no data between ",
    HistoryFault.OLD: "short: 1",
    HistoryFault.RAISE: "not answered within 0.3 s",
    HistoryFault.HANG: "not answered within 0.3 s",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_history_that_is_not_fit_keeps_the_gate_closed_until_it_is(
    venue: PaperVenue, fault: HistoryFault
) -> None:
    """Each fault is named in the gate's reason, nothing of it is applied, and a retry opens."""
    if fault is HistoryFault.REVERSED and SORTS_HISTORY:
        pytest.skip("This NautilusTrader sorts what a data client answers")
    strategy = Warmed(warmup_timeout_secs=0.3)
    venue.set_history(fault)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            expected = f"RECOVERY_WARMUP: {BARS}: {FAULTS[fault]}"
            await node.run.until(lambda: (strategy.gate.reason() or "").startswith(expected))
            assert not strategy.gate.is_open
            assert strategy.ema.count == 0
            assert strategy.history == []
            assert "enabled" not in strategy.told

            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.ema.value == average(strategy.history)
            assert strategy.told.count("enabled") == 1
            assert strategy.threads == {threading.get_ident()}

    asyncio.run(scenario())


def test_history_newest_first_is_never_applied_in_that_order(venue: PaperVenue) -> None:
    """Where the engine sorts it, it is fit; where not, it is refused: the node lives on both."""
    strategy = Warmed()
    venue.set_history(HistoryFault.REVERSED)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            if not SORTS_HISTORY:
                await node.run.until(lambda: "newest first" in (strategy.gate.reason() or ""))
                venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            times = [bar.ts_event for bar in strategy.history]
            assert times == sorted(times)
            assert node.run.is_trading

    asyncio.run(scenario())


def test_history_that_ends_too_early_is_too_old(venue: PaperVenue) -> None:
    """Enough bars that end long ago are not what the strategy needs."""
    strategy = Warmed(period=5)
    need = BarsNeeded(bar_type=BARS, count=5, span=timedelta(days=30), indicators=(strategy.ema,))
    strategy.warmup_needs = lambda: [need]  # type: ignore[method-assign]
    venue.set_history(HistoryFault.OLD)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: "too old: ends at" in (strategy.gate.reason() or ""))
            assert strategy.ema.count == 0
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)

    asyncio.run(scenario())


def test_an_indicator_that_is_not_initialized_keeps_the_gate_closed(venue: PaperVenue) -> None:
    """Twenty good bars do not warm an average of a hundred up, and it is left as it was."""
    strategy = Warmed(period=100)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            expected = "did not initialize ExponentialMovingAverage(100)"
            await node.run.until(lambda: expected in (strategy.gate.reason() or ""))
            assert not strategy.gate.is_open
            assert strategy.ema.count == 0

    asyncio.run(scenario())


def test_an_answer_after_its_deadline_counts_when_it_is_good(venue: PaperVenue) -> None:
    """A late answer opens the gate without another request, and is applied once."""
    strategy = Warmed(warmup_timeout_secs=0.1, warmup_retry_secs=60.0)
    venue.set_history(delay_secs=0.4)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(
                lambda: "not answered within 0.1 s" in (strategy.gate.reason() or "")
            )
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.ema.value == average(strategy.history)

    asyncio.run(scenario())


def test_answers_to_two_requests_are_applied_once(venue: PaperVenue) -> None:
    """Both the late answer and that of the retry come; the second changes nothing."""
    strategy = Warmed(warmup_timeout_secs=0.1, warmup_retry_secs=0.05)
    venue.set_history(delay_secs=0.3)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: strategy.gate.is_open)
            before, engine = strategy.ema.count, node.node.kernel.data_engine
            assert engine.response_count >= 1
            await node.run.until(lambda: engine.response_count == engine.request_count > 1)
            requests = engine.request_count
            later = strategy.clock.timestamp() + 0.2  # More than an answer and a retry take
            await node.run.until(lambda: strategy.clock.timestamp() > later)
            assert engine.request_count == requests
            assert strategy.ema.count == before
            assert len(strategy.history) == before
            assert strategy.told.count("enabled") == 1

    asyncio.run(scenario())


def test_of_two_strategies_that_need_the_same_each_is_fed_once(venue: PaperVenue) -> None:
    """The answer to one request is not applied by the strategy that sent the other."""
    first, second = Warmed(order_id_tag="1"), Warmed(order_id_tag="2")

    async def scenario() -> None:
        async with warming(venue, first, second) as node:
            await node.run.until(lambda: first.gate.is_open and second.gate.is_open)
            assert node.node.kernel.data_engine.request_count == 2
            for strategy in (first, second):
                times = [bar.ts_event for bar in strategy.history]
                assert times == sorted(set(times))
                assert strategy.ema.count == len(times)

    asyncio.run(scenario())


def test_an_exception_in_warmup_needs_keeps_the_gate_closed(venue: PaperVenue) -> None:
    """The reason names the strategy and what it raised."""
    strategy = Warmed()
    strategy.register_indicator_for_bars(BARS, strategy.ema)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: "HOOK_RAISED" in (strategy.gate.reason() or ""))
            assert "would be updated twice" in str(strategy.gate.reason())
            assert "enabled" not in strategy.told

    asyncio.run(scenario())


def test_what_the_strategy_raises_on_its_history_keeps_the_gate_closed(venue: PaperVenue) -> None:
    """The node lives on, and says where it was."""
    strategy = Warmed(warmup_timeout_secs=0.1)

    def raising(data: Any) -> None:
        raise ZeroDivisionError("in on_historical_data")

    strategy.on_historical_data = raising  # type: ignore[method-assign]

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: "HOOK_RAISED" in (strategy.gate.reason() or ""))
            reason = str(strategy.gate.reason())
            assert reason.startswith("RECOVERY_HOOK_RAISED: Warmed.warm-up: ZeroDivisionError")
            assert "in on_historical_data" in reason
            assert node.run.is_trading
            engine = node.node.kernel.data_engine
            requests, later = engine.request_count, strategy.clock.timestamp() + 0.3
            await node.run.until(lambda: strategy.clock.timestamp() > later)
            assert engine.request_count == requests
            assert "enabled" not in strategy.told

    asyncio.run(scenario())


def test_in_shadow_mode_a_strategy_begins_without_its_warm_up(venue: PaperVenue) -> None:
    """Nothing is held back; what is missing is told, and mended when it can be."""
    strategy = Warmed()
    venue.set_history(HistoryFault.EMPTY)

    async def scenario() -> None:
        async with warming(venue, strategy, shadow=True) as node:
            await node.run.until(lambda: "enabled" in strategy.told)
            assert not strategy.gate.is_open
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.told.count("enabled") == 1

    asyncio.run(scenario())


def test_a_strategy_that_is_stopped_takes_no_history_until_it_resumes(venue: PaperVenue) -> None:
    """What is answered meanwhile is not applied, and nothing is requested before it resumes."""
    strategy = Warmed(warmup_timeout_secs=0.1)
    venue.set_history(delay_secs=0.2)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            engine = node.node.kernel.data_engine
            await node.run.until(lambda: engine.request_count == 1)
            strategy.stop()
            await node.run.until(lambda: engine.response_count == 1)
            later = strategy.clock.timestamp() + 0.3  # More than a deadline and a retry take
            await node.run.until(lambda: strategy.clock.timestamp() > later)
            assert engine.request_count == 1
            assert strategy.history == []
            assert not strategy.gate.is_open

            strategy.resume()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.told.count("enabled") == 1
            assert strategy.ema.value == average(strategy.history)

    asyncio.run(scenario())


def test_needs_may_be_yielded(venue: PaperVenue) -> None:
    """A generator is the natural way to write them."""

    class Yielding(Warmed):
        def warmup_needs(self) -> Any:
            yield from super().warmup_needs()

    strategy = Yielding()
    venue.set_history(delay_secs=0.3)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.result()
            assert not strategy.gate.is_open
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.ema.initialized

    asyncio.run(scenario())


def test_what_is_no_need_keeps_the_gate_closed(venue: PaperVenue) -> None:
    """It is named in the reason, and nothing is requested."""

    class Wrong(Warmed):
        def warmup_needs(self) -> Any:
            return [*super().warmup_needs(), "200 bars"]

    strategy = Wrong()

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.result()
            assert "was '200 bars'" in str(strategy.gate.reason())

    asyncio.run(scenario())

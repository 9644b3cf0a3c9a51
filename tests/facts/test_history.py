"""
What NautilusTrader does with history that a strategy requests.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import HistoryFault
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import trading


BARS = BarType.from_str(f"{ETH}-1-DAY-LAST-EXTERNAL")
DAY_NS = 86_400_000_000_000
# 1.231 sorts history and publishes it, one by one; 1.221 hands it over as it came
PUBLISHES_HISTORY = hasattr(Strategy, "handle_historical_bar")


class Averaging(Trader):
    """
    Warms an average up as NautilusTrader's documentation has it.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.ema = ExponentialMovingAverage(20)
        self.history: list[int] = []
        self.ends = 0

    def on_start(self) -> None:
        self.register_indicator_for_bars(BARS, self.ema)
        self.subscribe_bars(BARS)
        self.request_bars(BARS, datetime.now(UTC) - timedelta(days=25), callback=self.on_end)

    def on_historical_data(self, data: Bar) -> None:
        self.history.append(data.ts_event)

    def on_end(self, _: Any) -> None:
        self.ends += 1


class Telling(Averaging):
    """
    Tells the test's process what came.
    """

    def on_end(self, _: Any) -> None:
        emit("history", times=self.history)


@pytest.fixture
def venue(venue: PaperVenueControl) -> Iterator[PaperVenueControl]:
    yield venue
    venue.set_history()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (HistoryFault.EMPTY, lambda count: count == 0),
        (HistoryFault.SHORT, lambda count: 0 < count < 20),
        (HistoryFault.DUPLICATED, lambda count: count > 25),
        (HistoryFault.GAP, lambda count: count == 24),
        (HistoryFault.OLD, lambda count: 0 < count < 20),
    ],
)
def test_whatever_comes_updates_the_indicators(
    venue: PaperVenueControl, fault: HistoryFault, expected: Any
) -> None:
    """Empty, short, doubled, with a gap or old: the callback comes and nothing tells."""
    strategy = Averaging()
    venue.set_history(fault)

    async def scenario() -> None:
        async with trading(venue, strategy, has_data=True) as run:
            await run.until(lambda: strategy.ends)
            assert expected(strategy.ema.count)
            assert strategy.ema.count == len(strategy.history)

    asyncio.run(scenario())


def test_a_request_that_is_never_answered_ends_never(venue: PaperVenueControl) -> None:
    """The request stays pending, also when the client raised, and nothing tells."""
    strategy = Averaging()
    venue.set_history(HistoryFault.RAISE)

    async def scenario() -> None:
        async with trading(venue, strategy, has_data=True) as run:
            await run.until(lambda: run.node.kernel.data_engine.request_count == 1)
            tasks = {task for task in asyncio.all_tasks() if "request: bars" in task.get_name()}
            await run.until(lambda: all(task.done() for task in tasks))
            assert strategy.ends == 0
            assert strategy.has_pending_requests()

    asyncio.run(scenario())


def test_a_live_bar_that_comes_before_its_history_is_applied_first(
    venue: PaperVenueControl,
) -> None:
    """A registered indicator sees the live bar, then all of history, that bar included."""
    strategy = Averaging()
    venue.set_history(delay_secs=0.3)

    async def scenario() -> None:
        async with trading(venue, strategy, has_data=True) as run:
            now = strategy.clock.timestamp_ns()
            instrument = paper_instrument(ETH.symbol.value)
            (bar,) = paper_bars(instrument, BARS, now - DAY_NS + 1, now)
            run.node.kernel.data_engine.process(bar)
            await run.until(lambda: strategy.ema.count == 1)
            assert strategy.ends == 0
            await run.until(lambda: strategy.ends)
            assert bar.ts_event in strategy.history
            assert strategy.ema.count == len(strategy.history) + 1

    asyncio.run(scenario())


def test_two_strategies_that_request_the_same_bars(venue: PaperVenueControl) -> None:
    """On 1.231 each is handed both answers, and its indicators are updated twice."""
    first = Averaging(strategy_id="FIRST", order_id_tag="001")
    second = Averaging(strategy_id="SECOND", order_id_tag="002")

    async def scenario() -> None:
        async with trading(venue, first, second, has_data=True) as run:
            await run.until(lambda: first.ends and second.ends)
            counts = sorted((len(first.history), len(second.history)))
            once = len(set(first.history))
            assert counts[0] == once
            assert counts[1] == (2 * once if PUBLISHES_HISTORY else once)

    asyncio.run(scenario())


def averaging_node(port: int) -> TradingNode:
    """
    Return a node that warms an average up.
    """
    config = paper_node_config(
        data_clients=[PaperVenueDataClientConfig(port=port, symbols=("ETHUSDT-PERP",))]
    )
    node = paper_node(config)
    node.trader.add_strategy(Telling())
    return node


def test_bars_that_come_newest_first() -> None:
    """1.231 sorts them; 1.221 ends the whole process, because the strategy refuses them."""
    with PaperVenue() as venue:
        venue.set_history(HistoryFault.REVERSED, delay_secs=0.5)
        with NodeProcess("tests.facts.test_history:averaging_node", port=venue.port) as process:
            if PUBLISHES_HISTORY:
                times = process.wait_for("history")["times"]
                assert times == sorted(times)
                assert len(times) > 20
            else:
                assert process.wait_for("started")["is_trading"]
                with pytest.raises(NodeProcessError, match="ended without emitting history"):
                    process.wait_for("history")
                assert process.stop() == 1

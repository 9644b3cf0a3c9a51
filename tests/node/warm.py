"""
A strategy that warms up, and a node for it.
"""

import threading
from collections.abc import AsyncIterator
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config


BARS = BarType.from_str(f"{ETH}-1-DAY-LAST-EXTERNAL")
DAY_NS = 86_400_000_000_000  # No test lasts past the end of an interval
INSTRUMENT = paper_instrument(ETH.symbol.value)
# 1.231 sorts what a data client answers, and publishes it one by one
SORTS_HISTORY = hasattr(Recorder, "handle_historical_bar")


class Warmed(Recorder):
    """
    Needs twenty bars for an average, and keeps what it is handed.
    """

    def __init__(self, period: int = 20, **config: Any) -> None:
        super().__init__(
            RecoverableStrategyConfig(
                **{"warmup_timeout_secs": 5.0, "warmup_retry_secs": 0.05, **config}
            )
        )
        self.ema = ExponentialMovingAverage(period)
        self.bars: list[Bar] = []
        self.history: list[Any] = []
        self.initialized_at_bar: list[bool] = []
        self.threads: set[int] = set()

    def on_start(self) -> None:
        super().on_start()
        self.subscribe_bars(BARS)

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        self.told.append("needs")
        return [BarsNeeded(bar_type=BARS, count=20, indicators=(self.ema,))]

    def on_historical_data(self, data: Any) -> None:
        self.history.append(data)

    def on_trading_enabled(self) -> None:
        super().on_trading_enabled()
        self.threads.add(threading.get_ident())

    def on_bar(self, bar: Bar) -> None:
        self.bars.append(bar)
        self.initialized_at_bar.append(self.indicators_initialized())


@asynccontextmanager
async def warming(
    venue: PaperVenue, *strategies: Recorder, shadow: bool = False, **fields: Any
) -> AsyncIterator[Watched]:
    """
    Run a node with a data client, whose strategies warm up.
    """
    symbols = ("ETHUSDT-PERP",)
    node = paper_node(
        paper_node_config(
            [venue.exec_config(symbols=symbols)], [venue.data_config(symbols=symbols)], **fields
        )
    )
    node.trader.add_actor(actor := RecoveryMonitorActor(monitor_config(shadow=shadow)))
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    found = Watched(node, actor)
    async with running(node) as run:
        found.run = run
        yield found


def average(bars: Sequence[Bar], period: int = 20) -> float:
    """
    Return what an average of these bars is.
    """
    ema = ExponentialMovingAverage(period)
    for bar in bars:
        ema.handle_bar(bar)
    return float(ema.value)


def bar_after(bar: Bar, intervals: int = 1, px: str = "2500.00") -> Bar:
    """
    Return a live bar with a price that no history has.
    """
    price = INSTRUMENT.make_price(px)
    ts = bar.ts_event + intervals * DAY_NS
    return Bar(BARS, price, price, price, price, INSTRUMENT.make_qty(1), ts, ts)


def last_bar(strategy: Recorder) -> Bar:
    now = strategy.clock.timestamp_ns()
    return paper_bars(INSTRUMENT, BARS, now - DAY_NS, now)[-1]

"""
What becomes of a warm-up in a backtest, with and without a catalog.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_instrument


INSTRUMENT = paper_instrument("ETHUSDT-PERP", "SIM")
BARS = BarType.from_str(f"{INSTRUMENT.id}-1-MINUTE-LAST-EXTERNAL")
MINUTE_NS = 60_000_000_000
START = 1_700_000_040_000_000_000
BEFORE = paper_bars(INSTRUMENT, BARS, START - 30 * MINUTE_NS, START)
DURING = paper_bars(INSTRUMENT, BARS, START + MINUTE_NS, START + 40 * MINUTE_NS)


class Seen:
    """
    Keeps the value of its average at each bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ema = ExponentialMovingAverage(20)
        self.told: list[str] = []
        self.values: list[tuple[int, bool, float]] = []

    def on_bar(self: Any, bar: Bar) -> None:
        self.values.append((bar.ts_event, self.indicators_initialized(), self.ema.value))

    def on_stop(self) -> None:
        pass


class Plain(Seen, Strategy):
    def on_start(self) -> None:
        self.register_indicator_for_bars(BARS, self.ema)
        self.subscribe_bars(BARS)


class Warmed(Seen, RecoverableStrategy):
    def on_start(self) -> None:
        self.told.append("start")
        self.subscribe_bars(BARS)

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        return [BarsNeeded(bar_type=BARS, count=20, indicators=(self.ema,))]

    def on_historical_data(self, data: Any) -> None:
        self.told.append("history")

    def on_trading_enabled(self) -> None:
        self.told.append("enabled")


def run(strategy: Strategy, catalog: ParquetDataCatalog | None = None, times: int = 1) -> None:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        INSTRUMENT.venue, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)]
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(DURING)
    if catalog is not None:
        engine.kernel.data_engine.register_catalog(catalog)
    engine.add_strategy(strategy)
    for i in range(times):
        if i:
            engine.reset()
        engine.run(start=START + 1)
    engine.dispose()


def test_without_a_catalog_the_indicators_begin_with_the_backtests_data() -> None:
    """Nothing can be requested: trading is enabled, and the average is that of a plain strategy."""
    plain, warmed = Plain(), Warmed()
    run(plain)
    run(warmed)
    assert warmed.told == ["start", "enabled"]
    assert len(warmed.values) == len(DURING)
    assert warmed.values == plain.values


def test_with_a_catalog_the_warm_up_is_done_before_the_first_bar(tmp_path: Path) -> None:
    """The engine answers from the catalog, at once: the history is checked and applied."""
    catalog = ParquetDataCatalog(str(tmp_path))
    catalog.write_data(BEFORE)
    run(warmed := Warmed(), catalog)
    assert warmed.told[0] == "start"
    assert warmed.told[-1] == "enabled"
    assert warmed.told.count("history") == 21
    expected = ExponentialMovingAverage(20)
    for bar in BEFORE[-21:]:
        expected.handle_bar(bar)
    expected.handle_bar(DURING[0])
    assert warmed.values[0] == (DURING[0].ts_event, True, expected.value)


def test_a_catalog_with_a_gap_warms_nothing_up(tmp_path: Path) -> None:
    """What is not fit is not applied in a backtest either."""
    catalog = ParquetDataCatalog(str(tmp_path))
    catalog.write_data([*BEFORE[:20], *BEFORE[21:]])
    run(warmed := Warmed(), catalog)
    run(plain := Plain())
    assert warmed.told == ["start", "enabled"]
    assert warmed.values == plain.values


def test_a_backtest_that_runs_again_begins_its_warm_up_again() -> None:
    """The second run sees the same averages as the first."""
    run(warmed := Warmed(), times=2)
    assert warmed.told == ["start", "enabled", "start", "enabled"]
    assert warmed.values[: len(DURING)] == warmed.values[len(DURING) :]

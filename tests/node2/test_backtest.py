"""
The same strategy file in a backtest of 2.0: its gate opens by itself.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.backtest import BacktestEngine
from nautilus_trader.backtest import BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.model import AccountType
from nautilus_trader.model import Bar
from nautilus_trader.model import BarType
from nautilus_trader.model import Currency
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import Money
from nautilus_trader.model import OmsType
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity
from nautilus_trader.model import QuoteTick
from nautilus_trader.model import StrategyId
from nautilus_trader.model import Venue
from nautilus_trader.testkit.providers import TestInstrumentProvider
from nautilus_trader.trading import StrategyConfig

from tests.node2 import trial as file
from tests.node2.trial import warmed


def test_the_strategy_trades_in_a_backtest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It buys once, as with a node, and nothing is denied.
    """
    facts, held = backtest(monkeypatch, capsys, lambda _: file.trial(), [])
    names = [fact["fact"] for fact in facts]
    assert "denied" not in names, facts
    assert names.count("enabled") == 1
    assert "filled" in names
    assert list(map(float, held)) == [1.0]


def test_a_warm_up_in_a_backtest_begins_with_its_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Nobody answers what it requests, so its indicators start empty, and follow the bars.
    """
    days = [day * 86_400 for day in range(1, 31)]
    facts, held = backtest(monkeypatch, capsys, warmed, days)
    (warm,) = (fact for fact in facts if fact["fact"] == "warm")
    assert (warm["count"], warm["past"], warm["is_initialized"]) == (0, 0, False)
    heard = [fact for fact in facts if fact["fact"] == "bar"]
    assert [fact["count"] for fact in heard] == list(range(1, 31))
    assert heard[-1]["is_initialized"] is True
    assert list(map(float, held)) == [1.0]


def test_a_backtest_may_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Trading is enabled once in each run, whichever class of the strategy has the callbacks.
    """

    class Mixed:
        def on_start(self) -> None:
            self.filled = 0
            self.instrument = InstrumentId.from_str(file.INSTRUMENT)

    def mixed(_: str) -> Any:
        kind: Any = file.trial()
        return type("Both", (Mixed, kind), {})

    facts, _ = backtest(monkeypatch, capsys, mixed, [], runs=2)
    assert [fact["fact"] for fact in facts].count("enabled") == 2


def backtest(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    strategy: Callable[[str], Any],
    bars: list[int],
    runs: int = 1,
) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Run a strategy on some quotes, and bars at these times (s), and return what it said and holds.
    """
    instrument = TestInstrumentProvider.ethusdt_binance()
    monkeypatch.setattr(file, "INSTRUMENT", str(instrument.id))
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggerConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(1_000_000, Currency.from_str("USDT"))],
        default_leverage=Decimal(10),
        fee_model=MakerTakerFeeModel(Decimal(0), Decimal(0)),
    )
    engine.add_instrument(instrument)
    engine.add_data([quote(instrument.id, ts) for ts in range(1, 60)])
    if bars:
        engine.add_data([bar(instrument.id, ts) for ts in bars])
    config = StrategyConfig(strategy_id=StrategyId("Trial-001"), order_id_tag="001")
    engine.add_strategy(strategy(str(instrument.id))(config))
    engine.run()
    for _ in range(1, runs):
        engine.reset()
        engine.run()
    held = [str(one.quantity) for one in engine.cache.positions_open()]
    engine.dispose()
    facts = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")
    ]
    return facts, held


def quote(instrument_id: InstrumentId, second: int) -> QuoteTick:
    ts = second * 1_000_000_000
    qty = Quantity.from_str("10.00000")
    prices = Price.from_str("99.00"), Price.from_str("100.00")
    return QuoteTick(instrument_id, *prices, qty, qty, ts, ts)


def bar(instrument_id: InstrumentId, second: int) -> Bar:
    ts, px = second * 1_000_000_000, Price.from_str("99.00")
    bar_type = BarType.from_str(f"{instrument_id}-1-DAY-LAST-EXTERNAL")
    return Bar(bar_type, px, px, px, px, Quantity.from_str("1.00000"), ts, ts)

"""
The strategy file that the tests on NautilusTrader 2.0 run (`tests/node2/trial.py`), on 1.x.
"""

import json
from typing import Any

import msgspec
import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from tests.node2 import trial as file
from tests.venues.binance.control import FakeBinance


TRADER = "SAME-001"
SYMBOL = "C00USDT"


@pytest.mark.long
def test_it_survives_a_kill(valkey: EmbeddedValkey) -> None:
    """
    After it what it holds is judged, and it goes on from there.
    """
    with FakeBinance() as venue:
        venue.reset(SYMBOL)
        arguments = {
            "venue_port": venue.port,
            "database": msgspec.to_builtins(valkey.database_config()),
            "trader_id": TRADER,
        }
        with NodeProcess("tests.restart.same:node", **arguments) as node:
            assert node.wait_for("denied")["reason"].startswith("RECOVERY_IN_PROGRESS")
            node.wait_for("filled")
            valkey.wait_for(
                lambda client: (
                    client.scard(f"trader-{TRADER}:index:positions") == 1
                    and client.scard(f"trader-{TRADER}:index:orders") == 3
                )
            )
            node.wait_for(lambda _: sum(one["fact"] == "accepted" for one in node.facts) == 2)
            node.kill()
        with NodeProcess("tests.restart.same:node", **arguments) as node:
            assert node.wait_for("denied")["reason"].startswith("RECOVERY_IN_PROGRESS")
            complete = node.wait_for("complete")
            assert complete["outcome"] in ("CLEAN", "ADJUSTED")
            assert node.wait_for("recovered")["position"] == "1.000"
            assert node.wait_for("enabled")["is_new"] is False
            node.wait_for("accepted")


@pytest.mark.long
def test_it_warms_up(valkey: EmbeddedValkey) -> None:
    """
    From the history of the same venue, as with NautilusTrader 2.0.
    """
    with FakeBinance() as venue:
        venue.reset(SYMBOL)
        arguments = {
            "venue_port": venue.port,
            "database": msgspec.to_builtins(valkey.database_config()),
            "trader_id": TRADER,
            "is_warmed": True,
        }
        with NodeProcess("tests.restart.same:node", **arguments) as node:
            warm = node.wait_for("warm")
            assert warm["count"] == warm["past"] >= file.COUNT
            assert warm["value"] == warm["expected"]
            assert warm["is_initialized"] is True
            node.wait_for("filled")
            assert len([one for one in node.facts if one["fact"] == "denied"]) == 2


def test_it_trades_in_a_backtest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It buys once, as with a node, and nothing is denied.
    """
    instrument = TestInstrumentProvider.ethusdt_perp_binance()
    monkeypatch.setattr(file, "INSTRUMENT", instrument.id.value)
    logging = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=logging))
    engine.add_venue(
        Venue("BINANCE"), OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)]
    )
    engine.add_instrument(instrument)
    qty, bid, ask = Quantity.from_str("10.000"), Price.from_str("99.00"), Price.from_str("100.00")
    times = [second * 1_000_000_000 for second in range(1, 60)]
    engine.add_data([QuoteTick(instrument.id, bid, ask, qty, qty, ts, ts) for ts in times])
    config = RecoverableStrategyConfig(strategy_id="Trial", order_id_tag="001")
    engine.add_strategy(file.trial()(config))
    engine.run()
    held = [str(one.quantity) for one in engine.cache.positions_open()]
    engine.dispose()
    facts: list[dict[str, Any]] = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")
    ]
    names = [fact["fact"] for fact in facts]
    assert "denied" not in names, facts
    assert names.count("enabled") == 1
    assert "filled" in names
    assert list(map(float, held)) == [1.0]

"""
Strategies of 2.0 that need bars before they trade, on a node or in a backtest.
"""

from typing import Any

from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model import BarType
from nautilus_trader.trading import StrategyConfig

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import add_recovery_monitor
from nautilus_recovery_actor import run_node
from nautilus_recovery_actor.testkit import emit
from tests.node2.node import builder
from tests.node2.node import database
from tests.node2.node import strategy_config
from tests.node2.trial import INSTRUMENT
from tests.node2.trial import trial


COUNT = 20


class Config(StrategyConfig):
    """What is not the default."""

    warmup_timeout_secs = 3.0
    warmup_retry_secs = 0.2


def warmed(instrument: str = INSTRUMENT, needs: Any = None) -> Any:
    """
    Return a strategy that needs an average of twenty days.
    """
    bars = BarType.from_str(f"{instrument}-1-DAY-LAST-EXTERNAL")

    base: Any = trial()

    class Warmed(base):
        """Says what its average is, whenever it hears of something."""

        def on_start(self) -> None:
            self.ema = ExponentialMovingAverage(COUNT)
            self.history: list[float] = []
            self.reason = ""
            super().on_start()
            self.subscribe_bars(bars)
            self.clock.set_timer_ns("WATCH", 20_000_000, callback=self.watch)

        def watch(self, _: Any) -> None:
            if (reason := self.gate.reason() or "open") != self.reason:
                self.reason = reason
                emit("gate", reason=reason)

        def warmup_needs(self) -> list[Any]:
            emit("needs")
            self.submit_order(self.limit("0.200", "82.00"))
            need = BarsNeeded(bar_type=bars, count=COUNT, indicators=(self.ema,))
            return [need] if needs is None else needs

        def on_historical_data(self, data: Any) -> None:
            self.history.append(float(data.close))

        def on_bar(self, bar: Any) -> None:
            emit("bar", close=float(bar.close), **self.averages())

        def on_trading_enabled(self) -> None:
            emit("warm", **self.averages())
            super().on_trading_enabled()

        def averages(self) -> dict[str, Any]:
            expected = ExponentialMovingAverage(COUNT)
            for close in self.history:
                expected.update_raw(close)
            return {
                "value": self.ema.value,
                "expected": expected.value,
                "count": self.ema.count,
                "past": len(self.history),
                "is_initialized": self.indicators_initialized(),
            }

    return Warmed


def run(
    venue_port: int,
    redis_port: int,
    trader_id: str = "TWO-001",
    *,
    is_wrong: bool = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Run a node with such a strategy until it is stopped."""
    node = builder(venue_port, redis_port, trader_id).build()
    fields = {"verify_timeout_secs": 1.0, "heartbeat_secs": 0.5, **(settings or {})}
    add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port), **fields))
    node.add_strategy(warmed(needs=["no bars"] if is_wrong else None)(strategy_config(Config)))
    run_node(node)

"""
One strategy file for both: only what is imported differs.
"""

from typing import Any

from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model import BarType
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor.testkit import emit


try:
    from nautilus_trader.model.enums import OrderSide
except ImportError:
    from nautilus_trader.model import OrderSide


INSTRUMENT = "C00USDT-PERP.BINANCE"
HELD, RESTING = "1.000", "2.000"
COUNT = 20


def trial(base: Any = RecoverableStrategy) -> Any:  # noqa: C901  It is one class
    """
    Return the strategy on a base, which may be NautilusTrader's own.
    """

    class Trial(base):
        """Buys once, leaves a limit order, and goes on from there after a restart."""

        def on_start(self) -> None:
            self.filled = 0
            self.instrument = InstrumentId.from_str(INSTRUMENT)
            if base is RecoverableStrategy:
                self.submit_order(self.limit("0.200", "80.00"))  # Denied: nothing is proven yet
            else:
                self.on_trading_enabled()

        def on_save(self) -> dict[str, bytes]:
            return {"filled": str(getattr(self, "filled", 0)).encode()}

        def on_load(self, state: dict[str, bytes]) -> None:
            emit("loaded", filled=bytes(state["filled"]).decode())

        def on_trading_enabled(self) -> None:
            is_new = not self.cache.positions_open()
            emit("enabled", is_new=is_new)
            for qty, px in (
                ((HELD, "101.00"), (RESTING, "90.00")) if is_new else (("0.200", "81.00"),)
            ):
                self.submit_order(self.limit(qty, px))

        def on_recovery_complete(self, event: Any) -> None:
            report = event.report
            emit(
                "complete",
                epoch=event.epoch,
                trigger=str(report.trigger),
                outcome=str(event.outcome),
                blocking=sorted({str(one.kind) for one in report.discrepancies if one.is_blocking}),
                blocked=sorted(event.blocked_instruments),
                fills=[f"{fill.origin} {fill.qty}" for fill in report.fills],
                clean_shutdown=report.clean_shutdown,
            )

        def on_recovery_failed(self, event: Any) -> None:
            emit("failed", reason=str(event.reason), message=event.message)

        def on_position_recovered(self, position: Any, exit_orders: list[Any]) -> None:
            emit("recovered", position=str(position.quantity), exits=len(exit_orders))

        def on_order_denied(self, event: Any) -> None:
            emit("denied", reason=event.reason)

        def on_order_accepted(self, event: Any) -> None:
            emit("accepted", client_order_id=str(event.client_order_id))

        def on_order_filled(self, event: Any) -> None:
            self.filled += 1
            emit("filled", trade_id=str(event.trade_id), is_flagged=bool(event.reconciliation))

        def limit(self, qty: str, px: str) -> Any:
            return self.order_factory.limit(
                instrument_id=self.instrument,
                order_side=OrderSide.BUY,
                quantity=Quantity.from_str(qty),
                price=Price.from_str(px),
            )

    return Trial


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
            super().on_start()
            self.subscribe_bars(bars)

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

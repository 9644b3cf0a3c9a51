"""
A recoverable strategy in a backtest trades as a plain one.
"""

from decimal import Decimal

import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.objects import Money
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import paper_instrument


INSTRUMENT = paper_instrument("ETHUSDT-PERP", "SIM")


class Trades:
    """
    Buys at the start, and turns around at every third quote.
    """

    def on_start(self) -> None:
        self.count = 0
        self.events: list[str] = []
        self.enabled = 0
        self.subscribe_quote_ticks(INSTRUMENT.id)  # type: ignore[attr-defined]
        self._trade(OrderSide.BUY)

    def on_stop(self) -> None:
        self.close_all_positions(INSTRUMENT.id)  # type: ignore[attr-defined]

    def on_trading_enabled(self) -> None:
        self.enabled += 1

    def on_quote_tick(self, _: QuoteTick) -> None:
        self.count += 1
        if self.count % 3 == 0:
            self._trade(OrderSide.SELL if self.count % 2 else OrderSide.BUY)

    def on_order_event(self, event: object) -> None:
        self.events.append(type(event).__name__)

    def _trade(self, side: OrderSide) -> None:
        self.submit_order(  # type: ignore[attr-defined]
            self.order_factory.market(  # type: ignore[attr-defined]
                INSTRUMENT.id, side, INSTRUMENT.make_qty(1)
            )
        )


class PlainTrades(Trades, Strategy):
    pass


class RecoverableTrades(Trades, RecoverableStrategy):
    pass


class KeepingTrades(RecoverableTrades):
    """
    Makes a checkpoint at every quote.
    """

    saves = 0

    def on_quote_tick(self, quote: QuoteTick) -> None:
        super().on_quote_tick(quote)
        self.checkpoint()

    def on_save(self) -> dict[str, bytes]:
        self.saves += 1
        return {"count": str(self.count).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        self.loaded = state


class Listener(Strategy):
    """
    A plain strategy that listens on the bus.
    """

    def on_start(self) -> None:
        self.heard: list[RecoveryComplete] = []
        self.msgbus.subscribe(RecoveryComplete.topic(), self.heard.append)

    def on_stop(self) -> None:
        pass


def run(*strategies: Strategy, monitor: bool = False) -> list[tuple[int, str, Decimal, Decimal]]:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        INSTRUMENT.venue, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)]
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(
        [
            QuoteTick(
                INSTRUMENT.id,
                INSTRUMENT.make_price(px := 2000 + i % 7),
                INSTRUMENT.make_price(px),
                INSTRUMENT.make_qty(10),
                INSTRUMENT.make_qty(10),
                i * 1_000_000_000,
                i * 1_000_000_000,
            )
            for i in range(1, 40)
        ]
    )
    if monitor:
        engine.add_actor(RecoveryMonitorActor())
    for strategy in strategies:
        engine.add_strategy(strategy)
    engine.run()
    for strategy in strategies:
        made = engine.cache.client_order_ids(strategy_id=strategy.id)
        vars(strategy)["made"] = sorted(client_order_id.value for client_order_id in made)
    fills = [
        (e.ts_event, e.order_side.name if hasattr(e.order_side, "name") else str(e.order_side),
         e.last_qty.as_decimal(), e.last_px.as_decimal())
        for order in engine.cache.orders()
        for e in order.events
        if type(e).__name__ == "OrderFilled"
    ]  # fmt: skip
    engine.dispose()
    return sorted(fills)


@pytest.mark.parametrize("monitor", [False, True])
def test_in_a_backtest_it_trades_exactly_as_a_plain_strategy(monitor: bool) -> None:
    """With or without a monitor the fills are the same to the last one, and none is denied."""
    plain, recoverable = PlainTrades(), RecoverableTrades()
    expected = run(plain)
    assert run(recoverable, monitor=monitor) == expected
    assert len(expected) > 10
    assert recoverable.events == plain.events
    assert "OrderDenied" not in recoverable.events
    assert recoverable.enabled == 1
    assert recoverable.gate.is_open


def test_in_a_backtest_a_listener_hears_that_nothing_was_to_be_recovered() -> None:
    """The monitor tells a backtest CLEAN, with the trigger `backtest`."""
    listener = Listener()
    run(listener, monitor=True)
    (event,) = listener.heard
    assert event.outcome is RecoveryOutcome.CLEAN
    assert event.report.trigger == "backtest"


def test_in_a_backtest_nothing_is_kept_and_order_ids_are_those_of_a_plain_strategy() -> None:
    """What is to be kept there is kept by who runs it, by `save` and `load`."""
    plain, keeping = PlainTrades(), KeepingTrades()
    assert run(keeping) == run(plain)
    assert vars(keeping)["made"] == vars(plain)["made"]
    assert vars(plain)["made"][0].endswith("-1")
    assert keeping.saves == 0
    assert keeping.save() == {"count": b"39"}
    keeping.load({"count": b"7"})
    assert keeping.loaded == {"count": b"7"}

"""
What a backtest has of all this: the same strategies, and nothing to recover.
"""

from concurrent.futures import Executor
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.accounting.factory import AccountFactory
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from nautilus_recovery_actor.testkit import paper_instrument
from tests.facts.support import Trader
from tests.facts.support import Witness


# Not that of the nodes here: see the last test
INSTRUMENT = paper_instrument("ETHUSDT-PERP", "SIM")
_START_NS = 1_700_000_000_000_000_000


class BacktestTrader(Trader):
    """
    Buys once, at the first trade.
    """

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    def on_start(self) -> None:
        self.calls.append("strategy starts")
        self.subscribe_trade_ticks(INSTRUMENT.id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        if "first trade" not in self.calls:
            self.calls.append("first trade")
            self.submit_order(
                self.order_factory.market(INSTRUMENT.id, OrderSide.BUY, INSTRUMENT.make_qty(2))
            )


class Alarm(Actor):
    """
    Sets an alert for now in `on_start`.
    """

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        self.calls.append(f"registered with a {type(clock).__name__}")

    def register_executor(self, loop: Any, executor: Executor) -> None:
        self.calls.append("has the loop")

    def on_start(self) -> None:
        self.calls.append("actor starts")
        self.clock.set_time_alert_ns("NOW", self.clock.timestamp_ns(), self._on_alert)

    def _on_alert(self, _: Any) -> None:
        self.calls.append("alert")


def trades(count: int) -> list[TradeTick]:
    return [
        TradeTick(
            INSTRUMENT.id,
            INSTRUMENT.make_price(2000),
            INSTRUMENT.make_qty(10),
            AggressorSide.BUYER,
            TradeId(str(i)),
            _START_NS + i,
            _START_NS + i,
        )
        for i in range(count)
    ]


def test_a_backtest_has_a_test_clock_no_reconciliation_and_the_same_strategies() -> None:
    """
    Actors start first there too; an alert for now fires after the first data of that time.
    """
    calls: list[str] = []
    trader, seen = BacktestTrader(calls), Witness("events.order.*", "reports.execution.*")
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR", log_colors=False))
    )
    engine.add_venue(
        INSTRUMENT.venue,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(1_000_000, INSTRUMENT.quote_currency)],
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(trades(3))
    engine.add_actor(Alarm(calls))
    engine.add_actor(seen)
    engine.add_strategy(trader)
    engine.run()

    assert isinstance(trader.clock, TestClock)
    assert calls == [
        "registered with a TestClock",
        "actor starts",
        "strategy starts",
        "first trade",
        "alert",
    ]
    assert trader.portfolio.net_position(INSTRUMENT.id) == Decimal(2)
    assert seen.mass_statuses == []
    assert not any(event.reconciliation for event in seen.order_events)
    assert [type(event).__name__ for event in trader.events][-1] == "OrderFilled"
    engine.dispose()


@pytest.mark.parametrize("issuer", ["BACKTESTED", "LIVE"])
def test_after_a_backtest_its_process_counts_fills_into_the_accounts_of_that_venue(
    issuer: str,
) -> None:
    """A live account of the same name then has the PnL twice: the venue's balance had it."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    currency = INSTRUMENT.quote_currency
    engine.add_venue(Venue("BACKTESTED"), OmsType.NETTING, AccountType.MARGIN, [Money(1, currency)])
    engine.dispose()
    account = AccountFactory.create(TestEventStubs.margin_account_state(AccountId(f"{issuer}-1")))
    assert account.calculate_account_state is (issuer == "BACKTESTED")

"""
A cash account whose adapter reports no positions, or reports "flat" of what was bought.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.objects import Money
from nautilus_trader.model.position import Position
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.node.evidence.reporters import Reporters
from nautilus_recovery_actor.node.observing.accounts import bases
from nautilus_recovery_actor.node.observing.accounts import cash_accounts
from nautilus_recovery_actor.node.observing.observation import Sources
from nautilus_recovery_actor.node.observing.positions import paid_of_base
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.node.runbook import forget
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import command
from tests.node.support import differences
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import watched
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"
CASH: dict[str, Any] = {"account_type": "CASH"}


async def leave_coins(venue: PaperVenue, valkey: EmbeddedValkey, balance: str) -> None:
    """
    Leave 2 bought, of which the venue reports no position, and a balance.
    """
    venue.open_account()
    venue.set_balance(10, currency="ETH")
    venue.set_faults(hide_positions=(SYMBOL,))
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", client=CASH)
    venue.set_balance(balance, currency="ETH")


@pytest.mark.parametrize("balance", ["2", "7.5"])
def test_a_quiet_restart_with_coins_is_clean(
    venue: PaperVenue, valkey: EmbeddedValkey, balance: str
) -> None:
    """What else is in the wallet is nobody's concern, and trading goes on."""
    strategy = heir()

    async def scenario() -> None:
        await leave_coins(venue, valkey, balance)
        async with watched(venue, valkey, strategy, clients=CASH) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert differences(event) == []
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_coins_that_were_sold_while_away_block(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """With the numbers, and only until the balance is right again."""
    strategy = heir()

    async def scenario() -> None:
        await leave_coins(venue, valkey, "1.5")
        async with watched(venue, valkey, strategy, clients=CASH) as node:
            event = await node.result()
            (one,) = differences(event)
            assert one.kind is Kind.POSITION_QTY_MISMATCH
            assert (one.venue, Decimal(one.cache)) == ("1.5 ETH", Decimal(2))
            assert f"Positions hold 2.000 ETH (2.000 {ETH}), and the balance is 1.5" in one.detail
            assert event.blocked_instruments == {ETH.value}
            assert not await may_trade(node, venue, strategy)
            account = node.node.cache.account(AccountId(ACCOUNT))
            venue.set_balance(2, currency="ETH")
            await node.run.until(lambda: "2.00" in str(account.balances_total()))
            venue.push_mass_status()
            event = await node.result(2)
            assert event.blocked_instruments == set()

    asyncio.run(scenario())


def test_a_position_of_coins_that_are_gone_is_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its advice says."""

    async def scenario() -> None:
        await leave_coins(venue, valkey, "0")
        async with watched(venue, valkey, heir(), clients=CASH) as node:
            (one,) = differences(await node.result())
        assert one.kind is Kind.POSITION_NOT_AT_VENUE
        monkeypatch.setenv("RECOVERY_TRADER", TRADER_ID)
        monkeypatch.setenv("REDIS_URL", valkey.url)
        forget(one)
        for _ in range(2):
            async with watched(venue, valkey, heir(), clients=CASH) as node:
                event = await node.result()
                assert (differences(event), event.blocked_instruments) == ([], set())

    asyncio.run(scenario())


def test_a_balance_of_the_run_before_is_none(venue: PaperVenue) -> None:
    """What the cache restores says nothing of what happened since."""

    async def scenario() -> None:
        venue.open_account()
        venue.set_balance(3, currency="ETH")
        async with watched(venue, None, heir(), clients=CASH) as node:
            await node.result()
            cache = node.node.cache
            now = cache.account(AccountId(ACCOUNT)).last_event.ts_init
            found = cash_accounts(cache, now)[ACCOUNT]
            assert found is not None
            assert found["ETH"] == 3
            assert cash_accounts(cache, now + 1) == {ACCOUNT: None}
            assert bases(cache, [ETH.value, "XRPUSDT.PAPER"]) == {
                ETH.value: ("ETH", Decimal("0.001"))
            }
        async with watched(venue, None, heir()) as node:
            await node.result()
            assert cash_accounts(node.node.cache, 0) == {}

    asyncio.run(scenario())


# -- ADAPTERS THAT REPORT NO POSITIONS OF A MARGIN ACCOUNT -----------------------------------------


def test_a_margin_account_that_never_reports_positions_is_released_by_hand(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing proves what it holds but a look at the venue, as the advice says."""
    strategy = heir()
    account = frozenset({"PAPER-001"})
    monkeypatch.setattr(Reporters, "sources", lambda *_: Sources(account, frozenset(), account))

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.set_faults(hide_positions=(SYMBOL,))
        async with watched(venue, valkey, strategy) as node:
            event = await node.result()
            assert kinds(event) == {Kind.UNPROVEN_REPORT}
            assert event.blocked_instruments == {ETH.value}
            assert not await may_trade(node, venue, strategy)
            (one,) = differences(event)
            assert one.detail.endswith(f"if not, `nautilus-recovery release {ETH}`")
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", ETH.value))
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


# -- FEES ------------------------------------------------------------------------------------------


BTCUSDT = TestInstrumentProvider.btcusdt_binance()


def fill(side: OrderSide, qty: str, commission: str, number: int) -> OrderFilled:
    return OrderFilled(
        trader_id=TraderId(TRADER_ID),
        strategy_id=StrategyId("TRADER-001"),
        instrument_id=BTCUSDT.id,
        client_order_id=ClientOrderId(f"O-{number}"),
        venue_order_id=VenueOrderId(f"V-{number}"),
        account_id=AccountId("BINANCE-001"),
        trade_id=TradeId(f"T-{number}"),
        position_id=PositionId("P-1"),
        order_side=side,
        order_type=OrderType.MARKET,
        last_qty=BTCUSDT.make_qty(Decimal(qty)),
        last_px=BTCUSDT.make_price(50_000),
        currency=BTCUSDT.quote_currency,
        commission=Money.from_str(commission),
        liquidity_side=LiquiditySide.TAKER,
        event_id=UUID4(),
        ts_event=number,
        ts_init=number,
    )


def test_fees_of_the_coins_bought_are_counted_once_on_each_version() -> None:
    """1.231 takes them off the quantity, rounded after each fill, and 1.221 does not."""
    bought = [fill(OrderSide.BUY, "0.010000", "0.0000104 BTC", n) for n in range(10)]
    position = Position(BTCUSDT, bought[0])
    for each in bought[1:]:
        position.apply(each)
    held = position.signed_decimal_qty() - paid_of_base(position)
    assert held == Decimal("0.1") - 10 * Decimal("0.0000104")
    position.apply(fill(OrderSide.SELL, "0.04", "2 USDT", 10))
    position.apply(fill(OrderSide.SELL, "0.01", "0.0002 BNB", 11))
    held = position.signed_decimal_qty() - paid_of_base(position)
    assert held == Decimal("0.05") - 10 * Decimal("0.0000104")

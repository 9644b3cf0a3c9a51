"""
NautilusTrader's Sandbox adapter at a restart: what of it comes back, and what does not.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.adapters.sandbox.execution import SandboxExecutionClient
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import Venue

from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from nautilus_recovery_actor.testkit.clients import PaperVenueLiveDataClientFactory
from tests.facts.support import ETH
from tests.facts.support import Trader


HAS_POSITION_CHECK = "position_check_interval_secs" in LiveExecEngineConfig.__struct_fields__
CANNOT = (OrderCancelRejected, OrderRejected)
SOON = {
    "reconciliation_startup_delay_secs": 0.01,
    "open_check_interval_secs": 0.05,
    "open_check_threshold_ms": 20,
}


class Watcher(Trader):
    """
    Needs a market to trade in.
    """

    def on_start(self) -> None:
        self.subscribe_quote_ticks(ETH)


def sandbox_node(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, trader: Trader, **fields: Any
) -> TradingNode:
    """
    Return a node that takes its data from the paper venue, and trades in the sandbox.
    """
    client = SandboxExecutionClientConfig(
        venue="PAPER", starting_balances=["1_000_000 USDT"], base_currency="USDT"
    )
    config = paper_node_config(
        (),
        [venue.data_config(symbols=(ETH.symbol.value,))],
        trader_id=trader_id,
        database=valkey.database_config(),
        **fields,
    )
    config = msgspec.structs.replace(config, exec_clients={"PAPER": client})
    node = TradingNode(config=config, loop=asyncio.get_running_loop())
    node.add_data_client_factory("PAPER", PaperVenueLiveDataClientFactory)
    node.add_exec_client_factory("PAPER", SandboxLiveExecClientFactory)
    node.build()
    node.trader.add_strategy(trader)
    return node


async def moving(
    run: NodeRun, venue: PaperVenueControl, condition: Callable[[], object], px: int = 2000
) -> None:
    """
    Wait until a condition is true while the price moves, without which the sandbox does nothing.
    """
    prices = itertools.cycle([px + 1, px])

    def moved() -> object:
        venue.set_price(ETH.symbol.value, next(prices))
        return condition()

    await run.until(moved)


async def trade(
    run: NodeRun, venue: PaperVenueControl, trader: Trader, side: OrderSide, px: int = 2000
) -> None:
    """
    Trade 1, as much as a quote offers.
    """
    await moving(run, venue, lambda: is_at(trader, px), px)
    trader.submit_order(order := trader.market("1", side))
    await moving(run, venue, lambda: order.is_closed, px)


async def leave_a_bid(run: NodeRun, venue: PaperVenueControl, trader: Trader) -> None:
    """
    Leave a bid at rest.
    """
    trader.submit_order(bid := trader.limit())
    await moving(run, venue, lambda: bid.is_open)


def is_at(trader: Trader, px: int) -> bool:
    quote = trader.cache.quote_tick(ETH)
    return quote is not None and abs(quote.bid_price.as_double() - px) < 5


def balance(trader: Trader) -> float:
    return float(trader.portfolio.account(Venue("PAPER")).balance_total().as_double())


def test_a_restart_restores_positions_and_neither_orders_nor_balances(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The position is what the cache holds of it, the balance the one it began with, and a restored
    order cannot be canceled, because it rests nowhere.
    """
    before, after = Watcher(), Watcher()

    async def scenario() -> None:
        async with running(sandbox_node(venue, valkey, trader_id, before)) as run:
            await trade(run, venue, before, OrderSide.BUY, 2100)
            await trade(run, venue, before, OrderSide.SELL)
            await trade(run, venue, before, OrderSide.BUY)
            await leave_a_bid(run, venue, before)
            assert balance(before) < 999_950
        async with running(sandbox_node(venue, valkey, trader_id, after)) as run:
            assert run.is_trading
            assert after.portfolio.net_position(ETH) == 1
            assert balance(after) == 1_000_000
            (bid,) = after.cache.orders_open()
            after.cancel_order(bid)
            await moving(run, venue, lambda: any(isinstance(e, CANNOT) for e in after.events))
            assert bid.is_open

    asyncio.run(scenario())


@pytest.mark.skipif(not HAS_POSITION_CHECK, reason="1.221 does not check positions at run time")
@pytest.mark.parametrize("is_checked", [True, False])
def test_a_check_of_positions_makes_up_a_fill_where_none_are_reported(
    venue: PaperVenueControl,
    valkey: EmbeddedValkey,
    trader_id: str,
    monkeypatch: pytest.MonkeyPatch,
    is_checked: bool,
) -> None:
    """
    Which closes what is held; the preset leaves it off.
    """
    trader, asked = Watcher(), []

    async def no_orders(_: SandboxExecutionClient, command: Any) -> list[Any]:
        asked.append(command)
        return []

    monkeypatch.setattr(SandboxExecutionClient, "generate_order_status_reports", no_orders)
    check = {"position_check_interval_secs": 0.05, "position_check_threshold_ms": 20}
    engine = recovery_exec_engine_config(**SOON, **(check if is_checked else {}))

    async def scenario() -> None:
        node = sandbox_node(venue, valkey, trader_id, trader, exec_engine=engine)
        async with running(node) as run:
            await trade(run, venue, trader, OrderSide.BUY)
            await leave_a_bid(run, venue, trader)
            if is_checked:
                await run.until(lambda: trader.portfolio.is_flat(ETH))
            else:
                seen = len(asked)
                await run.until(lambda: len(asked) >= seen + 20)
                assert trader.portfolio.net_position(ETH) == 1
                assert len(trader.cache.orders_open()) == 1

    asyncio.run(scenario())

"""
What NautilusTrader by itself gives a strategy back of its exits, and how it closes a position.
"""

import asyncio
from decimal import Decimal

import pytest
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.orders import Order
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_instrument
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import trading


class Starter(Trader):
    """
    Looks for its position and its orders when it starts.
    """

    def on_start(self) -> None:
        self.positions = self.cache.positions_open(strategy_id=self.id)
        self.exits = [self.cache.orders_for_position(p.id) for p in self.positions]
        self.resting = self.cache.orders_open(strategy_id=self.id)


class Teller(Actor):
    """
    Reads the balance when it is registered.
    """

    total: Decimal | None = None

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        for account in cache.accounts():
            self.total = account.balance_total(Currency.from_str("USDT")).as_decimal()


def stop(trader: Trader) -> Order:
    """
    Return a stop below a long position of 2.
    """
    instrument = paper_instrument(ETH.symbol.value)
    market = trader.market()
    return trader.order_factory.stop_market(
        ETH,
        Order.opposite_side(market.side),
        instrument.make_qty(2),
        instrument.make_price(1900),
        reduce_only=True,
    )


def test_the_stop_of_a_net_position_is_not_among_its_orders_after_a_restart(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    It is open and of the strategy, but no index leads to it from the position that it protects.
    """
    trader = Trader()

    async def before() -> None:
        async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
            trader.submit_order(trader.market())
            trader.submit_order(resting := stop(trader))
            await run.until(lambda: resting.is_open and trader.cache.positions_open())

    asyncio.run(before())
    starter = Starter()

    async def after() -> None:
        async with trading(venue, starter, valkey=valkey, trader_id=trader_id) as run:
            (exits,) = starter.exits
            (resting,) = starter.resting
            assert OrderType(resting.order_type) == OrderType.STOP_MARKET
            assert resting not in exits
            assert run.node.cache.position_id(resting.client_order_id) is None

    asyncio.run(after())


def test_an_order_just_submitted_is_neither_open_nor_in_flight(venue: PaperVenueControl) -> None:
    """
    Only `cache.orders` has it until its execution client says that it was submitted.
    """
    trader = Trader()

    async def scenario() -> None:
        async with trading(venue, trader) as run:
            trader.submit_order(order := trader.limit())
            cache = run.node.cache
            assert not (cache.orders_open())
            assert not (cache.orders_inflight())
            assert not (cache.orders_emulated())
            assert cache.orders(strategy_id=trader.id) == [order]
            assert order.status_string() == "INITIALIZED"
            await run.until(lambda: order.is_open)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_reduce_only", [False, True])
def test_close_position_closes_again_what_is_being_closed(
    venue: PaperVenueControl, is_reduce_only: bool
) -> None:
    """
    Two calls send the whole quantity twice: without reduce-only the position is turned.
    """
    trader = Trader()

    async def scenario() -> None:
        async with trading(venue, trader) as run:
            trader.submit_order(trader.market())
            await run.until(trader.cache.positions_open)
            (position,) = trader.cache.positions_open()
            for _ in range(2):
                trader.close_position(position, reduce_only=is_reduce_only)
            await run.until(lambda: all(order.is_closed for order in trader.cache.orders()))

    asyncio.run(scenario())
    assert len(venue.submitted(venue.account_id)) == 3
    (position,) = venue.state().positions
    assert position.qty == (0 if is_reduce_only else -2)


def test_the_children_of_an_emulated_entry_are_held_back_as_emulated_and_initialized(
    venue: PaperVenueControl,
) -> None:
    """
    The index of emulated orders has them although they rest nowhere.
    """
    trader = Trader()

    async def scenario() -> None:
        async with trading(venue, trader, has_data=True) as run:
            instrument = paper_instrument(ETH.symbol.value)
            market = trader.market()
            bracket = trader.order_factory.bracket(
                ETH,
                market.side,
                market.quantity,
                emulation_trigger=TriggerType.BID_ASK,
                entry_order_type=OrderType.LIMIT,
                entry_price=instrument.make_price(1990),
                sl_trigger_price=instrument.make_price(1900),
                tp_price=instrument.make_price(2100),
            )
            trader.submit_order_list(bracket)
            entry, *children = bracket.orders
            await run.until(lambda: entry.status_string() == "EMULATED")
            assert {child.status_string() for child in children} == {"INITIALIZED"}
            assert len(run.node.cache.orders_emulated()) == 3

    asyncio.run(scenario())


def test_the_balance_before_is_to_be_had_only_until_the_client_connects(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    At registration the account is as it was stored; when the trader starts it is the venue's.
    """

    async def run_until_stored() -> None:
        async with trading(venue, valkey=valkey, trader_id=trader_id):
            pass

    asyncio.run(run_until_stored())
    venue.set_balance(5)
    teller = Teller()

    async def after() -> None:
        async with trading(venue, teller, valkey=valkey, trader_id=trader_id) as run:
            account = run.node.cache.account(AccountId(venue.account_id))
            assert teller.total == 1_000_000
            assert account.balance_total(Currency.from_str("USDT")).as_decimal() == 5

    asyncio.run(after())

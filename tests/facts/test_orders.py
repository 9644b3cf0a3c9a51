"""
Which ways an order can take from a strategy to the venue, and how it can be denied.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.common.enums import ComponentState
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderInitialized
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import node_at
from tests.facts.support import trading
from tests.facts.support import witness


HAS_MARKET_EXIT = hasattr(Strategy, "market_exit")


class Overridden(Trader):
    """
    Keeps what is submitted and modified, and passes it on as long as it is told to.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.calls: list[tuple[str, Any]] = []
        self.passes_on = True

    def submit_order(
        self, order: Order, position_id: Any = None, client_id: Any = None, params: Any = None
    ) -> None:
        self.calls.append(("submit_order", order))
        if self.passes_on:
            Strategy.submit_order(self, order, position_id, client_id, params)

    def submit_order_list(
        self, order_list: Any, position_id: Any = None, client_id: Any = None, params: Any = None
    ) -> None:
        self.calls.append(("submit_order_list", order_list))
        Strategy.submit_order_list(self, order_list, position_id, client_id, params)

    def modify_order(
        self,
        order: Order,
        quantity: Any = None,
        price: Any = None,
        trigger_price: Any = None,
        client_id: Any = None,
        params: Any = None,
    ) -> None:
        self.calls.append(("modify_order", order))
        Strategy.modify_order(self, order, quantity, price, trigger_price, client_id, params)


def deny(strategy: Trader, order: Order) -> OrderDenied:
    """
    Deny an order as a strategy itself does it.
    """
    denied = OrderDenied(
        trader_id=order.trader_id,
        strategy_id=order.strategy_id,
        instrument_id=order.instrument_id,
        client_order_id=order.client_order_id,
        reason="FACTS",
        event_id=UUID4(),
        ts_init=strategy.clock.timestamp_ns(),
    )
    strategy.cache.add_order(order)
    order.apply(denied)
    strategy.cache.update_order(order)
    strategy.msgbus.publish(f"events.order.{strategy.id}", denied)
    return denied


def test_submitting_and_modifying_can_be_overridden_and_passed_on(venue: PaperVenueControl) -> None:
    """
    What an override passes on by position reaches the venue.
    """
    trader = Overridden()

    async def scenario() -> None:
        async with trading(venue, trader) as run:
            trader.submit_order(single := trader.limit())
            await run.until(lambda: single.is_open)
            trader.modify_order(single, price=trader.limit("1490").price)
            await run.until(lambda: str(single.price) == "1490.00")
            both = trader.order_factory.create_list([trader.limit("1480"), trader.limit("1470")])
            trader.submit_order_list(both)
            await run.until(lambda: all(order.is_open for order in both.orders))

    asyncio.run(scenario())
    assert [name for name, _ in trader.calls] == [
        "submit_order",
        "modify_order",
        "submit_order_list",
    ]
    assert len(venue.submitted(venue.account_id)) == 3


@pytest.mark.parametrize(
    "way", ["close_position", "close_all_positions", *(["market_exit"] if HAS_MARKET_EXIT else [])]
)
def test_what_nautilus_submits_for_a_strategy_goes_through_the_override(
    venue: PaperVenueControl, way: str
) -> None:
    """
    So an override that keeps an order keeps it from the venue, whoever made it.
    """
    # A market exit looks again at an interval, which would be in the way here
    config = {"market_exit_interval_ms": 60_000} if HAS_MARKET_EXIT else {}
    trader = Overridden(**config)

    async def scenario() -> None:
        async with trading(venue, trader) as run:
            trader.submit_order(order := trader.market())
            await run.until(trader.cache.positions_open)
            trader.passes_on = False
            match way:
                case "close_position":
                    trader.close_position(trader.cache.positions_open()[0])
                case "close_all_positions":
                    trader.close_all_positions(ETH)
                case "market_exit":
                    trader.market_exit()
            (_, opening), (name, closing) = trader.calls
            assert (opening, name) == (order, "submit_order")
            assert (closing.side, closing.quantity) == (OrderSide.SELL, order.quantity)
            assert closing.is_reduce_only
            # Whatever went round the override would have been sent before this one
            trader.passes_on = True
            trader.submit_order(closing)
            await run.until(lambda: closing.is_closed)
            sent = [order.client_order_id.value, closing.client_order_id.value]
            assert venue.submitted(venue.account_id) == sent

    asyncio.run(scenario())


def test_an_order_is_denied_by_adding_it_applying_the_event_updating_and_publishing(
    venue: PaperVenueControl,
) -> None:
    """
    The cache has it as denied, the strategy is told once, and the venue hears nothing.
    """
    seen, trader = witness(), Trader()

    async def scenario() -> None:
        async with trading(venue, seen, trader) as run:
            denied = deny(trader, order := trader.market())
            assert run.node.cache.order(order.client_order_id).status_string() == "DENIED"
            assert run.node.cache.orders_closed() == [order]
            assert trader.events == [denied]
            assert seen.order_events == [denied]
            trader.submit_order(last := trader.limit())
            await run.until(lambda: last.is_open)
            assert venue.submitted(venue.account_id) == [last.client_order_id.value]

    asyncio.run(scenario())


def test_the_engine_publishes_the_init_event_of_an_order_before_what_follows(
    venue: PaperVenueControl,
) -> None:
    """
    `submit_order` publishes it itself, so a denial in its place has to do the same.
    """
    seen, trader = witness(), Trader()

    async def scenario() -> None:
        async with trading(venue, seen, trader):
            trader.submit_order(order := trader.limit())
            assert seen.order_events == [order.init_event]
            assert isinstance(order.init_event, OrderInitialized)

    asyncio.run(scenario())


def test_a_strategy_that_starts_drops_its_own_denial_but_gets_that_of_the_risk_engine(
    venue: PaperVenueControl,
) -> None:
    """
    The risk engine's denial comes through a queue, when the strategy runs.
    """

    class Impatient(Trader):
        def on_start(self) -> None:
            assert self.state == ComponentState.STARTING
            self.own = deny(self, self.market())
            self.submit_order(self.limit())

    trader = Impatient()
    seen = witness()

    async def scenario() -> None:
        node = node_at(venue, seen, trader)
        node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
        async with running(node) as run:
            await run.until(lambda: trader.events)

    asyncio.run(scenario())
    assert trader.own in seen.order_events
    assert [type(event) for event in trader.events] == [OrderDenied]
    assert trader.own not in trader.events
    assert venue.submitted(venue.account_id) == []


def test_a_halted_risk_engine_denies_submits_and_lets_cancels_pass(
    venue: PaperVenueControl,
) -> None:
    """
    The guard for all strategies of a node.
    """
    trader = Trader()

    async def scenario() -> None:
        async with trading(venue, trader) as run:
            trader.submit_order(resting := trader.limit())
            await run.until(lambda: resting.is_open)
            run.node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
            trader.submit_order(refused := trader.market())
            trader.cancel_order(resting)
            await run.until(lambda: refused.is_closed and resting.is_closed)
            assert refused.status_string() == "DENIED"
            assert "HALTED" in refused.last_event.reason
            assert resting.status_string() == "CANCELED"
            assert venue.submitted(venue.account_id) == [resting.client_order_id.value]

    asyncio.run(scenario())


def test_the_release_of_an_emulated_order_goes_round_a_halted_risk_engine_and_the_override(
    venue: PaperVenueControl,
) -> None:
    """
    An order that is emulated when the guard falls is sent all the same once its trigger is reached.
    """
    trader = Overridden()

    async def scenario() -> None:
        async with trading(venue, trader, has_data=True) as run:
            order = trader.limit("1900", emulation_trigger=TriggerType.BID_ASK)
            trader.submit_order(order)
            await run.until(lambda: order.status_string() == "EMULATED")
            run.node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
            venue.set_price("ETHUSDT-PERP", 1890)
            # What is released is another order with the same ID
            released = run.node.cache.order
            await run.until(lambda: released(order.client_order_id).status_string() == "FILLED")

    asyncio.run(scenario())
    assert [name for name, _ in trader.calls] == ["submit_order"]
    assert len(venue.submitted(venue.account_id)) == 1

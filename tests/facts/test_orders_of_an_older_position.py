"""
What a restart learns of orders that ended while it was away, and that the venue's position is not
made of.
"""

import asyncio
from functools import partial

import pytest
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import trading


async def leave_an_exit(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, trades_before: int = 0
) -> Order:
    """
    Run a node that leaves LONG 2 and the order that would close it, and was flat before so often.
    """
    trader = Trader()
    sides = [OrderSide.BUY, OrderSide.SELL] * trades_before + [OrderSide.BUY]
    async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
        trades = [trader.market(side=side) for side in sides]
        exit_order = trader.limit("2100", "2", OrderSide.SELL)
        for order in [*trades, exit_order]:
            trader.submit_order(order)
            await run.until(partial(_is_answered, order))
    return exit_order


def _is_answered(order: Order) -> bool:
    return order.status_string() in ("ACCEPTED", "FILLED")


async def restarted(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, exit_order: Order
) -> str:
    """
    Return what the exit is after a restart, whose positions are as at the venue.
    """
    (held,) = venue.state().positions
    trader = Trader()
    async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
        assert run.is_trading
        assert trader.portfolio.net_position(ETH) == held.qty
        status: str = run.node.cache.order(exit_order.client_order_id).status_string()
        return status


@pytest.mark.parametrize("is_reopened", [True, False])
def test_an_exit_that_was_filled_stays_open_if_the_venue_holds_a_newer_position(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, *, is_reopened: bool
) -> None:
    """
    An engine that adjusts fills drops the report of all before the position was flat the last time,
    also what the cache has not seen yet, and makes the fill up: the start succeeds.
    """

    async def scenario() -> str:
        exit_order = await leave_an_exit(venue, valkey, trader_id)
        venue.fill(exit_order.client_order_id.value)
        if is_reopened:
            venue.place("ETHUSDT-PERP", "BUY", 1)
        return await restarted(venue, valkey, trader_id, exit_order)

    is_dropped = ADJUSTS_FILLS and is_reopened
    assert asyncio.run(scenario()) == ("ACCEPTED" if is_dropped else "FILLED")


@pytest.mark.parametrize("trades_before", [1, 0])
def test_an_exit_that_was_canceled_stays_open_if_its_account_was_flat_before(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, trades_before: int
) -> None:
    """
    Of a report that it shortens it keeps what is open or has a fill: the cache holds on to a stop
    that does not exist.
    """

    async def scenario() -> str:
        exit_order = await leave_an_exit(venue, valkey, trader_id, trades_before)
        venue.cancel(exit_order.client_order_id.value)
        return await restarted(venue, valkey, trader_id, exit_order)

    is_dropped = ADJUSTS_FILLS and trades_before > 0
    assert asyncio.run(scenario()) == ("ACCEPTED" if is_dropped else "CANCELED")

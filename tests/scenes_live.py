"""
Scenes with several owners of one position, several venues, and orders that rest in the node itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import trading
from tests.scenes import OTHER
from tests.scenes import SYMBOL
from tests.scenes import leave_trades
from tests.scenes import order_of


async def long_and_a_trade_by_hand(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    LONG 2 of a strategy, and 1 more that somebody bought while the node was away.
    """
    await leave_trades(venue, valkey, trader_id, "+2")
    venue.place(SYMBOL, "BUY", 1)


async def two_strategies_on_one_position(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    LONG 2 of one strategy and LONG 1 of another, one net position of 3 at the venue.
    """
    traders = (Trader(), Trader(**OTHER))
    async with trading(venue, *traders, valkey=valkey, trader_id=trader_id) as run:
        orders = [order_of(*part) for part in zip(traders, ("+2", "+1"), strict=True)]
        for trader, order in zip(traders, orders, strict=True):
            trader.submit_order(order)
        await run.until(lambda: all(order.is_closed for order in orders))


@contextmanager
def other_venue(venue: PaperVenueControl) -> Iterator[PaperVenueControl]:
    """
    Open an account at a second venue.
    """
    other = PaperVenueControl(venue.port, account_id=venue.account_id.replace("PAPER", "OTHER"))
    other.open_account()
    yield other
    other.close()


def node_on_both(
    venue: PaperVenueControl, other: PaperVenueControl, *components: Actor, **fields: Any
) -> TradingNode:
    """
    Return a node that trades at two venues.
    """
    clients = [
        venue.exec_config(symbols=(SYMBOL,)),
        other.exec_config(symbols=(SYMBOL,), venue="OTHER"),
    ]
    node = paper_node(paper_node_config(clients, **fields))
    for component in components:
        if isinstance(component, Strategy):
            node.trader.add_strategy(component)
        else:
            node.trader.add_actor(component)
    return node


async def emulated_stop_passed(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> str:
    """
    LONG 2 with a stop at 1900 that only the node knows, and a price of 1890; return the stop's ID.
    """
    trader = Trader()
    instrument = paper_instrument(SYMBOL)
    async with trading(venue, trader, valkey=valkey, trader_id=trader_id, has_data=True) as run:
        trader.submit_order(bought := trader.market())
        await run.until(lambda: bought.is_closed)
        stop = trader.order_factory.stop_market(
            ETH,
            OrderSide.SELL,
            instrument.make_qty(2),
            instrument.make_price(1900),
            reduce_only=True,
            emulation_trigger=TriggerType.BID_ASK,
        )
        trader.submit_order(stop)
        await run.until(lambda: stop.status_string() == "EMULATED")
    venue.set_price(SYMBOL, 1890)
    return str(stop.client_order_id.value)

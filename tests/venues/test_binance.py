"""
NautilusTrader's own adapter trades live on the stand-in for Binance, with a monitor and without.
"""

import asyncio
from collections.abc import Iterator

import nautilus_trader
import pytest
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import running
from tests.restart.cells import CELLS
from tests.restart.cells import Cell
from tests.restart.cells import Holding
from tests.restart.cells import Working
from tests.restart.judge import Result
from tests.restart.node import build
from tests.restart.node import come_back
from tests.restart.node import set_up
from tests.restart.node import until
from tests.restart.run import Bench
from tests.restart.state import state
from tests.restart.ways import WAYS
from tests.venues.binance.control import FakeBinance


WAY = WAYS[0]


def cell(holding: Holding, working: Working) -> Cell:
    return next(one for one in CELLS if (one.holding, one.working) == (holding, working))


STOPPED = cell(Holding.LONG, Working.STOP)
BRACKET = cell(Holding.SHORT, Working.BRACKET)
ADDING = cell(Holding.FLAT, Working.PARTLY_FILLED)
SLICED = cell(Holding.SEVERAL_FILLS, Working.NONE)
HERE = (STOPPED, BRACKET, ADDING, SLICED)


@pytest.fixture
def bench(valkey: EmbeddedValkey) -> Iterator[Bench]:
    with FakeBinance() as venue:
        venue.reset(*(one.symbol for one in HERE))
        for one in HERE:
            one.prepare(venue)
        yield Bench(venue, valkey)


async def trade(bench: Bench, *, is_monitored: bool) -> list[Result]:
    """Return what the cells come to live, and after a gap in the user stream."""
    venue = bench.venue
    trading_node, monitor = build(**bench.arguments(WAY, HERE, is_monitored=is_monitored))
    cache = trading_node.cache
    async with running(trading_node):
        await come_back(trading_node, monitor)
        client_ids = await set_up(trading_node, HERE)

        def order(of: Cell, name: str) -> Order:
            return cache.order(ClientOrderId(client_ids[of.symbol][name]))

        venue.set_price(STOPPED.symbol, "90.00")
        venue.fill(client_ids[ADDING.symbol]["add"], "0.5")
        strategies = {str(one.id): one for one in trading_node.trader.strategies()}
        strategies[BRACKET.strategy_id].cancel_all_orders(order(BRACKET, "stop").instrument_id)
        await until(lambda: order(STOPPED, "stop").is_closed and order(ADDING, "add").filled_qty)
        await until(lambda: all(order(BRACKET, name).is_closed for name in ("stop", "target")))
        live = bench.judged(WAY, HERE, state(trading_node, monitor))
        # After a gap the adapter of 1.221 asks for nothing; natively, the engine of 1.231 breaks
        # off at the first trade that is reported twice
        if nautilus_trader.__version__ == "1.221.0" or not is_monitored:
            return live

        venue.drop_streams()
        venue.cancel(client_ids[ADDING.symbol]["add"])
        venue.place(symbol=SLICED.symbol, side="SELL", type="MARKET", quantity="1")
        venue.accept_streams()
        await until(lambda: order(ADDING, "add").is_closed)
        await come_back(trading_node, monitor)
        return live + bench.judged(WAY, HERE, state(trading_node, monitor))


@pytest.mark.parametrize("is_monitored", [False, True], ids=["native", "monitored"])
def test_the_adapter_trades_live(bench: Bench, is_monitored: bool) -> None:
    """Orders fill, rest, trigger and end; with a monitor, a gap of the user stream is closed."""
    results = asyncio.run(trade(bench, is_monitored=is_monitored))
    assert [str(one) for one in results if not one.is_right] == []

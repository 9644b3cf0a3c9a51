"""
Prices that move by themselves.
"""

import asyncio
import itertools
from decimal import Decimal

import pandas as pd
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import paper_quotes
from nautilus_recovery_actor.testkit import paper_trades
from nautilus_recovery_actor.testkit import running
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.market import Market
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.session import Session
from nautilus_recovery_actor.testkit.walk import Walk
from nautilus_recovery_actor.testkit.wire import call


D = Decimal
ETH = "ETHUSDT-PERP"
INSTRUMENT = paper_instrument(ETH)
BARS = BarType.from_str(f"{INSTRUMENT.id}-1-MINUTE-LAST-EXTERNAL")
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def market(seed: int = 1, ts: int = T0, px: str = "2000", symbol: str = ETH) -> Market:
    return Market(symbol=symbol, seed=seed, ts_start=ts, anchors=((ts, D(px)),))


def path(found: Market, ts: int = T0, secs: int = 300) -> list[Decimal]:
    return [found.at(ts + n * SECOND) for n in range(secs)]


def test_the_same_seed_makes_the_same_moves_whenever_it_begins() -> None:
    """Moves are counted from the start; another seed or symbol has others."""
    prices = path(market())
    later = 77_777 * SECOND + 5
    assert path(market(ts=T0 + later), ts=T0 + later) == prices
    assert path(market(seed=2)) != prices
    assert path(market(symbol="BTCUSDT-PERP")) != prices


def test_prices_move_a_little_each_second_and_more_in_an_hour() -> None:
    """A price is never far from the one before, and does not stay where it was."""
    prices = path(market(), secs=3_600)
    steps = [abs(b - a) for a, b in itertools.pairwise(prices)]
    assert max(steps) < D(1)
    assert len(set(prices)) > 1_000
    assert max(prices) - min(prices) > D(10)
    assert all(px.as_tuple().exponent == -2 for px in prices[1:])


def test_a_walk_goes_on_from_a_price_that_is_set() -> None:
    """What was before stays as it was."""
    before = market()
    at = T0 + 100 * SECOND
    after = Market(symbol=ETH, seed=1, ts_start=T0, anchors=(*before.anchors, (at, D("1900.5"))))
    assert after.at(at) == D("1900.5")
    assert path(after, secs=100) == path(before, secs=100)
    assert abs(after.at(at + SECOND) - D("1900.5")) < D(1)


def test_bars_open_where_the_last_one_closed_and_reach_all_prices_of_their_minute() -> None:
    """Bars and quotes are of one walk, also before it began."""
    found = market()
    bars = paper_bars(INSTRUMENT, BARS, T0 - 3_600 * SECOND, T0 + 3_600 * SECOND, found)
    assert len(bars) == 120
    for before, bar in itertools.pairwise(bars):
        assert bar.open == before.close
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.close.as_decimal() == found.at(bar.ts_event)
    assert sum(len({b.open, b.high, b.low, b.close}) == 4 for b in bars) > 30
    quotes = paper_quotes(INSTRUMENT, T0, T0 + 9 * SECOND, found)
    trades = paper_trades(INSTRUMENT, T0, T0 + 9 * SECOND, found)
    assert [q.bid_price.as_decimal() for q in quotes] == [found.at(q.ts_event) for q in quotes]
    assert [t.price for t in trades] == [q.ask_price for q in quotes]


def test_a_step_fills_what_the_price_reaches_and_what_is_set_by_hand_is_gone_on_from() -> None:
    """The walk sets prices like everybody else."""
    walks: list[Walk] = []

    def publish(event: ExchangeEvent) -> None:
        if isinstance(event, Quote) and walks:
            walks[0].hear(event)

    exchange = Exchange(publish, clock=lambda: T0)
    exchange.open_account("A-1")
    exchange.set_price(ETH, D(2000))
    walks.append(walk := Walk(exchange, seed=1, interval_secs=1.0))
    low = min(path(walk.markets[ETH], secs=60))
    bid = NewOrder(symbol=ETH, side=Side.BUY, qty=D(1), kind=OrderKind.LIMIT, px=low)
    order = exchange.submit("A-1", bid)
    for n in range(1, 60):
        walk.step(T0 + n * SECOND)
    assert exchange.accounts["A-1"].orders[order.venue_order_id].state is OrderState.FILLED
    assert len(walk.markets[ETH].anchors) == 1

    exchange.set_price(ETH, D(100))
    walk.step(exchange.now() + SECOND)
    assert abs(exchange.prices[ETH] - D(100)) < D(1)


def test_a_still_market_only_changes_when_it_is_set() -> None:
    """And so do its bars."""
    still = Market(
        symbol=ETH,
        seed=1,
        ts_start=T0,
        anchors=((T0, D(2000)), (T0 + 30 * SECOND, D(2100))),
        is_still=True,
    )
    (bar,) = paper_bars(INSTRUMENT, BARS, T0 + 1, T0 + 60 * SECOND, still)
    assert (bar.open, bar.high, bar.low, bar.close) == (2000, 2100, 2000, 2100)
    assert set(path(still, secs=30)) == {D(2000)}


def test_a_node_gets_quotes_and_history_of_the_same_walk() -> None:
    """What a strategy warms up with fits what it then sees."""
    quotes: list[QuoteTick] = []
    ends: list[object] = []

    class Watcher(Strategy):
        def on_start(self) -> None:
            self.subscribe_quote_ticks(INSTRUMENT.id)
            now = self.clock.utc_now()
            start = now - pd.Timedelta(hours=1)
            self.request_bars(BARS, start=start, callback=ends.append)

        def on_quote_tick(self, tick: QuoteTick) -> None:
            quotes.append(tick)

        def on_stop(self) -> None:
            self.unsubscribe_quote_ticks(INSTRUMENT.id)

    async def scenario() -> None:
        with PaperVenue() as venue:
            venue.set_price(ETH, "1234.5")
            venue.walk(seed=3, interval_secs=0.05)
            data = venue.data_config(symbols=(ETH,))
            node = paper_node(paper_node_config(data_clients=[data]))
            node.trader.add_strategy(Watcher())
            async with running(node) as run:
                await run.until(lambda: ends and len({q.bid_price for q in quotes}) > 3)
                bars = node.cache.bars(BARS)
            found = await asyncio.to_thread(venue.request, call(Session.query_market, ETH))
            assert found is not None
            assert [b.close.as_decimal() for b in bars] == [found.at(b.ts_event) for b in bars]
            assert all(abs(q.bid_price.as_decimal() - D("1234.5")) < 5 for q in quotes)

    asyncio.run(scenario())

"""
Prices that move by themselves at a paper venue, and go on from whatever is set.
"""

import asyncio

from msgspec.structs import replace

from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.market import Market
from nautilus_recovery_actor.testkit.records import Quote


_MAX_ANCHORS = 1_000


class Walk:
    """The markets of all symbols that have a price."""

    def __init__(
        self, exchange: Exchange, seed: int, interval_secs: float, is_still: bool = False
    ) -> None:
        self.markets: dict[str, Market] = {}
        self._exchange = exchange
        self._seed = seed
        self._interval_ns = int(interval_secs * 1e9)
        self._is_still = is_still
        self._ts_start = exchange.now()
        self._is_stepping = False
        for symbol, px in exchange.prices.items():
            self.hear(Quote(symbol=symbol, px=px, ts=self._ts_start))

    def hear(self, quote: Quote) -> None:
        """Go on from a price that was set."""
        if self._is_stepping:
            return
        market = self.markets.get(quote.symbol) or Market(
            symbol=quote.symbol,
            seed=self._seed,
            ts_start=self._ts_start,
            anchors=(),
            is_still=self._is_still,
        )
        anchors = (*market.anchors, (quote.ts, quote.px))[-_MAX_ANCHORS:]
        self.markets[quote.symbol] = replace(market, anchors=anchors)

    def step(self, ts: int) -> None:
        """Set the prices of a time."""
        self._is_stepping = True
        try:
            for market in self.markets.values():
                self._exchange.set_price(market.symbol, market.at(ts))
        finally:
            self._is_stepping = False

    async def run(self) -> None:
        """Set the prices at each interval, for ever."""
        while not self._is_still:
            now = self._exchange.now()
            until = self._interval_ns - (now - self._ts_start) % self._interval_ns
            await asyncio.sleep(until / 1e9)
            self.step(now + until)

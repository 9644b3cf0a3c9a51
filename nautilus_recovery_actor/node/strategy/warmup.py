"""
The warm-up of a strategy: between its recovery and its permission to trade.
"""

import asyncio
from typing import Protocol

from nautilus_trader.indicators.base import Indicator
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.node.strategy.needs import WarmupNeed
from nautilus_recovery_actor.node.strategy.warmup_feed import Guard
from nautilus_recovery_actor.node.strategy.warmup_feed import WarmupFeed


class Waiting(Protocol):
    """Who waits for a warm-up, and what it hears of it."""

    @property
    def guard(self) -> Guard:
        """What calls go through that nobody waits for."""

    def on_waiting(self, reason: str) -> None:
        """It goes on waiting, for a reason that starts with ``RECOVERY_``."""

    def on_missed(self) -> None:
        """Data have not come, and will be requested again."""

    def on_warmed_up(self) -> None:
        """All that is needed came and was applied."""


class WarmUp:
    """Keeps who waits for it waiting until the data a strategy needs are complete and applied."""

    __slots__ = ("_feeds", "_is_under_way", "_strategy", "_waiting")

    def __init__(self, strategy: Strategy, waiting: Waiting) -> None:
        self._strategy = strategy
        self._waiting = waiting
        self._feeds: list[WarmupFeed] | None = None
        self._is_under_way = False

    @property
    def indicators(self) -> list[Indicator]:
        """The indicators that it keeps up to date."""
        return [indicator for feed in self._feeds or () for indicator in feed.need.indicators]

    def begin(self, *, is_backtest: bool) -> None:
        """Begin. What live data have kept whole since the last time is done already."""
        if is_backtest:
            self.close()  # A backtest may run again
        if self._feeds is None:
            self._feeds = self._make_feeds()
        else:
            self.cancel()
        if not self._feeds:
            self._waiting.on_warmed_up()
            return
        loop = None if is_backtest else asyncio.get_running_loop()
        self._is_under_way = True
        for feed in self._feeds:
            feed.begin(loop)
        self._go_on()

    def _make_feeds(self) -> list[WarmupFeed]:
        needs = list(self._strategy.warmup_needs())  # It may be a generator
        if not needs:
            return []
        for need in needs:
            if not isinstance(need, WarmupNeed):
                raise TypeError(
                    f"`warmup_needs` must return BarsNeeded and TicksNeeded, was {need!r}"
                )
        _check_indicators(self._strategy, needs)
        guard = self._waiting.guard
        return [WarmupFeed(self._strategy, need, guard, self._go_on, self._miss) for need in needs]

    def cancel(self) -> None:
        """End it. What is answered later is not applied."""
        self._is_under_way = False
        for feed in self._feeds or ():
            feed.cancel()

    def close(self) -> None:
        """Cancel it, and follow the live data no more."""
        self.cancel()
        for feed in self._feeds or ():
            feed.close()
        self._feeds = None

    def _miss(self) -> None:
        self._go_on()
        self._waiting.on_missed()

    def _go_on(self) -> None:
        if not self._is_under_way or self._feeds is None:
            return
        reasons = [f"{feed.need}: {feed.reason}" for feed in self._feeds if not feed.is_ready]
        if reasons:
            self._waiting.on_waiting(f"RECOVERY_WARMUP: {'; '.join(reasons)}")
        else:
            self._is_under_way = False
            self._waiting.on_warmed_up()


def _check_indicators(strategy: Strategy, needs: list[WarmupNeed]) -> None:
    seen = list(strategy.registered_indicators)
    for need in needs:
        for indicator in need.indicators:
            if any(indicator is other for other in seen):
                raise ValueError(
                    f"{indicator} would be updated twice: name it in one need, and do not "
                    f"register it as well"
                )
            seen.append(indicator)

"""
The warm-up of a strategy: between its recovery and its permission to trade.
"""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import ParamSpec
from typing import Protocol

from nautilus_recovery_actor.host.feed import Feed
from nautilus_recovery_actor.host.needs import WarmupNeed


P = ParamSpec("P")


class Guard(Protocol):
    """What makes of a call one that raises nothing."""

    def __call__(self, call: Callable[P, None]) -> Callable[P, None]:
        """Return the call that raises nothing."""


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


# Of a strategy, for a need of it: for whom waits, and what is called when it is ready or has missed
MakeFeed = Callable[[Any, WarmupNeed, Waiting, Callable[[], None], Callable[[], None]], Feed]


class WarmUp:
    """Keeps who waits for it waiting until the data a strategy needs are complete and applied."""

    __slots__ = ("_is_under_way", "_make_feed", "_strategy", "_waiting", "feeds")

    def __init__(self, strategy: Any, waiting: Waiting, make_feed: MakeFeed) -> None:
        self._strategy = strategy
        self._waiting = waiting
        self._make_feed = make_feed
        self.feeds: list[Feed] | None = None
        self._is_under_way = False

    @property
    def indicators(self) -> list[Any]:
        """The indicators that it keeps up to date."""
        return [indicator for feed in self.feeds or () for indicator in feed.need.indicators]

    def begin(self, *, is_backtest: bool) -> None:
        """Begin. What live data have kept whole since the last time is done already."""
        if is_backtest:
            self.close()  # A backtest may run again
        if self.feeds is None:
            self.feeds = self._make_feeds()
        else:
            self.cancel()
        if not self.feeds:
            self._waiting.on_warmed_up()
            return
        self._is_under_way = True
        for feed in self.feeds:
            feed.begin(may_wait=not is_backtest)
        self._go_on()

    def _make_feeds(self) -> list[Feed]:
        needs = list(self._strategy.warmup_needs())  # It may be a generator
        if not needs:
            return []
        for need in needs:
            if not isinstance(need, WarmupNeed):
                raise TypeError(
                    f"`warmup_needs` must return BarsNeeded and TicksNeeded, was {need!r}"
                )
        _check_indicators(self._strategy.registered_indicators, needs)
        return [
            self._make_feed(self._strategy, need, self._waiting, self._go_on, self._miss)
            for need in needs
        ]

    def cancel(self) -> None:
        """End it. What is answered later is not applied."""
        self._is_under_way = False
        for feed in self.feeds or ():
            feed.cancel()

    def close(self) -> None:
        """Cancel it, and follow the live data no more."""
        self.cancel()
        for feed in self.feeds or ():
            feed.close()
        self.feeds = None

    def _miss(self) -> None:
        self._go_on()
        self._waiting.on_missed()

    def _go_on(self) -> None:
        if not self._is_under_way or self.feeds is None:
            return
        reasons = [f"{feed.need}: {feed.reason}" for feed in self.feeds if not feed.is_ready]
        if reasons:
            self._waiting.on_waiting(f"RECOVERY_WARMUP: {'; '.join(reasons)}")
        else:
            self._is_under_way = False
            self._waiting.on_warmed_up()


def _check_indicators(registered: Iterable[Any], needs: list[WarmupNeed]) -> None:
    seen = list(registered)
    for need in needs:
        for indicator in need.indicators:
            if any(indicator is other for other in seen):
                raise ValueError(
                    f"{indicator} would be updated twice: name it in one need, and do not "
                    f"register it as well"
                )
            seen.append(indicator)

"""
What a strategy needs, from the data engine of NautilusTrader 1.x.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any
from typing import TypeAlias

import pandas as pd
from nautilus_trader.common.enums import LogColor
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.data.messages import DataResponse
from nautilus_trader.data.messages import RequestBars
from nautilus_trader.data.messages import RequestQuoteTicks
from nautilus_trader.data.messages import RequestTradeTicks
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.data import TradeTick
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.names import DATA_ENGINE_REQUEST
from nautilus_recovery_actor.core.names import HISTORICAL
from nautilus_recovery_actor.core.names import HISTORICAL_BARS
from nautilus_recovery_actor.host.feed import Feed
from nautilus_recovery_actor.host.needs import BarsNeeded
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.host.warmup import Waiting
from nautilus_recovery_actor.node.config import strategy_settings


# Before the strategy's own handlers, so that `on_bar` sees indicators that are up to date
_PRIORITY = 10

Datum: TypeAlias = Bar | QuoteTick | TradeTick
_DATA = (Bar, QuoteTick, TradeTick)
# The parameter that makes the engine (seen on 1.221 and 1.231) hand an answer on as it is
_DIRECT = "subscription_name"


def feed(
    strategy: Strategy,
    need: WarmupNeed,
    waiting: Waiting,
    on_ready: Callable[[], None],
    on_missed: Callable[[], None],
) -> Feed:
    """Return what requests a need of a strategy, and follows its live data."""
    return _Source(strategy, need, waiting, on_ready, on_missed).feed


class _Source:
    """
    Requests are messages of its own to the data engine. `Strategy.request_bars` would update
    indicators with whatever comes: 1.221 ends the process on bars in the wrong order, and on 1.231
    a strategy is handed what others have requested as well.

    With `validate_data_sequence` the data engine of 1.231 drops bars that are older than the newest
    in the cache, of an answer too. So bars that do not come whole are requested again, directly.
    """

    def __init__(
        self,
        strategy: Strategy,
        need: WarmupNeed,
        waiting: Waiting,
        on_ready: Callable[[], None],
        on_missed: Callable[[], None],
    ) -> None:
        settings = strategy_settings(strategy.config)
        secs = settings.warmup_timeout_secs, settings.warmup_retry_secs
        self.feed = Feed(need, self, secs, on_ready, on_missed)
        self._strategy = strategy
        self._need = need
        self._guard = waiting.guard
        self._timer: asyncio.TimerHandle | None = None
        self._is_direct = False
        self._past: list[Datum] = []
        self._on_response = waiting.guard(self._take_response)
        self._on_live = waiting.guard(self._take_live)
        strategy.msgbus.subscribe(need.topic, self._on_live, _PRIORITY)
        # 1.231 publishes history there, one by one, and sends a response without data
        strategy.msgbus.subscribe(self._past_topic, self._take_past)

    @property
    def _past_topic(self) -> str:
        if isinstance(self._need, BarsNeeded):
            return f"{HISTORICAL_BARS}{self._need.bar_type.standard()}"
        return f"{HISTORICAL}{self._need.topic}"

    # -- AS A FEED SEES IT --

    def now(self) -> int:
        """Return the time (UNIX ns)."""
        return int(self._strategy.clock.timestamp_ns())

    def is_running(self) -> bool:
        """Return whether the strategy runs."""
        return bool(self._strategy.is_running)

    def request(self, start: int, end: int) -> None:
        """Request the data between two times (UNIX ns)."""
        self._past.clear()
        self._strategy.msgbus.request(DATA_ENGINE_REQUEST, self._message(start, end))

    def wake(self, secs: float | None, call: Callable[[], None]) -> None:
        """Call something later, instead of what was to be called; with ``None`` nothing."""
        # Not the clock's timers: a live clock calls back on a thread of its own
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if secs is not None:
            self._timer = asyncio.get_running_loop().call_later(secs, self._guard(call))

    def keep(self, past: Sequence[Any]) -> None:
        """Take data that were found good, before they are applied."""
        if self._is_direct:
            self._strategy.cache.add_bars(past)  # As the engine: only what is newer than its newest

    def hand_on(self, datum: Any) -> None:
        """Pass history on to the strategy."""
        self._strategy.handle_historical_data(datum)

    def say(self, text: str, *, is_good: bool | None = None) -> None:
        """Write a line to the log: of what is wrong, unless it is good, or ``None``."""
        log = self._strategy.log
        good = partial(log.info, color=LogColor.GREEN if is_good else LogColor.NORMAL)
        (log.warning if is_good is False else good)(text)

    def close(self) -> None:
        """Follow the live data no more."""
        self._strategy.msgbus.unsubscribe(self._need.topic, self._on_live)
        self._strategy.msgbus.unsubscribe(self._past_topic, self._take_past)

    # -- THE DATA ENGINE --

    def _message(self, start: int, now: int) -> RequestBars | RequestQuoteTicks | RequestTradeTicks:
        need = self._need
        fields: dict[str, Any] = {
            "start": _utc(start),
            "end": _utc(now),
            "limit": 0,  # Some venues count it from the start, and would leave out the newest
            "client_id": need.client_id,
            "venue": need.instrument_id.venue,
            "callback": self._on_response,
            "request_id": UUID4(),
            "ts_init": now,
            "params": {_DIRECT: str(need)} if self._is_direct else {},
        }
        if isinstance(need, BarsNeeded):
            return RequestBars(bar_type=need.bar_type, **fields)
        kind = RequestQuoteTicks if need.kind == "quotes" else RequestTradeTicks
        return kind(instrument_id=need.instrument_id, **fields)

    def _take_past(self, datum: Datum) -> None:
        if self.feed.is_requested and isinstance(datum, _DATA):
            self._past.append(datum)

    def _take_response(self, response: DataResponse) -> None:
        # An answer that comes after its deadline counts as well, if it is good now
        if not self.feed.is_requested or not self._strategy.is_running:
            return
        reason = self.feed.take(self._received(response))
        if reason is not None and self._may_be_thinned(response):
            self._is_direct = True
            self.feed.request()
        elif reason is not None:
            self.feed.miss(reason)
        else:
            self._past.clear()

    def _may_be_thinned(self, response: DataResponse) -> bool:
        is_published = not response.data and response.params.get("data_count", 0) > 0
        # A backtest takes the parameter for a stream of its own
        return is_published and self.feed.may_wait and isinstance(self._need, BarsNeeded)

    def _received(self, response: DataResponse) -> list[Datum]:
        past: list[Datum] = response.data
        count = response.params.get("data_count", 0)
        if not past and count:
            past = self._past[-count:]  # Before them are the answers to other strategies
        return past

    def _take_live(self, datum: Datum) -> None:
        if not isinstance(datum, _DATA) or getattr(datum, "is_revision", False):
            return  # Whoever writes to a stream from outside names the topic
        self.feed.take_live(datum)


def _utc(ts: int) -> pd.Timestamp:
    return pd.Timestamp(ts, tz="UTC")

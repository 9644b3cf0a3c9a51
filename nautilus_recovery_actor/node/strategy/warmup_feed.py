"""
One thing a strategy needs: its requests, and the live data that wait for the answer.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from typing import ParamSpec
from typing import Protocol
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
from nautilus_recovery_actor.node.config import strategy_settings
from nautilus_recovery_actor.node.strategy.needs import BarsNeeded
from nautilus_recovery_actor.node.strategy.needs import Tick
from nautilus_recovery_actor.node.strategy.needs import WarmupNeed
from nautilus_recovery_actor.node.strategy.series import Edge
from nautilus_recovery_actor.node.strategy.series import Point
from nautilus_recovery_actor.node.strategy.series import find_fault
from nautilus_recovery_actor.node.strategy.series import find_gap


# Before the strategy's own handlers, so that `on_bar` sees indicators that are up to date
_PRIORITY = 10

P = ParamSpec("P")
Datum: TypeAlias = Bar | Tick
_DATA = (Bar, QuoteTick, TradeTick)
# The parameter that makes the engine (seen on 1.221 and 1.231) hand an answer on as it is
_DIRECT = "subscription_name"


class Guard(Protocol):
    """What makes of a call one that raises nothing."""

    def __call__(self, call: Callable[P, None]) -> Callable[P, None]:
        """Return the call that raises nothing."""


class WarmupFeed:
    """
    Request what is needed until it comes complete, apply it, and go on with the live data.

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
        guard: Guard,
        on_ready: Callable[[], None],
        on_missed: Callable[[], None],
    ) -> None:
        self.need = need
        self.reason = ""
        self._strategy = strategy
        self._guard = guard
        self._on_ready = on_ready
        self._on_missed = on_missed
        settings = strategy_settings(strategy.config)
        self._timeout_secs = settings.warmup_timeout_secs
        self._retry_secs = settings.warmup_retry_secs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_requested = self._is_direct = False
        self._rule = need.rule(0)
        self._edge: Edge | None = None  # None while it is not complete
        self._live: list[Datum] = []
        self._past: list[Datum] = []
        self._on_response = guard(self._take_response)
        self._on_live = guard(self._take_live)
        self._follow()

    @property
    def is_ready(self) -> bool:
        """Whether all that is needed came and was applied."""
        return self._edge is not None

    def begin(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Request what is needed, unless live data have kept it whole since the last time."""
        self._loop = loop
        if self._is_whole():
            return
        self._edge = None
        self._request()
        if loop is None and not self.is_ready:
            self._miss("not answered")

    def _is_whole(self) -> bool:
        now = self._strategy.clock.timestamp_ns()
        return (
            self._edge is not None
            and self._edge.is_fresh(now, self.need.max_age_ns)
            and all(indicator.initialized for indicator in self.need.indicators)
        )

    def cancel(self) -> None:
        """Wait no longer. What is answered later is not applied."""
        self._is_requested = False
        self._stop_timer()

    def close(self) -> None:
        """Cancel, and follow the live data no more."""
        self.cancel()
        self._strategy.msgbus.unsubscribe(self.need.topic, self._on_live)
        self._strategy.msgbus.unsubscribe(self._past_topic, self._take_past)

    def _follow(self) -> None:
        self._strategy.msgbus.subscribe(self.need.topic, self._on_live, _PRIORITY)
        # 1.231 publishes history there, one by one, and sends a response without data
        self._strategy.msgbus.subscribe(self._past_topic, self._take_past)

    @property
    def _past_topic(self) -> str:
        if isinstance(self.need, BarsNeeded):
            return f"{HISTORICAL_BARS}{self.need.bar_type.standard()}"
        return f"{HISTORICAL}{self.need.topic}"

    # -- REQUESTING --

    def _request(self) -> None:
        now = self._strategy.clock.timestamp_ns()
        start = self.need.start(now)
        self._rule = self.need.rule(start)
        # History that ends before these is refused as too old
        oldest = now - self.need.max_age_ns
        self._live = [datum for datum in self._live if self.need.point(datum)[0] >= oldest]
        self._past.clear()
        self._is_requested = True
        self.reason = "requested, not answered yet"
        self._strategy.log.info(f"Warm-up {self.need}: requested from {_utc(start)}")
        self._set_timer(self._timeout_secs, self._miss_deadline)
        self._strategy.msgbus.request(DATA_ENGINE_REQUEST, self._message(start, now))

    def _message(self, start: int, now: int) -> RequestBars | RequestQuoteTicks | RequestTradeTicks:
        need = self.need
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

    def _request_again(self) -> None:
        if self._strategy.is_running:
            self._request()
        else:
            self._set_timer(self._retry_secs, self._request_again)

    def _miss_deadline(self) -> None:
        self._miss(f"not answered within {self._timeout_secs:g} s")

    def _miss(self, reason: str) -> None:
        self.reason = reason
        if self._loop is None:
            self._strategy.log.info(
                f"Warm-up {self.need}: {reason}; it starts with the data of the backtest"
            )
            self._reset_indicators()
            self._go_on_from([])
            return
        self._strategy.log.warning(
            f"Warm-up {self.need}: {reason}; requested again in {self._retry_secs:g} s"
        )
        self._set_timer(self._retry_secs, self._request_again)
        self._on_missed()

    def _set_timer(self, secs: float, call: Callable[[], None]) -> None:
        # Not the clock's timers: a live clock calls back on a thread of its own
        self._stop_timer()
        if self._loop is not None:
            self._timer = self._loop.call_later(secs, self._guard(call))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- APPLYING --

    def _take_past(self, datum: Datum) -> None:
        if self._is_requested and isinstance(datum, _DATA):
            self._past.append(datum)

    def _take_response(self, response: DataResponse) -> None:
        # An answer that comes after its deadline counts as well, if it is good now
        if not self._is_requested or not self._strategy.is_running:
            return
        past = self._received(response)
        points = [self.need.point(datum) for datum in past]
        now = self._strategy.clock.timestamp_ns()
        reason = find_fault(points, self._rule, now) or self._apply(past, points)
        if reason is not None and self._may_be_thinned(response):
            self._is_direct = True
            self._request()
        elif reason is not None:
            self._miss(reason)

    def _may_be_thinned(self, response: DataResponse) -> bool:
        is_published = not response.data and response.params.get("data_count", 0) > 0
        # A backtest takes the parameter for a stream of its own
        return is_published and self._loop is not None and isinstance(self.need, BarsNeeded)

    def _received(self, response: DataResponse) -> list[Datum]:
        past: list[Datum] = response.data
        count = response.params.get("data_count", 0)
        if not past and count:
            past = self._past[-count:]  # Before them are the answers to other strategies
        if isinstance(self.need, BarsNeeded):
            now = self._strategy.clock.timestamp_ns()
            while past and past[-1].ts_event > now:
                past = past[:-1]  # The bar that is being made
        return past

    def _apply(self, past: list[Datum], points: list[Point]) -> str | None:
        edge = Edge(self._rule.max_gap, points)
        live = [datum for datum in self._live if edge.take(*self.need.point(datum))]
        live_points = [self.need.point(datum) for datum in live]
        reason = find_gap([points[-1], *live_points], self._rule.max_gap)
        if reason is not None:
            return reason

        if self._is_direct:
            self._strategy.cache.add_bars(past)  # As the engine: only what is newer than its newest
        self._reset_indicators()
        for datum in past:
            self.need.update(datum)
            self._strategy.handle_historical_data(datum)
        for datum in live:
            self.need.update(datum)
        cold = [str(i) for i in self.need.indicators if not i.initialized]
        if cold:
            self._reset_indicators()
            return f"not enough: {len(past)} did not initialize {', '.join(cold)}"

        self._strategy.log.info(
            f"Warm-up {self.need}: {len(past)} from history and {len(live)} live, checked",
            LogColor.GREEN,
        )
        self._go_on_from([*points, *live_points])
        self._on_ready()
        return None

    def _go_on_from(self, points: list[Point]) -> None:
        self.cancel()
        self._edge = Edge(self._rule.max_gap, points)
        self._live.clear()
        self._past.clear()

    def _reset_indicators(self) -> None:
        for indicator in self.need.indicators:
            indicator.reset()

    def _take_live(self, datum: Datum) -> None:
        if not isinstance(datum, _DATA) or getattr(datum, "is_revision", False):
            return  # Whoever writes to a stream from outside names the topic
        if self._edge is None:
            self._live.append(datum)
            return
        was_whole = self._edge.is_whole
        if self._edge.take(*self.need.point(datum)):
            self.need.update(datum)
        if was_whole and not self._edge.is_whole:
            self._strategy.log.warning(
                f"Warm-up {self.need}: a gap in the live data before {_utc(datum.ts_event)}; "
                f"the next recovery will warm up again"
            )


def _utc(ts: int) -> pd.Timestamp:
    return pd.Timestamp(ts, tz="UTC")

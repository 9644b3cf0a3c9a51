"""
One thing a strategy needs: its requests, what comes of them, and the live data that wait for it.
"""

from collections.abc import Callable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import Protocol

from nautilus_recovery_actor.host.needs import BarsNeeded
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.host.series import Edge
from nautilus_recovery_actor.host.series import Point
from nautilus_recovery_actor.host.series import find_fault
from nautilus_recovery_actor.host.series import find_gap


class Source(Protocol):
    """Where the data of a need come from, on the thread of its strategy."""

    def now(self) -> int:
        """Return the time (UNIX ns)."""

    def is_running(self) -> bool:
        """Return whether the strategy runs."""

    def request(self, start: int, end: int) -> None:
        """Request the data between two times (UNIX ns)."""

    def wake(self, secs: float | None, call: Callable[[], None]) -> None:
        """Call something later, instead of what was to be called; with ``None`` nothing."""

    def keep(self, past: Sequence[Any]) -> None:
        """Take data that were found good, before they are applied."""

    def hand_on(self, datum: Any) -> None:
        """Pass history on to the strategy."""

    def say(self, text: str, *, is_good: bool | None = None) -> None:
        """Write a line to the log: of what is wrong, unless it is good, or ``None``."""

    def close(self) -> None:
        """Follow the live data no more."""


class Feed:
    """
    Requests what is needed until it comes complete, applies it, and goes on with the live data.
    """

    def __init__(
        self,
        need: WarmupNeed,
        source: Source,
        secs: tuple[float, float],
        on_ready: Callable[[], None],
        on_missed: Callable[[], None],
    ) -> None:
        self.need = need
        self.reason = ""
        self.is_requested = False
        # Whether an answer may come later: not in a backtest
        self.may_wait = True
        self._source = source
        # Within which it has to be answered, and after which it is requested again
        self._timeout_secs, self._retry_secs = secs
        self._on_ready = on_ready
        self._on_missed = on_missed
        self._rule = need.rule(0)
        self._edge: Edge | None = None  # None while it is not complete
        self._live: list[Any] = []

    @property
    def is_ready(self) -> bool:
        """Whether all that is needed came and was applied."""
        return self._edge is not None

    def begin(self, *, may_wait: bool) -> None:
        """Request what is needed, unless live data have kept it whole since the last time."""
        self.may_wait = may_wait
        if self._is_whole():
            return
        self._edge = None
        self.request()
        if not (may_wait or self.is_ready):
            self.miss("not answered")

    def _is_whole(self) -> bool:
        return (
            self._edge is not None
            and self._edge.is_fresh(self._source.now(), self.need.max_age_ns)
            and all(indicator.initialized for indicator in self.need.indicators)
        )

    def cancel(self) -> None:
        """Wait no longer. What is answered later is not applied."""
        self.is_requested = False
        self._source.wake(None, self.cancel)

    def close(self) -> None:
        """Cancel, and follow the live data no more."""
        self.cancel()
        self._source.close()

    # -- REQUESTING --

    def request(self) -> None:
        """Request what is needed, from the beginning."""
        now = self._source.now()
        start = self.need.start(now)
        self._rule = self.need.rule(start)
        # History that ends before these is refused as too old
        oldest = now - self.need.max_age_ns
        self._live = [datum for datum in self._live if self.need.point(datum)[0] >= oldest]
        self.is_requested = True
        self.reason = "requested, not answered yet"
        self._source.say(f"Warm-up {self.need}: requested from {_utc(start)}")
        self._wake(self._timeout_secs, self._miss_deadline)
        self._source.request(start, now)

    def _request_again(self) -> None:
        if self._source.is_running():
            self.request()
        else:
            self._wake(self._retry_secs, self._request_again)

    def _miss_deadline(self) -> None:
        self.miss(f"not answered within {self._timeout_secs:g} s")

    def miss(self, reason: str) -> None:
        """Take note that it did not come, and request it again later."""
        self.reason = reason
        if not self.may_wait:
            self._source.say(
                f"Warm-up {self.need}: {reason}; it starts with the data of the backtest"
            )
            self._reset_indicators()
            self._go_on_from([])
            return
        self._source.say(
            f"Warm-up {self.need}: {reason}; requested again in {self._retry_secs:g} s",
            is_good=False,
        )
        self._wake(self._retry_secs, self._request_again)
        self._on_missed()

    def _wake(self, secs: float, call: Callable[[], None]) -> None:
        if self.may_wait:
            self._source.wake(secs, call)

    # -- APPLYING --

    def take(self, past: Sequence[Any]) -> str | None:
        """Apply an answer, or return what is wrong with it."""
        if isinstance(self.need, BarsNeeded):
            now = self._source.now()
            while past and past[-1].ts_event > now:
                past = past[:-1]  # The bar that is being made
        points = [self.need.point(datum) for datum in past]
        return find_fault(points, self._rule, self._source.now()) or self._apply(past, points)

    def _apply(self, past: Sequence[Any], points: list[Point]) -> str | None:
        edge = Edge(self._rule.max_gap, points)
        live = [datum for datum in self._live if edge.take(*self.need.point(datum))]
        live_points = [self.need.point(datum) for datum in live]
        reason = find_gap([points[-1], *live_points], self._rule.max_gap)
        if reason is not None:
            return reason

        self._source.keep(past)
        self._reset_indicators()
        for datum in past:
            self.need.update(datum)
            self._source.hand_on(datum)
        for datum in live:
            self.need.update(datum)
        cold = [str(i) for i in self.need.indicators if not i.initialized]
        if cold:
            self._reset_indicators()
            return f"not enough: {len(past)} did not initialize {', '.join(cold)}"

        self._source.say(
            f"Warm-up {self.need}: {len(past)} from history and {len(live)} live, checked",
            is_good=True,
        )
        self._go_on_from([*points, *live_points])
        self._on_ready()
        return None

    def _go_on_from(self, points: list[Point]) -> None:
        self.cancel()
        self._edge = Edge(self._rule.max_gap, points)
        self._live.clear()

    def _reset_indicators(self) -> None:
        for indicator in self.need.indicators:
            indicator.reset()

    def take_live(self, datum: Any) -> None:
        """Apply what came live, or keep it for what is requested."""
        if self._edge is None:
            self._live.append(datum)
            return
        was_whole = self._edge.is_whole
        if self._edge.take(*self.need.point(datum)):
            self.need.update(datum)
        if was_whole and not self._edge.is_whole:
            self._source.say(
                f"Warm-up {self.need}: a gap in the live data before {_utc(datum.ts_event)}; "
                f"the next recovery will warm up again",
                is_good=False,
            )


def _utc(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d %H:%M:%S.%f}+00:00"

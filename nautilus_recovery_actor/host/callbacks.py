"""
What a strategy of NautilusTrader 2.0 needs, by its own requests, and what its callbacks pass on.
"""

from collections.abc import Callable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any

from nautilus_recovery_actor.host.feed import Feed
from nautilus_recovery_actor.host.needs import BarsNeeded
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.host.warmup import Waiting


_TIMEOUT_SECS, _RETRY_SECS = 30.0, 10.0


def feed(
    strategy: Any,
    need: WarmupNeed,
    waiting: Waiting,
    on_ready: Callable[[], None],
    on_missed: Callable[[], None],
) -> Feed:
    """Return what requests a need of a strategy, whose own callbacks pass on what comes."""
    return _Source(strategy, need, waiting, on_ready, on_missed).feed


class _Source:
    def __init__(
        self,
        strategy: Any,
        need: WarmupNeed,
        waiting: Waiting,
        on_ready: Callable[[], None],
        on_missed: Callable[[], None],
    ) -> None:
        secs = (
            getattr(strategy.config, "warmup_timeout_secs", _TIMEOUT_SECS),
            getattr(strategy.config, "warmup_retry_secs", _RETRY_SECS),
        )
        self.feed = Feed(need, self, secs, on_ready, on_missed)
        self._strategy = strategy
        self._need = need
        self._guard = waiting.guard
        self._alarm = f"RECOVERY-WARMUP-{id(self)}"

    def now(self) -> int:
        """Return the time (UNIX ns)."""
        return int(self._strategy.clock.timestamp_ns())

    def is_running(self) -> bool:
        """Return whether the strategy runs."""
        return bool(self._strategy.is_running())

    def request(self, start: int, end: int) -> None:
        """Request the data between two times (UNIX ns)."""
        need, strategy = self._need, self._strategy
        times = {"start": _utc(start), "end": _utc(end), "client_id": need.client_id}
        if isinstance(need, BarsNeeded):
            strategy.request_bars(need.bar_type, **times)
        elif need.kind == "quotes":
            strategy.request_quotes(need.instrument_id, **times)
        else:
            strategy.request_trades(need.instrument_id, **times)

    def wake(self, secs: float | None, call: Callable[[], None]) -> None:
        """Call something later, instead of what was to be called; with ``None`` nothing."""
        clock, woken = self._strategy.clock, self._guard(call)
        if self._alarm in clock.timer_names():
            clock.cancel_timer(self._alarm)
        if secs is not None:
            at = self.now() + int(secs * 1e9)
            clock.set_time_alert_ns(self._alarm, at, lambda _: woken())

    def keep(self, past: Sequence[Any]) -> None:
        """Take data that were found good: the engine has done that."""

    def hand_on(self, datum: Any) -> None:
        """Pass history on to the strategy."""
        self._strategy.on_historical_data(datum)

    def say(self, text: str, *, is_good: bool | None = None) -> None:
        """Write a line to the log: of what is wrong, unless it is good, or ``None``."""
        log = self._strategy.log
        (log.warning if is_good is False else log.info)(text)

    def close(self) -> None:
        """Follow the live data no more: nothing was subscribed to."""


def _take_answer(feeds: Sequence[Feed], kind: str, data: Sequence[Any]) -> None:
    """Pass an answer on to who has requested it: one that is empty may be anybody's."""
    for one in feeds:
        if not one.is_requested or (data and not _is_of(one.need, kind, data[0])):
            continue
        if kind == _kind(one.need) and (reason := one.take(data)) is not None:
            one.miss(reason)


def _take_live(feeds: Sequence[Feed], kind: str, datum: Any) -> None:
    """Pass on what came live to who has need of it."""
    for one in feeds:
        if _is_of(one.need, kind, datum, is_live=True):
            one.take_live(datum)


def _kind(need: WarmupNeed) -> str:
    return "bars" if isinstance(need, BarsNeeded) else need.kind


def _is_of(need: WarmupNeed, kind: str, datum: Any, *, is_live: bool = False) -> bool:
    if kind != _kind(need):
        return False
    if not isinstance(need, BarsNeeded):
        return bool(datum.instrument_id == need.instrument_id)
    bar_type = (is_live and need.live_bar_type) or need.bar_type
    return bool(datum.bar_type == bar_type.standard())


def _utc(ts: int) -> datetime:
    return datetime.fromtimestamp(ts / 1e9, UTC)


def after(first: Callable[..., None], call: Callable[..., None]) -> Callable[..., None]:
    """Return a callback of a strategy, before which something else is called."""

    def called(self: Any, *args: Any) -> None:
        first(self, *args)
        call(self, *args)

    vars(called)["comes_after"] = first
    return called


def _answered(kind: str) -> Callable[[Any, Any], None]:
    def first(self: Any, data: Any) -> None:
        hooks = self._consumer.hooks
        if hooks.warmup.feeds and self.is_running():
            hooks.guard(_take_answer)(hooks.warmup.feeds, kind, data)

    return first


def _live(kind: str) -> Callable[[Any, Any], None]:
    def first(self: Any, datum: Any) -> None:
        hooks = self._consumer.hooks
        if hooks.warmup.feeds:
            hooks.guard(_take_live)(hooks.warmup.feeds, kind, datum)

    return first


# What comes before the callbacks of a strategy
FIRST: dict[str, Callable[..., None]] = {
    "on_start": lambda self: self._consumer.start(),
    "on_resume": lambda self: self._consumer.soon(self._consumer.catch_up),
    "on_historical_bars": _answered("bars"),
    "on_historical_quotes": _answered("quotes"),
    "on_historical_trades": _answered("trades"),
    "on_bar": _live("bars"),
    "on_quote": _live("quotes"),
    "on_trade": _live("trades"),
}

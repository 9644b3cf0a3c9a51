"""
The data that a strategy must have seen before it trades (long: public docstrings).
"""

from collections.abc import Hashable
from datetime import timedelta
from typing import Any
from typing import Literal
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.host.series import Point
from nautilus_recovery_actor.host.series import SeriesRule


# Those of whatever NautilusTrader runs the strategy
Bar: TypeAlias = Any
BarType: TypeAlias = Any
ClientId: TypeAlias = Any
Indicator: TypeAlias = Any
InstrumentId: TypeAlias = Any
Tick: TypeAlias = Any

_MIN_AGE_NS = 10_000_000_000  # What an answer may take to come
_DEFAULT_AGE_NS = 60_000_000_000


class BarsNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bars that a strategy needs before it trades.

    Parameters
    ----------
    bar_type : BarType
        The bars to request: bars of a venue, which are not aggregated by the node itself.
    count : int, optional
        The minimum number of bars.
    span : timedelta, optional
        How far back they have to reach. Time bars default to what `count` takes; all others
        need it.
    indicators : tuple[Indicator, ...], default ()
        What is updated with them and, from then on, with the live bars. Do not register these for
        bars with `register_indicator_for_bars`: they would be updated twice.
    max_gap : timedelta, optional
        The longest time between two bars. Time bars default to their interval; set it where a
        market closes, or where a venue omits bars without a trade. Others are not checked.
    max_age : timedelta, optional
        How long ago the last bar may be. Time bars default to two intervals and at least 10
        seconds, others to a minute.
    live_bar_type : BarType, optional
        The live bars that continue them, if they are of another type, such as those that the
        node aggregates.
    client_id : ClientId, optional
        The data client, by default that of the instrument's venue.

    Raises
    ------
    ValueError
        If they do not determine what to request.

    """

    bar_type: BarType
    count: int | None = None
    span: timedelta | None = None
    indicators: tuple[Indicator, ...] = ()
    max_gap: timedelta | None = None
    max_age: timedelta | None = None
    live_bar_type: BarType | None = None
    client_id: ClientId | None = None

    def __post_init__(self) -> None:
        _check(self)
        if not self.bar_type.is_externally_aggregated() or self.bar_type.is_composite():
            raise ValueError(
                f"{self.bar_type} is aggregated by the node and cannot be requested: request "
                f"the venue's bars, and name this one as `live_bar_type`"
            )
        if self.span is None and (self.count is None or self.interval_ns is None):
            raise ValueError(f"{self.bar_type}: how far back? Set `span`, or `count` of time bars")

    @property
    def instrument_id(self) -> InstrumentId:
        """
        The instrument.
        """
        return self.bar_type.instrument_id

    @property
    def interval_ns(self) -> int | None:
        """
        The time from one bar to the next (ns), ``None`` for bars that are not time bars.
        """
        if not self.bar_type.spec.is_time_aggregated():
            return None
        try:
            return _ns(self.bar_type.spec.timedelta)
        except ValueError:
            return None  # 1.221 has none for months

    @property
    def max_age_ns(self) -> int:
        """
        How long ago the last bar may be (ns).
        """
        if self.max_age is not None or self.interval_ns is None:
            return _ns(self.max_age) or _DEFAULT_AGE_NS
        return max(2 * self.interval_ns, _MIN_AGE_NS)

    @property
    def max_gap_ns(self) -> int | None:
        """
        The longest time between two bars (ns), ``None`` if it is not checked.
        """
        return self.interval_ns if self.max_gap is None else _ns(self.max_gap)

    @property
    def topic(self) -> str:
        """
        The topic of the live bars.
        """
        return f"data.bars.{(self.live_bar_type or self.bar_type).standard()}"

    def start(self, now: int) -> int:
        """
        Return the time from which to request (UNIX ns).
        """
        if self.span is not None or self.interval_ns is None:
            return now - _ns(self.span)
        # One more: the newest may not be there yet, and some venues stamp a bar at its opening
        return now - ((self.count or 0) + 1) * self.interval_ns

    def rule(self, start: int) -> SeriesRule:
        """
        Return the rule for the answer to a request from `start` on.
        """
        return _rule(self, start)

    def point(self, bar: Bar) -> Point:
        """
        Return the point of a bar.
        """
        return bar.ts_event, None

    def update(self, bar: Bar) -> None:
        """
        Update the indicators.
        """
        for indicator in self.indicators:
            indicator.handle_bar(bar)

    def __str__(self) -> str:
        return str(self.bar_type)


class TicksNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """
    Quotes or trades that a strategy needs before it trades.

    Parameters
    ----------
    instrument_id : InstrumentId
        The instrument.
    kind : {"quotes", "trades"}
        Which ticks.
    span : timedelta
        How far back to request.
    count : int, optional
        The minimum number of ticks.
    indicators : tuple[Indicator, ...], default ()
        What is updated with them and, from then on, with the live ticks. Do not register these
        for ticks as well: they would be updated twice.
    max_gap : timedelta, optional
        The longest time between two ticks, and until the first. By default it is not checked.
    max_age : timedelta, optional
        How long ago the last tick may be, by default a minute.
    client_id : ClientId, optional
        The data client, by default that of the instrument's venue.

    Raises
    ------
    ValueError
        If they do not determine what to request.

    """

    instrument_id: InstrumentId
    kind: Literal["quotes", "trades"]
    span: timedelta
    count: int | None = None
    indicators: tuple[Indicator, ...] = ()
    max_gap: timedelta | None = None
    max_age: timedelta | None = None
    client_id: ClientId | None = None

    def __post_init__(self) -> None:
        _check(self)
        if self.kind not in ("quotes", "trades"):
            raise ValueError(f"`kind` must be 'quotes' or 'trades', was {self.kind!r}")

    @property
    def max_age_ns(self) -> int:
        """
        How long ago the last tick may be (ns).
        """
        return _ns(self.max_age) or _DEFAULT_AGE_NS

    @property
    def max_gap_ns(self) -> int | None:
        """
        The longest time between two ticks (ns), ``None`` if it is not checked.
        """
        return None if self.max_gap is None else _ns(self.max_gap)

    @property
    def topic(self) -> str:
        """
        The topic of the live ticks.
        """
        return f"data.{self.kind}.{self.instrument_id.venue}.{self.instrument_id.symbol}"

    def start(self, now: int) -> int:
        """
        Return the time from which to request (UNIX ns).
        """
        return now - _ns(self.span)

    def rule(self, start: int) -> SeriesRule:
        """
        Return the rule for the answer to a request from `start` on.
        """
        return _rule(self, start)

    def point(self, tick: Tick) -> Point:
        """
        Return the point of a tick.
        """
        key: Hashable = tick.trade_id if self.kind == "trades" else tick
        return tick.ts_event, key

    def update(self, tick: Tick) -> None:
        """
        Update the indicators.
        """
        for indicator in self.indicators:
            if self.kind == "trades":
                indicator.handle_trade_tick(tick)
            else:
                indicator.handle_quote_tick(tick)

    def __str__(self) -> str:
        return f"{self.kind} of {self.instrument_id}"


WarmupNeed = BarsNeeded | TicksNeeded


def _rule(need: WarmupNeed, start: int) -> SeriesRule:
    return SeriesRule(
        count=need.count or 1,
        since=None if need.span is None else start,
        max_gap=need.max_gap_ns,
        max_age=need.max_age_ns,
    )


def _check(need: WarmupNeed) -> None:
    if need.count is not None and need.count < 1:
        raise ValueError(f"`count` must be positive, was {need.count}")
    for name in ("span", "max_gap", "max_age"):
        value = getattr(need, name)
        if value is not None and value <= timedelta(0):
            raise ValueError(f"`{name}` must be positive, was {value}")


def _ns(value: timedelta | None) -> int:
    return 0 if value is None else value // timedelta(microseconds=1) * 1_000

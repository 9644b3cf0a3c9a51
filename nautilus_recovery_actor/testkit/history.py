"""
The history of a paper venue: its bars, quotes and trades are a function of time, and of its market.
"""

from decimal import Decimal
from typing import Any
from typing import TypeVar

from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import TradeId

from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.market import Market


T = TypeVar("T")

_TICK_NS = 1_000_000_000
_MAX_POINTS = 100_000
_MAX_WALKED = 10_000  # Walked bars take time to make up
_PARTS = 8  # At so many points of a bar its range is looked up


def paper_bars(
    instrument: Any, bar_type: BarType, start_ns: int, end_ns: int, market: Market | None = None
) -> list[Bar]:
    """
    Return the bars of a paper venue that close within a time, oldest first.

    They are stamped at their close. Without a market they depend on that time alone, not on the
    prices that are set: each opens where the one before closed, and goes beyond both.

    Parameters
    ----------
    instrument : Instrument
        The instrument.
    bar_type : BarType
        The type, one of time.
    start_ns : int
        The earliest close (UNIX nanoseconds).
    end_ns : int
        The latest close (UNIX nanoseconds).
    market : Market, optional
        How the price moves, see `PaperVenue.walk`.

    """
    interval = bar_type.spec.timedelta.value
    size = instrument.make_qty(1)
    bars = []
    for n, ts in _times(start_ns, end_ns, interval, market):
        prices = map(instrument.make_price, _range(n, ts, interval, market))
        bars.append(Bar(bar_type, *prices, size, ts, ts))
    return bars


def paper_quotes(
    instrument: Any, start_ns: int, end_ns: int, market: Market | None = None
) -> list[QuoteTick]:
    """Return the quotes of a paper venue within a time, one a second, oldest first."""
    times = _times(start_ns, end_ns, _TICK_NS, market)
    return [quote_tick(instrument, _px(n, ts, market), ts, ts) for n, ts in times]


def paper_trades(
    instrument: Any, start_ns: int, end_ns: int, market: Market | None = None
) -> list[TradeTick]:
    """Return the trades of a paper venue within a time, one a second, oldest first."""
    times = _times(start_ns, end_ns, _TICK_NS, market)
    return [trade_tick(instrument, _px(n, ts, market), ts, ts) for n, ts in times]


def quote_tick(instrument: Any, px: Decimal | int, ts_event: int, ts_init: int) -> QuoteTick:
    """Return a quote without a spread, of size 1."""
    price, size = instrument.make_price(px), instrument.make_qty(1)
    return QuoteTick(instrument.id, price, price, size, size, ts_event, ts_init)


def trade_tick(instrument: Any, px: Decimal | int, ts_event: int, ts_init: int) -> TradeTick:
    """Return a trade of size 1."""
    price, size = instrument.make_price(px), instrument.make_qty(1)
    aggressor, trade_id = AggressorSide.NO_AGGRESSOR, TradeId(str(ts_event))
    return TradeTick(instrument.id, price, size, aggressor, trade_id, ts_event, ts_init)


def with_fault(data: list[T], fault: HistoryFault) -> list[T]:
    """Return what a venue with a fault answers in place of the data."""
    half = len(data) // 2
    match fault:
        case HistoryFault.EMPTY:
            return []
        case HistoryFault.SHORT:
            return data[half:]
        case HistoryFault.REVERSED:
            return data[::-1]
        case HistoryFault.DUPLICATED:
            return [*data[: half + 1], *data[half:]]
        case HistoryFault.GAP:
            return [*data[:half], *data[half + 1 :]]
        case HistoryFault.OLD:
            return data[:half]
        case _:
            return data


def _px(n: int, ts: int, market: Market | None) -> Decimal | int:
    return 2_000 + n % 7 if market is None else market.at(ts)


def _range(
    n: int, ts: int, interval_ns: int, market: Market | None
) -> tuple[Decimal | int, Decimal | int, Decimal | int, Decimal | int]:
    # Open, high, low and close
    before, after = _px(n - 1, ts - interval_ns, market), _px(n, ts, market)
    if market is None:
        return before, max(before, after) + 1, min(before, after) - 1, after
    between = [market.at(ts - interval_ns * i // _PARTS) for i in range(1, _PARTS)]
    return before, max(before, after, *between), min(before, after, *between), after


def _times(
    start_ns: int, end_ns: int, interval_ns: int, market: Market | None
) -> list[tuple[int, int]]:
    first, last = -(-start_ns // interval_ns), end_ns // interval_ns
    most = _MAX_POINTS if market is None else _MAX_WALKED
    return [(n, n * interval_ns) for n in range(max(first, last - most), last + 1)]

"""
The history of a paper venue: its bars, quotes and trades are a function of time.
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


T = TypeVar("T")

_TICK_NS = 1_000_000_000
_MAX_POINTS = 100_000


def paper_bars(instrument: Any, bar_type: BarType, start_ns: int, end_ns: int) -> list[Bar]:
    """
    Return the bars of a paper venue that close within a time, oldest first.

    They depend on that time alone, not on the prices that are set, and are stamped at their close.

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

    """
    return [
        Bar(
            bar_type,
            price := instrument.make_price(_px(n)),
            price,
            price,
            price,
            instrument.make_qty(1),
            ts,
            ts,
        )
        for n, ts in _times(start_ns, end_ns, bar_type.spec.timedelta.value)
    ]


def paper_quotes(instrument: Any, start_ns: int, end_ns: int) -> list[QuoteTick]:
    """Return the quotes of a paper venue within a time, one a second, oldest first."""
    return [quote_tick(instrument, _px(n), ts, ts) for n, ts in _times(start_ns, end_ns, _TICK_NS)]


def paper_trades(instrument: Any, start_ns: int, end_ns: int) -> list[TradeTick]:
    """Return the trades of a paper venue within a time, one a second, oldest first."""
    return [trade_tick(instrument, _px(n), ts, ts) for n, ts in _times(start_ns, end_ns, _TICK_NS)]


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


def _px(n: int) -> int:
    return 2_000 + n % 7


def _times(start_ns: int, end_ns: int, interval_ns: int) -> list[tuple[int, int]]:
    first, last = -(-start_ns // interval_ns), end_ns // interval_ns
    return [(n, n * interval_ns) for n in range(max(first, last - _MAX_POINTS), last + 1)]

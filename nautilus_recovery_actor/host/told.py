"""
What the bus of NautilusTrader 2.0 tells of venues and fills, in the plain values of the core.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import is_alignment
from nautilus_recovery_actor.link.stream import MARK_TOPIC
from nautilus_recovery_actor.link.stream import PROBE_TOPIC
from nautilus_recovery_actor.link.stream import RAW_REPORTS
from nautilus_recovery_actor.link.stream import Entry


_OVER = frozenset({"DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"})


class OrderReport(msgspec.Struct, gc=False):
    """What is read of a venue's report of an order."""

    account_id: str
    instrument_id: str
    client_order_id: str | None
    venue_order_id: str
    order_side: str
    order_type: str
    order_status: str
    quantity: Decimal
    filled_qty: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    avg_px: Decimal | None
    ts_accepted: int


class TradeReport(msgspec.Struct, gc=False):
    """What is read of a venue's report of a trade."""

    account_id: str
    instrument_id: str
    client_order_id: str | None
    venue_order_id: str
    trade_id: str


class PositionReport(msgspec.Struct, gc=False):
    """What is read of a venue's report of a position."""

    account_id: str
    instrument_id: str
    venue_position_id: str | None
    signed_decimal_qty: Decimal
    avg_px_open: Decimal | None


class Event(msgspec.Struct, gc=False):
    """What is read of what has happened to an order, if that is not a trade."""

    type: str
    account_id: str | None = None
    reconciliation: bool = False


class Fill(msgspec.Struct, gc=False):
    """What is read of a trade."""

    account_id: str
    instrument_id: str
    strategy_id: str
    client_order_id: str
    venue_order_id: str
    trade_id: str
    order_side: str
    last_qty: Decimal
    last_px: Decimal
    reconciliation: bool
    ts_event: int
    ts_init: int
    position_id: str | None
    commission: str | None


def _decoders(kind: Any, /) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    return msgspec.msgpack.Decoder(kind).decode, msgspec.json.Decoder(kind).decode


_REPORTS = {
    f"{RAW_REPORTS}OrderStatusReport": _decoders(OrderReport),
    f"{RAW_REPORTS}FillReport": _decoders(TradeReport),
    f"{RAW_REPORTS}PositionStatusReport": _decoders(PositionReport),
}
_EVENT, _FILL = _decoders(dict[str, Event]), _decoders(dict[str, Fill])


class News:
    """
    What came at once over the bus; nothing but the mark is in it if it is that.

    It is made beside the node, which has nothing to do with each single message then.
    """

    def __init__(self, *, is_mark: bool = False) -> None:
        self.is_mark = is_mark
        self.orders: dict[tuple[str, str], OrderReport] = {}
        self.positions: dict[tuple[str, str, str | None], PositionReport] = {}
        self.trades: set[tuple[str, str]] = set()
        # Of orders and trades
        self.reports: list[OrderReport | TradeReport] = []
        self.flagged: list[Event | Fill] = []
        self.fills: list[Fill] = []
        self.accounts: set[str] = set()
        # How many events of orders
        self.events = 0
        # The orders and instruments that it is about
        self.order_ids: set[str] = set()
        self.instruments: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Take what one message tells."""
        if entry.topic.startswith(RAW_REPORTS):
            self._add_report(_REPORTS[entry.topic][entry.is_json](entry.payload))
        elif entry.topic.startswith(names.ORDER_EVENTS):
            (event,) = _EVENT[entry.is_json](entry.payload).values()
            self.events += 1
            if event.type == "OrderFilled":
                (fill,) = _FILL[entry.is_json](entry.payload).values()
                (self.flagged if fill.reconciliation else self.fills).append(fill)
                if fill.reconciliation:
                    self.order_ids.add(fill.client_order_id)
            elif event.reconciliation:
                self.flagged.append(event)
        elif entry.topic != PROBE_TOPIC:
            self.accounts.add(entry.topic.rpartition(".")[2])

    def _add_report(self, report: OrderReport | TradeReport | PositionReport) -> None:
        account_id = report.account_id
        self.instruments.add(report.instrument_id)
        match report:
            case PositionReport():
                place = (account_id, report.instrument_id, report.venue_position_id)
                self.positions[place] = report
                return
            case OrderReport():
                self.orders[account_id, report.venue_order_id] = report
                if report.client_order_id:
                    self.order_ids.add(report.client_order_id)
            case TradeReport():
                self.trades.add((account_id, report.trade_id))
        self.reports.append(report)


def news(entries: Iterable[Entry]) -> Iterator[News]:
    """
    Yield what messages tell: what came before a mark, the mark, and what came after it.

    Raises `ValueError` at one that cannot be read.
    """
    found, is_empty = News(), True
    for entry in entries:
        if is_mark := entry.topic == MARK_TOPIC:
            if not is_empty:
                yield found
            yield News(is_mark=True)
            found = News()
        else:
            try:
                found.add(entry)
            except (KeyError, ValueError) as e:
                raise ValueError(f"{entry.topic} on the bus cannot be read: {e!r}") from e
        is_empty = is_mark
    if not is_empty:
        yield found


def observed_fill(
    event: Fill, index: int, tags: Sequence[str], *, placed_here: bool
) -> ObservedFill:
    """Return a fill as the bus tells it, of an order with these tags."""
    fee, _, currency = (event.commission or "0 ").partition(" ")
    is_aligning = not placed_here and is_alignment(tags, event.venue_order_id)
    return ObservedFill(
        index=index,
        account_id=event.account_id,
        instrument_id=event.instrument_id,
        strategy_id=event.strategy_id,
        client_order_id=event.client_order_id,
        venue_order_id=event.venue_order_id,
        trade_id=event.trade_id,
        qty=event.last_qty if event.order_side == "BUY" else -event.last_qty,
        px=event.last_px,
        ts_event=event.ts_event,
        placed_here=placed_here,
        is_made_up=is_aligning and event.reconciliation,
        ts_init=event.ts_init,
        position_id=event.position_id,
        fee=Decimal(fee),
        fee_currency=currency or None,
    )


def venue_order(of: OrderReport) -> VenueOrder:
    """Return an order as its venue reported it."""
    return VenueOrder(
        instrument_id=of.instrument_id,
        venue_order_id=of.venue_order_id,
        client_order_id=of.client_order_id,
        is_open=of.order_status not in _OVER,
        status=of.order_status,
        side=of.order_side,
        qty=of.quantity,
        filled_qty=of.filled_qty,
        px=of.price,
        trigger_px=None if "TRAILING" in of.order_type else of.trigger_price,
        ts_accepted=of.ts_accepted,
        avg_px=of.avg_px,
    )


def venue_position(of: PositionReport) -> VenuePosition:
    """Return a position as its venue reported it."""
    return VenuePosition(
        of.instrument_id, of.signed_decimal_qty, of.venue_position_id, of.avg_px_open
    )


class Told(msgspec.Struct, frozen=True):
    """What the bus has told so far, the newest of each: any thread may read it."""

    orders: dict[tuple[str, str], OrderReport]
    positions: dict[tuple[str, str, str | None], PositionReport]
    trades: set[tuple[str, str]]
    flagged: list[Event | Fill]
    live_fills: tuple[ObservedFill, ...]
    # When the trader started (UNIX ns), and how many flagged events had come by then
    ts_mark: int
    seen_events: int

    def report(self, account_id: str) -> VenueReport:
        """Return what the venue has reported of an account."""
        trades = frozenset(one for account, one in self.trades if account == account_id)
        return VenueReport(
            account_id=account_id,
            venue=account_id.partition("-")[0],
            ts=self.ts_mark,
            seen_events=self.seen_events,
            positions=tuple(
                venue_position(one) for at, one in self.positions.items() if at[0] == account_id
            ),
            orders=tuple(
                venue_order(one) for at, one in self.orders.items() if at[0] == account_id
            ),
            trade_ids=trades,
            fills=len(trades),
        )

"""
What a client reported: kept as it made it, given on in part, and read when it is judged.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any
from typing import TypeVar

import msgspec
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.objects import Price

from nautilus_recovery_actor.core.happenings import Read
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.node.observing.orders import TRAILING
from nautilus_recovery_actor.node.observing.reports import ReadLater


# Orders that are read before the event loop has its turn
_SLICE = 1_000


class Reports(msgspec.Struct):
    """What a client reported, as it made it, and what the engine is given of it."""

    given: ExecutionMassStatus
    orders: tuple[OrderStatusReport, ...]
    fills: tuple[FillReport, ...]
    # The engine's own questions are answered after the mass status
    positions: list[PositionStatusReport]
    # On which it reports, whatever it says of them
    accounts: frozenset[str] = frozenset()
    # Why it proves nothing
    problem: str | None = None
    # Whether this is what the adapter made, and not what the engine may have edited since
    is_as_made: bool = True
    corrections: list[CorrectionMade] = []
    # What the engine gets after it: what it would leave out, or edit the rest by
    later: list[OrderStatusReport | PositionStatusReport] = []
    # Orders and fills by account, once they were asked for: a mass status is published twice
    grouped: (
        tuple[dict[str, Sequence[OrderStatusReport]], dict[str, Sequence[FillReport]]] | None
    ) = None


_R = TypeVar("_R", OrderStatusReport, FillReport)
_account_id = attrgetter("account_id")


def reads(reports: Reports, seen_events: int, seen_live_fills: int) -> dict[str, Read]:
    """
    Return what reads a client's reports once, when they are judged, by the account that they name.

    To read all of them costs more than a start may be slower.
    """
    if reports.grouped is None:
        reports.grouped = _by_account(reports.orders), _by_account(reports.fills)
    orders, fills = reports.grouped
    named = {position.account_id.value for position in reports.positions}
    return {
        account_id: _read_later(
            account_id,
            reports,
            orders.get(account_id, ()),
            fills.get(account_id, ()),
            seen_events,
            seen_live_fills,
        )
        for account_id in sorted({*reports.accounts, *orders, *fills, *named})
    }


def _by_account(reports: Sequence[_R]) -> dict[str, Sequence[_R]]:
    # Nearly always one, which its adapter gives to each report: then nothing is made of each
    if len(set(map(id, map(_account_id, reports)))) == 1:
        return {_account_id(reports[0]).value: reports}
    found: dict[str, list[_R]] = defaultdict(list)
    for report in reports:
        found[_account_id(report).value].append(report)
    return dict(found)


def _read_later(
    account_id: str,
    reports: Reports,
    orders: Sequence[OrderStatusReport],
    fills: Sequence[FillReport],
    seen_events: int,
    seen_live_fills: int,
) -> Read:
    venue, ts = reports.given.venue, reports.given.ts_init

    def reading() -> Iterator[VenueReport | None]:
        # Of two reports under one venue order id the newer counts, as for the engine
        newest = {report.venue_order_id: report for report in orders}
        found: list[VenueOrder] = []
        for report in newest.values():
            found.append(venue_order(report))
            if len(found) % _SLICE == 0:
                yield None
        yield VenueReport(
            account_id=account_id,
            venue=AccountId(account_id).get_issuer() if venue is None else venue.value,
            ts=ts,
            seen_events=seen_events,
            seen_live_fills=seen_live_fills,
            is_as_made=reports.is_as_made,
            # More come after the mass status, when the engine asks for single ones
            positions=tuple(
                venue_position(position)
                for position in reports.positions
                if position.account_id.value == account_id
            ),
            orders=tuple(found),
            trade_ids=frozenset(fill.trade_id.value for fill in fills),
            fills=len(fills),
            corrections=tuple(
                made for made in reports.corrections if made.account_id == account_id
            ),
        )

    return ReadLater(reading)


def venue_position(report: PositionStatusReport) -> VenuePosition:
    """Return what a venue says of a position, in plain values."""
    position_id = report.venue_position_id
    return VenuePosition(
        instrument_id=report.instrument_id.value,
        qty=report.signed_decimal_qty,
        position_id=None if position_id is None else position_id.value,
        avg_px=getattr(report, "avg_px_open", None),
    )


def venue_order(report: OrderStatusReport) -> VenueOrder:
    """Return what a venue says of an order, in plain values."""
    client_order_id = report.client_order_id
    return VenueOrder(
        instrument_id=report.instrument_id.value,
        venue_order_id=report.venue_order_id.value,
        client_order_id=None if client_order_id is None else client_order_id.value,
        # Some venues call what rests there "submitted" (Interactive Brokers does for stops)
        is_open=report.is_open or report.order_status == OrderStatus.SUBMITTED,
        status=report.order_status.name,
        side=report.order_side.name,
        qty=report.quantity.as_decimal(),
        filled_qty=report.filled_qty.as_decimal(),
        px=_decimal(report.price),
        trigger_px=None if report.order_type in TRAILING else _decimal(report.trigger_price),
        ts_accepted=report.ts_accepted,
        avg_px=report.avg_px,
    )


def _decimal(price: Price | None) -> Decimal | None:
    return None if price is None else price.as_decimal()


def filled(
    made: ExecutionMassStatus,
    account_id: AccountId,
    orders: list[OrderStatusReport],
    fills: list[FillReport],
    positions: list[PositionStatusReport],
) -> ExecutionMassStatus:
    """Return a mass status with what the engine is given of the one that a client made."""
    given = ExecutionMassStatus(
        client_id=made.client_id,
        account_id=account_id,
        venue=made.venue,
        report_id=UUID4(),
        ts_init=made.ts_init,
    )
    given.add_order_reports(orders)
    given.add_fill_reports(fills)
    given.add_position_reports(positions)
    return given


def rebuilt(report: Any, changes: Mapping[str, Any]) -> Any:
    """Return a report with other values for some of its fields: the one that was made is kept."""
    kind = type(report)
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    values = {name: getattr(report, "id" if name == "report_id" else name) for name in names}
    return kind(**{**values, **changes})

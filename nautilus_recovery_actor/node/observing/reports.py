"""
What the adapter of an account reported, without what the engine wrote into it.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import cache as once
from itertools import chain

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price

from nautilus_recovery_actor.core.happenings import Read
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.observing.orders import TRAILING


def read_later(mass_status: ExecutionMassStatus, seen_events: int, seen_live_fills: int) -> Read:
    """
    Take what an adapter reported, as it is now, and return what reads it once, when it is judged.

    Of its orders and fills only what the adapter made itself counts. To read all of them costs more
    than a start may be slower, and a mass status is published twice.
    """
    made = internals.reports_as_made(mass_status)
    orders, fills = (tuple(reports) for reports in made or ((), ()))
    positions = tuple(chain.from_iterable(mass_status.position_reports.values()))
    account_id, venue, ts = mass_status.account_id, mass_status.venue, mass_status.ts_init

    @once
    def read() -> VenueReport:
        # Of two reports under one venue order id the newer counts, as for the engine
        newest = {report.venue_order_id: report for report in orders}
        return VenueReport(
            account_id=account_id.value,
            venue=account_id.get_issuer() if venue is None else venue.value,
            ts=ts,
            seen_events=seen_events,
            seen_live_fills=seen_live_fills,
            is_as_made=made is not None,
            positions=tuple(map(_venue_position, positions)),
            orders=tuple(map(_venue_order, newest.values())),
            trade_ids=frozenset(fill.trade_id.value for fill in fills),
            fills=len(fills),
        )

    return read


def _venue_position(report: PositionStatusReport) -> VenuePosition:
    position_id = report.venue_position_id
    return VenuePosition(
        instrument_id=report.instrument_id.value,
        qty=report.signed_decimal_qty,
        position_id=None if position_id is None else position_id.value,
        avg_px=getattr(report, "avg_px_open", None),
    )


def _venue_order(report: OrderStatusReport) -> VenueOrder:
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
    )


def _decimal(price: Price | None) -> Decimal | None:
    return None if price is None else price.as_decimal()


def loaded_instruments(cache: CacheFacade, reports: Iterable[VenueReport]) -> dict[str, Decimal]:
    """Return the size increments of those of the reported instruments that the node has loaded."""
    reports = tuple(reports)
    reported = {position.instrument_id for report in reports for position in report.positions}
    reported |= {order.instrument_id for report in reports for order in report.orders}
    found = {value: cache.instrument(InstrumentId.from_str(value)) for value in reported}
    return {
        value: instrument.size_increment.as_decimal()
        for value, instrument in found.items()
        if instrument is not None
    }

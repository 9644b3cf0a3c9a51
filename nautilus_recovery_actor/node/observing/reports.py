"""
What of the venues' reports the node can trade.
"""

from collections.abc import Iterable
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import VenueReport


def loaded_instruments(
    cache: CacheFacade, reports: Iterable[VenueReport | Answer]
) -> dict[str, Decimal]:
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

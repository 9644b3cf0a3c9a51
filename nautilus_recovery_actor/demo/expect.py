"""
What must be true of each act.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.demo import scene
from nautilus_recovery_actor.demo import words
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.record import Answer


_NOTHING = "nothing"
_UNKNOWN = "unknown to the venue"
_LONG = words.position(scene.QTY)
_FLAT = words.position(Decimal(0))


class Check(msgspec.Struct, frozen=True):
    """One expectation: what it is about, what it should be, and what it is."""

    about: str
    expected: str
    actual: str

    @property
    def is_met(self) -> bool:
        """Whether it is what it should be."""
        return self.expected == self.actual


def checks(record: ActRecord) -> list[Check]:
    """Return all expectations of an act."""
    verdict = _when_fills_are_lost if record.act.loses_fills else _when_fills_are_reported
    return [*_before_the_verdict(record), *verdict(record)]


def _before_the_verdict(record: ActRecord) -> Iterator[Check]:
    report, venue = record.report, record.venue
    yield Check("first start", RecoveryOutcome.CLEAN, wording.result(record.first))
    yield Check("stop-loss at the venue while no node runs", "FILLED", venue.stop_state)
    yield Check("venue while no node runs", _FLAT, words.position(venue.position))
    _, _, ending = wording.absence(report).partition(", ")
    yield Check("run before", "not stopped cleanly", ending or _NOTHING)
    yield Check("bid in on_start", "OrderDenied RECOVERY_IN_PROGRESS", _answer(record.early))
    yield Check("bid in on_start at the venue", _UNKNOWN, _at_venue(record, record.early))
    yield Check(
        "NautilusTrader's own result",
        "Execution state reconciled",
        record.belief.log_line if record.belief else _NOTHING,
    )


def _when_fills_are_reported(record: ActRecord) -> Iterator[Check]:
    report = record.report
    before, after = _positions(record)
    trade_ids = ", ".join(record.venue.stop_trade_ids) or "a trade"
    applied = ", ".join(fill.trade_id for fill in report.fills) or _NOTHING
    yield Check("verdict", RecoveryOutcome.ADJUSTED, wording.result(report))
    yield Check("position restored from Valkey", _LONG, before)
    yield Check("position after the recovery", words.position(record.venue.position), after)
    yield Check("fills", f"Reconciled fills: 1 {FillOrigin.VENUE}", wording.fills(report))
    yield Check("trade that closed it", trade_ids, applied)
    yield Check("discrepancies", _NOTHING, _kinds(record))
    for instrument_id in scene.BIDS:
        yield Check(
            f"bid on {words.symbol(instrument_id)} at the venue",
            "ACCEPTED",
            _at_venue(record, _bid(record, instrument_id)),
        )


def _when_fills_are_lost(record: ActRecord) -> Iterator[Check]:
    report, belief = record.report, record.belief
    denied, passed = (_bid(record, instrument_id) for instrument_id in scene.BIDS)
    kinds = sorted(
        [
            DiscrepancyKind.ORDER_NOT_AT_VENUE,
            DiscrepancyKind.POSITION_NOT_AT_VENUE,
            DiscrepancyKind.UNPROTECTED_POSITION,
        ]
    )
    open_orders = belief.orders_open if belief else ()
    believed = words.position(belief.net_position) if belief else _NOTHING
    yield Check("position in the node", _LONG, believed)
    yield Check("orders open in the cache", record.stop_id, ", ".join(open_orders) or _NOTHING)
    yield Check("verdict", RecoveryOutcome.DEGRADED, wording.result(report))
    yield Check("blocked", scene.INSTRUMENT_ID, ", ".join(report.blocked_instruments) or _NOTHING)
    yield Check("discrepancies", ", ".join(kinds), _kinds(record))
    yield Check(f"bid on {scene.SYMBOL}", "OrderDenied RECOVERY_BLOCKED", _answer(denied))
    yield Check(f"bid on {scene.SYMBOL} at the venue", _UNKNOWN, _at_venue(record, denied))
    yield Check(f"bid on {scene.OTHER_SYMBOL} at the venue", "ACCEPTED", _at_venue(record, passed))


def _positions(record: ActRecord) -> tuple[str, str]:
    changes = [c for c in record.report.positions if c.instrument_id == scene.INSTRUMENT_ID]
    before = sum((change.qty_before for change in changes), Decimal(0))
    after = sum((change.qty_after for change in changes), Decimal(0))
    return words.position(before), words.position(after)


def _kinds(record: ActRecord) -> str:
    return ", ".join(sorted(found.kind for found in record.report.discrepancies)) or _NOTHING


def _bid(record: ActRecord, instrument_id: str) -> Answer | None:
    return next((bid for bid in record.bids if bid.instrument_id == instrument_id), None)


def _answer(answer: Answer | None) -> str:
    if answer is None:
        return _NOTHING
    return f"{answer.event} {answer.reason.partition(':')[0]}".strip()


def _at_venue(record: ActRecord, answer: Answer | None) -> str:
    return _NOTHING if answer is None else record.venue.orders.get(answer.order_id, _UNKNOWN)

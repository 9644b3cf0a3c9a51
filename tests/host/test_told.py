from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.host.bus import Bus
from nautilus_recovery_actor.host.bus import Origin
from nautilus_recovery_actor.host.told import news
from nautilus_recovery_actor.link.stream import MARK_TOPIC
from nautilus_recovery_actor.link.stream import RAW_REPORTS
from nautilus_recovery_actor.link.stream import Entry


ENCODERS = {True: msgspec.json.encode, False: msgspec.msgpack.encode}
WHERE = {"account_id": "BINANCE-001", "instrument_id": "C00USDT-PERP.BINANCE"}
# As rc7 writes them, with a field that nobody reads
ORDER = {
    **WHERE,
    "type": "OrderStatusReport",
    "client_order_id": "O-1",
    "venue_order_id": "80",
    "order_side": "BUY",
    "order_type": "LIMIT",
    "order_status": "PARTIALLY_FILLED",
    "quantity": "2.000",
    "filled_qty": "0.500",
    "price": "90.00",
    "trigger_price": None,
    "avg_px": "90.00",
    "ts_accepted": 5,
    "linked_order_ids": ["O-2"],
}
POSITION = {
    **WHERE,
    "type": "PositionStatusReport",
    "venue_position_id": None,
    "signed_decimal_qty": "1.500",
    "avg_px_open": "97.33333333333333333333333333",
}
TRADE = {
    **WHERE,
    "type": "FillReport",
    "client_order_id": None,
    "venue_order_id": "80",
    "trade_id": "81",
}
FILL = {
    **WHERE,
    "type": "OrderFilled",
    "strategy_id": "S-001",
    "client_order_id": "O-1",
    "venue_order_id": "80",
    "trade_id": "81",
    "order_side": "SELL",
    "last_qty": "0.500",
    "last_px": "90.00",
    "reconciliation": False,
    "ts_event": 6,
    "ts_init": 7,
    "position_id": "P-1",
    "commission": "0.02250000 USDT",
}
MARK = Entry(MARK_TOPIC, b"{}", is_json=True)


def report(values: dict[str, Any], *, is_json: bool = True) -> Entry:
    return Entry(f"{RAW_REPORTS}{values['type']}", ENCODERS[is_json](values), is_json)


def event(values: dict[str, Any], *, is_json: bool = True) -> Entry:
    payload = ENCODERS[is_json]({values["type"].removeprefix("Order"): values})
    return Entry(f"{ORDER_EVENTS}S-001", payload, is_json)


def taken(*entries: Entry, placed_here: bool = True) -> tuple[Bus, list[set[str]]]:
    bus = Bus(lambda *_: Origin(placed_here=placed_here, tags=()))
    return bus, [bus.take(one, lambda: frozenset({"BINANCE-001"})) for one in news(entries)]


@pytest.mark.parametrize("is_json", [True, False])
def test_what_was_reported_is_told(is_json: bool) -> None:
    """
    The newest of each order, each trade once.
    """
    older = report({**ORDER, "filled_qty": "0.000", "order_status": "ACCEPTED"}, is_json=is_json)
    reports = [report(one, is_json=is_json) for one in (ORDER, POSITION, TRADE, TRADE)]
    bus, concerned = taken(older, *reports, MARK)
    assert concerned == [set(), {"BINANCE-001"}]
    found = bus.report("BINANCE-001")
    assert found.orders == (
        VenueOrder(
            instrument_id="C00USDT-PERP.BINANCE",
            venue_order_id="80",
            client_order_id="O-1",
            is_open=True,
            status="PARTIALLY_FILLED",
            side="BUY",
            qty=Decimal("2.000"),
            filled_qty=Decimal("0.500"),
            px=Decimal("90.00"),
            ts_accepted=5,
            avg_px=Decimal("90.00"),
        ),
    )
    px = Decimal("97.33333333333333333333333333")
    position = VenuePosition("C00USDT-PERP.BINANCE", Decimal("1.500"), None, px)
    assert found.positions == (position,)
    assert (found.trade_ids, found.fills) == (frozenset({"81"}), 1)
    assert bus.order_ids == {"O-1"}
    assert bus.report("ANOTHER-001").orders == ()


@pytest.mark.parametrize("is_json", [True, False])
def test_live_trades_are_summed_and_change_what_is_held(is_json: bool) -> None:
    """
    From the report on.
    """
    fill = event(FILL, is_json=is_json)
    bus, _ = taken(report(POSITION), MARK, fill, fill)
    (one,) = bus.told().live_fills
    assert (one.qty, one.fee, one.fee_currency) == (Decimal("-1.000"), Decimal("0.0225"), "USDT")
    assert bus.held("BINANCE-001", "C00USDT-PERP.BINANCE") == Decimal("0.500")
    assert bus.events == 2


def test_what_was_reconciled_before_the_mark_concerns_nobody_and_after_it_does() -> None:
    """
    Events that are no trades are counted alone.
    """
    flagged = event({**FILL, "reconciliation": True})
    accepted = event({"type": "OrderAccepted", "account_id": "A", "reconciliation": True})
    submitted = event({"type": "OrderSubmitted", "account_id": "A"})
    bus, concerned = taken(flagged, accepted, submitted, MARK, accepted, flagged)
    assert concerned == [set(), {"BINANCE-001"}, {"BINANCE-001"}]
    assert len(bus.flagged) == 4
    assert bus.report("BINANCE-001").seen_events == 2


@pytest.mark.parametrize("placed_here", [True, False])
def test_a_report_at_run_time_counts_if_somebody_else_placed_the_order(placed_here: bool) -> None:
    bus, concerned = taken(MARK, report(ORDER), report(POSITION), placed_here=placed_here)
    assert concerned[1] == (set() if placed_here else {"BINANCE-001"})
    assert len(bus.report("BINANCE-001").orders) == 1
    assert bus.report("BINANCE-001").positions == ()


@pytest.mark.parametrize(
    "entry",
    [
        report({name: value for name, value in ORDER.items() if name != "quantity"}),
        event({name: value for name, value in FILL.items() if name != "last_qty"}),
        Entry(f"{RAW_REPORTS}AnotherReport", b"{}", is_json=True),
        Entry(f"{ORDER_EVENTS}S-001", b"{", is_json=True),
    ],
)
def test_what_cannot_be_read_is_not_passed_over(entry: Entry) -> None:
    """
    What is missed may be just what it was about.
    """
    with pytest.raises(ValueError, match="on the bus cannot be read"):
        taken(report(ORDER), entry)

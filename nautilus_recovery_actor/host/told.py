"""
What the bus of NautilusTrader 2.0 tells of venues and fills, in the plain values of the core.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import is_alignment


_OVER = frozenset({"DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"})


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def observed_fill(
    event: Mapping[str, Any], index: int, tags: Iterable[str], *, placed_here: bool
) -> ObservedFill:
    """Return a fill as the bus tells it, of an order with these tags."""
    fee, _, currency = (event["commission"] or "0 ").partition(" ")
    is_aligning = not placed_here and is_alignment(tags, event["venue_order_id"])
    return ObservedFill(
        index=index,
        account_id=event["account_id"],
        instrument_id=event["instrument_id"],
        strategy_id=event["strategy_id"],
        client_order_id=event["client_order_id"],
        venue_order_id=event["venue_order_id"],
        trade_id=event["trade_id"],
        qty=Decimal(event["last_qty"]) * (1 if event["order_side"] == "BUY" else -1),
        px=Decimal(event["last_px"]),
        ts_event=int(event["ts_event"]),
        placed_here=placed_here,
        is_made_up=is_aligning and bool(event["reconciliation"]),
        ts_init=int(event["ts_init"]),
        position_id=event["position_id"],
        fee=Decimal(fee),
        fee_currency=currency or None,
    )


def _venue_order(of: Mapping[str, Any]) -> VenueOrder:
    status = of["order_status"]
    return VenueOrder(
        instrument_id=of["instrument_id"],
        venue_order_id=of["venue_order_id"],
        client_order_id=of["client_order_id"],
        is_open=status not in _OVER,
        status=status,
        side=of["order_side"],
        qty=_decimal(of["quantity"]),
        filled_qty=_decimal(of["filled_qty"]),
        px=_decimal(of["price"]),
        trigger_px=None if "TRAILING" in of["order_type"] else _decimal(of["trigger_price"]),
        ts_accepted=int(of["ts_accepted"]),
        avg_px=_decimal(of["avg_px"]),
    )


def venue_report(
    account_id: str, ts: int, seen_events: int, reports: Iterable[Mapping[str, Any]]
) -> VenueReport:
    """Return what a venue has reported of an account, as the bus told it, the newest of each."""
    orders, positions, trades = {}, {}, set()
    for one in reports:
        match one["type"]:
            case "OrderStatusReport":
                orders[one["venue_order_id"]] = one
            case "FillReport":
                trades.add(one["trade_id"])
            case "PositionStatusReport":
                positions[one["instrument_id"], one["venue_position_id"]] = one
    return VenueReport(
        account_id=account_id,
        venue=account_id.partition("-")[0],
        ts=ts,
        seen_events=seen_events,
        positions=tuple(
            VenuePosition(
                place[0], Decimal(of["signed_decimal_qty"]), place[1], _decimal(of["avg_px_open"])
            )
            for place, of in positions.items()
        ),
        orders=tuple(map(_venue_order, orders.values())),
        trade_ids=frozenset(trades),
        fills=len(trades),
    )

"""
Whether a cell came back right: each position and order by itself, compared with the venue's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tests.restart.cells import Plan
from tests.restart.ways import Way


State = dict[str, Any]
# Both sides divide, at different precisions
_SAME_PRICE = Decimal("0.00001")
_STATUSES = {
    "NEW": "ACCEPTED",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELED": "CANCELED",
    "EXPIRED": "EXPIRED",
}


class Wrong(StrEnum):
    """How what a node holds differs from what the venue has."""

    NOT_STARTED = "no start"
    PHANTOM = "phantom"
    QUANTITY = "quantity"
    PRICE = "price"
    OWNER = "owner"
    ORDER = "order"


@dataclass(frozen=True)
class Result:
    """
    What a cell came to.

    Parameters
    ----------
    outcome : str, optional
        The monitor's, for this instrument alone. None without a monitor.
    wrong : dict[Wrong, str]
        What differs from the venue, in words.
    is_gate_open : bool
        If the strategy may trade.
    reasons : tuple[str, ...]
        What blocks.

    """

    cell: Plan
    outcome: str | None
    wrong: dict[Wrong, str]
    is_gate_open: bool
    reasons: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether it is as at the venue and, with a monitor, may trade."""
        return not self.wrong and self.is_gate_open

    @property
    def is_open_on_a_difference(self) -> bool:
        """Whether it may trade although it differs: in more than a price, which blocks nothing."""
        return bool(self.wrong.keys() - {Wrong.PRICE}) and self.is_gate_open

    @property
    def text(self) -> str:
        """What the table of all cells says."""
        return ", ".join(self.wrong) or "right"

    def __str__(self) -> str:
        words = [self.cell.name, self.outcome or "", *self.wrong.values(), *self.reasons]
        return ": ".join(filter(None, words))


def judged(cell: Plan, way: Way, venue: State, node: State) -> Result:
    """Compare what a node holds of a cell with what the venue has."""
    if not node.get("is_trading"):
        text = f"did not start: {node.get('failure') or node['report']['message']}"
        return Result(cell, _failure(node), {Wrong.NOT_STARTED: text}, is_gate_open=False)
    positions = [one for one in node["positions"] if _is_open(cell, one)]
    wrong = dict(_wrong_positions(cell, way, venue, positions))
    wrong |= dict(_wrong_orders(cell, way, venue, node))
    if node["report"] is None:
        return Result(cell, None, wrong, is_gate_open=True)
    reasons = tuple(_blocking(cell, node["report"]))
    is_gate_open = node["gates"][cell.strategy_id] is None
    return Result(cell, _outcome(cell, node["report"], reasons), wrong, is_gate_open, reasons)


def _is_open(cell: Plan, position: State) -> bool:
    return bool(position["symbol"] == cell.symbol and position["is_open"])


def _wrong_positions(
    cell: Plan, way: Way, venue: State, positions: list[State]
) -> Iterator[tuple[Wrong, str]]:
    held = venue["positions"].get(cell.symbol, {"qty": "0", "entry": "0"})
    qty, entry = Decimal(held["qty"]), Decimal(held["entry"])
    cached = " and ".join(f"{one['qty']} of {one['strategy']}" for one in positions) or "nothing"
    text = f"{cached} where the venue has {qty}"
    if len(positions) > 1 or (positions and not qty):
        yield Wrong.PHANTOM, text
    elif sum(Decimal(one["qty"]) for one in positions) != qty:
        yield Wrong.QUANTITY, text
    for one in positions:
        if one["strategy"] != cell.strategy_id and _keeps_owner(way):
            yield Wrong.OWNER, text
        if len(positions) == 1 and qty and _is_price_off(Decimal(one["avg_px"]), entry):
            yield Wrong.PRICE, f"opened at {one['avg_px']} where the venue has {entry}"


def _wrong_orders(cell: Plan, way: Way, venue: State, node: State) -> Iterator[tuple[Wrong, str]]:
    at_venue = _orders_at_venue(cell, venue)
    cached = {one["client_id"]: one for one in node["orders"] if one["symbol"] == cell.symbol}
    texts = []
    for client_id, (venue_id, status, filled) in at_venue.items():
        order = cached.get(client_id)
        is_open = status in ("ACCEPTED", "PARTIALLY_FILLED")
        if order is None:
            if is_open or way.is_redis_kept:
                texts.append(f"{client_id} is not in the cache and {status} at the venue")
            continue
        if (order["status"], Decimal(order["filled"])) != (status, filled):
            texts.append(
                f"{client_id} is {order['status']} ({order['filled']}) and {status} ({filled}) "
                "at the venue"
            )
        elif is_open and order["venue_id"] != venue_id:
            texts.append(f"{client_id} is {order['venue_id']} and {venue_id} at the venue")
        if order["strategy"] != cell.strategy_id and _keeps_owner(way):
            yield Wrong.OWNER, f"{client_id} is of {order['strategy']}"
    texts += [
        f"{client_id} is {order['status']} and not at the venue"
        for client_id, order in cached.items()
        if order["is_open"] and client_id not in at_venue
    ]
    if texts:
        yield Wrong.ORDER, "; ".join(texts)


def _orders_at_venue(cell: Plan, venue: State) -> dict[str, tuple[str, str, Decimal]]:
    """Return ID, status and filled quantity: of a triggered algo order, those of its order."""
    algo_orders = {
        one["clientAlgoId"]: (str(one["algoId"]), _STATUSES[one["algoStatus"]], Decimal(0))
        for one in venue["algo_orders"]
        if one["symbol"] == cell.symbol and not one["actualOrderId"]
    }
    orders = {
        one["clientOrderId"]: (
            str(one["orderId"]),
            _STATUSES[one["status"]],
            Decimal(one["executedQty"]),
        )
        for one in venue["orders"]
        if one["symbol"] == cell.symbol
    }
    return algo_orders | orders


def _keeps_owner(way: Way) -> bool:
    return way.is_redis_kept or way.is_claimed


def _is_price_off(cached: Decimal, entry: Decimal) -> bool:
    return abs(cached - entry) > entry * _SAME_PRICE


# -- WHAT THE MONITOR SAYS OF ONE INSTRUMENT --


def _failure(node: State) -> str | None:
    report = node.get("report")
    return report and report["failure"]


def _blocking(cell: Plan, report: State) -> Iterator[str]:
    for found in report["discrepancies"]:
        is_here = found["instrument_id"] in ("", cell.instrument_id)
        if is_here and found["severity"] == "BLOCK" and not found["resolved"]:
            yield f"{found['kind']}: {found['detail']} [{found['venue']} / {found['cache']}]"


def _outcome(cell: Plan, report: State, reasons: tuple[str, ...]) -> str:
    if report["outcome"] is None:
        return str(report["failure"])
    if reasons:
        return "DEGRADED"
    return "ADJUSTED" if any(_changes(cell, report)) else "CLEAN"


def _changes(cell: Plan, report: State) -> Iterator[bool]:
    for change in report["positions"]:
        if change["instrument_id"] == cell.instrument_id:
            yield change["qty_before"] != change["qty_after"]
    for step in report["repairs"]:
        yield step["instrument_id"] == cell.instrument_id
    for fill in report["fills"]:
        yield fill["instrument_id"] == cell.instrument_id
    for strategy in report["strategies"]:
        for order in strategy["orders"]:
            yield order["instrument_id"] == cell.instrument_id

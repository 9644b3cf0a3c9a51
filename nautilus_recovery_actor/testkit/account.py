"""
What a paper exchange holds for one account, and what a fill does to a position.
"""

from decimal import Decimal

from msgspec.structs import replace

from nautilus_recovery_actor.testkit.records import Balance
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Side


ZERO = Decimal(0)


class Account:
    """The orders, fills, positions and balances of one account."""

    def __init__(self, account_id: str, oms: Oms, totals: dict[str, Decimal]) -> None:
        self.account_id = account_id
        self.oms = oms
        self.totals = totals
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.positions: dict[tuple[str, Leg], Position] = {}
        self.client_order_ids: dict[str, str] = {}

    def balances(self) -> tuple[Balance, ...]:
        """Return the balance per currency."""
        return tuple(Balance(currency=c, total=total) for c, total in self.totals.items())

    def find(self, order_id: str) -> Order | None:
        """Return the order with the given client or venue order ID, ``None`` if there is none."""
        return self.orders.get(self.client_order_ids.get(order_id, order_id))

    def store(self, order: Order) -> Order:
        """Store an order in place of its former state, and return it."""
        self.orders[order.venue_order_id] = order
        if order.client_order_id is not None:
            self.client_order_ids[order.client_order_id] = order.venue_order_id
        return order

    def leg_of(self, order: NewOrder) -> Leg:
        """Return the leg that an order concerns on this account."""
        if self.oms is Oms.NETTING:
            return Leg.NET
        if order.leg in (Leg.LONG, Leg.SHORT):
            return order.leg
        return Leg.LONG if (order.side is Side.BUY) != order.reduce_only else Leg.SHORT

    def reducible_qty(self, order: Order) -> Decimal:
        """Return how much of its position an order can still close."""
        position = self.positions.get((order.symbol, order.leg))
        if position is None or position.qty * order.side.sign >= 0:
            return ZERO
        return abs(position.qty)

    def book(self, fill: Fill) -> None:
        """Record a fill, and account for it in the position and the balance."""
        self.fills.append(fill)
        key = (fill.symbol, fill.leg)
        before = self.positions.get(key) or Position(symbol=fill.symbol, qty=ZERO, leg=fill.leg)
        self.positions[key], profit = position_after(before, fill)
        self.totals[fill.currency] = self.totals.get(fill.currency, ZERO) + profit - fill.fee


def position_after(position: Position, fill: Fill) -> tuple[Position, Decimal]:
    """Return the position after a fill, and the profit the fill realized."""
    signed = fill.qty * fill.side.sign
    qty = position.qty + signed
    if position.qty * signed >= 0:
        cost, profit = position.cost + signed * fill.px, ZERO
    else:
        closed = min(abs(signed), abs(position.qty))
        released = position.cost * closed / abs(position.qty)
        profit = -closed * fill.side.sign * fill.px - released
        # What is left of the fill, once the old position is closed, opens a new one
        cost = qty * fill.px if closed < abs(signed) else position.cost - released
    return replace(position, qty=qty, cost=cost if qty else ZERO, ts_last=fill.ts), profit

"""
What a test can wait for at a paper venue.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Something about an account that can be waited for."""

    account_id: str


class OrdersAre(Condition, frozen=True):
    """At least `count` orders have the ID and one of the states, where given."""

    order_id: str | None = None
    states: tuple[OrderState, ...] = ()
    count: int = 1

    def matching(self, orders: Iterable[Order]) -> list[Order]:
        """Return the orders that count."""
        return [
            o
            for o in orders
            if self.order_id in (None, o.client_order_id, o.venue_order_id)
            and (not self.states or o.state in self.states)
        ]


class FillsAre(Condition, frozen=True):
    """At least `count` fills are of the order, where given."""

    order_id: str | None = None
    count: int = 1


class PositionIs(Condition, frozen=True):
    """The signed quantity of a symbol, summed over its legs, is `qty`."""

    symbol: str
    qty: Decimal


class SessionsAre(Condition, frozen=True):
    """Exactly `count` trading sessions of the account are connected."""

    count: int = 1


class CommandsAre(Condition, frozen=True):
    """At least `count` commands of a kind have been received since the venue started."""

    kind: str
    count: int = 1


AnyCondition = OrdersAre | FillsAre | PositionIs | SessionsAre | CommandsAre


def is_true(
    condition: AnyCondition, account: Account, session_count: int, command_kinds: Iterable[str]
) -> bool:
    """Return whether a condition holds."""
    match condition:
        case OrdersAre(count=count):
            return len(condition.matching(account.orders.values())) >= count
        case FillsAre(order_id=order_id, count=count):
            ids = ((None, f.client_order_id, f.venue_order_id) for f in account.fills)
            return sum(1 for names in ids if order_id in names) >= count
        case PositionIs(symbol=symbol, qty=qty):
            held = (p.qty for p in account.positions.values() if p.symbol == symbol)
            return sum(held, Decimal(0)) == qty
        case SessionsAre(count=count):
            return session_count == count
        case CommandsAre(kind=kind, count=count):
            return sum(1 for k in command_kinds if k == kind) >= count

"""
What a test can wait for at a paper venue.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.records import OrderState


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """
    Something about an account that can be waited for.
    """

    account_id: str


class OrdersAre(Condition, frozen=True):
    """
    At least `count` orders have the ID and one of the states, where given.
    """

    order_id: str | None = None
    states: tuple[OrderState, ...] = ()
    count: int = 1


class FillsAre(Condition, frozen=True):
    """
    At least `count` fills are of the order, where given.
    """

    order_id: str | None = None
    count: int = 1


class PositionIs(Condition, frozen=True):
    """
    The signed quantity of a symbol, summed over its legs, is `qty`.
    """

    symbol: str
    qty: Decimal


class SessionsAre(Condition, frozen=True):
    """
    Exactly `count` trading sessions of the account are connected.
    """

    count: int = 1


class CommandsAre(Condition, frozen=True):
    """
    At least `count` commands of a kind have been received since the venue started.
    """

    kind: str
    count: int = 1


AnyCondition = OrdersAre | FillsAre | PositionIs | SessionsAre | CommandsAre


def is_true(
    condition: AnyCondition,
    account: Account,
    session_count: int,
    command_kinds: Iterable[str],
) -> bool:
    """
    Return whether a condition holds.

    Parameters
    ----------
    condition : AnyCondition
        The condition.
    account : Account
        Its account.
    session_count : int
        The trading sessions of the account.
    command_kinds : Iterable[str]
        The kinds of the commands received for the account.

    """
    match condition:
        case OrdersAre(order_id=order_id, states=states, count=count):
            found = [
                o
                for o in account.orders.values()
                if order_id in (None, o.client_order_id, o.venue_order_id)
                and (not states or o.state in states)
            ]
            return len(found) >= count
        case FillsAre(order_id=order_id, count=count):
            fills = [
                f for f in account.fills if order_id in (None, f.client_order_id, f.venue_order_id)
            ]
            return len(fills) >= count
        case PositionIs(symbol=symbol, qty=qty):
            held = (p.qty for p in account.positions.values() if p.symbol == symbol)
            return sum(held, Decimal(0)) == qty
        case SessionsAre(count=count):
            return session_count == count
        case CommandsAre(kind=kind, count=count):
            return sum(1 for k in command_kinds if k == kind) >= count

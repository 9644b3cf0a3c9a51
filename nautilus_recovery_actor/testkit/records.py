"""
What a paper venue knows: orders, fills, positions, balances and the events that change them.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Side(StrEnum):
    """
    The side of an order or a fill.
    """

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """
        Return 1 for a buy and -1 for a sell.
        """
        return 1 if self is Side.BUY else -1


class Leg(StrEnum):
    """
    The leg of a position: ``NET`` on a netting account, else ``LONG`` or ``SHORT``.
    """

    NET = "NET"
    LONG = "LONG"
    SHORT = "SHORT"


class Oms(StrEnum):
    """
    How an account holds positions.
    """

    NETTING = "NETTING"
    HEDGING = "HEDGING"


class OrderKind(StrEnum):
    """
    The order types a paper venue takes.
    """

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """
    How long an order stays open. ``DAY`` rests like ``GTC``: a paper venue has no sessions.
    """

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"
    DAY = "DAY"


class OrderState(StrEnum):
    """
    The state of an order at the venue.
    """

    HELD = "HELD"  # Taken by the venue and not answered yet
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"

    @property
    def is_open(self) -> bool:
        """
        Return whether an order in this state can still be filled.
        """
        return self in _OPEN_STATES


_OPEN_STATES = frozenset(
    {OrderState.ACCEPTED, OrderState.TRIGGERED, OrderState.PARTIALLY_FILLED},
)


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    An order as it is sent to the venue.

    Parameters
    ----------
    symbol : str
        The symbol, in the venue's own words.
    side : Side
        The order side.
    qty : Decimal
        The quantity, positive.
    kind : OrderKind, default ``MARKET``
        The order type.
    px : Decimal, optional
        The limit price.
    trigger_px : Decimal, optional
        The trigger price of a stop order.
    client_order_id : str, optional
        The client order ID. ``None`` for an order placed without one.
    tif : TimeInForce, default ``GTC``
        The time in force.
    expire_ns : int, optional
        The expiry (UNIX nanoseconds) of a ``GTD`` order.
    reduce_only : bool, default False
        If the order may only reduce a position.
    post_only : bool, default False
        If the order is rejected where it would take liquidity.
    leg : Leg, optional
        The leg on a hedging account. By default an opening buy and a reducing sell concern the
        long leg, the others the short leg.
    cancels : tuple[str, ...], default ()
        The client order IDs that are canceled once this order is filled (one cancels the other).

    """

    symbol: str
    side: Side
    qty: Decimal
    kind: OrderKind = OrderKind.MARKET
    px: Decimal | None = None
    trigger_px: Decimal | None = None
    client_order_id: str | None = None
    tif: TimeInForce = TimeInForce.GTC
    expire_ns: int | None = None
    reduce_only: bool = False
    post_only: bool = False
    leg: Leg | None = None
    cancels: tuple[str, ...] = ()


class Order(NewOrder, frozen=True, kw_only=True, omit_defaults=True):
    """
    An order as the venue holds it: the order sent, and what became of it.

    Parameters
    ----------
    venue_order_id : str
        The order ID the venue assigned.
    state : OrderState
        The state of the order.
    leg : Leg
        The leg the order concerns.
    ts_accepted : int
        When the venue took the order (UNIX nanoseconds).
    ts_last : int
        When the order last changed (UNIX nanoseconds).
    ts_triggered : int, default 0
        When a stop order was triggered (UNIX nanoseconds), 0 if it was not.
    filled_qty : Decimal, default 0
        The quantity filled.
    avg_px : Decimal, optional
        The average fill price, ``None`` before the first fill.
    reason : str, default ""
        Why the order was rejected or canceled.

    """

    venue_order_id: str
    state: OrderState
    ts_accepted: int
    ts_last: int
    ts_triggered: int = 0
    leg: Leg = Leg.NET
    filled_qty: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    reason: str = ""

    @property
    def leaves_qty(self) -> Decimal:
        """
        Return the quantity still to be filled.
        """
        return self.qty - self.filled_qty

    @property
    def is_stop(self) -> bool:
        """
        Return whether the order still waits for its trigger.
        """
        return self.kind in (OrderKind.STOP_MARKET, OrderKind.STOP_LIMIT) and not self.ts_triggered

    @property
    def only_closes(self) -> bool:
        """
        Return whether the order can only close a position: because it says so, or by its leg.
        """
        return self.reduce_only or (self.leg, self.side) in (
            (Leg.LONG, Side.SELL),
            (Leg.SHORT, Side.BUY),
        )

    def is_triggered_at(self, px: Decimal) -> bool:
        """
        Return whether a stop order is triggered at the given price.
        """
        if self.trigger_px is None:
            return False
        return px >= self.trigger_px if self.side is Side.BUY else px <= self.trigger_px

    def is_crossed_at(self, px: Decimal) -> bool:
        """
        Return whether a limit order can be filled at the given price.
        """
        if self.px is None:
            return False
        return px <= self.px if self.side is Side.BUY else px >= self.px


class Fill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A fill of an order.
    """

    trade_id: str
    venue_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    px: Decimal
    fee: Decimal
    currency: str
    is_maker: bool
    leg: Leg
    ts: int
    client_order_id: str | None = None


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A position, or one leg of it on a hedging account.

    Parameters
    ----------
    symbol : str
        The symbol of the position.
    qty : Decimal
        The signed quantity: negative for short, 0 for flat.
    cost : Decimal, default 0
        What the open quantity cost: the signed quantity times the average price.
    leg : Leg, default ``NET``
        The leg.
    ts_last : int, default 0
        When the position last changed (UNIX nanoseconds).

    """

    symbol: str
    qty: Decimal
    cost: Decimal = Decimal(0)
    leg: Leg = Leg.NET
    ts_last: int = 0

    @property
    def avg_px(self) -> Decimal | None:
        """
        Return the average open price, ``None`` for a flat position.
        """
        return self.cost / self.qty if self.qty else None


class EventKind(StrEnum):
    """
    What happened to an order.
    """

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    MODIFIED = "MODIFIED"
    CANCELED = "CANCELED"
    TRIGGERED = "TRIGGERED"
    EXPIRED = "EXPIRED"
    FILLED = "FILLED"


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """
    Something that happened to an order, with the order as it was right after.
    """

    account_id: str
    kind: EventKind
    ts: int
    order: Order
    fill: Fill | None = None


class CommandRejected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """
    A change or a cancel that the venue refused, mostly of an order that is no longer open.
    """

    account_id: str
    command: str
    reason: str
    ts: int
    client_order_id: str | None = None
    venue_order_id: str | None = None


class Balance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    The money of an account in one currency.
    """

    currency: str
    total: Decimal
    locked: Decimal = Decimal(0)


class BalanceEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """
    The balances of an account after a change.
    """

    account_id: str
    balances: tuple[Balance, ...]
    ts: int


class Quote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """
    The price of a symbol.
    """

    symbol: str
    px: Decimal
    ts: int

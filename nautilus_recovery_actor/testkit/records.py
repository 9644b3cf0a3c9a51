"""
What a paper venue knows: orders, fills, positions, balances and the events that change them.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Side(StrEnum):
    """The side of an order or a fill."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """Return 1 for a buy and -1 for a sell."""
        return 1 if self is Side.BUY else -1


class Leg(StrEnum):
    """The leg of a position: ``NET`` on a netting account, else ``LONG`` or ``SHORT``."""

    NET = "NET"
    LONG = "LONG"
    SHORT = "SHORT"


class Oms(StrEnum):
    """How an account holds positions."""

    NETTING = "NETTING"
    HEDGING = "HEDGING"


class OrderKind(StrEnum):
    """The order types a paper venue accepts."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """How long an order stays open. ``DAY`` rests like ``GTC``: a paper venue has no sessions."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"
    DAY = "DAY"


class OrderState(StrEnum):
    """The state of an order at the venue."""

    HELD = "HELD"  # Received by the venue and not answered yet
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"

    @property
    def is_open(self) -> bool:
        """Return whether an order in this state can still be filled."""
        return self in _OPEN_STATES


_OPEN_STATES = frozenset({OrderState.ACCEPTED, OrderState.TRIGGERED, OrderState.PARTIALLY_FILLED})


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as it is sent to the venue."""

    symbol: str
    side: Side
    qty: Decimal  # Positive
    kind: OrderKind = OrderKind.MARKET
    px: Decimal | None = None
    trigger_px: Decimal | None = None
    client_order_id: str | None = None  # None for an order placed elsewhere
    tif: TimeInForce = TimeInForce.GTC
    expire_ns: int | None = None
    reduce_only: bool = False
    post_only: bool = False
    leg: Leg | None = None  # By default long for an opening buy and a reducing sell, else short
    cancels: tuple[str, ...] = ()  # What is canceled once this order is filled (OCO)


class Order(NewOrder, frozen=True, kw_only=True, omit_defaults=True):
    """An order as the venue holds it: the order sent, and what became of it."""

    venue_order_id: str
    state: OrderState
    ts_accepted: int
    ts_last: int
    ts_triggered: int = 0  # 0 for a stop order that was not triggered
    leg: Leg = Leg.NET
    filled_qty: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    reason: str = ""

    @property
    def leaves_qty(self) -> Decimal:
        """Return the quantity still to be filled."""
        return self.qty - self.filled_qty

    @property
    def is_stop(self) -> bool:
        """Return whether the order still waits for its trigger."""
        return self.kind in (OrderKind.STOP_MARKET, OrderKind.STOP_LIMIT) and not self.ts_triggered

    @property
    def only_closes(self) -> bool:
        """Return whether the order can only close a position: by its own flag, or by its leg."""
        return self.reduce_only or (self.leg, self.side) in (
            (Leg.LONG, Side.SELL),
            (Leg.SHORT, Side.BUY),
        )

    def is_triggered_at(self, px: Decimal) -> bool:
        """Return whether a stop order is triggered at the given price."""
        if self.trigger_px is None:
            return False
        return px >= self.trigger_px if self.side is Side.BUY else px <= self.trigger_px

    def is_crossed_at(self, px: Decimal) -> bool:
        """Return whether a limit order can be filled at the given price."""
        if self.px is None:
            return False
        return px <= self.px if self.side is Side.BUY else px >= self.px


class Fill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fill of an order."""

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
        """Return the average open price, ``None`` for a flat position."""
        return self.cost / self.qty if self.qty else None


class EventKind(StrEnum):
    """What happened to an order."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    MODIFIED = "MODIFIED"
    CANCELED = "CANCELED"
    TRIGGERED = "TRIGGERED"
    EXPIRED = "EXPIRED"
    FILLED = "FILLED"


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Something that happened to an order, with the order as it was right after."""

    account_id: str
    kind: EventKind
    ts: int
    order: Order
    fill: Fill | None = None


class CommandRejected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """A change or a cancel that the venue refused, mostly of an order that is no longer open."""

    account_id: str
    command: str
    reason: str
    ts: int
    client_order_id: str | None = None
    venue_order_id: str | None = None


class Balance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The money of an account in one currency."""

    currency: str
    total: Decimal
    locked: Decimal = Decimal(0)


class BalanceEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The balances of an account after a change."""

    account_id: str
    balances: tuple[Balance, ...]
    ts: int


class Quote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The price of a symbol."""

    symbol: str
    px: Decimal
    ts: int


class SendMassStatus(msgspec.Struct, frozen=True, tag=True):
    """Asks the client to send its mass status to the node."""

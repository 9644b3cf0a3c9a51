"""
The events that 2.0 stores: each of an order under the name of its kind, those of a position bare.
What it requires of an event is required here, too: without it, 2.0 leaves out the whole entry.
"""

from collections.abc import Callable
from typing import Annotated
from typing import Literal
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.events import LAST_NS


_Ns = Annotated[int, msgspec.Meta(ge=0, le=LAST_NS)]
_When: TypeAlias = _Ns | str
# Whether a currency is known by its code: 2.0 leaves out whatever names another
Knows: TypeAlias = Callable[[str], bool]
_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Owner = Annotated[str, msgspec.Meta(pattern="^.+-.+$|^EXTERNAL$")]
_Instrument = Annotated[str, msgspec.Meta(pattern=r"^.+\..+$")]
_Uuid = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]
_TimeInForce = Literal["GTC", "IOC", "FOK", "GTD", "DAY", "AT_THE_OPEN", "AT_THE_CLOSE"]
_Offset: TypeAlias = str | int | float | None


class _Event(msgspec.Struct, tag_field="type", tag=True, kw_only=True, gc=False):
    trader_id: _Name
    strategy_id: _Owner
    instrument_id: _Instrument
    client_order_id: _Name
    event_id: _Uuid
    ts_event: _When
    ts_init: _When


class _Answer(_Event, kw_only=True, gc=False):
    reconciliation: bool
    venue_order_id: str | None = None
    account_id: str | None = None


class OrderInitialized(_Event, kw_only=True, gc=False):
    """The first event of an order."""

    order_side: str
    order_type: str
    quantity: str
    time_in_force: _TimeInForce
    post_only: bool
    reduce_only: bool
    quote_quantity: bool
    reconciliation: bool
    price: str | None = None
    trigger_price: str | None = None
    trigger_type: str | None = None
    limit_offset: _Offset = None
    trailing_offset: _Offset = None
    trailing_offset_type: str | None = None
    expire_time: _When | None = None
    display_qty: str | None = None
    emulation_trigger: str | None = None
    contingency_type: str | None = None
    linked_order_ids: list[str] | None = None


class OrderDenied(_Event, kw_only=True, gc=False):
    """The node did not send the order."""

    reason: str


class OrderEmulated(_Event, kw_only=True, gc=False):
    """The node holds the order until it is triggered."""


class OrderReleased(_Event, kw_only=True, gc=False):
    """The node is about to send an order that it held."""

    released_price: str


class OrderSubmitted(_Event, kw_only=True, gc=False):
    """The node sent the order."""

    account_id: str


class OrderAccepted(_Answer, kw_only=True, gc=False):
    """The order rests at the venue."""

    venue_order_id: str
    account_id: str


class OrderRejected(_Answer, kw_only=True, gc=False):
    """The venue refused the order."""

    account_id: str
    reason: str


class OrderCanceled(_Answer, kw_only=True, gc=False):
    """The order is over."""


class OrderExpired(_Answer, kw_only=True, gc=False):
    """The order is over."""


class OrderTriggered(_Answer, kw_only=True, gc=False):
    """The price that the order waited for was reached."""


class OrderPendingUpdate(_Answer, kw_only=True, gc=False):
    """The node asked for another price or quantity."""


class OrderPendingCancel(_Answer, kw_only=True, gc=False):
    """The node asked for the end of the order."""


class OrderModifyRejected(_Answer, kw_only=True, gc=False):
    """The venue refused another price or quantity."""

    reason: str


class OrderCancelRejected(_Answer, kw_only=True, gc=False):
    """The venue refused to end the order."""

    reason: str


class OrderUpdated(_Answer, kw_only=True, gc=False):
    """The order has another price or quantity."""

    quantity: str
    price: str | None = None
    trigger_price: str | None = None


class OrderFilled(_Answer, kw_only=True, gc=False):
    """A trade of the order, and a change of a position."""

    venue_order_id: str
    account_id: str
    trade_id: str
    order_side: str
    order_type: str
    last_qty: str
    last_px: str
    currency: str
    liquidity_side: str
    position_id: str | None = None
    commission: str | None = None


class OrderFillVoided(_Answer, kw_only=True, gc=False):
    """A trade was taken back, in part or in full."""

    venue_order_id: str
    account_id: str
    trade_id: str
    voided_qty: str
    currency: str
    commission_voided: str | None = None
    is_reopened: bool = False


OrderEvent: TypeAlias = (
    OrderInitialized
    | OrderDenied
    | OrderEmulated
    | OrderReleased
    | OrderSubmitted
    | OrderAccepted
    | OrderRejected
    | OrderCanceled
    | OrderExpired
    | OrderTriggered
    | OrderPendingUpdate
    | OrderPendingCancel
    | OrderModifyRejected
    | OrderCancelRejected
    | OrderUpdated
    | OrderFilled
    | OrderFillVoided
)


class StoredBalance(msgspec.Struct, gc=False):
    """What an account has of a currency: amounts with their currency, in a wallet in its parts."""

    currency: str | None = None
    total: str | None = None
    locked: str | None = None
    free: str | None = None
    currency_identity: "CurrencyIdentity | None" = None
    total_minor: str | None = None
    locked_minor: str | None = None
    free_minor: str | None = None


class CurrencyIdentity(msgspec.Struct, gc=False):
    """A currency of a wallet, which names its decimals itself."""

    code: str
    precision: Annotated[int, msgspec.Meta(ge=0, le=18)]


class StoredMargin(msgspec.Struct, gc=False):
    """What an account holds back for a position or an order."""

    initial: str
    maintenance: str
    currency: str


class AccountState(msgspec.Struct, kw_only=True, gc=False):
    """The balances of an account that changed."""

    account_id: str
    account_type: str
    base_currency: str | None
    balances: list[StoredBalance]
    margins: list[StoredMargin]
    is_reported: bool
    event_id: _Uuid
    ts_event: _When
    ts_init: _When


_tagged = decoding.decoder(dict[str, OrderEvent])
fill = decoding.decoder(OrderFilled)
account_state = decoding.decoder(AccountState)


def check_money(knows: Knows, currency: str, amount: str | None) -> None:
    """Raise unless a currency and that of an amount are known."""
    named = decoding.money(amount)[1] if amount is not None else currency
    for code in (currency, named):
        if not knows(code):
            raise BrokenEntryError(f"its currency {code[:20]!r} is not known")


def order_event(value: bytes) -> tuple[str, OrderEvent]:
    """Return an event of an order, and its kind, such as ``Filled``."""
    found: dict[str, OrderEvent] = _tagged(value)
    if len(found) != 1:
        raise BrokenEntryError(f"an event of {len(found)} kinds")
    [(kind, event)] = found.items()
    if f"Order{kind}" != type(event).__name__:
        raise BrokenEntryError(f"{type(event).__name__} under the name {kind[:30]!r}")
    return kind, event

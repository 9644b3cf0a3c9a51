"""
The events that NautilusTrader stores in Redis: of orders, whose fills make the positions, and of
accounts. Of each event only the fields that are used.
"""

from typing import Annotated
from typing import TypeAlias

import msgspec


LAST_NS = 2**63 - 1  # In the year 2262

_Ns = Annotated[int, msgspec.Meta(ge=0, le=LAST_NS)]
_When: TypeAlias = _Ns | str


class _Event(msgspec.Struct, tag_field="type", tag=True, kw_only=True, gc=False):
    client_order_id: str
    event_id: str
    ts_init: _When

    @property
    def ts(self) -> _When:
        """When it happened."""
        return self.ts_init


class _Answer(_Event, kw_only=True, gc=False):
    ts_event: _When
    venue_order_id: str | None = None
    account_id: str | None = None

    @property
    def ts(self) -> _When:
        """When it happened."""
        return self.ts_event


class OrderOptions(msgspec.Struct, gc=False):
    """What an order of one type has and others have not."""

    price: str | None = None
    trigger_price: str | None = None


class OrderInitialized(_Event, kw_only=True, gc=False):
    """The first event of an order; a later one makes an emulated order one of another type."""

    strategy_id: str
    instrument_id: str
    order_side: str
    order_type: str
    quantity: str
    emulation_trigger: str | None
    options: OrderOptions
    contingency_type: str | None = None
    linked_order_ids: list[str] | None = None


class OrderDenied(_Event, kw_only=True, gc=False):
    """The node did not send the order."""


class OrderEmulated(_Event, kw_only=True, gc=False):
    """The node holds the order until it is triggered."""


class OrderReleased(_Event, kw_only=True, gc=False):
    """The node is about to send an order that it held."""


class OrderSubmitted(_Answer, kw_only=True, gc=False):
    """The node sent the order."""

    account_id: str


class OrderAccepted(_Answer, kw_only=True, gc=False):
    """The order rests at the venue."""

    venue_order_id: str
    account_id: str


class OrderRejected(_Answer, kw_only=True, gc=False):
    """The venue refused the order."""

    account_id: str


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


class OrderCancelRejected(_Answer, kw_only=True, gc=False):
    """The venue refused to end the order."""


class OrderUpdated(_Answer, kw_only=True, gc=False):
    """The order has another price or quantity."""

    quantity: str
    price: str | None = None
    trigger_price: str | None = None


class OrderFilled(_Answer, kw_only=True, gc=False):
    """A trade of the order, and a change of a position."""

    strategy_id: str
    instrument_id: str
    venue_order_id: str
    account_id: str
    trade_id: str
    order_side: str
    last_qty: str
    last_px: str
    commission: str
    position_id: str | None = None


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
)


class StoredBalance(msgspec.Struct, gc=False):
    """What an account has of a currency."""

    total: str
    locked: str
    free: str
    currency: str


class AccountState(msgspec.Struct, tag_field="type", tag=True, kw_only=True, gc=False):
    """The balances of an account that changed."""

    account_id: str
    account_type: str
    base_currency: str | None
    balances: list[StoredBalance]
    ts_event: _When
    ts_init: _When

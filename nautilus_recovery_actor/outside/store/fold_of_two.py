"""
What NautilusTrader 2.0 makes of the events of an order: the state table and the checks of
`crates/model/src/orders` (2.0.0rc7).

It takes some histories otherwise than 1.x does, and some not at all: an order that is to be had
equal on both must not be of these.
"""

from collections.abc import Sequence
from typing import Any

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.migration import CannotMigrateError


_PENDING = {"PENDING_UPDATE", "PENDING_CANCEL"}
_SENT = {
    "Rejected": "REJECTED",
    "PendingUpdate": "PENDING_UPDATE",
    "PendingCancel": "PENDING_CANCEL",
    "Canceled": "CANCELED",
}
_ENDS = {**_SENT, "Expired": "EXPIRED", "Accepted": "ACCEPTED", "Filled": "FILLED"}


def _same(status: str, *kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, status)


# Which event brings which status
_NEXT: dict[str, dict[str, str]] = {
    "INITIALIZED": {
        "Denied": "DENIED",
        "Emulated": "EMULATED",
        "Released": "RELEASED",
        "Submitted": "SUBMITTED",
        "Rejected": "REJECTED",
        "Accepted": "ACCEPTED",
        "Canceled": "CANCELED",
        "Expired": "EXPIRED",
        "Triggered": "TRIGGERED",
        "Updated": "INITIALIZED",
    },
    "EMULATED": {
        "Canceled": "CANCELED",
        "Expired": "EXPIRED",
        "Released": "RELEASED",
        "Updated": "EMULATED",
    },
    "RELEASED": {
        "Submitted": "SUBMITTED",
        "Denied": "DENIED",
        "Canceled": "CANCELED",
        "Updated": "RELEASED",
    },
    "SUBMITTED": {
        **_SENT,
        "Accepted": "ACCEPTED",
        "Filled": "FILLED",
        **_same("SUBMITTED", "ModifyRejected", "CancelRejected", "Updated"),
    },
    "ACCEPTED": {
        **_SENT,
        "Triggered": "TRIGGERED",
        "Expired": "EXPIRED",
        "Filled": "FILLED",
        **_same("ACCEPTED", "ModifyRejected", "CancelRejected", "Updated"),
    },
    "CANCELED": {"Filled": "FILLED", "Updated": "CANCELED"},
    "PENDING_UPDATE": {
        **_ENDS,
        "Triggered": "TRIGGERED",
        **_same("PENDING_UPDATE", "Submitted", "CancelRejected", "ModifyRejected", "Updated"),
    },
    "PENDING_CANCEL": {
        **{name: status for name, status in _ENDS.items() if name != "PendingUpdate"},
        **_same("PENDING_CANCEL", "ModifyRejected", "CancelRejected", "Updated"),
    },
    "TRIGGERED": {
        **_SENT,
        "Expired": "EXPIRED",
        "Filled": "FILLED",
        **_same("TRIGGERED", "ModifyRejected", "CancelRejected", "Updated"),
    },
    "PARTIALLY_FILLED": {
        **{name: status for name, status in _ENDS.items() if name != "Rejected"},
        **_same("PARTIALLY_FILLED", "ModifyRejected", "CancelRejected", "Updated"),
    },
    "FILLED": {"Updated": "FILLED"},
    "EXPIRED": {"Filled": "FILLED", "Updated": "EXPIRED"},
}
_ENDS_PENDING = {"ModifyRejected": "PENDING_UPDATE", "CancelRejected": "PENDING_CANCEL"}
_GIVE_VENUE_ORDER_ID = {"Accepted", "Updated", "Filled"}
_WITHOUT_PRICE = {"MARKET", "STOP_MARKET", "MARKET_IF_TOUCHED", "TRAILING_STOP_MARKET"}
_WITHOUT_TRIGGER = {"MARKET", "LIMIT", "MARKET_TO_LIMIT"}


def status_of_two(events: Sequence[dict[str, Any]]) -> str:
    """Return the status in which 2.0 restores an order."""
    first, *others = events
    _check_first(first)
    fold = _Fold(first)
    for event in others:
        fold.apply(str(event["type"]).removeprefix("Order"), event)
    return fold.status


def _check_first(init: dict[str, Any]) -> None:
    options = init["options"]
    price, trigger = options.get("price"), options.get("trigger_price")
    if init["order_type"] == "LIMIT_IF_TOUCHED" and None not in (price, trigger):
        is_above = decoding.number(trigger) > decoding.number(price)
        is_below = decoding.number(trigger) < decoding.number(price)
        if is_above if init["order_side"] == "BUY" else is_below:
            raise CannotMigrateError("its trigger is on the other side of its price")
    shown = options.get("display_qty")
    if shown is not None and decoding.number(shown) > decoding.number(init["quantity"]):
        raise CannotMigrateError("it shows more than its quantity")
    is_gtd = init["time_in_force"] == "GTD"
    if is_gtd and (init["order_type"] == "MARKET" or not options.get("expire_time_ns")):
        raise CannotMigrateError("it is good till a date that it does not name")


class _Fold:
    def __init__(self, init: dict[str, Any]) -> None:
        self.status = "INITIALIZED"
        self._previous = "INITIALIZED"
        self._order_type = init["order_type"]
        self._venue_order_id: str | None = None
        self._qty = decoding.number(init["quantity"])
        self._filled = decoding.number("0")

    def apply(self, kind: str, event: dict[str, Any]) -> None:
        if kind == "Initialized":
            raise CannotMigrateError("it was released as an order of another type")
        before = self.status
        status = _NEXT.get(before, {}).get(kind)
        if status is None:
            raise CannotMigrateError(f"2.0 does not take {kind} while it is {before}")
        if kind == "Updated":
            self._check_update(event)
        ends = _ENDS_PENDING.get(kind)
        restored = self._previous
        if ends is None and before not in _PENDING:
            self._previous = before
        self.status = status
        if ends == before:
            self.status = restored
        elif kind == "Updated":
            self._update(event)
        elif kind == "Filled":
            self._fill(event, before)
        if kind in _GIVE_VENUE_ORDER_ID:
            self._venue_order_id = event.get("venue_order_id") or self._venue_order_id

    def _check_update(self, event: dict[str, Any]) -> None:
        has_price, has_trigger = (event[name] is not None for name in ("price", "trigger_price"))
        if (has_price and self._order_type in _WITHOUT_PRICE) or (
            has_trigger and self._order_type in _WITHOUT_TRIGGER
        ):
            raise CannotMigrateError("it was given a price that its type does not have")
        known, venue_order_id = self._venue_order_id, event.get("venue_order_id")
        is_new = venue_order_id not in {None, known}
        if is_new and (known is None or self._order_type == "MARKET"):
            raise CannotMigrateError("1.x does not take its new venue order ID")

    def _update(self, event: dict[str, Any]) -> None:
        if self.status in _PENDING:
            self.status = self._previous
        self._qty = decoding.number(event["quantity"])
        if event["reconciliation"] and self._filled and self._filled == self._qty:
            self.status = "FILLED"

    def _fill(self, event: dict[str, Any], before: str) -> None:
        self._filled += decoding.number(event["last_qty"])
        if self._filled >= self._qty:
            self.status = "FILLED"
        elif before in {"CANCELED", "EXPIRED", *_PENDING}:
            self.status = before
            if before in _PENDING:
                self._previous = "PARTIALLY_FILLED"
        else:
            self.status = "PARTIALLY_FILLED"

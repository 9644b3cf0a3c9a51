"""
The statuses of an order, which may follow which, and which event brings which: the state table of
`nautilus_trader.model.orders.base` (seen in 1.221 and 1.231).
"""

from nautilus_recovery_actor.outside.store import events


CLOSED = {"DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"}
# Only 2.0 has an order whose fills were taken back
OVER = CLOSED | {"VOIDED"}
PENDING = {"PENDING_UPDATE", "PENDING_CANCEL"}
OPEN = {"ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", *PENDING}
INFLIGHT = {"SUBMITTED", *PENDING}
_FILLS = {"PARTIALLY_FILLED", "FILLED"}

NEXT = {
    "INITIALIZED": {"EMULATED", "RELEASED", "SUBMITTED", "ACCEPTED", "TRIGGERED"}
    | (CLOSED - {"FILLED"}),
    "EMULATED": {"CANCELED", "EXPIRED", "RELEASED"},
    "RELEASED": {"DENIED", "SUBMITTED", "CANCELED"},
    "SUBMITTED": {*PENDING, "REJECTED", "CANCELED", "ACCEPTED", *_FILLS},
    "ACCEPTED": {"REJECTED", *PENDING, "CANCELED", "TRIGGERED", "EXPIRED", *_FILLS},
    "CANCELED": _FILLS,
    "PENDING_UPDATE": {
        *("REJECTED", "ACCEPTED", "CANCELED", "EXPIRED", "TRIGGERED", "SUBMITTED"),
        *(PENDING | _FILLS),
    },
    "PENDING_CANCEL": {"REJECTED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "ACCEPTED", *_FILLS},
    "TRIGGERED": {"REJECTED", *PENDING, "CANCELED", "EXPIRED", *_FILLS},
    "PARTIALLY_FILLED": {*PENDING, "CANCELED", "EXPIRED", *_FILLS},
}

STATUS_OF: dict[type, str] = {
    events.OrderDenied: "DENIED",
    events.OrderEmulated: "EMULATED",
    events.OrderReleased: "RELEASED",
    events.OrderSubmitted: "SUBMITTED",
    events.OrderRejected: "REJECTED",
    events.OrderAccepted: "ACCEPTED",
    events.OrderPendingUpdate: "PENDING_UPDATE",
    events.OrderPendingCancel: "PENDING_CANCEL",
    events.OrderTriggered: "TRIGGERED",
    events.OrderCanceled: "CANCELED",
    events.OrderExpired: "EXPIRED",
}
# These end what is pending, each of one kind
ENDS_PENDING: dict[type, str] = {
    events.OrderModifyRejected: "PENDING_UPDATE",
    events.OrderCancelRejected: "PENDING_CANCEL",
    events.OrderUpdated: "PENDING_UPDATE",
}

"""
Which event brings which status: the state table of `crates/model/src/orders/mod.rs` (2.0.0rc7).

It takes some histories otherwise than 1.x does, and some not at all.
"""

PENDING = {"PENDING_UPDATE", "PENDING_CANCEL"}
# These give back the status that was there before, each of one kind
ENDS_PENDING = {"ModifyRejected": "PENDING_UPDATE", "CancelRejected": "PENDING_CANCEL"}

_SENT = {
    "Rejected": "REJECTED",
    "PendingUpdate": "PENDING_UPDATE",
    "PendingCancel": "PENDING_CANCEL",
    "Canceled": "CANCELED",
}
_ENDS = {**_SENT, "Expired": "EXPIRED", "Accepted": "ACCEPTED", "Filled": "FILLED"}


def _same(status: str, *kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, status)


NEXT: dict[str, dict[str, str]] = {
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
        **_same("ACCEPTED", "ModifyRejected", "CancelRejected", "Updated", "FillVoided"),
    },
    "CANCELED": {"Filled": "FILLED", **_same("CANCELED", "Updated", "FillVoided")},
    "PENDING_UPDATE": {
        **_ENDS,
        "Triggered": "TRIGGERED",
        **_same("PENDING_UPDATE", "Submitted", "CancelRejected", "ModifyRejected", "Updated"),
        **_same("PENDING_UPDATE", "FillVoided"),
    },
    "PENDING_CANCEL": {
        **{name: status for name, status in _ENDS.items() if name != "PendingUpdate"},
        **_same("PENDING_CANCEL", "ModifyRejected", "CancelRejected", "Updated", "FillVoided"),
    },
    "TRIGGERED": {
        **_SENT,
        "Expired": "EXPIRED",
        "Filled": "FILLED",
        **_same("TRIGGERED", "ModifyRejected", "CancelRejected", "Updated", "FillVoided"),
    },
    "PARTIALLY_FILLED": {
        **{name: status for name, status in _ENDS.items() if name != "Rejected"},
        **_same("PARTIALLY_FILLED", "ModifyRejected", "CancelRejected", "Updated", "FillVoided"),
    },
    "FILLED": {"FillVoided": "VOIDED", "Updated": "FILLED"},
    "EXPIRED": {"Filled": "FILLED", **_same("EXPIRED", "Updated", "FillVoided")},
    "VOIDED": {"FillVoided": "VOIDED"},
}

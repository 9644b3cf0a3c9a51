"""
The blinker signals of a recovery: hooks for alerts and metrics in the node's own process.

A receiver is called on the event loop's thread, so it must not block. An exception in it is logged
and has no other effect. A signal without receivers costs one check.

>>> from nautilus_recovery_actor import signals
>>> @signals.recovery_failed.connect
... def page(sender, event, **_):
...     print(event.reason, event.message)

"""

from collections.abc import Callable
from typing import Any

from blinker import NamedSignal
from blinker import Namespace


_namespace = Namespace()

recovery_started: NamedSignal = _namespace.signal(
    "recovery-started",
    doc="Sent by the monitor with `event`, a `RecoveryStarted`, when an epoch opens.",
)
recovery_completed: NamedSignal = _namespace.signal(
    "recovery-completed",
    doc="Sent by the monitor with `event`, a `RecoveryComplete`, after it was published.",
)
recovery_failed: NamedSignal = _namespace.signal(
    "recovery-failed",
    doc="Sent by the monitor with `event`, a `RecoveryFailed`, after it was published.",
)
recovery_overridden: NamedSignal = _namespace.signal(
    "recovery-overridden",
    doc="Sent by the monitor with `event`, a `RecoveryOverridden`: a release began or ended.",
)
fill_reconciled: NamedSignal = _namespace.signal(
    "fill-reconciled",
    doc="Sent by the monitor with `fill`, a `ReconciledFill`, for each fill of a final report.",
)
discrepancy_found: NamedSignal = _namespace.signal(
    "discrepancy-found",
    doc="Sent by the monitor with `discrepancy`, a `Discrepancy`, for each one of a final report.",
)
gate_opened: NamedSignal = _namespace.signal(
    "gate-opened", doc="Sent by a strategy with `gate`, its `RecoveryGate`, when it may trade."
)
gate_closed: NamedSignal = _namespace.signal(
    "gate-closed",
    doc="Sent by a strategy with `gate`, its `RecoveryGate`, when it may no longer trade.",
)
order_denied: NamedSignal = _namespace.signal(
    "order-denied",
    doc="Sent by a strategy with `order` and `reason`, a `str`, for an order that it denied, a "
    "change that it rejected or a cancel that it held back or, in shadow mode, what it would have "
    "denied or rejected.",
)
exit_passed: NamedSignal = _namespace.signal(
    "exit-passed",
    doc="Sent with `order` and `reason`, why the gate is closed, for an order that can only reduce "
    "a position, or a change of one, that was let pass: by a strategy, or under the halt of "
    "`halt_until_recovered` by the node's trader ID.",
)
storage_changed: NamedSignal = _namespace.signal(
    "storage-changed",
    doc="Sent by the monitor with `incident`, a `StorageIncident`, when the server of the cache "
    "loses or refuses writes, becomes a replica or does not answer, and again, with its `is_over`, "
    "when that ends.",
)


def send(
    signal: NamedSignal, sender: Any, on_error: Callable[[str, Exception], None], **values: Any
) -> None:
    """Call every receiver of `signal`, whatever another one raises."""
    if not signal.receivers or signal.is_muted:
        return
    for receiver in list(signal.receivers_for(sender)):
        try:
            receiver(sender, **values)
        except Exception as e:
            on_error(f"A receiver of the signal '{signal.name}' raised and was skipped", e)

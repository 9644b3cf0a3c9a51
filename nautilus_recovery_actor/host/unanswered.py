"""
The orders of a strategy that a crash left without an answer, without a trace, or without a purpose.
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport


# An enum's attribute costs more than a comparison, and each strategy asks
_ORPHAN_EXIT = DiscrepancyKind.ORPHAN_EXIT
# Handed over, and no venue has answered. What the cache took for initialized may have been sent:
# it writes behind.
_UNRESOLVED = frozenset({"INITIALIZED", "RELEASED", "SUBMITTED"})


def lost_orders(report: RecoveryReport | None, strategy_id: str) -> tuple[LostOrder, ...]:
    """Return the orders that a strategy lost, as a report has them."""
    if report is None or not report.lost_orders:
        return ()
    return tuple(lost for lost in report.lost_orders if lost.strategy_id == strategy_id)


def orphan_exits(report: RecoveryReport | None) -> Iterator[str]:
    """Yield the exits that have outlived their positions, whoever owns them."""
    for one in () if report is None else report.discrepancies:
        if one.kind is _ORPHAN_EXIT and not one.resolved and one.client_order_id is not None:
            yield one.client_order_id


def is_unresolved(
    order: Any, status: Callable[[Any], str], parent: Callable[[Any], Any | None]
) -> bool:
    """Return whether it is not known if an order of a run before has reached the venue."""
    if status(order) not in _UNRESOLVED:
        return False
    if status(order) != "INITIALIZED" or order.parent_order_id is None:
        return True
    # An exit waits in the node for its entry
    entry = parent(order.parent_order_id)
    return entry is None or entry.is_closed or status(entry) in _UNRESOLVED

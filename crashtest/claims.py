"""
What must be true after a restart, whatever the moment of the kill.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from nautilus_recovery_actor.testkit.records import Order


_ZERO = Decimal(0)


class Claims(NamedTuple):
    """
    What is wrong, for each claim; nothing if it is true.

    Parameters
    ----------
    once : str
        No entry came to the venue twice: of each signal there is one.
    protected : str
        The stops at the venue cover the position there, and no more than that.
    exits : str
        At no time was the position less protected than a node without a monitor leaves it.
    state : str
        The state is that of the newest checkpoint that was stored, and no entry came to the venue
        before the one that was made before it.
    position : str
        The position in the cache is the one at the venue.

    """

    once: str = ""
    protected: str = ""
    exits: str = ""
    state: str = ""
    position: str = ""


class Cover(NamedTuple):
    """
    A position at the venue, and what its stops cover.
    """

    held: Decimal
    stops: Decimal

    @property
    def naked(self) -> Decimal:
        """
        Return what no stop covers.
        """
        return max(self.held - self.stops, _ZERO)


def once(submitted: Sequence[str], entries: Mapping[str, str], bids: Sequence[str]) -> str:
    """
    Return what is wrong with what came to the venue.

    Parameters
    ----------
    submitted : Sequence[str]
        The client order IDs that were submitted there.
    entries : Mapping[str, str]
        The signals of the entries that were decided on, by client order ID.
    bids : Sequence[str]
        The client order IDs of the venue's orders that buy and could open a position.

    """
    wrong = [f"{order_id} came {n} times" for order_id, n in Counter(submitted).items() if n > 1]
    acted_on = Counter(entries[order_id] for order_id in submitted if order_id in entries)
    wrong += [f"signal {signal} has {n} entries" for signal, n in acted_on.items() if n > 1]
    wrong += [f"{order_id} was not decided on" for order_id in bids if order_id not in entries]
    return "; ".join(wrong)


def blocked(sent: Sequence[Order], cause: str, blocking: Sequence[object] = ()) -> str:
    """
    Return what is wrong with an instrument that stayed blocked.

    Parameters
    ----------
    sent : Sequence[Order]
        The orders that were submitted meanwhile.
    cause : str
        The known fault that it is blocked for, see `faults`.
    blocking : Sequence[object], default ()
        What the recovery says it is blocked for.

    """
    if entries := [order.client_order_id or "" for order in sent if not order.reduce_only]:
        return f"{', '.join(entries)} came while the instrument was blocked"
    return "" if cause else f"the instrument was blocked without a known cause: {blocking}"


def protected(held: Decimal, stops: Decimal) -> str:
    """
    Return what is wrong with the quantity of the stops at the venue.
    """
    return "" if held == stops else f"{held} is held, stops cover {stops}"


def unseen(held: Decimal, cached: Decimal) -> Decimal:
    """
    Return what a strategy does not see of a long position, and so natively leaves naked.
    """
    return max(held - max(cached, _ZERO), _ZERO)


def no_less_protected(
    before: Cover, after: Cover, natively: Decimal, canceled: Sequence[str]
) -> str:
    """
    Return what is wrong with the protection that a node left.

    Parameters
    ----------
    before : Cover
        What was held and covered when the node started.
    after : Cover
        What was when its strategy had had its turn.
    natively : Decimal
        What a node without a monitor would have left naked.
    canceled : Sequence[str]
        The stops that were canceled meanwhile.

    """
    if after.naked <= natively:
        return ""
    lost = f", canceled: {', '.join(canceled)}" if canceled else ""
    return f"{after.naked} of {after.held} is naked ({before.naked} of {before.held} was){lost}"


def state(
    restored: Mapping[str, Any],
    stored: Mapping[str, Any],
    seen_version: int,
    saved: Sequence[Mapping[str, Any]],
) -> str:
    """
    Return what is wrong with the state that was restored.

    Parameters
    ----------
    restored : Mapping[str, Any]
        The state.
    stored : Mapping[str, Any]
        The newest one that was stored when the node was dead.
    seen_version : int
        The version that was stored just before the kill.
    saved : Sequence[Mapping[str, Any]]
        All that the strategy ever had.

    """
    if restored != stored:
        return f"version {restored['version']} was restored, {stored['version']} was stored"
    if restored["version"] < seen_version:
        return f"version {restored['version']} was restored, {seen_version} was stored before"
    if restored not in saved:
        return f"version {restored['version']} was restored, there never was such a state"
    return ""


def acknowledged(
    submitted: Sequence[str], entries: Mapping[str, str], stored: Mapping[str, Any]
) -> str:
    """
    Return what is wrong with the checkpoint before an entry that came to the venue.

    Parameters
    ----------
    submitted : Sequence[str]
        The client order IDs that were submitted there.
    entries : Mapping[str, str]
        The signals of the entries that were decided on, by client order ID.
    stored : Mapping[str, Any]
        The newest state that was stored when the node was dead.

    """
    gone = [
        f"{order_id} is at the venue, and its checkpoint is gone"
        for order_id in submitted
        if Decimal(entries.get(order_id, 0)) > Decimal(stored["signal"])
    ]
    return "; ".join(gone)


def position(cached: Decimal, held: Decimal) -> str:
    """
    Return what is wrong with the position that the cache holds.
    """
    return "" if cached == held else f"the cache holds {cached}, the venue {held}"

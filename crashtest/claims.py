"""
What must be true after a restart, whatever the moment of the kill.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import NamedTuple


class Claims(NamedTuple):
    """
    What is wrong, for each claim; nothing if it is true.

    Parameters
    ----------
    once : str
        No entry came to the venue twice: of each signal there is one.
    protected : str
        The stops at the venue cover the position there, and no more than that.
    state : str
        The state is that of the newest checkpoint that was stored.
    position : str
        The position in the cache is the one at the venue.

    """

    once: str = ""
    protected: str = ""
    state: str = ""
    position: str = ""


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
        The client order IDs of the venue's orders that buy.

    """
    wrong = [f"{order_id} came {n} times" for order_id, n in Counter(submitted).items() if n > 1]
    acted_on = Counter(entries[order_id] for order_id in submitted if order_id in entries)
    wrong += [f"signal {signal} has {n} entries" for signal, n in acted_on.items() if n > 1]
    wrong += [f"{order_id} was not decided on" for order_id in bids if order_id not in entries]
    return "; ".join(wrong)


def blocked(sent: Sequence[str], cached: Decimal, held: Decimal) -> str:
    """
    Return what is wrong with an instrument that stayed blocked.

    Parameters
    ----------
    sent : Sequence[str]
        The client order IDs that were submitted meanwhile.
    cached : Decimal
        The position that the cache held.
    held : Decimal
        The position at the venue.

    """
    if sent:
        return f"{', '.join(sent)} came while the instrument was blocked"
    return f"blocked, though {held} is held here and there" if cached == held else ""


def protected(held: Decimal, stops: Decimal) -> str:
    """
    Return what is wrong with the quantity of the stops at the venue.
    """
    return "" if held == stops else f"{held} is held, stops cover {stops}"


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


def position(cached: Decimal, held: Decimal) -> str:
    """
    Return what is wrong with the position that the cache holds.
    """
    return "" if cached == held else f"the cache holds {cached}, the venue {held}"

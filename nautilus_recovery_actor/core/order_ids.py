"""
The form of NautilusTrader's client order ids: whose order one is, and which no run before has used.
"""

import re
from collections.abc import Iterable
from datetime import datetime


_NS_IN_MS = 1_000_000


def tag(identifier: str) -> str:
    """Return the tag of a trader's or a strategy's id."""
    return identifier.rpartition("-")[2]


def first_count(ts: int) -> int:
    """
    Return a count of orders for a run to begin with, higher than that of a run before.

    An id names its second, so it can only meet those that a run before made in the same second. A
    run that began in that second counts on from the milliseconds of its beginning, so it is behind
    the clock unless it makes more than a thousand orders a second; whoever begins later is ahead of
    it.
    """
    return ts // _NS_IN_MS % 1_000


def made_at(client_order_id: str) -> float | None:
    """Return when an order was made (UNIX s), as its id says."""
    found = _TIME.match(client_order_id)
    if found is None:
        return None
    try:
        made = datetime.strptime("".join(found.groups()) + "+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        return None
    return made.timestamp()


def rank(client_order_id: str) -> tuple[float, int, str] | None:
    """
    Return what the ids of one strategy are sorted by, ``None`` for one that tells no order.

    They differ in their second and their count alone. An execution algorithm may spawn an order
    long after the one that its id begins with.
    """
    made = made_at(client_order_id)
    if made is None or _SPAWNED.search(client_order_id):
        return None
    return made, len(client_order_id), client_order_id


class OrderIdForms:
    """The forms that the client order ids of a trader's strategies have."""

    def __init__(self, trader_id: str, strategy_ids: Iterable[str]) -> None:
        self._form = re.compile(_FORM.format(trader=re.escape(tag(trader_id))))
        self._owners: dict[str, list[str]] = {}
        for strategy_id in strategy_ids:
            self._owners.setdefault(tag(strategy_id), []).append(strategy_id)

    def owners(self, client_order_id: str) -> tuple[str, ...]:
        """
        Return the strategies whose order it can be, sorted.

        More than one only for an id without hyphens, where a tag cannot be told from the count.
        """
        found = self._form.fullmatch(client_order_id)
        if found is None:
            return ()
        own, run_on = found.groups()
        # Without hyphens a tag ends wherever the rest is a count
        ends = range(1, len(run_on or ""))
        tags = [own] if own else [run_on[:end] for end in ends if _COUNT.fullmatch(run_on, end)]
        return tuple(sorted(owner for each in tags for owner in self._owners.get(each, ())))


_TIME = re.compile(r"O-?([0-9]{8})-?([0-9]{6})")

_SPAWNED = re.compile(r"-E\d+$")

_COUNT = re.compile(r"[1-9]\d*")

# An execution algorithm puts a number of its own behind the id of the order that it works on
_FORM = r"(?:O-\d{{8}}-\d{{6}}-{trader}-([^-]+)-[1-9]\d*|O\d{{14}}{trader}([^-]+))(?:-E\d+)?"

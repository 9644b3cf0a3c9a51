"""
Which orders the runs before have lost, and which of them their strategies have yet to take.

A cache stores in the order in which it is written. So whatever was sent before something that is
stored was stored as well: what is missing of it, or was re-created by reconciliation, was purged.
"""

from collections.abc import Iterable
from collections.abc import Mapping

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.core.order_ids import rank
from nautilus_recovery_actor.core.report import LostOrder


_NS = 1_000_000_000


class Trace(msgspec.Struct, frozen=True, gc=False):
    """An event of a run before that the cache restored, and that no reconciliation created."""

    # When the node learned of it (UNIX ns)
    ts: int
    strategy_id: str
    client_order_id: str


class Stored(msgspec.Struct, frozen=True):
    """What is known to have been stored, or to have been reported as lost."""

    # All that was sent before (UNIX ns)
    until: int = 0
    # The newest order of each strategy: it made the others before
    newest: Mapping[str, str] = {}
    # Orders one by one
    orders: frozenset[str] = frozenset()

    def has(self, client_order_id: str, strategy_id: str, ts_accepted: int = 0) -> bool:
        """
        Return whether an order was stored; `ts_accepted` (UNIX ns) is zero if that is not known.

        An order may be sent long after its ID was made, so that the venue's time counts as well.
        """
        if client_order_id in self.orders:
            return True
        made = made_at(client_order_id)
        if made is None or ts_accepted > self.until:
            return False
        if (made + 1) * _NS <= self.until:
            return True
        own, newest = rank(client_order_id), rank(self.newest.get(strategy_id, ""))
        return own is not None and newest is not None and own <= newest


def stored(heartbeat: Heartbeat | None, has_entry: bool, traces: Iterable[Trace]) -> Stored:
    """
    Return what the runs before have stored.

    `has_entry` says whether there is an entry of lost orders: it is written before any heartbeat
    that has `ts_stored`, so without it the database was flushed in between.
    """
    until, limit = 0, None
    if heartbeat is not None:
        until = heartbeat.ts + _NS * heartbeat.is_stopped
        if heartbeat.ts_stored is not None and not has_entry:
            return Stored()
        if heartbeat.ts_stored not in (None, heartbeat.ts):
            # Its run did not get to say what was lost before it, whatever it stored itself
            until = limit = heartbeat.ts_stored
        if heartbeat.ts_gap is not None:
            until = limit = min(until, heartbeat.ts_gap)
    newest: dict[str, str] = {}
    orders = set()
    for trace in traces:
        if limit is not None and trace.ts > limit:
            continue
        until = max(until, trace.ts)
        orders.add(trace.client_order_id)
        last = rank(newest.get(trace.strategy_id, ""))
        own = rank(trace.client_order_id)
        if own is not None and (last is None or own > last):
            newest[trace.strategy_id] = trace.client_order_id
    return Stored(until, newest, frozenset(orders))


class Losses(msgspec.Struct, frozen=True):
    """What is lost, as one run of a node knows it."""

    stored: Stored = Stored()
    # What recoveries have found and no strategy has taken, by `key`
    pending: Mapping[tuple[str, str], LostOrder] = {}
    # What was dealt with in this run
    taken: frozenset[tuple[str, str]] = frozenset()
    # When the node was registered (UNIX ns), once a recovery has completed: what was made since
    # was not lost by a run before
    ts_registered: int | None = None

    def ts_stored(self, ts: int) -> int:
        """Return what a heartbeat at `ts` says of what was stored."""
        return self.stored.until if self.ts_registered is None else ts

    def is_lost(self, client_order_id: str, strategy_id: str, ts_accepted: int) -> bool:
        """Return whether an order of the venue is lost, which this run does not hold as its own."""
        if (client_order_id, strategy_id) in self.taken:
            return False
        if (client_order_id, strategy_id) in self.pending:
            return True
        made = made_at(client_order_id)
        if self.ts_registered is not None and (made is None or made * _NS >= self.ts_registered):
            return False
        return not self.stored.has(client_order_id, strategy_id, ts_accepted)

    def recorded(self, lost: Iterable[LostOrder], ts_registered: int) -> "Losses":
        """Return what is pending once a recovery has completed with `lost` in its report."""
        pending = {key(one): one for one in lost if key(one) not in self.taken}
        return msgspec.structs.replace(self, pending=pending, ts_registered=ts_registered)

    def without(self, taken: Iterable[LostOrder]) -> "Losses":
        """Return what is left when orders were taken."""
        keys = frozenset(map(key, taken))
        pending = {at: lost for at, lost in self.pending.items() if at not in keys}
        return msgspec.structs.replace(self, pending=pending, taken=self.taken | keys)


def key(lost: LostOrder) -> tuple[str, str]:
    """Return what tells a lost order from others."""
    return lost.client_order_id, lost.strategy_id

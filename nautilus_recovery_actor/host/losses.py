"""
The orders that the runs before have lost, written down until their strategies have taken them.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from nautilus_recovery_actor.core import lost
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.lost import Losses
from nautilus_recovery_actor.core.lost import Stored
from nautilus_recovery_actor.core.lost import Trace
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.order_ids import OrderIdForms
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.host.reading import is_placed_here


_ZERO = Decimal(0)


class Ledger:
    """What is lost, as one run of a node knows it: every change is written before it counts."""

    def __init__(self, journal: RecoveryJournal) -> None:
        self._journal = journal
        self.losses = Losses()

    def restore(self, stored: Stored) -> None:
        """Read what the runs before have left, and know what they have stored."""
        pending = {lost.key(one): one for one in self._journal.lost() or ()}
        self.losses = Losses(stored=stored, pending=pending)

    def begin(self) -> None:
        """Make the entry that says that the database was not flushed, before any heartbeat."""
        if self._journal.lost() is None:
            self._journal.record_lost(())

    def record(
        self, found: Iterable[LostOrder], ts_registered: int, nobodys: Iterable[LostOrder] = ()
    ) -> None:
        """Keep what a recovery that completes has found, before anybody hears of it."""
        self._change(self.losses.recorded(found, ts_registered).without(nobodys))

    def take(self, taken: Iterable[LostOrder]) -> None:
        """Forget what a strategy has taken."""
        self._change(self.losses.without(taken))

    def _change(self, losses: Losses) -> None:
        if losses.pending != self.losses.pending:
            self._journal.record_lost(losses.pending.values())
        self.losses = losses


def lost_by(
    report: VenueReport,
    order: VenueOrder,
    owners: Iterable[str],
    losses: Losses,
    ts_registered: int,
    booked_under: str | None,
) -> Iterator[LostOrder]:
    """Yield an order of the venue that this run does not hold as its own, if it is lost."""
    client_order_id = order.client_order_id or ""
    # Some adapters make up that time when they report
    ts_accepted = order.ts_accepted if order.ts_accepted < ts_registered else 0
    sign = -1 if order.side == "SELL" else 1
    for owner in owners:
        if losses.is_lost(client_order_id, owner, ts_accepted):
            yield LostOrder(
                strategy_id=owner,
                account_id=report.account_id,
                instrument_id=order.instrument_id,
                client_order_id=client_order_id,
                venue_order_id=order.venue_order_id,
                status=order.status,
                qty=sign * (order.qty or _ZERO),
                filled_qty=sign * (order.filled_qty or _ZERO),
                booked_under=booked_under,
            )


class LostOrders:
    """
    Finds what is lost where the cache is read once, before it is reconciled.

    What it held then by the ID of an order was stored, and so was whatever was made before, unless
    a reconciliation has made it.
    """

    def __init__(
        self,
        trader_id: str,
        journal: RecoveryJournal,
        ts_registered: int,
        ids: Iterable[str],
        last: Heartbeat | None,
    ) -> None:
        self._trader_id = trader_id
        self._ts_registered = ts_registered
        self._ids = frozenset(ids)
        # Until when whatever was sent was stored, or was reported as lost: a heartbeat may be a
        # little ahead of what the cache writes, and without an entry Redis was flushed
        is_told = last is not None and last.phase is RecoveryPhase.COMPLETE
        is_known = is_told and journal.lost() is not None
        self._until = last.ts - 1_000_000_000 if last is not None and is_known else 0
        self.ledger = Ledger(journal)
        self.ledger.restore(Stored(orders=self._ids))
        self.ledger.begin()

    def find(
        self, reports: Iterable[VenueReport], strategies: Iterable[str], orders: Mapping[str, Any]
    ) -> tuple[LostOrder, ...]:
        """
        Return what is lost, by what venues report of these orders of the cache, and by what is
        pending. Any thread may ask.
        """
        forms, losses = OrderIdForms(self._trader_id, strategies), self.ledger.losses
        suspects = [
            (report, order, owners)
            for report in reports
            for order in report.orders
            if (name := order.client_order_id) and (owners := forms.owners(name))
            if not self._is_known(name, orders.get(name)) and self._is_older(name)
        ]
        found = dict(losses.pending)
        if suspects:
            stored = self._ids.difference(one.client_order_id for _, one, _ in suspects)
            losses = replace(losses, stored=_stored(stored, forms, self._until))
        for report, order, owners in suspects:
            for one in lost_by(report, order, owners, losses, self._ts_registered, None):
                found[lost.key(one)] = one
        return tuple(found.values())

    def _is_known(self, client_order_id: str, order: Any) -> bool:
        # With one event alone it is not sure yet whether reconciliation created it
        is_whole = order is not None and order.event_count > 1
        return client_order_id in self._ids and is_whole and is_placed_here(order)

    def _is_older(self, client_order_id: str) -> bool:
        # Than this run: what was sent since is not lost
        made = made_at(client_order_id)
        return made is not None and made < self._ts_registered // 1_000_000_000

    def record(self, found: Iterable[LostOrder]) -> None:
        """Keep what a recovery that completes has found, before anybody hears of it."""
        self.ledger.record(found, self._ts_registered)


def _stored(ids: Iterable[str], forms: OrderIdForms, until: int) -> Stored:
    # Only where anything may be lost: a cache may have many orders
    traces = (
        Trace(int((made_at(one) or 0) * 1e9), owner, one)
        for one in ids
        for owner in forms.owners(one)
    )
    stored = lost.stored(None, has_entry=True, traces=traces)
    return replace(stored, until=max(stored.until, until))

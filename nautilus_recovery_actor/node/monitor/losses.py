"""
The orders that the runs before have lost, kept until their strategies have taken them.
"""

from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor.core import lost
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.names import GATE_ENDPOINT
from nautilus_recovery_actor.core.names import TAKEN_ENDPOINT
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.order_ids import OrderIdForms
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.staleness import Restored
from nautilus_recovery_actor.core.staleness import Staleness
from nautilus_recovery_actor.host.losses import Ledger
from nautilus_recovery_actor.node.internals import strategy_ids
from nautilus_recovery_actor.node.observing.orders import is_placed_here
from nautilus_recovery_actor.node.observing.orders import lost_orders
from nautilus_recovery_actor.node.observing.orders import traces
from nautilus_recovery_actor.node.observing.reading import SLICE
from nautilus_recovery_actor.node.observing.reading import at_once


class LostOrders:
    """
    Finds what is lost, and writes down what no strategy has taken.

    After a kill between any two of these writes nothing is forgotten: the entry with what was
    found, the heartbeat that says so, the checkpoint of a strategy that has taken it, and the entry
    without it.
    """

    def __init__(
        self,
        trader_id: str,
        ts_registered: int,
        cache: CacheFacade,
        msgbus: MessageBus,
        journal: RecoveryJournal,
        log: Logger,
    ) -> None:
        self._trader_id = trader_id
        self._ts_registered = ts_registered
        self._cache = cache
        self._msgbus = msgbus
        self._log = log
        self._journal = journal
        self._ledger = Ledger(journal)
        # The reports whose orders were looked at, each with those that may be lost
        self._suspects: dict[int, tuple[VenueReport, VenueReport]] = {}
        self._strategies: tuple[str, ...] = ()
        self._stale: dict[str, Staleness] = {}
        self.restored = Restored(is_stored=False)

    def open(self) -> None:
        """Register the endpoint where strategies say what they have taken."""
        self._msgbus.register(TAKEN_ENDPOINT, self._take)

    def close(self) -> None:
        """Deregister it."""
        self._msgbus.deregister(TAKEN_ENDPOINT, self._take)

    def restore(self, restored: Restored) -> Restored:
        """Read what the runs before have left, before it is reconciled."""
        entry = self._journal.lost()
        ts_event = 0

        def read() -> Iterator[lost.Trace]:
            nonlocal ts_event
            for trace in traces(self._cache):
                ts_event = max(ts_event, trace.ts)
                yield trace

        found = read()
        stored = lost.stored(restored.heartbeat, entry is not None, found)
        deque(found, maxlen=0)
        self._ledger.restore(stored)
        self.restored = msgspec.structs.replace(restored, ts_event=ts_event)
        return self.restored

    def begin(self) -> None:
        """Make the entry that says that the database was not flushed, before any heartbeat."""
        self._ledger.begin()

    def ts_stored(self, ts: int) -> int:
        """Return what a heartbeat at `ts` says of what was stored."""
        return self._ledger.losses.ts_stored(ts)

    def find(self, reports: Iterable[VenueReport]) -> tuple[LostOrder, ...]:
        """Return what is lost, by what venues report and by what is pending."""
        reports = [report for report in reports if report.orders]
        if not (reports or self._ledger.losses.pending):
            return ()
        at_once(self.steps(reports))
        suspects = [self._suspects[id(report)][1] for report in reports]
        forms = OrderIdForms(self._trader_id, self._strategies)
        return lost_orders(self._cache, forms, self._ts_registered, suspects, self._ledger.losses)

    def stale(self, reports: Iterable[VenueReport]) -> dict[str, Staleness]:
        """Return the accounts for which what was restored is old, after `find`."""
        whole = self.restored.staleness()
        for report in reports:
            if report.account_id in self._stale:
                continue  # It stays so in this run
            suspects = self._suspects.get(id(report))
            orders = () if suspects is None else suspects[1].orders
            found = whole or self.restored.by_orders(one.client_order_id or "" for one in orders)
            if found is not None:
                self._stale[report.account_id] = found
        return dict(self._stale)

    def steps(self, reports: Iterable[VenueReport]) -> Iterator[None]:
        """Look at the orders of reports that were not looked at before, slice by slice."""
        reports = [report for report in reports if report.orders]
        if not reports:
            return  # There may be a thousand strategies
        if (strategies := strategy_ids(self._msgbus)) != self._strategies:
            self._strategies, self._suspects = strategies, {}
        forms = OrderIdForms(self._trader_id, strategies)
        kept = set(map(id, reports))
        self._suspects = {key: one for key, one in self._suspects.items() if key in kept}
        for report in reports:
            if id(report) in self._suspects:
                continue
            found = []
            for number, order in enumerate(report.orders, 1):
                client_order_id = order.client_order_id or ""
                if forms.owners(client_order_id) and not self._is_known(client_order_id):
                    found.append(order)
                if number % SLICE == 0:
                    yield
            suspects = msgspec.structs.replace(report, orders=tuple(found))
            self._suspects[id(report)] = report, suspects

    def _is_known(self, client_order_id: str) -> bool:
        # With one event alone it is not sure yet whether reconciliation created it
        order = self._cache.order(ClientOrderId(client_order_id))
        return (
            order is not None
            and order.event_count > 1
            and is_placed_here(order, self._ts_registered)
        )

    def record(self, found: Iterable[LostOrder]) -> None:
        """Keep what a recovery that completes has found, before anybody hears of it."""
        found = tuple(found)
        # A strategy that is not recoverable takes nothing: it has no hook
        plain = self._without_hook() if found else set()
        nobodys = [one for one in found if one.strategy_id in plain]
        self._ledger.record(found, self._ts_registered, nobodys)

    def _without_hook(self) -> set[str]:
        endpoints = set(self._msgbus.endpoints())
        return {
            strategy_id
            for strategy_id in strategy_ids(self._msgbus)
            if GATE_ENDPOINT.format(strategy_id=strategy_id) not in endpoints
        }

    def _take(self, taken: tuple[LostOrder, ...]) -> None:
        try:
            self._ledger.take(taken)
        except Exception as e:  # They are reported again
            self._log.exception("The recovery monitor raised while recording what was taken", e)

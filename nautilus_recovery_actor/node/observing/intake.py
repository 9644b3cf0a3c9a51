"""
What the host collects while an epoch is open, and how it becomes an `Observation`.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import VenueOrderId

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.node.observing.accounts import account_states
from nautilus_recovery_actor.node.observing.accounts import balances
from nautilus_recovery_actor.node.observing.accounts import contracts
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.fills import made_up_fills
from nautilus_recovery_actor.node.observing.fills import observed_fills
from nautilus_recovery_actor.node.observing.fills import repeated_fills
from nautilus_recovery_actor.node.observing.orders import cached_orders
from nautilus_recovery_actor.node.observing.orders import ended_orders
from nautilus_recovery_actor.node.observing.positions import cached_positions
from nautilus_recovery_actor.node.observing.reports import loaded_instruments
from nautilus_recovery_actor.node.observing.reports import venue_report


# More than what an account trades while its venue puts a mass status together
_KEPT_FILLS = 1_000

# More than the orders placed elsewhere that are open at a time
_KEPT_ORDERS = 10_000


class Watch(msgspec.Struct):
    """One epoch as it is collected: references and counts, nothing made per event."""

    # The number of the epoch
    epoch: int
    # A UUID for the epoch
    recovery_id: str
    # What opened it
    trigger: str
    # When the monitor was registered, after the cache was restored (UNIX ns)
    ts_registered: int
    # When the epoch opened (UNIX ns)
    ts_started: int
    # The open positions when it opened
    before: tuple[CachedPosition, ...] = ()
    # The last sign of life of the run before
    last_heartbeat: Heartbeat | None = None
    # The reconciliation events, in the order of their arrival
    flagged: list[OrderEvent] = msgspec.field(default_factory=list)
    # The trades that no reconciliation brought; once the epoch is over, the newest of them
    live_fills: list[OrderFilled] | deque[OrderFilled] = msgspec.field(default_factory=list)
    # What the epoch before found
    carried: tuple[Discrepancy, ...] = ()
    # The accounts that must report, ``None`` for those that a start requires
    required: frozenset[str] | None = None
    # The accounts that must report besides, since their clients were seen disconnected
    demanded: frozenset[str] = frozenset()
    # How many of the flagged events an earlier epoch has told of
    told_events: int = 0
    # What was found when this epoch was checked before
    earlier: tuple[Discrepancy, ...] = ()
    # The orders of which the venue reported by themselves, the newest of them
    reported_orders: dict[VenueOrderId, None] = {}
    # How many events the orders had that the cache restored
    restored: dict[ClientOrderId, int] = {}
    # The status of each order that was not over when the cache was restored
    statuses_before: dict[str, str] = {}
    # The total balances by account and currency when the epoch opened
    balances_before: dict[tuple[str, str], Decimal] = {}
    ts_reconciled: int | None = None
    # By account: what its venue reported, with the lengths of the two lists when that came.
    reports: dict[str, VenueReport] = {}

    def add_status(self, mass_status: ExecutionMassStatus, now: int) -> None:
        """Keep the newest mass status of an account."""
        self.ts_reconciled = now
        self.reports[mass_status.account_id.value] = venue_report(
            mass_status,
            len(self.flagged),
            len(self.live_fills),
        )

    def add_order_report(self, venue_order_id: VenueOrderId) -> None:
        """
        Note that the venue reported of an order by itself, so that its fills are no alignment.
        """
        self.reported_orders.pop(venue_order_id, None)
        self.reported_orders[venue_order_id] = None
        if len(self.reported_orders) > _KEPT_ORDERS:
            del self.reported_orders[next(iter(self.reported_orders))]

    def demand(self, account_ids: Iterable[str]) -> None:
        """Require that these accounts report again, whatever they reported before."""
        for account_id in account_ids:
            self.demanded |= {account_id}
            self.reports.pop(account_id, None)

    def release(self) -> None:
        """
        Let go of what the report of the epoch has taken up.

        The newest trades are kept: a mass status that was made before them can come after them.
        """
        self.flagged, self.reports, self.told_events = [], {}, 0
        self.live_fills = deque(self.live_fills, maxlen=_KEPT_FILLS)

    def required_accounts(
        self,
        cache: CacheFacade,
        accounts: list[str] | None,
    ) -> frozenset[str]:
        """Return the accounts that must report in this epoch."""
        if self.required is not None:
            return self.required | self.demanded
        known = known_accounts(cache) if accounts is None else frozenset(accounts)
        return known | self.demanded

    def observation(
        self,
        trader_id: str,
        cache: CacheFacade,
        accounts: list[str] | None,
        exec_engine: ExecutionEngine | None,
    ) -> Observation:
        """Return all that was seen of this epoch so far."""
        reports = tuple(report for report in self.reports.values() if report.is_as_made)
        reported = {report.account_id for report in reports}
        edited = frozenset(self.reports) - reported
        late = {
            event
            for report in reports
            for event in self.flagged[report.seen_events :]
            if event.account_id is not None and event.account_id.value == report.account_id
        }
        repeated = repeated_fills((*self.flagged, *self.live_fills))
        made_up = made_up_fills(cache, self.flagged, self.reported_orders, reported)
        heartbeat = self.last_heartbeat
        new = self.flagged[self.told_events :]
        return Observation(
            trader_id=trader_id,
            recovery_id=self.recovery_id,
            epoch=self.epoch,
            trigger=self.trigger,
            ts_started=self.ts_started,
            ts_reconciled=self.ts_reconciled,
            ts_last_alive=heartbeat.ts if heartbeat else None,
            clean_shutdown=heartbeat.is_stopped if heartbeat else None,
            required_accounts=self.required_accounts(cache, accounts) | edited,
            edited_accounts=edited,
            is_reconciling=exec_engine is not None and exec_engine.reconciliation,
            accounts=account_states(cache, exec_engine),
            instruments=loaded_instruments(cache, reports),
            before=self.before,
            after=cached_positions(cache),
            orders=cached_orders(cache, reports, late, self.restored),
            reports=reports,
            events=len(self.flagged),
            fills=observed_fills(
                cache,
                self.flagged,
                self.ts_registered,
                made_up,
                repeated,
            ),
            live_fills=observed_fills(
                cache,
                self.live_fills,
                self.ts_registered,
                repeated=repeated,
            ),
            told_events=self.told_events,
            carried=self.carried,
            earlier=self.earlier,
            ended=ended_orders(cache, new, self.statuses_before),
            contracts=contracts(cache, (*new, *self.live_fills)),
            balances_before=self.balances_before,
            balances_after=balances(cache),
        )

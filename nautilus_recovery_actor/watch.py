"""
What the host collects while an epoch is open, and how it becomes an `Observation`.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import VenueOrderId

from nautilus_recovery_actor import native
from nautilus_recovery_actor import past
from nautilus_recovery_actor.journal import Heartbeat
from nautilus_recovery_actor.observe import CachedPosition
from nautilus_recovery_actor.observe import Observation
from nautilus_recovery_actor.observe import VenueReport
from nautilus_recovery_actor.report import Discrepancy


# More than what an account trades while its venue puts a mass status together
_KEPT_FILLS = 1_000

# More than the orders placed elsewhere that are open at a time
_KEPT_ORDERS = 10_000


class Watch(msgspec.Struct):
    """
    One epoch as it is collected: references and counts, nothing made per event.

    Parameters
    ----------
    epoch : int
        The number of the epoch.
    recovery_id : str
        A UUID for the epoch.
    trigger : str
        What opened it.
    ts_registered : int
        When the monitor was registered, after the cache was restored (UNIX ns).
    ts_started : int
        When the epoch opened (UNIX ns).
    before : tuple[CachedPosition, ...]
        The open positions when it opened.
    last_heartbeat : Heartbeat, optional
        The last sign of life of the run before.
    flagged : list[OrderEvent]
        The reconciliation events, in the order of their arrival.
    live_fills : list[OrderFilled] or deque[OrderFilled]
        The trades that no reconciliation brought; once the epoch is over, the newest of them.
    carried : tuple[Discrepancy, ...]
        What the epoch before found.
    required : frozenset[str], optional
        The accounts that must report, ``None`` for those that a start requires.
    demanded : frozenset[str]
        The accounts that must report besides, since their clients were seen disconnected.
    told_events : int
        How many of the flagged events an earlier epoch has told of.
    is_over : bool
        If its report is final.
    is_wary : bool
        If a new event can cast doubt on what the engine guessed, or resolve what blocks.
    earlier : tuple[Discrepancy, ...]
        What was found when this epoch was checked before.
    reported_orders : dict[VenueOrderId, None]
        The orders of which the venue reported by themselves, the newest of them.
    restored : dict[ClientOrderId, int]
        How many events the orders had that the cache restored.
    statuses_before : dict[str, str]
        The status of each order that was not over when the cache was restored.
    balances_before : dict[tuple[str, str], Decimal]
        The total balances by account and currency when the epoch opened.

    """

    epoch: int
    recovery_id: str
    trigger: str
    ts_registered: int
    ts_started: int
    before: tuple[CachedPosition, ...] = ()
    last_heartbeat: Heartbeat | None = None
    flagged: list[Any] = msgspec.field(default_factory=list)
    live_fills: Any = msgspec.field(default_factory=list)
    carried: tuple[Discrepancy, ...] = ()
    required: frozenset[str] | None = None
    demanded: frozenset[str] = frozenset()
    told_events: int = 0
    is_over: bool = False
    is_wary: bool = False
    earlier: tuple[Discrepancy, ...] = ()
    reported_orders: dict[VenueOrderId, None] = {}
    restored: dict[ClientOrderId, int] = {}
    statuses_before: dict[str, str] = {}
    balances_before: dict[tuple[str, str], Decimal] = {}
    ts_reconciled: int | None = None
    # By account: its mass status, with the lengths of the two lists when that came. It is published
    # up to twice while the node waits for its start, so it is read when it is asked for.
    unread: dict[str, tuple[ExecutionMassStatus, int, int]] = {}
    read: dict[str, VenueReport] = {}

    @property
    def reports(self) -> dict[str, VenueReport]:
        """
        What the venues reported, by account.
        """
        for account_id, status in self.unread.items():
            self.read[account_id] = native.venue_report(*status)
        self.unread = {}
        return self.read

    def add_status(self, mass_status: ExecutionMassStatus, now: int) -> None:
        """
        Keep the newest mass status of an account.

        Parameters
        ----------
        mass_status : ExecutionMassStatus
            What was published.
        now : int
            The time (UNIX ns).

        """
        self.ts_reconciled = now
        self.unread[mass_status.account_id.value] = (
            mass_status,
            len(self.flagged),
            len(self.live_fills),
        )

    def add_order_report(self, venue_order_id: VenueOrderId) -> None:
        """
        Note that the venue reported of an order by itself, so that its fills are no alignment.

        Parameters
        ----------
        venue_order_id : VenueOrderId
            The order.

        """
        self.reported_orders.pop(venue_order_id, None)
        self.reported_orders[venue_order_id] = None
        if len(self.reported_orders) > _KEPT_ORDERS:
            del self.reported_orders[next(iter(self.reported_orders))]

    def demand(self, account_ids: Iterable[str]) -> None:
        """
        Require that these accounts report again, whatever they reported before.

        Parameters
        ----------
        account_ids : Iterable[str]
            The accounts.

        """
        for account_id in account_ids:
            self.demanded |= {account_id}
            self.reports.pop(account_id, None)

    def release(self) -> None:
        """
        Let go of what the report of the epoch has taken up.

        The newest trades are kept: a mass status that was made before them can come after them.
        """
        self.flagged, self.unread, self.read, self.told_events = [], {}, {}, 0
        self.live_fills = deque(self.live_fills, maxlen=_KEPT_FILLS)

    def required_accounts(
        self,
        cache: CacheFacade,
        accounts: list[str] | None,
    ) -> frozenset[str]:
        """
        Return the accounts that must report in this epoch.

        Parameters
        ----------
        cache : CacheFacade
            The cache as it is now.
        accounts : list[str], optional
            The accounts that must report at a start; those that the cache knows if ``None``.

        Returns
        -------
        frozenset[str]

        """
        if self.required is not None:
            return self.required | self.demanded
        known = native.known_accounts(cache) if accounts is None else frozenset(accounts)
        return known | self.demanded

    def observation(
        self,
        trader_id: str,
        cache: CacheFacade,
        accounts: list[str] | None,
        exec_engine: ExecutionEngine | None,
    ) -> Observation:
        """
        Return all that was seen of this epoch so far.

        Parameters
        ----------
        trader_id : str
            The trader.
        cache : CacheFacade
            The cache as it is now.
        accounts : list[str], optional
            The accounts that must report; those that the cache knows if ``None``.
        exec_engine : ExecutionEngine, optional
            The node's engine, if it is known.

        Returns
        -------
        Observation

        """
        reports = tuple(self.reports.values())
        late = {
            event
            for report in reports
            for event in self.flagged[report.seen_events :]
            if event.account_id is not None and event.account_id.value == report.account_id
        }
        repeated = native.repeated_fills((*self.flagged, *self.live_fills))
        made_up = {
            event
            for event in self.flagged
            if type(event) is OrderFilled
            and event.account_id.value not in self.reports
            and event.venue_order_id not in self.reported_orders
            and native.is_made_up(cache, event)
        }
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
            required_accounts=self.required_accounts(cache, accounts),
            is_reconciling=exec_engine is not None and exec_engine.reconciliation,
            accounts=native.account_states(cache, exec_engine),
            instruments=native.loaded_instruments(cache, reports),
            before=self.before,
            after=native.cached_positions(cache),
            orders=native.cached_orders(cache, reports, late, self.restored),
            reports=reports,
            events=len(self.flagged),
            fills=native.observed_fills(
                cache,
                self.flagged,
                self.ts_registered,
                made_up,
                repeated,
            ),
            live_fills=native.observed_fills(
                cache,
                self.live_fills,
                self.ts_registered,
                repeated=repeated,
            ),
            told_events=self.told_events,
            carried=self.carried,
            earlier=self.earlier,
            ended=past.ended_orders(cache, new, self.statuses_before),
            contracts=past.contracts(cache, (*new, *self.live_fills)),
            balances_before=self.balances_before,
            balances_after=past.balances(cache),
        )


def positions_before(
    cache: CacheFacade,
    events: list[Any],
    earlier: Iterable[Any] = (),
) -> tuple[CachedPosition, ...]:
    """
    Return the open positions as they were before `events`, which the cache has applied.

    Parameters
    ----------
    cache : CacheFacade
        The cache.
    events : list[OrderEvent]
        The events to take back.
    earlier : Iterable[OrderFilled], default ()
        Trades that were applied before these events.

    Returns
    -------
    tuple[CachedPosition, ...]
        With no average price where a fill was taken back.

    """
    positions = {position.position_id: position for position in native.cached_positions(cache)}
    repeated = native.repeated_fills((*earlier, *events))
    for event in events:
        if type(event) is not OrderFilled or event.position_id is None or id(event) in repeated:
            continue
        qty: Decimal = event.last_qty.as_decimal()
        position = positions.get(event.position_id.value) or CachedPosition(
            account_id=event.account_id.value,
            instrument_id=event.instrument_id.value,
            position_id=event.position_id.value,
            strategy_id=event.strategy_id.value,
            qty=Decimal(0),
        )
        positions[position.position_id] = msgspec.structs.replace(
            position,
            qty=position.qty - (qty if event.order_side == OrderSide.BUY else -qty),
            avg_px=None,
        )
    return tuple(position for position in positions.values() if position.qty != 0)

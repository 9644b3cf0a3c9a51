"""
What the host collects while an epoch is open: the one place that changes with every event.
"""

from collections import deque
from collections.abc import Container
from decimal import Decimal

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import VenueOrderId

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.node.observing.accounts import balances
from nautilus_recovery_actor.node.observing.fills import made_up_fills
from nautilus_recovery_actor.node.observing.moves import begun_moves
from nautilus_recovery_actor.node.observing.orders import is_placed_here
from nautilus_recovery_actor.node.observing.orders import order_statuses
from nautilus_recovery_actor.node.observing.orders import restored_orders
from nautilus_recovery_actor.node.observing.positions import cached_positions
from nautilus_recovery_actor.node.observing.positions import positions_before


# More than what an account trades while its venue puts a mass status together
_KEPT_FILLS = 1_000

# More than the orders placed elsewhere that are open at a time
_KEPT_ORDERS = 10_000


class Intake(msgspec.Struct):
    """What comes in: references and counts, nothing made per event."""

    # When the monitor was registered, after the cache was restored (UNIX ns)
    ts_registered: int
    # A UUID for the epoch
    recovery_id: str = msgspec.field(default_factory=lambda: UUID4().value)
    # The open positions, and the total balances by account and currency, when the epoch opened
    before: tuple[CachedPosition, ...] = ()
    balances_before: dict[tuple[str, str], Decimal] = {}
    # The last sign of life of the run before
    last_heartbeat: Heartbeat | None = None
    # The reconciliation events, in the order of their arrival, and how many of them an earlier
    # epoch has reported
    flagged: list[OrderEvent] = []
    reported_events: int = 0
    # The trades that no reconciliation brought; once the epoch is over, the newest of them
    live_fills: list[OrderFilled] | deque[OrderFilled] = msgspec.field(default_factory=list)
    # The orders of which the venue reported by themselves, the newest of them
    reported_orders: dict[VenueOrderId, None] = {}
    # The newest order event: what was read of the cache before it came may be different now
    newest: OrderEvent | None = None
    # How many events the orders had that the cache restored
    restored: dict[ClientOrderId, int] = {}
    # The status of each order that was not over when the cache was restored
    statuses_before: dict[str, str] = {}
    # The moves that a repair has begun, and has not been seen to complete
    moves: set[str] = set()

    # What was decided, as far as an event has to know of it: whether the epoch has ended, whether
    # more than a reference is to be kept, and which instruments are blocked
    is_over: bool = False
    is_attentive: bool = False
    blocked: frozenset[str] = frozenset()

    def counts(self) -> tuple[int, int]:
        """Return how many flagged events and live fills have come."""
        return len(self.flagged), len(self.live_fills)

    def follow(self, recovery: Recovery) -> None:
        """Take notice of what was decided."""
        self.is_over = recovery.report is not None
        self.blocked = frozenset(recovery.report.blocked_instruments if recovery.report else ())
        self.is_attentive = recovery.is_rechecking or bool(recovery.guessed) or bool(self.blocked)

    def take_restored(self, cache: CacheFacade) -> None:
        """Note what the cache restored, before it is reconciled."""
        self.before = cached_positions(cache)
        self.restored = restored_orders(cache)
        self.statuses_before = order_statuses(cache)
        self.balances_before = balances(cache)
        self.moves.update(begun_moves(cache))

    def begin_at_runtime(self, cache: CacheFacade) -> None:
        """Note what the cache held before the new events of an epoch that opens at run time."""
        self.live_fills = list(self.live_fills)
        self.statuses_before = {}
        self.balances_before = balances(cache)
        new = self.flagged[self.reported_events :]
        self.before = positions_before(cache, new, self.live_fills)

    def add_order_report(self, venue_order_id: VenueOrderId) -> None:
        """Note that the venue reported an order by itself: its fills align nothing."""
        self.reported_orders.pop(venue_order_id, None)
        self.reported_orders[venue_order_id] = None
        if len(self.reported_orders) > _KEPT_ORDERS:
            del self.reported_orders[next(iter(self.reported_orders))]

    def made_up_fills(self, cache: CacheFacade, reported: Container[str] = ()) -> set[OrderFilled]:
        """Return the flagged fills that align a position, on accounts that have not reported."""
        return made_up_fills(cache, self.flagged, self.reported_orders, reported)

    def stranger(self, cache: CacheFacade) -> OrderFilled | None:
        """Return a flagged fill of somebody else on an instrument that a strategy holds."""
        fills = (event for event in self.flagged if type(event) is OrderFilled)
        return next((fill for fill in fills if self.is_strangers(cache, fill)), None)

    def is_strangers(self, cache: CacheFacade, fill: OrderFilled) -> bool:
        """Return whether a fill is somebody else's, on an instrument that a strategy holds."""
        if is_placed_here(cache.order(fill.client_order_id), self.ts_registered):
            return False
        return any(
            position.strategy_id.value not in UNCLAIMED_STRATEGIES
            and position.account_id == fill.account_id
            for position in cache.positions_open(instrument_id=fill.instrument_id)
        )

    def absorb(self, cache: CacheFacade) -> None:
        """Count the flagged fills as the normal trading of an adapter that sends fill reports."""
        made_up = self.made_up_fills(cache)
        self.live_fills.extend(
            event for event in self.flagged if type(event) is OrderFilled and event not in made_up
        )
        self.flagged.clear()

    def end(self, *, is_complete: bool) -> None:
        """
        Let go of what the report of an epoch that is complete has taken up.

        The newest trades are kept: a mass status that was made before them can come after them. An
        operator may resume a failed epoch with all of its events.
        """
        if not is_complete:
            self.reported_events = len(self.flagged)
            return
        self.flagged, self.reported_events = [], 0
        self.live_fills = deque(self.live_fills, maxlen=_KEPT_FILLS)

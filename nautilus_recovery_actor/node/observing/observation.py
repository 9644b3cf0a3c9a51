"""
All that was seen of an epoch, as the core judges it.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple
from typing import Protocol

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.staleness import Staleness
from nautilus_recovery_actor.node.observing.accounts import account_states
from nautilus_recovery_actor.node.observing.accounts import balances
from nautilus_recovery_actor.node.observing.accounts import bases
from nautilus_recovery_actor.node.observing.accounts import cash_accounts
from nautilus_recovery_actor.node.observing.accounts import connections
from nautilus_recovery_actor.node.observing.accounts import contracts
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.exits import closed_positions
from nautilus_recovery_actor.node.observing.fills import observed_fills
from nautilus_recovery_actor.node.observing.fills import repeated_fills
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.moves import half_moves
from nautilus_recovery_actor.node.observing.orders import ended_orders
from nautilus_recovery_actor.node.observing.positions import cached_position
from nautilus_recovery_actor.node.observing.positions import closed_by_engine
from nautilus_recovery_actor.node.observing.positions import closed_by_nothing
from nautilus_recovery_actor.node.observing.reading import Reading
from nautilus_recovery_actor.node.observing.reading import at_once
from nautilus_recovery_actor.node.observing.reports import ReadLater
from nautilus_recovery_actor.node.observing.start import NodeStart


class Sources(NamedTuple):
    """The accounts whose clients can be asked, that report positions, that are known not to."""

    askable: frozenset[str]
    reporting: frozenset[str]
    mute: frozenset[str]


class FindsLost(Protocol):
    """Finds the orders that a run before has lost, among those that venues report."""

    def steps(self, reports: Iterable[VenueReport]) -> Iterator[None]:
        """Look at reports, slice by slice."""

    def find(self, reports: Iterable[VenueReport]) -> tuple[LostOrder, ...]:
        """Return what is lost."""

    def stale(self, reports: Iterable[VenueReport]) -> Mapping[str, Staleness]:
        """Return the accounts for which what was restored is old."""


class Observer:
    """Looks at the cache and the node's clients, in addition to what came in."""

    def __init__(
        self,
        trader_id: str,
        intake: Intake,
        node_start: NodeStart,
        cache: CacheFacade,
        lost_orders: FindsLost,
        sources: Callable[[frozenset[str]], Sources],
        busy: Callable[[], Collection[str]],
        rules: Rules,
    ) -> None:
        self._trader_id = trader_id
        self._intake = intake
        self._node_start = node_start
        self._cache = cache
        self._lost_orders = lost_orders
        self._sources = sources
        self._busy = busy
        self._rules = rules
        # What was read of one epoch, by its UUID
        self._reading: tuple[str, Reading] | None = None
        # The epoch that was observed last, and the newest order event by then
        self._observed: tuple[str, OrderEvent | None] | None = None

    def disconnected(self) -> frozenset[str]:
        """Return the accounts whose execution clients are disconnected."""
        accounts, exec_engine = self._rules.accounts, self._node_start.exec_engine
        if exec_engine is None:
            return frozenset()
        connected = connections(exec_engine, self._cache, self._busy())
        return frozenset(
            account_id
            for account_id, is_connected in connected.items()
            if not is_connected and (accounts is None or account_id in accounts)
        )

    def _asked(self, recovery: Recovery, known: frozenset[str]) -> Sources | None:
        # Whom there is to ask counts once they were asked
        if recovery.state is None or not recovery.state.asked:
            return None
        sources, concerned = self._sources(known), recovery.concerned
        if concerned is None:
            return sources
        return sources._replace(askable=sources.askable & concerned)

    def size(self, recovery: Recovery) -> int:
        """Return how much there is to read, about."""
        cache, intake = self._cache, self._intake
        return (
            len(cache.client_order_ids_open())
            + len(cache.client_order_ids_inflight())
            + len(cache.position_open_ids())
            + len(intake.flagged)
            + len(intake.live_fills)
            + sum(len(one.orders) + len(one.positions) for one in recovery.answers)
        )

    def positions(self) -> Iterable[CachedPosition]:
        """Return the open positions."""
        epoch, newest = self._observed or ("", None)
        if epoch == self._intake.recovery_id and newest is self._intake.newest:
            return self._read().positions  # To read a thousand once more takes milliseconds
        return map(cached_position, self._cache.positions_open())

    def forget(self) -> None:
        """Let go of what was read of an epoch that is over."""
        self._reading = self._observed = None

    def steps(self, recovery: Recovery) -> Iterator[None]:
        """Read what has changed since it was read last, slice by slice."""
        for read in recovery.reports.values():
            if isinstance(read, ReadLater):
                yield from read.steps()
        reports = self._reports(recovery)
        yield from self._lost_orders.steps([report for report in reports if report.orders])
        late = self._late(reports)
        yield from self._read().steps((*reports, *recovery.answers), late)

    def _read(self) -> Reading:
        intake, reading = self._intake, self._reading
        if reading is None or reading[0] != intake.recovery_id:
            new = Reading(self._cache, intake.restored, intake.ts_registered)
            self._reading = reading = (intake.recovery_id, new)
        return reading[1]

    def _reports(self, recovery: Recovery) -> tuple[VenueReport, ...]:
        found = (read() for read in recovery.reports.values())
        return tuple(report for report in found if report.is_as_made)

    def _late(self, reports: Iterable[VenueReport]) -> dict[ClientOrderId, list[OrderEvent]]:
        late: dict[ClientOrderId, list[OrderEvent]] = {}
        for report in reports:
            for event in self._intake.flagged[report.seen_events :]:
                if event.account_id is not None and event.account_id.value == report.account_id:
                    late.setdefault(event.client_order_id, []).append(event)
        return late

    def observation(self, recovery: Recovery, *, is_read: bool = False) -> Observation:
        """
        Return all that was seen of this epoch so far; `is_read` if no order event came since
        `steps` began.
        """
        if not is_read:
            at_once(self.steps(recovery))
        self._observed = (self._intake.recovery_id, self._intake.newest)
        reading = self._read()
        cache, intake = self._cache, self._intake
        exec_engine = self._node_start.exec_engine
        reports = self._reports(recovery)
        reported = {report.account_id for report in reports}
        edited = frozenset(recovery.reports) - reported
        repeated = repeated_fills((*intake.flagged, *intake.live_fills))
        made_up = intake.made_up_fills(cache, reported)
        heartbeat = intake.last_heartbeat
        new = intake.flagged[intake.reported_events :]
        after, live = reading.positions, reading.live_orders
        # Whose they are matters only if there is anything, or will be once it is repaired, and
        # there may be a thousand strategies
        is_owned = bool(after or live or recovery.explored)
        known = known_accounts(cache, reading.accounts)
        fills = observed_fills(cache, intake.flagged, intake.ts_registered, made_up, repeated)
        live_fills = observed_fills(
            cache, intake.live_fills, intake.ts_registered, repeated=repeated
        )
        wallets = cash_accounts(cache, intake.ts_registered)
        held = {one.instrument_id for one in after if one.account_id in wallets}
        held |= {one.instrument_id for one in (*fills, *live_fills) if one.account_id in wallets}
        held |= {p.instrument_id for r in reports if r.account_id in wallets for p in r.positions}
        closed = closed_by_engine(cache, wallets) if wallets else ()
        held |= {one.instrument_id for one in closed}
        based = bases(cache, held)
        halves = half_moves(cache, intake.moves)
        places = {(one.account_id, one.instrument_id) for one in halves}
        asked = self._asked(recovery, known)
        return Observation(
            trader_id=self._trader_id,
            recovery_id=intake.recovery_id,
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            ts_reconciled=recovery.ts_reconciled,
            ts_last_alive=heartbeat.ts if heartbeat else None,
            clean_shutdown=heartbeat.is_stopped if heartbeat else None,
            required_accounts=edited | recovery.required_accounts(self._rules, known),
            edited_accounts=edited,
            is_reconciling=exec_engine is not None and exec_engine.reconciliation,
            accounts=account_states(cache, exec_engine, self._busy()),
            instruments={
                **{one: increment for one, (_, increment) in based.items()},
                **reading.increments,
            },
            before=intake.before,
            after=after,
            claims=self._node_start.claims if is_owned else {},
            orders=reading.orders,
            live_orders=live,
            closed_by_engine=closed,
            hedging=self._node_start.hedging if is_owned else frozenset(),
            past=closed_by_nothing(cache, recovery.explored | places),
            half_moves=halves,
            approval=recovery.approval,
            closed=closed_positions(cache, live),
            strategies=self._node_start.strategies if is_owned else None,
            reports=reports,
            answers=recovery.answers,
            repairs=recovery.repairs,
            tried=recovery.tried,
            asked_accounts=frozenset() if asked is None else asked.askable,
            events=len(intake.flagged),
            fills=fills,
            live_fills=live_fills,
            reported_events=intake.reported_events,
            carried=recovery.carried,
            earlier=recovery.earlier,
            ended=ended_orders(cache, new, intake.statuses_before),
            contracts=contracts(cache, (*new, *intake.live_fills)),
            balances_before=intake.balances_before,
            balances_after=balances(cache),
            reporting=None if asked is None else asked.reporting,
            mute=frozenset() if asked is None else asked.mute,
            cash_accounts=wallets,
            base_currencies={one: currency for one, (currency, _) in based.items()},
            lost_orders=self._lost_orders.find(reports),
            stale=self._lost_orders.stale(reports),
        )

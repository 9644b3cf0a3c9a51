"""
The monitor on a `LiveNode`.
"""

from decimal import Decimal
from functools import partial
from typing import Any
from typing import Self

from nautilus_trader.common import DataActor
from nautilus_trader.common import DataActorConfig
from nautilus_trader.model import ActorId
from nautilus_trader.model import ClientOrderId
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import VenueOrderId

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.epoch import Stopped
from nautilus_recovery_actor.core.epoch import TraderStarted
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host import reading
from nautilus_recovery_actor.host.bus import Bus
from nautilus_recovery_actor.host.bus import Origin
from nautilus_recovery_actor.host.config import RecoveryMonitorConfig
from nautilus_recovery_actor.host.decisions import Decisions
from nautilus_recovery_actor.host.losses import LostOrders
from nautilus_recovery_actor.host.messages import RecoveryMessage
from nautilus_recovery_actor.host.wire import Wire
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.stream import MARK


# The monitors of this process, by trader: nobody else's messages move a gate
MONITORS: dict[str, "RecoveryMonitor"] = {}
_TICK_NS = 50_000_000
_LIMITS = (
    "On NautilusTrader 2.0 the report of the start is the only answer of a venue: nothing confirms "
    "or corrects it, and nothing is repaired (see docs/nautilus-2.md)"
)


class RecoveryMonitor(DataActor):
    """
    Watches the recovery of a node on NautilusTrader 2.0. `add_recovery_monitor` makes one.
    """

    def __new__(cls, *_: Any) -> Self:  # noqa: D102  As NautilusTrader has it
        config = DataActorConfig(actor_id=ActorId("RECOVERY-MONITOR"), log_events=False)
        made: Self = super().__new__(cls, config)
        return made

    def __init__(self, trader_id: str, config: RecoveryMonitorConfig) -> None:
        self._trader = trader_id
        self._config = config
        self._rules = config.rules()
        server = Server(database_url(config.database), Namespace(trader_id=trader_id))
        is_leased = config.lease and not config.shadow
        self.wire = Wire(server, config.heartbeat_secs, is_leased=is_leased)
        self.decisions = Decisions(
            self, trader_id, self._rules, self.wire, config.heartbeat_secs, config.history_size
        )
        self.bus = Bus(self._origin_of)
        self.claims: dict[str, str] = {}
        self.strategies: set[str] = set()
        self.ts_registered = 0
        self._before: tuple[CachedPosition, ...] = ()
        self._reported_events = 0
        MONITORS[trader_id] = self
        self.wire.start()

    # -- WHAT OTHERS READ --

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return self.decisions.recovery.epoch

    @property
    def phase(self) -> RecoveryPhase:
        """Where the current epoch stands."""
        return self.decisions.recovery.phase

    @property
    def report(self) -> RecoveryReport:
        """The report of the current epoch as of now."""
        return self.decisions.report

    # -- THE LIFE OF THE NODE --

    def begin(self) -> None:
        """Have the alert fire that comes after the cache was loaded and before it is reconciled."""
        self.log.warning(_LIMITS)
        self.ts_registered = self.clock.timestamp_ns()
        at = self.ts_registered + 1
        self.clock.set_time_alert_ns("RECOVERY-BEFORE", at, self._on_loaded, allow_past=True)

    def _on_loaded(self, _: Any) -> None:
        decisions = self.decisions
        with decisions.guarded("taking the restored state"):
            journal = RecoveryJournal(self, self._config.history_size, self.log.warning)
            decisions.restore(journal, self.ts_registered)
            ids = map(str, self.cache.client_order_ids())
            self.losses = LostOrders(self._trader, journal, self.ts_registered, ids, decisions.last)
            self._before = self._positions()
            decisions.decide(happened.KernelStarted(*decisions.moment()))
            if (keeper := self.wire.link.keeper) is not None:
                decisions.look(keeper.lease)
        self.clock.set_timer_ns("RECOVERY-TICK", _TICK_NS, callback=self._tick)

    def on_start(self) -> None:
        """Mark on the bus where the reconciliation ends."""
        with self.decisions.guarded("starting"):
            self.bus.ts_mark = self.clock.timestamp_ns()
            self.publish_signal(MARK, "1")
            self.decisions.decide(happened.TraderRuns(*self.decisions.moment()))

    def on_stop(self) -> None:
        """End an epoch that is still open, and leave the mark of a clean stop."""
        self._end(Stopped())

    def abort(self) -> None:
        """The node raised before its trader started. Of no effect once it was stopped."""
        if self.decisions.recovery.state is None:
            self._on_loaded(None)
        self._end(Woke(*self.decisions.moment(), is_start_pending=False))

    def _end(self, how: happened.Happening) -> None:
        if MONITORS.pop(self._trader, None) is None:
            return
        with self.decisions.guarded("stopping"):
            self.decisions.decide(how)
            self.decisions.beat(is_stopped=True)
        self.wire.close()

    def _tick(self, _: Any) -> None:
        decisions = self.decisions
        with decisions.guarded("taking what came"):
            for _ in range(self.wire.inbox.qsize()):
                self._take(*self.wire.inbox.get())
            now, wake_at = self.clock.timestamp_ns(), decisions.recovery.wake_at
            if decisions.recovery.is_starting and decisions.recovery.is_trader_running:
                # Nothing can be judged before all of the start has come
                late = now - self.bus.ts_mark > self._rules.timing.verify
                if self.bus.is_marked or late:
                    decisions.decide(TraderStarted(*decisions.moment()))
            if wake_at is not None and wake_at <= now:
                decisions.decide(Woke(*decisions.moment()))
            decisions.beat_if_due(now)

    def _take(self, what: str, values: tuple[Any, ...]) -> None:
        match what:
            case "lease":
                self.decisions.look(*values)
            case "command":
                self.decisions.obey(*values)
            case "bus":
                for account_id in sorted(self.bus.take(values[0], self.known)):
                    now, flagged = self.decisions.moment()
                    read = partial(self.bus.report, account_id)
                    reported = happened.Reported(now, flagged, account_id=account_id, read=read)
                    self.decisions.decide(reported)
            case _:
                getattr(self.log, what)(*values)

    # -- THE NODE, AS DECISIONS AND THE JOURNAL SEE IT --

    def get(self, key: str) -> bytes | None:
        """Return an entry: what was written in this run, or before it."""
        value = self.wire.get(key) or self.cache.get(key)
        return None if value is None else bytes(value)

    def add(self, key: str, value: bytes) -> None:
        """Write an entry of the cache."""
        self.wire.add(key, value)

    def now(self) -> int:
        """Return the time (UNIX ns)."""
        return int(self.clock.timestamp_ns())

    def flagged(self) -> int:
        """Return how many flagged events have come."""
        return len(self.bus.flagged)

    def held(self, account_id: str, instrument_id: str) -> Decimal | None:
        """Return what an account holds, ``None`` if it is not known."""
        return self.bus.held(account_id, instrument_id)

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""
        held = {str(one.account_id) for one in self.cache.positions_open()}
        return frozenset(held | self.bus.accounts)

    def say(self, severity: Severity, line: str) -> None:
        """Write a line to the node's log."""
        log = {Severity.INFO: self.log.info, Severity.WARN: self.log.warning}
        log.get(severity, self.log.error)(line)

    def record(self, report: RecoveryReport) -> None:
        """Keep what a recovery that completes has found."""
        self.losses.record(report.lost_orders)

    def note(self, *, is_opened: bool) -> None:
        """An epoch has opened at run time, or one is over."""
        if is_opened:
            self._before = self._positions()
        else:
            self._reported_events = len(self.bus.flagged)

    def publish(self, topic: str, message: RecoveryMessage) -> None:
        """Put a message on the bus."""
        self.publish_message(topic, message)

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""
        self.shutdown_system(reason)

    def _positions(self) -> tuple[CachedPosition, ...]:
        return tuple(map(reading.cached_position, self.cache.positions_open()))

    def _origin_of(self, client_order_id: str | None, venue_order_id: str | None) -> Origin:
        found = client_order_id and ClientOrderId(client_order_id)
        if not found and venue_order_id:
            found = self.cache.client_order_id(VenueOrderId(venue_order_id))
        order = self.cache.order(found) if found else None
        if order is None:
            return Origin(placed_here=False, tags=())
        return Origin(reading.is_placed_here(order), order.tags or ())

    def observation(self, recovery: Recovery, recovery_id: str) -> Observation:
        """Return all that was seen of this epoch so far."""
        cache, bus, ts = self.cache, self.bus, self.ts_registered
        last, reports = self.decisions.last, tuple(read() for read in recovery.reports.values())
        alive = {
            str(o.client_order_id): o for o in (*cache.orders_open(), *cache.orders_inflight())
        }
        orders = dict(alive)
        for name in {order.client_order_id for report in reports for order in report.orders}:
            if name and (order := cache.order(ClientOrderId(name))) is not None:
                orders[name] = order
        read = {name: reading.cached_order(one, ts) for name, one in orders.items()}
        tied = {name: cache.position_id(one.client_order_id) for name, one in alive.items()}
        live = tuple(reading.own_order(alive[one], tied[one], ts, read[one]) for one in alive)
        after, accounts = self._positions(), self.known()
        found = {one.instrument_id for one in after} | {one.instrument_id for one in live}
        for report in reports:
            found |= {one.instrument_id for one in report.positions}
            found |= {one.instrument_id for one in report.orders}
        loaded = ((one, cache.instrument(InstrumentId.from_str(one))) for one in found)
        return Observation(
            trader_id=self._trader,
            recovery_id=recovery_id,
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            ts_reconciled=recovery.ts_reconciled,
            ts_last_alive=last.ts if last else None,
            clean_shutdown=last.is_stopped if last else None,
            required_accounts=recovery.required_accounts(self._rules, accounts),
            accounts=tuple(map(AccountState, sorted(accounts))),
            instruments={one: Decimal(str(i.size_increment)) for one, i in loaded if i is not None},
            before=self._before,
            after=after,
            closed=reading.closed_positions(cache.position, tied.values()),
            claims=self.claims,
            orders=tuple(read.values()),
            live_orders=live,
            reports=reports,
            lost_orders=self.losses.find(reports, self.strategies, orders),
            events=len(bus.flagged),
            fills=bus.fills(),
            live_fills=bus.live_fills(),
            reported_events=self._reported_events,
            carried=recovery.carried,
            earlier=recovery.earlier,
        )

"""
The monitor on a `LiveNode` (long: it is one actor).
"""

from collections.abc import Callable
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any
from typing import Self

from nautilus_trader.common import DataActor
from nautilus_trader.common import DataActorConfig
from nautilus_trader.model import ActorId

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.epoch import Stopped
from nautilus_recovery_actor.core.epoch import TraderStarted
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.bus import Bus
from nautilus_recovery_actor.host.config import RecoveryMonitorConfig
from nautilus_recovery_actor.host.config import rules
from nautilus_recovery_actor.host.decisions import Decisions
from nautilus_recovery_actor.host.judging import Looking
from nautilus_recovery_actor.host.losses import LostOrders
from nautilus_recovery_actor.host.messages import RecoveryMessage
from nautilus_recovery_actor.host.observing import About
from nautilus_recovery_actor.host.observing import observation
from nautilus_recovery_actor.host.wire import Wire
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.stream import MARK
from nautilus_recovery_actor.link.stream import PROBE
from nautilus_recovery_actor.node2.cached import Cached


# The monitors of this process, by trader: nobody else's messages move a gate
MONITORS: dict[str, "RecoveryMonitor"] = {}
_TICK_NS = 50_000_000
_TURNS = 64
_LIMITS = (
    "On NautilusTrader 2.0 the report of the start is the only answer of a venue: nothing confirms "
    "or corrects it, and nothing is repaired (see docs/nautilus-2.md)"
)
_DEAF = (
    "The start is not judged, for nothing of it has come over the node's message bus yet: see that "
    "Redis answers, and that the node is built by what `with_recovery(builder, database)` "
    "returns, with the `database` of its monitor"
)
_CUT = (
    "nothing comes over the node's message bus since Redis was away, so a trade of somebody else "
    "would not be noticed: restart the node"
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
        self._rules = rules(config)
        server = Server(database_url(config.database), Namespace(trader_id=trader_id))
        is_leased = config.lease and not config.shadow
        self.wire = Wire(server, config.heartbeat_secs, is_leased=is_leased)
        self.decisions = Decisions(
            self, trader_id, self._rules, self.wire, config.heartbeat_secs, config.history_size
        )
        self._cached = Cached(self)
        self.bus = Bus(self._cached.origin_of)
        self.claims: dict[str, str] = {}
        self.strategies: set[str] = set()
        self.ts_registered = 0
        self._before: list[Any] = []
        self._turns = 0
        self._reported_events = 0
        self._is_deaf = False
        # Until when the bus must be heard again (UNIX ns)
        self._hear_until: int | None = None
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
        return self.decisions.recovery.report or self.decisions.describe()

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
            last = decisions.last_heartbeat
            self.losses = LostOrders(self._trader, journal, self.ts_registered, ids, last)
            self._before = self.cache.positions_open()
            decisions.decide(happened.KernelStarted(*decisions.moment()))
            if (keeper := self.wire.link.keeper) is not None:
                decisions.take_lease(keeper.lease)
        self.clock.set_timer_ns("RECOVERY-TICK", _TICK_NS, callback=self._tick)

    def on_start(self) -> None:
        """Mark on the bus where the reconciliation ends."""
        with self.decisions.guarded("starting"):
            self.bus.ts_mark = self.clock.timestamp_ns()
            self.publish_signal(MARK, "1")
            self.decisions.decide(happened.TraderRuns(*self.decisions.moment()))

    def withdraw(self) -> None:
        """Give the lease back: the node has not taken this monitor."""
        del MONITORS[self._trader]
        self.wire.close()

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
            self.decisions.stop()
        self.wire.close()

    def _tick(self, _: Any) -> None:
        decisions = self.decisions
        with decisions.guarded("taking what came"):
            for _ in range(self.wire.inbox.qsize()):
                self._take(*self.wire.inbox.get())
            now, wake_at = self.clock.timestamp_ns(), decisions.recovery.wake_at
            if decisions.recovery.is_starting and decisions.recovery.is_trader_running:
                # Nothing can be judged before all of the start has come, however late that is
                if self.bus.is_marked:
                    decisions.decide(TraderStarted(*decisions.moment()))
                elif now - self.bus.ts_mark > self._rules.timing.verify and not self._is_deaf:
                    self._is_deaf = True
                    self.log.error(_DEAF)
            if wake_at is not None and wake_at <= now and not decisions.judging.is_on:
                decisions.decide(Woke(*decisions.moment()))
            decisions.beat_if_due(now)
            if self._hear_until is not None and self._hear_until < now and self.bus.is_marked:
                self._hear_until = None
                raise RuntimeError(_CUT)

    def _take(self, what: str, values: tuple[Any, ...]) -> None:
        match what:
            case "lease":
                self.decisions.take_lease(*values)
            case "command":
                self.decisions.obey(*values)
            case "bus":
                self._hear_until = None
                for account_id in sorted(self.bus.take(values[0], self.known)):
                    now, flagged = self.decisions.moment()
                    read = partial(self.bus.report, account_id)
                    reported = happened.Reported(now, flagged, account_id=account_id, read=read)
                    self.decisions.decide(reported)
            case "judged":
                self.decisions.take_judged(*values)
            case "storage":
                self.decisions.beat()
            case "incident":
                self.decisions.on_incident(*values)
                self._listen_after(*values)
            case "raised":
                raise values[0]
            case _:
                getattr(self.log, what)(*values)

    def _listen_after(self, incident: StorageIncident) -> None:
        # A bus that has lost its connection sends nothing more (seen on rc7), and says so nowhere
        is_away = incident.kind is StorageTrouble.AWAY and not incident.is_over
        self._hear_until = None if is_away else self.now() + self._rules.timing.verify
        if not is_away:
            self.publish_signal(PROBE, "1")

    # -- THE NODE, AS DECISIONS AND THE JOURNAL SEE IT --

    def get(self, key: str) -> bytes | None:
        """Return an entry: what was written in this run, or before it."""
        value = self.wire.get(key)
        if value is None and (found := self.cache.get(key)) is not None:
            value = self.wire.restored[key] = bytes(found)
        return value

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
        # Also where nothing has come of an account: what it does not report is not there
        venues = {one.venue for one in self.cache.instrument_ids()}
        cached = {str(one) for one in map(self.cache.account_id, venues) if one is not None}
        return frozenset(held | cached | self.bus.accounts)

    def record(self, report: RecoveryReport) -> None:
        """Keep what a recovery that completes has found."""
        self.losses.record(report.lost_orders)

    def note(self, *, is_opened: bool) -> None:
        """An epoch has opened at run time, or one is over."""
        if is_opened:
            self._before = self.cache.positions_open()
        else:
            self._reported_events = len(self.bus.flagged)

    def publish(self, topic: str, message: RecoveryMessage) -> None:
        """Put a message on the bus."""
        self.publish_message(topic, message)

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""
        self.shutdown_system(reason)

    def size(self) -> int:
        """Return how much there is to look at, about."""
        return self._cached.size(self.bus) + self.flagged()

    def soon(self, call: Callable[[], None]) -> None:
        """Have something called after others had their turn."""
        self._turns = (self._turns + 1) % _TURNS  # So that no clock collects names
        name, at = f"RECOVERY-TURN-{self._turns}", self.now() + 1_000_000
        self.clock.set_time_alert_ns(name, at, partial(self._on_turn, call), allow_past=True)

    def _on_turn(self, call: Callable[[], None], _: Any) -> None:
        with self.decisions.guarded("looking at the cache"):
            call()

    def newest(self) -> int:
        """Return how many events of orders have come."""
        return self.bus.events

    def protections(self, unproven: frozenset[str]) -> Iterator[Discrepancy | None]:
        """Yield what no stop covers, and ``None`` wherever it may pause."""
        return self._cached.protections(unproven, self._rules.policy, self.ts_registered)

    def look(self, recovery: Recovery, recovery_id: str) -> Looking:
        """Copy what the cache holds, slice by slice, and return what puts it together."""
        picture = yield from self._cached.picture(self._before, self.bus)
        known = self.known()
        about = About(
            trader_id=self._trader,
            recovery_id=recovery_id,
            recovery=recovery,
            last=self.decisions.last_heartbeat,
            required=recovery.required_accounts(self._rules, known),
            accounts=known,
            reported=known if self.bus.is_marked else frozenset(),
            claims=self.claims.copy(),
            ts_registered=self.ts_registered,
            losses=self.losses,
            strategies=frozenset(self.strategies),
            reported_events=self._reported_events,
        )
        return partial(observation, about, picture, self.bus.told())

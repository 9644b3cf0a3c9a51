"""
The monitor on the node: subscriptions, timers and wiring. What to do is decided in `machine`, what
differs is found in `verify`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.component import TimeEvent
from nautilus_trader.common.enums import LogColor
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import epoch as machine
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.compare.positions import doubt
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.listeners.delivery import ENDPOINT
from nautilus_recovery_actor.node.listeners.delivery import Delivery
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.messages import RecoveryOverridden
from nautilus_recovery_actor.node.messages import RecoveryStarted
from nautilus_recovery_actor.node.monitor.operators import OperatorDesk
from nautilus_recovery_actor.node.monitor.start import PROBE_SECS
from nautilus_recovery_actor.node.monitor.start import NodeStart
from nautilus_recovery_actor.node.observing import native
from nautilus_recovery_actor.node.observing import past
from nautilus_recovery_actor.node.observing.intake import Watch
from nautilus_recovery_actor.node.observing.intake import positions_before
from nautilus_recovery_actor.node.observing.lost import lost_orders


# Who sends an `OperatorCommand` to this endpoint, from inside the node, is heard at once.
COMMAND_ENDPOINT = "RecoveryMonitor.command"


class RecoveryMonitorActor(Actor):
    """
    Watches the recovery of a node, proves its result and publishes one terminal message per epoch.

    Add it to the `actors` of a `TradingNodeConfig`, or with `node.trader.add_actor` before the node
    runs. `RecoveryStarted`, `RecoveryComplete` and `RecoveryFailed` go out on the topics
    ``data.<TypeName>*``. A late joiner sends a callable to the message bus endpoint
    ``RecoveryMonitor.ask`` and is called with the newest of them. An `OperatorCommand` is taken at
    the endpoint ``RecoveryMonitor.command`` and on its topic.

    Parameters
    ----------
    config : RecoveryMonitorConfig, optional
        The configuration.

    Raises
    ------
    RuntimeError
        On registration, if the node has a monitor already.

    """

    def __init__(self, config: RecoveryMonitorConfig | None = None) -> None:
        config = config or RecoveryMonitorConfig()
        super().__init__(config)
        self._settings = config
        self._timing = config.timing()
        self._policy = config.policy()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heartbeat_timer: asyncio.TimerHandle | None = None
        self._told: tuple[int, RecoveryPhase] | None = None
        self._state: machine.RecoveryState | None = None
        self._is_trader_started = False
        self._node_start = NodeStart(self._end)
        self._is_ending = False
        self._lost: frozenset[str] = frozenset()
        # When the venue reported, by account and instrument whose fills the engine guessed
        self._guessed: dict[tuple[str, str], int] = {}
        self._openings: deque[int] = deque(maxlen=config.storm_epochs + 1)
        self._is_rechecking = False
        self._is_change_told = False
        self._registration_error: Exception | None = None
        self._last_report: RecoveryReport | None = None

    # -- WHAT OTHERS READ --

    @property
    def epoch(self) -> int:
        """
        The number of the current epoch.

        Returns
        -------
        int

        """
        return self._watch.epoch

    @property
    def phase(self) -> RecoveryPhase:
        """
        Where the current epoch stands.

        Returns
        -------
        RecoveryPhase

        """
        if self._state is None:
            return RecoveryPhase.PENDING
        if self._watch.flagged and self._state.phase is RecoveryPhase.PENDING:
            return RecoveryPhase.RECONCILING  # No work is done per event, so the state lags
        return self._state.phase

    @property
    def report(self) -> RecoveryReport:
        """
        The report of the current epoch as of now, final once the epoch has ended.

        Returns
        -------
        RecoveryReport

        """
        return self._last_report or self._describe()

    def history(self) -> tuple[RecoveryReport, ...]:
        """
        Return the last reports on record, those of runs before included, the oldest first.

        Returns
        -------
        tuple[RecoveryReport, ...]

        """
        return self._journal.history()

    # -- REGISTRATION --

    def register_base(
        self,
        portfolio: PortfolioFacade,
        msgbus: MessageBus,
        cache: CacheFacade,
        clock: Clock,
    ) -> None:
        """
        Register with a trader, and take the state that the cache restored before it is reconciled.

        System method (not intended to be called by user code).
        """
        if ENDPOINT in msgbus.endpoints():
            raise RuntimeError(
                "The node has a recovery monitor already: "
                f"remove all but one from its actors (found with '{self.id}')",
            )
        super().register_base(portfolio, msgbus, cache, clock)
        now = clock.timestamp_ns()
        self._journal = RecoveryJournal(cache, self._settings.history_size, self.log.warning)
        self._watch = Watch(
            epoch=1,
            recovery_id=UUID4().value,
            trigger="startup",
            ts_registered=now,
            ts_started=now,
        )
        try:
            native.keep_reports_as_made()
            native.reports_added.connect(self._on_reports_added)
            self._watch.epoch = self._journal.last_epoch() + 1
            self._watch.last_heartbeat = self._journal.heartbeat()
            self._watch.before = native.cached_positions(cache)
            self._watch.restored = native.restored_orders(cache)
            self._watch.statuses_before = past.order_statuses(cache)
            self._watch.balances_before = past.balances(cache)
        except Exception as e:  # It must not keep the node from being built, and it is told below
            self._registration_error = e
        self._delivery = Delivery(self, msgbus)
        self._delivery.open()
        self._desk = OperatorDesk(
            clock.timestamp_ns,
            self.log,
            self._journal,
            self._revise,
            self._reopen,
        )
        # A bus passes on what comes from outside only if it streams the type
        msgbus.add_streaming_type(OperatorCommand)
        msgbus.register(COMMAND_ENDPOINT, self._on_command)
        # Startup reconciliation is over when `on_start` is called
        for topic, handler in self._subscriptions():
            msgbus.subscribe(topic, handler)

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        """
        Register the event loop: the earliest sign that the kernel starts.

        System method (not intended to be called by user code).
        """
        super().register_executor(loop, executor)
        with self._guarded("opening the recovery"):
            self._open_startup(loop)
        if self._registration_error is not None:
            self._break("taking the restored state", self._registration_error)

    def _open_startup(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._node_start.begin(loop)
        self._watch.ts_started = self.clock.timestamp_ns()
        self._state = machine.open_startup(self._watch.ts_started, self._timing)
        self._begin()
        self._beat()

    def _open_runtime(
        self,
        trigger: str,
        required: frozenset[str] = frozenset(),
        reports: dict[str, VenueReport] | None = None,
        doubt: Discrepancy | None = None,
    ) -> None:
        now = self.clock.timestamp_ns()
        last, report = self._watch, self.report
        if report.overrides:
            self._attempt("ending what was released", self._journal.record, self._desk.end(report))
        carried = set(report.discrepancies)
        if report.failure is not None:
            carried.update(last.carried)
        flagged = last.flagged
        self._watch = Watch(
            epoch=last.epoch + 1,
            recovery_id=UUID4().value,
            trigger=trigger,
            ts_registered=last.ts_registered,
            ts_started=now,
            last_heartbeat=last.last_heartbeat,
            flagged=flagged,
            live_fills=list(last.live_fills),
            carried=(*carried, *([] if doubt is None else [doubt])),
            required=required,
            reports=reports or {},
            told_events=last.told_events,
            reported_orders=last.reported_orders,
            restored=last.restored,
            balances_before=past.balances(self.cache),
        )
        self._last_report = None
        self._openings.append(now)
        self._state = machine.open_runtime(now, len(flagged), self._timing)
        self._begin()
        self._watch.before = positions_before(
            self.cache,
            flagged[self._watch.told_events :],
            last.live_fills,
        )

    def _begin(self) -> None:
        self._delivery.publish(
            self._message(RecoveryStarted, self._opening_report())
        )  # Gates close first
        self._journal.begin(self.epoch)
        self._tell_phase()
        self._arm()
        emulated = native.emulated_orders(self.cache)
        if emulated:
            self.log.warning(
                "Orders that rest in the node itself are released at their trigger whatever the "
                f"recovery comes to: {', '.join(emulated)}",
            )

    # -- WHAT COMES IN --

    def on_start(self) -> None:
        """
        Note that the trader starts; the strategies follow in the same turn of the event loop.
        """
        with self._guarded("starting"):
            self._is_trader_started = True
            if isinstance(self.clock, TestClock):
                # Strategies start after actors, so tell them when time first moves
                self.clock.set_time_alert_ns(
                    "RECOVERY-BACKTEST",
                    self.clock.timestamp_ns(),
                    self._complete_backtest,
                )
                return
            if self._loop is None:
                self._open_startup(asyncio.get_running_loop())
            assert self._loop is not None
            self._loop.call_soon(self._on_trader_started)
            if self._heartbeat_timer is None:
                self._beat()  # The trader was stopped and starts again

    def on_resume(self) -> None:
        """
        Give signs of life again. An epoch that the stop ended stays ended.
        """
        self._is_trader_started = True
        if self._loop is not None:
            self._beat()

    def on_stop(self) -> None:
        """
        End an epoch that is still open, and leave the mark of a clean stop.
        """
        self._is_trader_started = False
        self._end()

    def on_dispose(self) -> None:
        """
        Leave the mark of a clean stop also when the trader never started.
        """
        self._end()
        self._delivery.close()
        native.reports_added.disconnect(self._on_reports_added)
        self.msgbus.deregister(COMMAND_ENDPOINT, self._on_command)
        for topic, handler in self._subscriptions():
            self.msgbus.unsubscribe(topic, handler)

    def _subscriptions(self) -> tuple[tuple[str, Callable[[Any], None]], ...]:
        return (
            ("events.order.*", self._on_order_event),
            ("reports.execution.*", self._on_report),
            (OperatorCommand.topic(), self._on_command),
        )

    def _on_order_event(self, event: Any) -> None:
        # Called for every order event of the node: the flag first, then a reference, nothing more
        try:
            if event.reconciliation:
                self._watch.flagged.append(event)
                if self._last_report is not None:
                    self._on_flagged_at_runtime()
            elif type(event) is OrderFilled:
                self._watch.live_fills.append(event)
            if self._guessed and type(event) is OrderFilled:
                self._doubt(event)
            if self._is_rechecking:
                self._on_change()
        except Exception as e:
            self._break("reading an order event", e)

    def _on_change(self) -> None:
        # It may resolve what blocks, and that is looked at again
        if not self._is_change_told and self._loop is not None:
            self._is_change_told = True
            self._loop.call_soon(self._tell_change)

    def _tell_change(self) -> None:
        self._is_change_told = False
        with self._guarded("reading an order event"):
            self._advance(machine.Changed(self.clock.timestamp_ns()))

    def _doubt(self, fill: OrderFilled) -> None:
        # Where the engine guessed, a fill that is older than the report may be counted already
        key = (fill.account_id.value, fill.instrument_id.value)
        if fill.ts_event <= self._guessed.get(key, 0) and self._loop is not None:
            self._loop.call_soon(self._block_in_doubt, key)

    def _block_in_doubt(self, key: tuple[str, str]) -> None:
        with self._guarded("reading a late fill"):
            found = doubt(*key, self._policy)
            if found in self._watch.carried:
                return  # Told, and it stands until the account reports
            if self._may_reopen(self._settings.reopen_on_synthetic_fill):
                self._open_runtime("synthetic_fill", doubt=found)
                self._end_storm()
            elif self.phase is not RecoveryPhase.COMPLETE:
                self._watch.carried += (found,)

    def _on_flagged_at_runtime(self) -> None:
        # What a report brings at run time is applied before it is published, in one turn of the
        # loop: so it is looked at when the turn is over.
        if len(self._watch.flagged) == 1 and self._loop is not None:
            self._loop.call_soon(self._sort_flagged)

    def _sort_flagged(self) -> None:
        if self._last_report is None or self._last_report.failure is not None:
            return  # They are the events of an epoch that is open, or of one that may follow
        with self._guarded("reading reconciliation events at run time"):
            made_up = [
                event
                for event in self._watch.flagged
                if type(event) is OrderFilled
                and event.venue_order_id not in self._watch.reported_orders
                and native.is_made_up(self.cache, event)
            ]
            if made_up and self._may_reopen(self._settings.reopen_on_synthetic_fill):
                self._open_runtime("synthetic_fill")
                self._end_storm()
            else:  # The normal trading of an adapter that sends fill reports
                self._watch.live_fills.extend(
                    event
                    for event in self._watch.flagged
                    if type(event) is OrderFilled and event not in made_up
                )
                self._watch.flagged.clear()

    def _may_reopen(self, is_wanted: bool) -> bool:
        assert self._state is not None
        return is_wanted and self._state.phase is RecoveryPhase.COMPLETE

    def _on_reports_added(self, _: Any, reports: Sequence[Any]) -> None:
        self._attempt("looking for orders that a kill has torn", self._mend_torn_orders, reports)

    def _mend_torn_orders(self, reports: Sequence[Any]) -> None:
        for client_order_id in native.torn_orders(self.cache, reports):
            self.log.warning(
                f"The venue has {client_order_id}, of which only the position was stored when the "
                f"node was killed: that is forgotten, for the engine could not add the order",
            )
            self.cache.purge_order(client_order_id)

    def _on_report(self, report: Any) -> None:
        if type(report) is not ExecutionMassStatus:
            if type(report) is OrderStatusReport:
                self._watch.add_order_report(report.venue_order_id)
            return
        with self._guarded("reading a mass status"):
            if self._state is None:
                return
            now = self.clock.timestamp_ns()
            is_new = self._may_reopen(self._settings.reopen_on_mass_status)
            if is_new:
                self._open_runtime("mass_status")
            elif self._state.phase is RecoveryPhase.COMPLETE:
                return
            # Also under a failure: an operator may resume with it
            self._watch.add_status(report, now)
            if is_new:
                self._end_storm()
            else:
                self._advance(machine.Seen())
                self._advance(machine.Changed(now))

    def _end_storm(self) -> None:
        if machine.is_storm(self._openings, self._timing):
            self._advance(machine.Stormed())

    def _on_command(self, command: OperatorCommand) -> None:
        # What comes from outside comes in a thread of its own
        if not isinstance(command, OperatorCommand):
            self.log.error(f"Refused what is no OperatorCommand: {command!r}")
            return
        if command.trader_id != self.trader_id.value:
            return
        if self._loop is None:
            self.log.error(
                f"Refused to {command.action} by {command.operator} ({command.reason}): "
                "the node has not started",
            )
            return
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here and not self._delivery.is_busy:
            self._obey(command)
        else:
            self._loop.call_soon_threadsafe(self._obey, command)

    def _obey(self, command: OperatorCommand) -> None:
        with self._guarded("taking an operator's command"):
            self._desk.take(command, self.report, self.phase, self._is_trader_started)

    def _revise(self, report: RecoveryReport) -> None:
        self._last_report = report
        self._delivery.publish(self._message(RecoveryOverridden, report))
        self._attempt("keeping the report in the history", self._journal.record, report)

    def _reopen(self) -> None:
        last = self._watch
        required = last.required_accounts(self.cache, self._settings.accounts)
        if self.report.failure is FailureReason.INTERNAL_ERROR:
            required |= native.known_accounts(self.cache)
        self._open_runtime(last.trigger, required, last.reports)
        self._openings.clear()

    def _on_trader_started(self) -> None:
        with self._guarded("starting"):
            self._advance(
                machine.TraderStarted(self.clock.timestamp_ns(), len(self._watch.flagged)),
            )

    # -- TIME --

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        assert self._state is not None
        if (wake_at := self._state.wake_at) is None or self._loop is None:
            return
        delay = max(wake_at - self.clock.timestamp_ns(), 0) / 1e9
        if self._state.settle_at is None:
            delay = min(delay, PROBE_SECS)
        self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        if self._node_start.is_stopped:
            self._end()  # Whatever a venue answers after the stop is of no use
            return
        with self._guarded("waiting"):
            flagged = len(self._watch.flagged)
            if flagged:
                self._advance(machine.Seen())
            is_pending = None if self._is_trader_started else self._node_start.is_pending
            self._advance(machine.Woke(self.clock.timestamp_ns(), flagged, is_pending))

    def _beat(self) -> None:
        assert self._loop is not None
        self._write_heartbeat()
        with self._guarded("looking at the connections"):
            self._look_at_connections()
        self._heartbeat_timer = self._loop.call_later(self._settings.heartbeat_secs, self._beat)

    def _tell_phase(self) -> None:
        # Who looks from outside must not take an old permission for one that stands
        if self._heartbeat_timer is not None and self._told != (self.epoch, self.phase):
            self._write_heartbeat()

    def _write_heartbeat(self, is_stopped: bool = False) -> None:
        self._told = (self.epoch, self.phase)
        heartbeat = Heartbeat(
            ts=self.clock.timestamp_ns(),
            epoch=self.epoch,
            phase=self.phase,
            is_stopped=is_stopped,
            interval_secs=self._settings.heartbeat_secs,
            history_size=self._settings.history_size,
        )
        self._attempt("writing its heartbeat", self._journal.beat, heartbeat)

    def _look_at_connections(self) -> None:
        if not self._is_trader_started:
            return
        was, self._lost = self._lost, self._disconnected()
        lost = self._lost - was
        if lost:
            self.log.warning(
                f"The client of {', '.join(sorted(lost))} is disconnected: what the cache holds of "
                "it gets old",
            )
            if self._may_reopen(self._settings.reopen_on_mass_status):
                self._open_runtime("mass_status", lost)
                self._end_storm()

    def _disconnected(self) -> frozenset[str]:
        accounts, exec_engine = self._settings.accounts, self._node_start.exec_engine
        if exec_engine is None:
            return frozenset()
        return frozenset(
            account_id
            for account_id, is_connected in native.connections(exec_engine).items()
            if not is_connected and (accounts is None or account_id in accounts)
        )

    def _end(self) -> None:
        if self._heartbeat_timer is None:
            return  # Not begun, or ended before
        self._is_ending = True
        with self._guarded("stopping"):
            self._advance(machine.Stopped())
        self._is_ending = False
        self._heartbeat_timer.cancel()
        self._heartbeat_timer = None
        if self._loop is not None:
            self._write_heartbeat(is_stopped=True)

    # -- WHAT FOLLOWS --

    def _advance(self, happening: machine.Happening) -> None:
        assert self._state is not None
        state, action = machine.decide(self._state, happening, self._timing)
        match action:
            case machine.Judge():
                self._state = state
                self._judge()
                return
            case machine.Complete():
                self._finish(state, RecoveryComplete, self._judged)
            case machine.Fail(reason, message):
                self._fail(state, reason, message)
            case None:
                self._state = state
        self._is_rechecking = state.limit is not None and not state.is_over
        self._tell_phase()
        self._arm()

    def _judge(self) -> None:
        self._watch.demand(self._disconnected())
        observation = self._observe()
        judgment = verdict.judge(observation, self._policy)
        report = self._judged = judgment.report
        self._watch.earlier = report.discrepancies
        blocking = sum(found.is_blocking for found in report.discrepancies)
        was_rechecking = self._is_rechecking
        now = self.clock.timestamp_ns()
        reported = {one.account_id for one in observation.reports}
        unreported = {key: ts for key, ts in self._guessed.items() if key[0] not in reported}
        self._guessed = unreported | judgment.guessed
        self._advance(machine.Judged(now, report.failure, report.message, bool(blocking)))
        if self._is_rechecking and not was_rechecking:
            self.log.warning(
                f"Recovery epoch {report.epoch}: {blocking} differences that block, checked again "
                f"for {self._settings.verify_timeout_secs:g} s",
            )

    def _fail(self, state: machine.RecoveryState, reason: FailureReason, message: str) -> None:
        try:
            # Half way through a reconciliation a comparison would tell of nothing but that
            report = self._opening_report() if self._is_ending else self._describe()
        except Exception as e:  # The failure must be told all the same
            self.log.exception("The recovery monitor raised while describing the recovery", e)
            report = self._opening_report()
        report = msgspec.structs.replace(report, failure=reason, message=message)
        self._finish(state, RecoveryFailed, report)
        is_wanted = self._settings.on_failure == "shutdown" and not self._policy.shadow
        if is_wanted and not self._is_ending:
            self.shutdown_system(f"RecoveryFailed {reason}: {message}")
            self._end()  # By the time actors are disposed of, 1.221 has closed the cache

    def _finish(
        self,
        state: machine.RecoveryState,
        kind: type[RecoveryMessage],
        report: RecoveryReport,
    ) -> None:
        report = msgspec.structs.replace(report, ts_completed=self.clock.timestamp_ns())
        message = self._message(kind, report)
        self._state, self._last_report = state, report
        if kind is RecoveryComplete:
            # The events of an epoch are in its report now, and their memory is the node's again
            self._watch.release()
        else:  # An operator may resume with them
            self._watch.told_events = len(self._watch.flagged)
        self._attempt("logging the recovery", self._log_report, report)
        self._delivery.publish(message)
        self._attempt("keeping the report in the history", self._journal.record, report)
        if signals.fill_reconciled.receivers:
            for fill in report.fills:
                self._delivery.signal(signals.fill_reconciled, fill=fill)
        if signals.discrepancy_found.receivers:
            for found in report.discrepancies:
                self._delivery.signal(signals.discrepancy_found, discrepancy=found)

    def _complete_backtest(self, _: TimeEvent) -> None:
        with self._guarded("telling a backtest"):
            now = self.clock.timestamp_ns()
            self._watch.trigger, self._watch.ts_started = "backtest", now
            self._watch.required = frozenset()
            self._state = machine.open_runtime(now, 0, self._timing)
            self._begin()
            # No time has to pass where time is simulated
            self._advance(machine.Woke(now + self._timing.settle, 0))

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            self._break(doing, e)

    def _break(self, doing: str, error: Exception) -> None:
        self.log.exception(f"The recovery monitor raised while {doing}", error)
        if self._state is None:
            self._state = machine.open_startup(self.clock.timestamp_ns(), self._timing)
        elif self._state.phase is RecoveryPhase.COMPLETE:
            # What could not be read at run time must not leave a gate open
            with self._guarded("closing the gates"):
                self._open_runtime("mass_status")
        self._watch.reports = {}  # What raised may have been one: nothing counts but what comes now
        self._advance(machine.Broke(f"The recovery monitor raised while {doing}: {error!r}"))

    def _attempt(self, doing: str, function: Callable[..., None], *args: Any) -> None:
        # For what must not change the outcome of an epoch that is told, or about to be
        try:
            function(*args)
        except Exception as e:
            self.log.exception(f"The recovery monitor raised while {doing}", e)

    # -- WHAT GOES OUT --

    def _observe(self) -> Any:
        observation = self._watch.observation(
            self.trader_id.value,
            self.cache,
            self._settings.accounts,
            self._node_start.exec_engine,
        )
        lost = lost_orders(self._watch, self.trader_id.value, self.cache, self.msgbus)
        return msgspec.structs.replace(observation, lost_orders=lost)

    def _describe(self) -> RecoveryReport:
        return verdict.describe(self._observe(), self._policy)

    def _opening_report(self) -> RecoveryReport:
        heartbeat = self._watch.last_heartbeat
        return RecoveryReport(
            trader_id=self.trader_id.value,
            recovery_id=self._watch.recovery_id,
            epoch=self._watch.epoch,
            trigger=self._watch.trigger,
            ts_started=self._watch.ts_started,
            ts_last_alive=heartbeat.ts if heartbeat else None,
            clean_shutdown=heartbeat.is_stopped if heartbeat else None,
            shadow=self._policy.shadow,
        )

    def _message(self, kind: type[RecoveryMessage], report: RecoveryReport) -> RecoveryMessage:
        now = self.clock.timestamp_ns()
        return kind(
            trader_id=report.trader_id,
            recovery_id=report.recovery_id,
            epoch=report.epoch,
            report=report,
            ts_event=report.ts_completed or report.ts_started,
            ts_init=now,
        )

    def _log_report(self, report: RecoveryReport) -> None:
        good = LogColor.GREEN if report.failure is None else LogColor.NORMAL
        for severity, line in wording.lines(report):
            match severity:
                case Severity.INFO:
                    self.log.info(line, good)
                case Severity.WARN:
                    self.log.warning(line)
                case Severity.BLOCK:
                    self.log.error(line)
        for block in wording.blocks(report):
            self.log.info(block, good)

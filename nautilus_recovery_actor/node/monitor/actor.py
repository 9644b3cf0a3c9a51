"""
The monitor on the node: registration, lifecycle, and carrying out what the core decides.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.component import TimeEvent
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import recovery
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.names import ASK_ENDPOINT
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.core.names import EXECUTION_REPORTS
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node import listeners
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.listeners.log import write
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.monitor.alarms import Alarm
from nautilus_recovery_actor.node.monitor.heartbeats import Heartbeats
from nautilus_recovery_actor.node.monitor.incoming import Incoming
from nautilus_recovery_actor.node.monitor.operators import CommandDesk
from nautilus_recovery_actor.node.monitor.start import PROBE_SECS
from nautilus_recovery_actor.node.monitor.start import NodeStart
from nautilus_recovery_actor.node.observing import native
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer


_MESSAGES = {message.kind: message for message in MESSAGES}


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
        self._rules = config.rules()
        self._recovery = recovery.Recovery(epoch=1, ts_started=0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm = Alarm(self._on_alarm)
        self._pulse = Alarm(self._beat)
        self._node_start = NodeStart(self._end)
        self._registration_error: Exception | None = None

    # -- WHAT OTHERS READ --

    @property
    def epoch(self) -> int:
        """
        The number of the current epoch.

        Returns
        -------
        int

        """
        return self._recovery.epoch

    @property
    def phase(self) -> RecoveryPhase:
        """
        Where the current epoch stands.

        Returns
        -------
        RecoveryPhase

        """
        phase = self._recovery.phase
        if phase is RecoveryPhase.PENDING and self._recovery.state and self._intake.flagged:
            return RecoveryPhase.RECONCILING  # No work is done per event, so the state lags
        return phase

    @property
    def report(self) -> RecoveryReport:
        """
        The report of the current epoch as of now, final once the epoch has ended.

        Returns
        -------
        RecoveryReport

        """
        return self._recovery.report or verdict.describe(
            self._observer.observation(self._recovery), self._rules.policy
        )

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
        if ASK_ENDPOINT in msgbus.endpoints():
            raise RuntimeError(
                "The node has a recovery monitor already: "
                f"remove all but one from its actors (found with '{self.id}')",
            )
        super().register_base(portfolio, msgbus, cache, clock)
        now = clock.timestamp_ns()
        self._journal = RecoveryJournal(cache, self._settings.history_size, self.log.warning)
        self._intake = Intake(ts_registered=now)
        self._incoming = Incoming(
            self._intake, cache, self.log, clock.timestamp_ns, self._guarded, self._decide
        )
        self._heartbeats = Heartbeats(self._settings, self._journal, clock, self.log)
        self._observer = Observer(
            self.trader_id.value, self._intake, self._node_start, cache, msgbus, self._rules
        )
        last_epoch = 0
        try:
            native.keep_reports_as_made()
            native.reports_added.connect(self._incoming.on_reports_added)
            last_epoch = self._journal.last_epoch()
            self._intake.last_heartbeat = self._journal.heartbeat()
            self._intake.take_restored(cache)
        except Exception as e:  # It must not keep the node from being built, and it ends the epoch
            self._registration_error = e
        self._recovery = recovery.Recovery(epoch=last_epoch + 1, ts_started=now)
        self._audience = listeners.Audience(self, listeners.listeners(self, msgbus, self._journal))
        self._audience.open()
        self._desk = CommandDesk(
            self.trader_id.value,
            cache,
            self.log,
            self._journal,
            self._incoming.moment,
            self._guarded,
            self._decide,
            lambda: self._audience.is_busy,
        )
        # A bus passes on what comes from outside only if it streams the type
        msgbus.add_streaming_type(OperatorCommand)
        msgbus.register(COMMAND_ENDPOINT, self._desk.take)
        # Startup reconciliation is over when `on_start` is called
        for topic, handler in self._subscriptions():
            msgbus.subscribe(topic, handler)

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        """
        Register the event loop: the earliest sign that the kernel starts.

        System method (not intended to be called by user code).
        """
        super().register_executor(loop, executor)
        self._begin(loop)
        if self._registration_error is not None:
            self._break("taking the restored state", self._registration_error)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._guarded("opening the recovery"):
            self._loop = self._desk.loop = self._incoming.loop = loop
            self._node_start.begin(loop)
            self._decide(happened.KernelStarted(*self._incoming.moment()))
            self._beat()

    def _subscriptions(self) -> tuple[tuple[str, Callable[[Any], None]], ...]:
        return (
            (f"{ORDER_EVENTS}*", self._incoming.on_order_event),
            (f"{EXECUTION_REPORTS}*", self._incoming.on_report),
            (OperatorCommand.topic(), self._desk.take),
        )

    # -- LIFECYCLE --

    def on_start(self) -> None:
        """
        Note that the trader starts; the strategies follow in the same turn of the event loop.
        """
        with self._guarded("starting"):
            if isinstance(self.clock, TestClock):
                # Strategies start after actors, so the recovery ends when time first moves
                self.clock.set_time_alert_ns(
                    "RECOVERY-BACKTEST", self.clock.timestamp_ns(), self._on_backtest
                )
                return
            if self._loop is None:
                self._begin(asyncio.get_running_loop())
            assert self._loop is not None
            self._loop.call_soon(self._on_trader_started)
            if not self._pulse.is_armed:
                self._beat()  # The trader was stopped and starts again

    def on_resume(self) -> None:
        """
        Give signs of life again. An epoch that the stop ended stays ended.
        """
        with self._guarded("resuming"):
            self._decide(happened.TraderResumed(*self._incoming.moment()))
            if self._loop is not None:
                self._beat()

    def on_stop(self) -> None:
        """
        End an epoch that is still open, and leave the mark of a clean stop.
        """
        self._end()

    def on_dispose(self) -> None:
        """
        Leave the mark of a clean stop also when the trader never started.
        """
        self._end()
        self._audience.close()
        native.reports_added.disconnect(self._incoming.on_reports_added)
        self.msgbus.deregister(COMMAND_ENDPOINT, self._desk.take)
        for topic, handler in self._subscriptions():
            self.msgbus.unsubscribe(topic, handler)

    def _end(self) -> None:
        if not self._pulse.is_armed:
            return  # Not begun, or ended before
        with self._guarded("stopping"):
            self._decide(epoch.Stopped())
        self._pulse.cancel()
        self._heartbeats.write(self.epoch, self.phase, is_stopped=True)

    # -- WHAT COMES IN --

    def _on_trader_started(self) -> None:
        with self._guarded("starting"):
            self._decide(epoch.TraderStarted(*self._incoming.moment()))

    def _on_backtest(self, _: TimeEvent) -> None:
        with self._guarded("completing a backtest"):
            self._decide(happened.BacktestStarted(*self._incoming.moment()))

    # -- TIME --

    def _arm(self) -> None:
        wake_at = self._recovery.wake_at
        if self._loop is None or wake_at is None:
            self._alarm.cancel()
            return
        delay = max(wake_at - self.clock.timestamp_ns(), 0) / 1e9
        self._alarm.arm(self._loop, min(delay, PROBE_SECS) if self._recovery.is_starting else delay)

    def _on_alarm(self) -> None:
        if self._node_start.is_stopped:
            self._end()  # Whatever a venue answers after the stop is of no use
            return
        with self._guarded("waiting"):
            is_started = self._recovery.is_trader_started
            is_pending = None if is_started else self._node_start.is_pending
            self._decide(
                epoch.Woke(*self._incoming.moment(), is_pending, self._observer.disconnected())
            )

    def _beat(self) -> None:
        assert self._loop is not None
        self._heartbeats.write(self.epoch, self.phase)
        with self._guarded("looking at the connections"):
            self._decide(
                happened.Looked(
                    *self._incoming.moment(), disconnected=self._observer.disconnected()
                )
            )
        self._pulse.arm(self._loop, self._settings.heartbeat_secs)

    # -- WHAT FOLLOWS --

    def _decide(self, happening: Happening) -> None:
        self._recovery, actions = recovery.decide(self._recovery, happening, self._rules)
        self._follow(actions)

    def _follow(self, actions: Sequence[Action]) -> None:
        self._incoming.follow(self._recovery)
        for action in actions:
            self._carry_out(action)
        if self._pulse.is_armed:
            self._heartbeats.write_if_changed(self.epoch, self.phase)
        self._arm()

    def _carry_out(self, action: Action) -> None:  # noqa: C901  One case for each action
        match action:
            case happened.Open():
                self._open(action)
            case happened.Judge():
                judgment = verdict.judged(
                    self._observer.observation(self._recovery), self._rules.policy
                )
                self._decide(happened.Judged(*self._incoming.moment(), judgment=judgment))
            case happened.Fail():
                report = self._describe_failure(action)
                self._decide(
                    happened.Described(*self._incoming.moment(), failure=action, report=report)
                )
            case happened.End(kind, report):
                self._intake.end(is_complete=kind is MessageKind.COMPLETE)
                self._publish(kind, report)
            case happened.Revise(report):
                self._publish(MessageKind.OVERRIDDEN, report)
            case happened.Record(report):
                self._attempt("ending what was released", self._journal.record, report)
            case happened.Absorb():
                self._intake.absorb(self.cache)
            case happened.Log(severity, text):
                write(self.log, severity, text)
            case happened.Answer():
                self._desk.answer(action)
            case happened.Shutdown(reason):
                self.shutdown_system(reason)
                self._end()  # By the time actors are disposed of, 1.221 has closed the cache

    def _open(self, opening: happened.Open) -> None:
        self._intake.recovery_id = UUID4().value
        self._publish(
            MessageKind.STARTED, self._observer.opening_report(self._recovery)
        )  # Gates close first
        self._journal.begin(self.epoch)  # Without it the next run would count from there again
        emulated = native.emulated_orders(self.cache)
        if emulated:
            self.log.warning(
                "Orders that rest in the node itself are released at their trigger whatever the "
                f"recovery comes to: {', '.join(emulated)}",
            )
        if opening.is_at_runtime:
            self._intake.begin_at_runtime(self.cache)

    def _publish(self, kind: MessageKind, report: RecoveryReport) -> None:
        message = _MESSAGES[kind](
            trader_id=report.trader_id,
            recovery_id=report.recovery_id,
            epoch=report.epoch,
            report=report,
            ts_event=report.ts_completed or report.ts_started,
            ts_init=self.clock.timestamp_ns(),
        )
        self._audience.inform(listeners.News(message))

    def _describe_failure(self, failure: happened.Fail) -> RecoveryReport:
        if failure.is_stopping:
            # Half way through a reconciliation a comparison would report nothing but that
            return self._observer.opening_report(self._recovery)
        try:
            return verdict.describe(self._observer.observation(self._recovery), self._rules.policy)
        except Exception as e:  # The failure must be reported all the same
            self.log.exception("The recovery monitor raised while describing the recovery", e)
            return self._observer.opening_report(self._recovery)

    # -- WHAT RAISES --

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            self._break(doing, e)

    def _break(self, doing: str, error: Exception) -> None:
        self.log.exception(f"The recovery monitor raised while {doing}", error)
        message = f"The recovery monitor raised while {doing}: {error!r}"
        broke = happened.Broke(*self._incoming.moment(), message=message)
        self._recovery, actions = recovery.decide(self._recovery, broke, self._rules)
        for action in actions:  # Each of them, so that the epoch ends whatever raises again
            self._attempt("closing the gates", self._follow, (action,))

    def _attempt(self, doing: str, function: Callable[..., None], *args: Any) -> None:
        # For what must not change the outcome of an epoch
        try:
            function(*args)
        except Exception as e:
            self.log.exception(f"The recovery monitor raised while {doing}", e)

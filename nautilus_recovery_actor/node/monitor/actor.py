"""
The monitor on the node: its registration, its life with the trader (long: public docstrings).
"""

import asyncio
import random
from collections.abc import Callable
from collections.abc import Collection
from concurrent.futures import Executor
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.component import TimeEvent
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.names import ASK_ENDPOINT
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.core.names import EXECUTION_REPORTS
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.staleness import Restored
from nautilus_recovery_actor.host.heartbeats import Heartbeats
from nautilus_recovery_actor.host.log import left_no_report
from nautilus_recovery_actor.link.alarms import Alarm
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.kept import KeptStore
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.evidence.answers import Answers
from nautilus_recovery_actor.node.evidence.past import Past
from nautilus_recovery_actor.node.evidence.reporters import Reporters
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.listeners import Audience
from nautilus_recovery_actor.node.listeners import listeners
from nautilus_recovery_actor.node.monitor.asking import Asking
from nautilus_recovery_actor.node.monitor.connections import Connections
from nautilus_recovery_actor.node.monitor.decisions import Decisions
from nautilus_recovery_actor.node.monitor.incoming import Incoming
from nautilus_recovery_actor.node.monitor.losses import LostOrders
from nautilus_recovery_actor.node.monitor.operators import CommandDesk
from nautilus_recovery_actor.node.monitor.proofs import Proofs
from nautilus_recovery_actor.node.monitor.repair_events import RepairEvents
from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.node.monitor.unprotected import Look
from nautilus_recovery_actor.node.observing.current import Current
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer
from nautilus_recovery_actor.node.observing.start import PROBE_SECS
from nautilus_recovery_actor.node.observing.start import NodeStart


class RecoveryMonitorActor(Actor):
    """
    Watches the recovery of a node, proves its result and publishes one terminal message per epoch.

    Add it to the `actors` of a `TradingNodeConfig`, or with `node.trader.add_actor` before the node
    runs. `RecoveryStarted`, `RecoveryComplete` and `RecoveryFailed` go out on the topics
    ``data.<TypeName>*``. A late joiner sends a callable to the message bus endpoint
    ``RecoveryMonitor.ask`` and is called with the newest of them. An `OperatorCommand` is taken at
    the endpoint ``RecoveryMonitor.command``.

    Parameters
    ----------
    config : RecoveryMonitorConfig, optional
        The configuration.

    Raises
    ------
    RuntimeError
        On registration, if the node already has a monitor.

    """

    def __init__(self, config: RecoveryMonitorConfig | None = None) -> None:
        config = config or RecoveryMonitorConfig()
        super().__init__(config)
        self._settings = config
        self._rules = config.rules()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm = Alarm(self._on_alarm)
        self._pulse = Alarm(self._beat)
        self._connections = Connections(
            self, config, lambda: self.epoch, self._on_lease, self._on_command
        )
        self._node_start = NodeStart(self._end, self._warn, self._open_seam)
        self._is_ending = False
        self._registration_error: Exception | None = None

    # -- WHAT OTHERS READ --

    @property
    def epoch(self) -> int:
        """
        The number of the current epoch.
        """
        return self._decisions.recovery.epoch

    @property
    def phase(self) -> RecoveryPhase:
        """
        Where the current epoch stands.
        """
        return self._decisions.recovery.phase_at(len(self._intake.flagged))

    @property
    def report(self) -> RecoveryReport:
        """
        The report of the current epoch as of now, final once the epoch has ended.
        """
        return self._decisions.recovery.report or self._decisions.describe()

    def history(self) -> tuple[RecoveryReport, ...]:
        """
        Return the last reports on record, including those of previous runs, oldest first.
        """
        return self._journal.history()

    # -- REGISTRATION --

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        """
        Register with a trader, and take the state that the cache restored before it is reconciled.

        System method (not intended to be called by user code).
        """
        if ASK_ENDPOINT in msgbus.endpoints():
            raise RuntimeError(
                "The node already has a recovery monitor: "
                f"remove all but one from its actors (found with '{self.id}')"
            )
        self._connections.open(msgbus, clock, lambda: self._journal, self._on_storage)
        super().register_base(portfolio, msgbus, cache, clock)
        kept = KeptStore(cache, self._connections.is_forgone)
        self._journal = RecoveryJournal(kept, self._settings.history_size, self.log.warning)
        self._intake = Intake(ts_registered=clock.timestamp_ns())
        trader_id, ts_registered = self.trader_id.value, self._intake.ts_registered
        self._lost_orders = LostOrders(
            trader_id, ts_registered, cache, msgbus, self._journal, self.log
        )
        self._reporters = Reporters(cache, self._journal)
        self._observer = Observer(
            trader_id,
            self._intake,
            self._node_start,
            cache,
            self._lost_orders,
            self._reporters.sources,
            self._busy,
            self._rules,
        )
        self._evidence = Evidence(cache, msgbus, self._intake)
        self._evidence.open()
        self._audience = Audience(self, listeners(self, msgbus, self._journal))
        self._audience.open()
        self._lost_orders.open()
        self._past = Past(cache)
        self._seam = Seam(
            cache,
            msgbus,
            clock,
            self.log,
            self._settings.limits(),
            self._settings.corrected(),
            self._reporters,
            lambda account_id: self._asking.on_asked(account_id),  # noqa: PLW0108  Made below
            lambda: self._asking.on_idle(),  # noqa: PLW0108  Made below
            self._break_off,
        )
        events = RepairEvents(self.trader_id, cache, clock, self._intake.moves)
        self._decisions = Decisions(
            self,
            self._rules,
            self._intake,
            self._observer,
            self._evidence,
            self._journal,
            self._lost_orders,
            self._audience,
            self._on_decided,
            self._shut_down,
            lambda ask: self._asking.begin(ask),  # noqa: PLW0108  Made below
            self._prove,
            Repairs(cache, msgbus, events, self._past, self._seam),
            self._connections.answer,
        )
        self._heartbeats = Heartbeats(
            lambda: self._journal,
            self._settings.heartbeat_secs,
            self._settings.history_size,
            clock.timestamp_ns,
            self.log,
            Look(cache, self._intake, self._rules.policy).steps,
            lambda: self._intake.newest,
            lambda: self._connections.keeping,
            self._settings.prove_interval_secs,
            self._lost_orders.ts_stored,
        )
        answers = Answers(
            self._seam, self._reporters, cache, msgbus, clock, self._intake.counts, self._past
        )
        self._asking = Asking(answers, self._seam, self._decisions)
        current = Current(
            trader_id, self._intake, self._node_start, cache, self._reporters.sources, self._busy
        )
        self._proofs = Proofs(
            answers, current, self._decisions, lambda: self._seam.may_report_again
        )
        self._incoming = Incoming(self._intake, self._evidence, self._seam, cache, self._decisions)
        self._desk = CommandDesk(trader_id, self._decisions)
        try:
            # Epochs count on from the last that anything knows, whatever raises afterwards
            self._intake.last_heartbeat = self._journal.heartbeat()
            restored = Restored(
                is_stored=self._connections.keeping is not None
                and not internals.begins_empty(msgbus),
                epoch=self._journal.last_epoch(),
                heartbeat=self._intake.last_heartbeat,
                beside=self._connections.beside,
                elsewhere=self._connections.elsewhere,
                ts_registered=ts_registered,
            )
            self._decisions.recovery = Recovery(
                epoch=restored.newest_epoch + 1, ts_started=ts_registered
            )
            if (cut_short := self._journal.cut_short()) is not None:
                self.log.warning(left_no_report(cut_short))
            self._lost_orders.restore(restored)
            self._reporters.restore()
            internals.warn(self.log, internals.missing_at_registration())
            self._intake.take_restored(cache)
        except Exception as e:  # It must not keep the node from being built, and it ends the epoch
            self._registration_error = e
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

    def _on_storage(self) -> None:
        if self._pulse.is_armed:
            self._heartbeats.write(self.epoch, self.phase)

    def _on_lease(self, lease: Lease) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        if self._decisions.is_busy:
            self._loop.call_soon(self._on_lease, lease)
            return
        with self._decisions.guarded("taking note of the lease"):
            self._decisions.take_lease(lease)

    def _on_command(self, command: OperatorCommand, until: int) -> None:
        self._desk.take(command, until)

    def _warn(self, missing: tuple[internals.Reach, ...]) -> None:
        internals.warn(self.log, missing)

    def _open_seam(self, engine: ExecutionEngine) -> None:
        with self._decisions.guarded("wrapping the execution clients"):
            self._seam.open(engine)

    def _break_off(self, doing: str, error: Exception) -> None:
        self._decisions.break_off(doing, error)

    def _busy(self) -> Collection[str]:
        return self._seam.busy

    def _prove(self, prove: happened.Prove) -> None:
        if self._loop is not None:
            self._proofs.begin(self._loop, prove)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._decisions.guarded("opening the recovery"):
            self._loop = self._desk.loop = self._incoming.loop = self._asking.loop = loop
            self._decisions.loop = loop
            self._node_start.begin(loop)
            self._lost_orders.begin()
            chance = random.random()  # noqa: S311  It spreads questions, and hides nothing
            self._decisions.decide(happened.KernelStarted(*self._decisions.moment(), chance=chance))
            self._connections.begin(loop)
            self._look_at_lease()
        if self._loop is not None:
            self._beat()
        if self._registration_error is not None:
            self._decisions.break_off("taking the restored state", self._registration_error)

    def _look_at_lease(self) -> None:
        if (keeper := self._connections.keeper) is not None:
            self._on_lease(keeper.lease)

    def _subscriptions(self) -> tuple[tuple[str, Callable[[Any], None]], ...]:
        return (
            (f"{ORDER_EVENTS}*", self._incoming.on_order_event),
            (f"{EXECUTION_REPORTS}*", self._incoming.on_report),
        )

    # -- LIFECYCLE --

    def on_start(self) -> None:
        """
        Note that the trader starts; the strategies follow in the same turn of the event loop.
        """
        with self._decisions.guarded("starting"):
            if isinstance(self.clock, TestClock):
                # Strategies start after actors, so the recovery ends when time first moves
                self.clock.set_time_alert_ns(
                    "RECOVERY-BACKTEST", self.clock.timestamp_ns(), self._on_backtest
                )
                return
            if self._loop is None:
                self._begin(asyncio.get_running_loop())
            assert self._loop is not None
            self._decisions.decide(happened.TraderRuns(*self._decisions.moment()))
            self._loop.call_soon(self._on_trader_started)
            if not self._pulse.is_armed:
                self._beat()  # The trader was stopped and starts again

    def on_resume(self) -> None:
        """
        Give signs of life again. An epoch that the stop ended stays ended.
        """
        with self._decisions.guarded("resuming"):
            self._decisions.decide(happened.TraderRuns(*self._decisions.moment()))
            self._look_at_lease()  # It may have run out while the trader was stopped
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
        self._evidence.close()
        self._lost_orders.close()
        self._seam.close()
        self._connections.close(self.msgbus)
        self.msgbus.deregister(COMMAND_ENDPOINT, self._desk.take)
        for topic, handler in self._subscriptions():
            self.msgbus.unsubscribe(topic, handler)

    def _end(self) -> None:
        if not self._pulse.is_armed:
            return  # Not begun, or ended before
        self._is_ending = True
        self._asking.cancel()
        self._proofs.cancel()
        self._decisions.stop_judging()
        self._decisions.stop_repairing()
        with self._decisions.guarded("stopping"):
            self._decisions.decide(epoch.Stopped())
        self._is_ending = False
        self._pulse.cancel()
        self._heartbeats.write(self.epoch, self.phase, is_stopped=True)

    def _on_trader_started(self) -> None:
        with self._decisions.guarded("starting"):
            self._decisions.decide(epoch.TraderStarted(*self._decisions.moment()))

    def _on_backtest(self, _: TimeEvent) -> None:
        with self._decisions.guarded("completing a backtest"):
            self._decisions.decide(happened.BacktestStarted(*self._decisions.moment()))

    def _on_decided(self, recovery: Recovery) -> None:
        self._heartbeats.take(recovery.report, recovery.proving)
        if self._pulse.is_armed:
            self._heartbeats.write_if_changed(self.epoch, self.phase)
        self._arm(recovery)

    def _shut_down(self, reason: str) -> None:
        if self._is_ending:
            return
        self.shutdown_system(reason)
        self._end()  # By the time actors are disposed of, 1.221 has closed the cache

    # -- TIME --

    def _arm(self, recovery: Recovery) -> None:
        wake_at = recovery.wake_at
        if self._loop is None or self._loop.is_closed() or self._decisions.is_judging:
            self._alarm.cancel()
            return
        if wake_at is None:
            self._alarm.cancel()
            return
        if recovery.is_starting and self._alarm.is_armed:
            return  # However often something else happens, the start is looked at
        delay = max(wake_at - self.clock.timestamp_ns(), 0) / 1e9
        self._alarm.arm(self._loop, min(delay, PROBE_SECS) if recovery.is_starting else delay)

    def _on_alarm(self) -> None:
        if self._node_start.is_stopped:
            self._end()  # Whatever a venue answers after the stop is of no use
            return
        with self._decisions.guarded("waiting"):
            is_started = self._decisions.recovery.is_trader_running
            is_pending = None if is_started else self._node_start.is_pending
            self._decisions.decide(
                epoch.Woke(*self._decisions.moment(), is_pending, self._observer.disconnected())
            )

    def _beat(self) -> None:
        assert self._loop is not None
        self._pulse.arm(self._loop, self._settings.heartbeat_secs)
        self._heartbeats.beat(self._loop.call_soon, self.epoch, self.phase)
        with self._decisions.guarded("looking at the connections"):
            self._decisions.decide(
                happened.Looked(
                    *self._decisions.moment(), disconnected=self._observer.disconnected()
                )
            )

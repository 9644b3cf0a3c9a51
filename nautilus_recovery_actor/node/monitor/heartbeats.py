"""
The monitor's signs of life, in the cache and so in Redis.
"""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.actor import Actor

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.proving import Proving
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.monitor.unprotected import Unprotected
from nautilus_recovery_actor.node.observing.intake import Intake


class Heartbeats:
    """Writes the heartbeat, at every interval and whenever the phase has changed."""

    def __init__(
        self,
        config: RecoveryMonitorConfig,
        journal: RecoveryJournal,
        intake: Intake,
        monitor: Actor,
        ts_stored: Callable[[int], int],
        keeping: Callable[[], Keeping | None],
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = monitor.clock
        self._log = monitor.log
        self._ts_stored = ts_stored
        self._keeping = keeping
        self._unprotected = Unprotected(
            monitor.cache, intake, config.rules().policy, monitor.log, self._on_looked
        )
        self._proving = Proving()
        self._is_over = False
        self._written: tuple[int, RecoveryPhase] | None = None

    def take(self, report: RecoveryReport | None, proving: Proving) -> None:
        """Take the report of the current epoch, ``None`` if it goes on, and what was proven."""
        self._proving = proving
        self._unprotected.take(report)

    def beat(self, loop: asyncio.AbstractEventLoop, epoch: int, phase: RecoveryPhase) -> None:
        """Look at the positions and write it; once more if looking takes longer than that."""
        self._unprotected.look(loop)
        self.write(epoch, phase)

    def _on_looked(self) -> None:
        if self._written is not None and not self._is_over:
            self.write(*self._written)

    def write_if_changed(self, epoch: int, phase: RecoveryPhase) -> None:
        """Write it unless it says so: whoever looks must not trust an old permission."""
        if self._written != (epoch, phase):
            self.write(epoch, phase)

    def write(self, epoch: int, phase: RecoveryPhase, *, is_stopped: bool = False) -> None:
        """Write it. That it cannot be written changes no outcome."""
        self._written = (epoch, phase)
        ts = self._clock.timestamp_ns()
        self._is_over = is_stopped
        named, more = self._unprotected.first_few()
        keeping = self._keeping()
        heartbeat = Heartbeat(
            ts=ts,
            epoch=epoch,
            phase=phase,
            is_stopped=is_stopped,
            interval_secs=self._config.heartbeat_secs,
            history_size=self._config.history_size,
            ts_stored=self._ts_stored(ts),
            unprotected=named,
            unprotected_more=more,
            ts_proven=self._proving.ts_proven,
            prove_interval_secs=self._config.prove_interval_secs,
            storage=None if keeping is None else keeping.incidents,
            ts_gap=None if keeping is None else keeping.ts_gap,
            beats=None if keeping is None else keeping.count,
            ts_unanswered=None if is_stopped else self._proving.ts_unanswered,
        )
        try:
            self._journal.beat(heartbeat)
        except Exception as e:
            self._log.exception("The recovery monitor raised while writing its heartbeat", e)

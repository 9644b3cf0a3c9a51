"""
The monitor's signs of life, in the cache and so in Redis.
"""

from collections.abc import Callable

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.proving import Proving
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.host.unprotected import Soon
from nautilus_recovery_actor.host.unprotected import Steps
from nautilus_recovery_actor.host.unprotected import Unprotected
from nautilus_recovery_actor.link.log import Log


class Heartbeats:
    """Writes the heartbeat, at every interval and whenever the phase has changed."""

    def __init__(
        self,
        journal: Callable[[], RecoveryJournal | None],
        interval_secs: float,
        history_size: int,
        now: Callable[[], int],
        log: Log,
        look: Steps,
        newest: Callable[[], object],
        keeping: Callable[[], Keeping | None],
        prove_interval_secs: float | None = None,
        ts_stored: Callable[[int], int] | None = None,
    ) -> None:
        self._journal = journal
        self._interval_secs = interval_secs
        self._history_size = history_size
        self._now = now
        self._log = log
        self._keeping = keeping
        self._prove_interval_secs = prove_interval_secs
        self._ts_stored = ts_stored
        self._unprotected = Unprotected(look, newest, log, self._on_looked)
        self._proving = Proving()
        self._is_over = False
        self._written: tuple[int, RecoveryPhase] | None = None

    def take(self, report: RecoveryReport | None, proving: Proving) -> None:
        """Take the report of the current epoch, ``None`` if it goes on, and what was proven."""
        self._proving = proving
        self._unprotected.take(report)

    def beat(self, soon: Soon, epoch: int, phase: RecoveryPhase) -> None:
        """
        Look at the positions and write it; once more if looking takes longer than that. `soon` has
        something called after others had their turn.
        """
        self._unprotected.look(soon)
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
        self._is_over = is_stopped
        if (journal := self._journal()) is None:
            return
        ts, keeping = self._now(), self._keeping()
        named, more = self._unprotected.first_few()
        heartbeat = Heartbeat(
            ts=ts,
            epoch=epoch,
            phase=phase,
            is_stopped=is_stopped,
            interval_secs=self._interval_secs,
            history_size=self._history_size,
            ts_stored=None if self._ts_stored is None else self._ts_stored(ts),
            unprotected=named,
            unprotected_more=more,
            ts_proven=self._proving.ts_proven,
            prove_interval_secs=self._prove_interval_secs,
            storage=None if keeping is None else keeping.incidents,
            ts_gap=None if keeping is None else keeping.ts_gap,
            beats=None if keeping is None else keeping.count,
            ts_unanswered=None if is_stopped else self._proving.ts_unanswered,
        )
        try:
            journal.beat(heartbeat)
        except Exception as e:
            self._log.exception("The recovery monitor raised while writing its heartbeat", e)

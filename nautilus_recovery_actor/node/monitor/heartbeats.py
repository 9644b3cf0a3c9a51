"""
The monitor's signs of life, in the cache and so in Redis.
"""

from collections.abc import Callable

from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig


class Heartbeats:
    """Writes the heartbeat, at every interval and whenever the phase has changed."""

    def __init__(
        self,
        config: RecoveryMonitorConfig,
        journal: RecoveryJournal,
        clock: Clock,
        log: Logger,
        ts_stored: Callable[[int], int],
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._log = log
        self._ts_stored = ts_stored
        self._written: tuple[int, RecoveryPhase] | None = None

    def write_if_changed(self, epoch: int, phase: RecoveryPhase) -> None:
        """Write it unless it says so: whoever looks must not trust an old permission."""
        if self._written != (epoch, phase):
            self.write(epoch, phase)

    def write(self, epoch: int, phase: RecoveryPhase, *, is_stopped: bool = False) -> None:
        """Write it. That it cannot be written changes no outcome."""
        self._written = (epoch, phase)
        ts = self._clock.timestamp_ns()
        heartbeat = Heartbeat(
            ts=ts,
            epoch=epoch,
            phase=phase,
            is_stopped=is_stopped,
            interval_secs=self._config.heartbeat_secs,
            history_size=self._config.history_size,
            ts_stored=self._ts_stored(ts),
        )
        try:
            self._journal.beat(heartbeat)
        except Exception as e:
            self._log.exception("The recovery monitor raised while writing its heartbeat", e)

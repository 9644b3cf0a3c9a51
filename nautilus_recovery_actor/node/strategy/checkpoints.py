"""
The state of a strategy and its journal: what survives a kill.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Mapping

from nautilus_trader.common.component import TestClock
from nautilus_trader.common.enums import LogColor
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.checkpoint import newest_state
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.node.alarms import Alarm
from nautilus_recovery_actor.node.alarms import is_running_here
from nautilus_recovery_actor.node.config import strategy_settings


class Checkpoints:
    """Writes the state of a strategy, and restores it at its first start. Idle in a backtest."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._settings = strategy_settings(strategy.config)
        self._journal: CheckpointJournal | None = None
        self._errors: list[str] = []
        self._saved: Mapping[str, bytes] | None = None
        self._is_restored = False
        self._is_from_before = False  # Whether it began with the state of a run before
        # Why the gate must stay closed until the next start
        self.hold_reason: str | None = None
        self._last_error = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm = Alarm(self._on_alarm)

    def register(self) -> None:
        """Read what a run before has left, now that the strategy has a cache."""
        strategy = self._strategy
        if not isinstance(strategy.clock, TestClock):
            limit = self._settings.max_checkpoint_bytes
            self._journal = CheckpointJournal(strategy.cache, strategy.id.value, limit)
            self._errors = self._journal.restore()

    # -- WRITING --

    @property
    def may_write(self) -> bool:
        """Whether the strategy has taken up its last state, which it may then replace."""
        return self._journal is not None and self._is_restored and self.hold_reason is None

    def write_now(self) -> bool:
        """Write what `on_save` returns, from any thread, and return whether it is written now."""
        loop = self._loop
        if loop is not None and loop.is_running() and not is_running_here(loop):
            loop.call_soon_threadsafe(self._strategy.checkpoint)
        elif self.may_write:
            try:
                return self._write(self._strategy.on_save())
            except Exception as e:
                self._log_error(f"No checkpoint was written: `on_save` raised {e!r}")
        return False

    def save(self, save: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
        """Return the state for the native `save_state`, and write it too."""
        journal = self._journal
        if journal is not None and not self.may_write:
            return dict(newest_state(journal.newest, self._saved) or {})
        state = save()
        if journal is not None:
            self._write(state, is_saved=True)
        return state

    def _write(self, state: dict[str, bytes], *, is_saved: bool = False) -> bool:
        assert self._journal is not None
        try:
            if is_saved:
                self._journal.know(state)
            self._journal.write(state, self._strategy.clock.timestamp_ns())
            self._last_error = ""
        except Exception as e:
            self._log_error(f"No checkpoint was written: {e}")
            return False
        return True

    def _log_error(self, error: str) -> None:
        if error == self._last_error:
            return  # It may be so at every interval
        self._last_error = error
        last = None if self._journal is None else self._journal.newest
        stays = (
            f"the last one, number {last.sequence} of {moment(last.ts)} UTC, is kept"
            if last
            else "there is none yet"
        )
        self._strategy.log.error(f"{error}; {stays}")

    # -- RESTORING --

    def put_off(self, state: dict[str, bytes]) -> bool:
        """Keep a native state for `restore`, and return whether it waits for that."""
        if self._journal is None or self._is_restored:
            return False
        self._saved = state
        return True

    def restore(self, load: Callable[[dict[str, bytes]], None]) -> None:
        """Hand the newest state to `load`, before the first start of the strategy."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # Started by hand: there is no interval then
            self._loop = None
        if not self._is_restored:
            self._restore(load)
            self._is_restored = True

    def _restore(self, load: Callable[[dict[str, bytes]], None]) -> None:
        assert self._journal is not None
        strategy = self._strategy
        for error in self._errors:
            strategy.log.error(error)
        if self._errors and self._settings.on_bad_checkpoint == "hold":
            keys = " ".join(map(general_key, self._journal.damaged))
            self._hold(
                f"RECOVERY_BAD_CHECKPOINT: stop the node, `nautilus-recovery forget {keys}`, and "
                "start; or start with `on_bad_checkpoint='start'`"
            )
        if self._journal.is_stale:
            self._hold_stale()
        newest = self._journal.newest
        state = newest_state(newest, self._saved)
        if self._saved is not None:
            self._journal.know(self._saved)
        if not state:
            return
        self._is_from_before = True
        if newest is not None and state is newest.state:
            strategy.log.info(
                f"Restored from checkpoint {newest.sequence}, made at {moment(newest.ts)} UTC",
                LogColor.BLUE,
            )
        try:
            load(dict(state))
        except Exception as e:  # Logged by `load`
            self._hold(f"RECOVERY_HOOK_RAISED: {type(strategy).__name__}.on_load: {e!r}")

    def take(self, report: RecoveryReport) -> None:
        """Hold a checkpoint that may be older than what the strategy wrote last."""
        if report.stale_checkpoints and self._is_from_before and self.hold_reason is None:
            self._hold_stale()

    def _hold_stale(self) -> None:
        journal = self._journal
        assert journal is not None
        if self._settings.on_bad_checkpoint != "hold":
            self._strategy.log.warning(
                "Redis lost writes, and the state that this strategy began with may be old"
            )
            return
        journal.hold()
        keys = " ".join(map(general_key, journal.keys))
        self._hold(
            "RECOVERY_STALE_CHECKPOINT: Redis lost writes, and this strategy's state may be old; "
            "start with `on_bad_checkpoint='start'` if it is right, or stop the node, "
            f"`nautilus-recovery forget {keys}`, and start without it"
        )

    def _hold(self, reason: str) -> None:
        self.hold_reason = reason
        self._strategy.log.error(
            f"Trading stays disabled until the next start, and no checkpoint is written: {reason}"
        )

    # -- THE INTERVAL --

    def arm(self) -> None:
        """Write at each interval from now on."""
        if self._loop is None or self._settings.checkpoint_secs is None:
            self._alarm.cancel()  # Of a start that had a loop
        else:
            self._alarm.arm(self._loop, self._settings.checkpoint_secs)

    def disarm(self) -> None:
        """Write at no interval."""
        self._alarm.cancel()

    def _on_alarm(self) -> None:
        if self._strategy.is_running:
            self._strategy.checkpoint()
        self.arm()

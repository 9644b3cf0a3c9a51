"""
The state of a strategy and its journal: what survives a kill.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial

from nautilus_trader.common.component import TestClock
from nautilus_trader.common.enums import LogColor
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.checkpoint import newest_state
from nautilus_recovery_actor.core.names import WRITES_ENDPOINT
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.link.alarms import Alarm
from nautilus_recovery_actor.link.alarms import is_running_here
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.writes import Writes
from nautilus_recovery_actor.node.config import strategy_settings
from nautilus_recovery_actor.node.strategy.held import Held


class Checkpoints:
    """Writes the state of a strategy, and restores it at its first start. Idle in a backtest."""

    def __init__(self, strategy: Strategy, held: Held) -> None:
        self._strategy = strategy
        self._held = held
        self._settings = strategy_settings(strategy.config)
        self._journal: CheckpointJournal | None = None
        # Of the monitor's own connection, if it has one: otherwise the cache writes
        self._writes: Writes | None = None
        self._stored = 0  # The sequence of the newest checkpoint that is
        self._when_stored: list[tuple[int, Callable[[], None]]] = []
        self._errors: list[str] = []
        self._unread = ""
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
            self._find_writes(self._journal)

    def _find_writes(self, journal: CheckpointJournal) -> None:
        # Those of the monitor, which may be registered later than its strategies
        msgbus = self._strategy.msgbus
        if self._writes is None and WRITES_ENDPOINT in msgbus.endpoints():
            found: list[Writes] = []
            msgbus.send(WRITES_ENDPOINT, found.append)
            self._writes = writes = found[0]
            journal.add = self._put
            if self._is_restored:
                return  # The monitor came to a strategy that runs
            journal.restore(writes.get)
            try:
                self._errors += journal.restore(writes.read(journal.keys).get)
            except RedisUnusableError as e:
                self._unread = f"The newest checkpoint cannot be read: {e}"

    def meet(self) -> None:
        """Let the monitor that has come write from now on."""
        if self._journal is not None:
            self._find_writes(self._journal)

    # -- WRITING --

    @property
    def may_write(self) -> bool:
        """Whether the strategy has taken up its last state, which it may then replace."""
        return self._journal is not None and self._is_restored and self.hold_reason is None

    def ask(self) -> None:
        """Write what `on_save` returns, from any thread; what is submitted then waits for it."""
        if not self.may_write:
            return
        self._here(self._write_asked, self._held.expect() if self._writes is not None else None)

    def write(self) -> None:
        """Write what `on_save` returns, from any thread; nothing waits for it."""
        if self.may_write:
            self._here(self._write_state)

    def write_then(self, call: Callable[[], None]) -> None:
        """Write what `on_save` returns, and call something once that is stored."""
        if not self.may_write or not self._write_state():
            return
        assert self._journal is not None
        sequence = 0 if self._journal.newest is None else self._journal.newest.sequence
        if self._writes is None or sequence <= self._stored:
            call()
        else:
            self._when_stored.append((sequence, call))

    def _here(self, call: Callable[..., object], *args: object) -> None:
        loop = self._loop
        if loop is not None and loop.is_running() and not is_running_here(loop):
            loop.call_soon_threadsafe(call, *args)
        else:
            call(*args)

    def _write_asked(self, asked: int | None) -> None:
        self._write_state()
        if asked is not None:
            # If there is nothing new, or it cannot be kept, then what was made last
            assert self._journal is not None
            newest = self._journal.newest
            self._held.promise(asked, 0 if newest is None else newest.sequence)

    def _write_state(self) -> bool:
        if self.may_write:
            try:
                return self._write(self._strategy.on_save())
            except Exception as e:
                self._log_error(f"No checkpoint was written: `on_save` raised {e!r}")
        return False

    def _put(self, key: str, data: bytes) -> None:
        assert self._writes is not None
        assert self._journal is not None
        last = self._journal.newest
        sequence = 1 if last is None else last.sequence + 1  # The journal takes it when it is put
        self._writes.put(key, data, partial(self._on_stored, sequence))

    def _on_stored(self, sequence: int) -> None:
        self._stored = max(sequence, self._stored)
        due = [call for wanted, call in self._when_stored if wanted <= self._stored]
        self._when_stored = [one for one in self._when_stored if one[0] > self._stored]
        for call in due:
            call()
        self._held.stored(self._stored)

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
        journal = self._journal
        if not self._is_restored and journal is not None:
            # Once more: a monitor that waited for the lease has loaded the cache again
            self._errors = journal.restore()
            self._writes = None
            self._find_writes(journal)
            self._restore(load)
            self._is_restored = True
            self._stored = 0 if journal.newest is None else journal.newest.sequence
        self._held.begin(self._loop, self._stored, self._why_not_stored)

    def _why_not_stored(self) -> str:
        return "" if self._writes is None else self._writes.problem

    def _restore(self, load: Callable[[dict[str, bytes]], None]) -> None:
        assert self._journal is not None
        strategy = self._strategy
        for error in self._errors:
            strategy.log.error(error)
        if self._unread:
            strategy.log.error(self._unread)
        if self._unread and self._settings.on_bad_checkpoint == "hold":
            self._hold(
                f"RECOVERY_BAD_CHECKPOINT: {self._unread}: start again once it can be, or with "
                "`on_bad_checkpoint='start'`"
            )
        elif self._errors and self._settings.on_bad_checkpoint == "hold":
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

    def doubt(self) -> None:
        """Hold a checkpoint that may be older than what the strategy wrote last."""
        if self._is_from_before and self.hold_reason is None:
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
            self._write_state()
        self.arm()

"""
What the monitor keeps across restarts: the epoch, the heartbeat, the last reports and the lost
orders.

Each entry is overwritten in place, so that they do not pile up in Redis.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Annotated
from typing import Protocol
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.names import CHECKPOINT_KEY
from nautilus_recovery_actor.core.names import DAMAGED_CHECKPOINT_KEY
from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import HISTORY_KEY
from nautilus_recovery_actor.core.names import LOST_KEY
from nautilus_recovery_actor.core.names import REPORTING_KEY
from nautilus_recovery_actor.core.names import STALE_CHECKPOINT_KEY
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport


CHECKPOINT_SLOTS = 2

_Value = TypeVar("_Value")


# A number that a restart can go on from, in JSON and in Arrow alike
_Epoch = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Stamp(msgspec.Struct, frozen=True):
    # All that a restart needs of a stored report: the rest is read when it is asked for.
    epoch: _Epoch


class Store(Protocol):
    """What a journal writes to: the cache of a node, or anything with its two methods."""

    def get(self, key: str) -> bytes | None:
        """Return the value of `key`, ``None`` if there is none."""

    def add(self, key: str, value: bytes) -> None:
        """Write `value`, over the one before."""


class StorageIncident(msgspec.Struct, frozen=True):
    """
    Something that is the matter with the server of a cache.

    Parameters
    ----------
    kind : StorageTrouble
        What it is.
    ts : int
        When it was noticed (UNIX ns).
    text : str
        What happened, and what to do, in one line.
    is_over : bool, default False
        Whether it has ended. ``LOST`` ends with the process.
    is_rewritten : bool, default False
        Of ``LOST``: whether the monitor's own entries and all checkpoints are stored again.

    """

    kind: StorageTrouble
    ts: int
    text: str
    is_over: bool = False
    is_rewritten: bool = False


class Heartbeat(msgspec.Struct, frozen=True):
    """
    A sign of life.

    Parameters
    ----------
    ts : int
        When it was written (UNIX ns).
    epoch : int
        The epoch then.
    phase : RecoveryPhase
        The phase then.
    is_stopped : bool, default False
        Whether it is the last of a clean stop.
    interval_secs : float, optional
        The interval (seconds), in addition to one at each change of phase.
    history_size : int, optional
        How many reports are kept, which says where each one is.
    ts_stored : int, optional
        Whatever was sent before (UNIX ns) was stored, or was reported as lost. It is older than
        `ts` until the first recovery of a run has completed.
    unprotected : tuple[Discrepancy, ...], optional
        The first few open positions that no stop covers, ``None`` if they were not looked for.
    unprotected_more : int, default 0
        How many more there are.
    ts_proven : int, optional
        When the venues were last asked for what then proved to be so (UNIX ns).
    prove_interval_secs : float, optional
        How often they are asked (seconds), ``None`` if they are not.
    ts_unanswered : int, optional
        Since when a venue owes an answer (UNIX ns), ``None`` if none does.
    storage : tuple[StorageIncident, ...], optional
        What is the matter with the server of the cache, ``None`` if it is not watched.
    ts_gap : int, optional
        What was sent since (UNIX ns) may be missing, whatever `ts_stored` says: the server has lost
        or refused writes in this run.
    beats : int, optional
        How many heartbeats the server had acknowledged before, of all runs, by its own count.

    """

    ts: int
    epoch: int
    phase: RecoveryPhase
    is_stopped: bool = False
    interval_secs: float | None = None
    history_size: int | None = None
    ts_stored: int | None = None
    unprotected: tuple[Discrepancy, ...] | None = None
    unprotected_more: int = 0
    ts_proven: int | None = None
    prove_interval_secs: float | None = None
    storage: tuple[StorageIncident, ...] | None = None
    ts_gap: int | None = None
    beats: int | None = None
    ts_unanswered: int | None = None


class RecoveryJournal:
    """
    Keeps the epoch, the heartbeat, the reports and what is lost in the cache, and so in Redis.

    Nothing here blocks: the cache buffers what it writes. What cannot be read goes to `warn` in
    one line, and counts as absent.
    """

    def __init__(self, store: Store, history_size: int, warn: Callable[[str], None]) -> None:
        self._store = store
        self._history_size = history_size
        self._warn = warn

    def last_epoch(self) -> int:
        """Return the newest epoch on record, zero if there is none."""
        stored: int = self._read(EPOCH_KEY, _Epoch) or 0
        return max([stored, *(entry.epoch for entry in self._history(_Stamp))])

    def cut_short(self) -> int | None:
        """Return the newest epoch, if it has begun and left no report."""
        if not self._history_size or not (epoch := self._read(EPOCH_KEY, _Epoch)):
            return None
        kept = self._read(HISTORY_KEY.format(slot=epoch % self._history_size), _Stamp)
        return None if kept is not None and kept.epoch == epoch else epoch

    def begin(self, epoch: int) -> None:
        """Record that `epoch` has begun."""
        self._store.add(EPOCH_KEY, msgspec.json.encode(epoch))

    def heartbeat(self) -> Heartbeat | None:
        """Return the last sign of life, ``None`` if there is none."""
        return self._read(HEARTBEAT_KEY, Heartbeat)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Record a sign of life."""
        self._store.add(HEARTBEAT_KEY, msgspec.json.encode(heartbeat))

    def lost(self) -> tuple[LostOrder, ...] | None:
        """Return the lost orders that nobody has taken, ``None`` if there is no entry of them."""
        return self._read(LOST_KEY, tuple[LostOrder, ...])

    def record_lost(self, lost: Iterable[LostOrder]) -> None:
        """Keep the lost orders that nobody has taken."""
        self._store.add(LOST_KEY, msgspec.json.encode(tuple(lost)))

    def reporting(self) -> frozenset[str]:
        """Return the accounts that have ever reported a position."""
        return self._read(REPORTING_KEY, frozenset[str]) or frozenset()

    def record_reporting(self, accounts: Iterable[str]) -> None:
        """Keep the accounts that have ever reported a position."""
        self._store.add(REPORTING_KEY, msgspec.json.encode(sorted(accounts)))

    def record(self, report: RecoveryReport) -> None:
        """Keep the report of an epoch that ended, in place of the oldest."""
        if self._history_size:
            key = HISTORY_KEY.format(slot=report.epoch % self._history_size)
            self._store.add(key, report.to_bytes())

    def history(self) -> tuple[RecoveryReport, ...]:
        """Return the reports on record, the oldest first."""
        return tuple(sorted(self._history(RecoveryReport), key=lambda report: report.epoch))

    def keys(self, strategies: Iterable[str]) -> Iterator[str]:
        """Yield the keys of all that outlasts a run, and of the checkpoints of strategies."""
        yield from (EPOCH_KEY, LOST_KEY, REPORTING_KEY)
        for slot in range(self._history_size):
            yield HISTORY_KEY.format(slot=slot)
        for strategy_id in strategies:
            yield STALE_CHECKPOINT_KEY.format(strategy_id=strategy_id)
            for slot in range(CHECKPOINT_SLOTS):
                for key in (CHECKPOINT_KEY, DAMAGED_CHECKPOINT_KEY):
                    yield key.format(strategy_id=strategy_id, slot=slot)

    def value(self, key: str) -> bytes | None:
        """Return an entry as it is, ``None`` if there is none."""
        return self._store.get(key)

    def rewrite(self, key: str) -> None:
        """Store an entry again as it is."""
        if (data := self._store.get(key)) is not None:
            self._store.add(key, data)

    def _history(self, kind: type[_Value]) -> Iterator[_Value]:
        for slot in range(self._history_size):
            entry = self._read(HISTORY_KEY.format(slot=slot), kind)
            if entry is not None:
                yield entry

    def _read(self, key: str, kind: type[_Value]) -> _Value | None:
        data = self._store.get(key)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self._warn(f"Ignored the damaged entry '{key}' of the recovery history: {e}")
            return None

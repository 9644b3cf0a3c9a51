"""
The monitor's record in Redis, read from outside: the epoch, the heartbeat and the reports.

Nothing here changes anything, and nothing is read whose size was not asked for first.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from itertools import islice
from typing import Any
from typing import TypeVar

import msgspec
import redis

from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import HISTORY_KEY
from nautilus_recovery_actor.core.names import PREFLIGHT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.record import entries
from nautilus_recovery_actor.outside.record.entries import Broken
from nautilus_recovery_actor.outside.record.entries import DamagedError
from nautilus_recovery_actor.outside.record.entries import Record


_Value = TypeVar("_Value")

MAX_REPORT_BYTES = 64 * 1024 * 1024
_MAX_STAMP_BYTES = 16_384  # Of the epoch, and of the heartbeat

# How many slots are asked for at once, and how many at most: the monitor fills them from 1 on
_SLOTS = 1000
_MAX_SLOTS = 100_000
_BATCH_BYTES = 4 * 1024 * 1024

# Where a monitor keeps its newest report if its heartbeat does not say
_DEFAULT_HISTORY_SIZE = 100

# How far to look for anything of the trader (keys)
_LOOK = 100_000


class RecordReader:
    """What is on record of one trader."""

    def __init__(
        self, client: redis.Redis, namespace: Namespace, max_bytes: int | None = None
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._max_bytes = MAX_REPORT_BYTES if max_bytes is None else max_bytes

    def current(self) -> Record:
        """Return what is on record of the present."""
        found = self.stamps()
        if found.heartbeat is None:
            return found
        broken = list(found.broken)
        epoch = max(found.heartbeat.epoch, found.epoch or 0)
        size = found.heartbeat.history_size
        report = self._kept(epoch, _DEFAULT_HISTORY_SIZE if size is None else size, broken)
        return msgspec.structs.replace(found, report=report, broken=tuple(broken))

    def stamps(self) -> Record:
        """Return the heartbeat and the epoch, in one round trip."""
        broken: list[Broken] = []
        beat, begun = self._values([HEARTBEAT_KEY, EPOCH_KEY], _MAX_STAMP_BYTES)
        return Record(
            heartbeat=_decoded(HEARTBEAT_KEY, beat, entries.heartbeat, broken),
            epoch=_decoded(EPOCH_KEY, begun, entries.epoch, broken),
            broken=tuple(broken),
        )

    def refused(self) -> str:
        """Return why the server refuses writes, in its words, empty if it does not."""
        key = self._namespace.key(general_key(PREFLIGHT_KEY))
        try:
            self._client.set(key, "", xx=True)  # There is none, so that nothing is written
        except redis.exceptions.NoPermissionError:
            return ""  # Who asks may not write, which says nothing of the node
        except redis.exceptions.OutOfMemoryError as e:
            return f"OOM {e}"
        except redis.exceptions.ReadOnlyError as e:
            return f"READONLY {e}"
        except redis.ResponseError as e:
            return str(e)
        return ""

    def history(
        self, limit: int | None = None, kept: set[int] | None = None
    ) -> tuple[Iterator[RecoveryReport], list[Broken]]:
        """
        Return the newest reports, the newest first, each read when its turn comes. The epochs of
        all of them are added to `kept`.
        """
        broken: list[Broken] = []
        stamps = sorted(self._stamps(broken), reverse=True)
        if kept is not None:
            kept |= {epoch for epoch, _ in stamps}
        return islice(self._reports([slot for _, slot in stamps], broken), limit), broken

    def up_to(
        self, epoch: int, size: int | None, limit: int
    ) -> tuple[Iterator[RecoveryReport], list[Broken]]:
        """
        Return the reports of the last epochs up to one, the newest first, each read when its turn
        comes, where `size` of them are kept.
        """
        size = _DEFAULT_HISTORY_SIZE if size is None else size
        broken: list[Broken] = []
        epochs = range(epoch, max(epoch - min(limit, size), 0), -1)
        found = (self._kept(one, size, broken) for one in epochs)
        return (one for one in found if one is not None), broken

    def unreported(self, kept: Collection[int]) -> list[tuple[int, int]]:
        """Return which epochs have begun and left no report, though it would be kept."""
        found = self.stamps()
        beat = found.heartbeat
        size = _DEFAULT_HISTORY_SIZE
        if beat is not None and beat.history_size is not None:
            size = beat.history_size
        return unreported(kept, found.epoch or 0, size)

    def report(self, epoch: int) -> tuple[RecoveryReport | None, list[Broken]]:
        """Return the report of an epoch, and the entries that cannot be read."""
        broken: list[Broken] = []
        slots = [slot for found, slot in self._stamps(broken) if found == epoch]
        return next(self._reports(slots, broken), None), broken

    def is_known(self) -> bool:
        """
        Return whether the cache of a node has anything of the trader, as far as a short scan finds.
        """
        cursor = 0
        pattern = f"{literal(self._namespace.key(''))}*"
        for _ in range(_LOOK // _SLOTS):
            answer: Any = self._client.scan(cursor, match=pattern, count=_SLOTS)
            cursor, keys = answer
            if keys or not cursor:
                return bool(keys)
        return False

    def _kept(self, epoch: int, size: int, broken: list[Broken]) -> RecoveryReport | None:
        if size <= 0:
            return None
        report = self._read(HISTORY_KEY.format(slot=epoch % size), broken)
        return report if report is not None and report.epoch == epoch else None

    def _stamps(self, broken: list[Broken]) -> Iterator[tuple[int, int]]:
        # The epoch in each slot; what it says besides is not kept meanwhile
        for slots in self._batches(broken):
            keys = [HISTORY_KEY.format(slot=slot) for slot in slots]
            values = self._values(keys, self._max_bytes)
            for slot, key, data in zip(slots, keys, values, strict=True):
                epoch = _decoded(key, data, entries.report_epoch, broken)
                if epoch is not None:
                    yield epoch, slot

    def _batches(self, broken: list[Broken]) -> Iterator[list[int]]:
        for first in range(0, _MAX_SLOTS, _SLOTS):
            slots = range(first, first + _SLOTS)
            sizes = self._sizes([HISTORY_KEY.format(slot=slot) for slot in slots])
            if not any(sizes):
                return
            batch: list[int] = []
            total = 0
            for slot, size in zip(slots, sizes, strict=True):
                if not size:
                    continue
                if (why := _refusal(size, self._max_bytes)) is not None:
                    broken.append(Broken(HISTORY_KEY.format(slot=slot), why))
                    continue
                assert isinstance(size, int)
                if batch and total + size > _BATCH_BYTES:
                    yield batch
                    batch, total = [], 0
                batch.append(slot)
                total += size
            if batch:
                yield batch

    def _reports(self, slots: list[int], broken: list[Broken]) -> Iterator[RecoveryReport]:
        for slot in slots:
            key = HISTORY_KEY.format(slot=slot)
            if (report := self._read(key, broken)) is not None:
                yield report

    def _read(self, key: str, broken: list[Broken]) -> RecoveryReport | None:
        (size,) = self._sizes([key])
        if (why := _refusal(size, self._max_bytes)) is not None:
            broken.append(Broken(key, why))
            return None
        (data,) = self._values([key], self._max_bytes)
        return _decoded(key, data, entries.report, broken)

    def _sizes(self, keys: list[str]) -> list[Any]:
        return self._pipelined(keys, lambda pipe, key: pipe.strlen(key))

    def _values(self, keys: list[str], limit: int) -> list[Any]:
        # Not `GET`: it may have grown since
        return self._pipelined(keys, lambda pipe, key: pipe.getrange(key, 0, limit))

    def _pipelined(self, keys: list[str], ask: Callable[[Any, str], object]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            ask(pipe, self._namespace.key(general_key(key)))
        return pipe.execute(raise_on_error=False)


def unreported(kept: Collection[int], newest: int, size: int) -> list[tuple[int, int]]:
    """
    Return which of the last `size` epochs up to `newest` have no report: each run of them by its
    first and last, the newest first.
    """
    runs: list[tuple[int, int]] = []
    for epoch in range(newest, max(newest - size, 0), -1):
        if epoch in kept:
            continue
        if runs and runs[-1][0] == epoch + 1:
            runs[-1] = (epoch, runs[-1][1])
        else:
            runs.append((epoch, epoch))
    return runs


def _refusal(size: Any, limit: int) -> str | None:
    if isinstance(size, Exception):
        return _why(size)
    return None if size <= limit else f"{size:,} bytes, more than any report has"


def _decoded(
    key: str, data: Any, decode: Callable[[bytes], _Value], broken: list[Broken]
) -> _Value | None:
    if not data:
        return None  # There is none
    try:
        why = _why(data) if isinstance(data, Exception) else None
        if why is None:
            return decode(data)
    except DamagedError as e:
        why = one_line(str(e))
    broken.append(Broken(key, why))
    return None


def _why(error: Exception) -> str:
    # What a server says to one key concerns that key, all else concerns the server
    if "WRONGTYPE" in str(error):
        return "it is not a string"
    raise error

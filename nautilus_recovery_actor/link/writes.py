"""
Writes what must be stored before something else happens, and says when the server has it.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

import redis

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.server import Server


# How long an answer may take until what was sent is sent again
_ANSWER_SECS = 2.0
# What one strategy may write must not wait for what a thousand others do
_BATCH_BYTES = 1_000_000
# While it cannot be written it is tried again after this, and then less and less often
_FIRST_PAUSE_SECS = 0.1
_LAST_PAUSE_SECS = 1.0

_NOT_WRITTEN = "the lease of this trader is not this node's"


class Place(NamedTuple):
    """Whose lease allows to write, and whether the cache reads it at the next start."""

    token: Callable[[], str]
    is_taken: Callable[[], bool]
    is_restored: bool


class _Entry(NamedTuple):
    value: bytes
    on_stored: tuple[Callable[[], None], ...]


class Writes:
    """
    The entries of the cache that do not go through its buffer: one batch at a time, of each key the
    newest value only.
    """

    def __init__(self, server: Server, place: Place, log: Log) -> None:
        self._server = server
        self._place = place
        self._log = log
        self._writer, self._number = uuid4().hex, 0
        self._pending: dict[str, _Entry] = {}
        self._flying: dict[str, _Entry] = {}
        self._written: dict[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._unread = ""
        # Why what is to be written is not, empty while it is
        self.problem = ""

    @property
    def is_restored(self) -> bool:
        """Whether the cache reads at the next start what is written here."""
        return self._place.is_restored

    # -- READING --

    def get(self, key: str) -> bytes | None:
        """Return what this has written, or is about to: the cache does not know of it."""
        return self._written.get(key)

    def keys(self) -> tuple[str, ...]:
        """Return what this has written, or is about to."""
        return tuple(self._written)

    def read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """
        Return what a run before has written where the cache does not look. Waits for the server.

        Raises `RedisUnusableError` if it does not answer, and does not ask it again then.
        """
        if self._place.is_restored:
            return {}
        if self._unread:
            raise RedisUnusableError(self._unread)
        try:
            found = self._server.ask_now(scripts.READ, list(map(names.general_key, keys)))
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            self._unread = self._server.why(e)
            raise RedisUnusableError(self._unread) from e
        return {key: data for key, data in zip(keys, found, strict=True) if data is not None}

    # -- WRITING: on the thread of the loop --

    def put(self, key: str, value: bytes, on_stored: Callable[[], None] | None = None) -> None:
        """Write `value`, and call `on_stored` once that is on the server, or a newer one is."""
        before = self._pending.pop(key, None)
        calls = () if before is None else before.on_stored
        self._pending[key] = _Entry(value, calls if on_stored is None else (*calls, on_stored))
        self._written[key] = value
        self._go_on()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write from now on."""
        self._loop = loop
        self._go_on()

    def _go_on(self) -> None:
        is_idle = self._task is None or self._task.done()
        if is_idle and self._pending and self._loop is not None and not self._loop.is_closed():
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        pause_secs = _FIRST_PAUSE_SECS
        while self._pending and not self._place.is_taken():
            self._flying = self._batch()
            try:
                problem = await self._attempt()
            except BaseException:
                self._put_back()
                raise
            if problem:
                self._put_back()
                self._note(problem)
                await asyncio.sleep(pause_secs)
                pause_secs = min(pause_secs * 2, _LAST_PAUSE_SECS)
            else:
                written, self._flying = self._flying, {}
                pause_secs = _FIRST_PAUSE_SECS
                self._note("")
                self._tell(written)

    async def _attempt(self) -> str:
        entries, values = self._step(self._flying)
        keys = [self._server.namespace.where(entry) for entry in entries]
        try:
            async with asyncio.timeout(_ANSWER_SECS):
                is_written = await self._server.ask(scripts.WRITE, keys, *values)
        except (redis.RedisError, OSError) as e:  # Timeouts too
            return self._server.why(e)
        return "" if is_written else _NOT_WRITTEN

    def _batch(self) -> dict[str, _Entry]:
        batch: dict[str, _Entry] = {}
        size = 0
        for key, entry in self._pending.items():
            size += len(entry.value)
            if batch and size > _BATCH_BYTES:
                break
            batch[key] = entry
        for key in batch:
            del self._pending[key]
        return batch

    def _step(self, batch: dict[str, _Entry]) -> tuple[list[str], list[object]]:
        # Each attempt has a number of its own: what one before it sent may still come
        self._number += 1
        entries = [names.LEASE, names.WRITTEN, *map(names.general_key, batch)]
        values = [entry.value for entry in batch.values()]
        return entries, [self._place.token(), self._writer, self._number, *values]

    def _put_back(self) -> None:
        newer, self._pending, self._flying = self._pending, self._flying, {}
        for key, entry in newer.items():
            before = self._pending.pop(key, None)
            calls = () if before is None else before.on_stored
            self._pending[key] = entry._replace(on_stored=(*calls, *entry.on_stored))

    def _tell(self, written: dict[str, _Entry]) -> None:
        for entry in written.values():
            for call in entry.on_stored:
                try:
                    call()
                except Exception as e:  # It must not keep the others from being told
                    self._log.exception("What waited for a checkpoint raised", e)

    def _note(self, problem: str) -> None:
        if problem and not self.problem:
            self._log.warning(f"Checkpoints are not stored, they are tried again: {problem}")
        elif self.problem and not problem:
            self._log.info("Checkpoints are stored again")
        self.problem = problem

    # -- THE END --

    def close(self) -> None:
        """Write what is not written yet, and wait for the server, but not for long."""
        task, self._loop = self._task, None
        if task is not None and not task.done() and not task.get_loop().is_closed():
            task.cancel()
            if not task.get_loop().is_running():
                with suppress(asyncio.CancelledError):
                    task.get_loop().run_until_complete(task)
        self._put_back()
        if not self._pending or self._place.is_taken():
            return
        entries, values = self._step(self._pending)
        self._pending.clear()
        try:
            is_written = self._server.ask_now(scripts.WRITE, entries, *values)
            problem = "" if is_written else _NOT_WRITTEN
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            problem = self._server.why(e)
        if problem:
            self._log.error(f"The last checkpoints are not stored: {problem}")

    async def disconnect(self) -> None:
        """Close the connection, once nothing uses it any more."""
        try:
            if self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})
        finally:
            await self._server.close()

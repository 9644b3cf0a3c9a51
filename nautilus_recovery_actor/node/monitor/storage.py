"""
Notices that the server of the cache loses or refuses writes, and stores again what it can.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1

import redis
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Logger

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import storage
from nautilus_recovery_actor.core.checkpoint import is_checkpoint
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.staleness import Beside
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.core.storage import Sight
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.watch import Watch
from nautilus_recovery_actor.link.watch import beside
from nautilus_recovery_actor.link.writes import Writes
from nautilus_recovery_actor.node.internals import strategy_ids
from nautilus_recovery_actor.node.listeners.log import write


class Storage:
    """What the monitor knows of the server of the cache, told once for each incident."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        token: str,
        monitor: Actor,
        journal: Callable[[], RecoveryJournal],
        writes: Writes | None,
        epoch: Callable[[], int],
        on_changed: Callable[[], None],
    ) -> None:
        self._monitor = monitor
        self._journal = journal
        self._writes = writes
        self._on_changed = on_changed
        self._watch = Watch(server, heartbeat_secs, token, epoch, self._now, self._take)
        self._task: asyncio.Task[None] | None = None
        self._rewriting: asyncio.Task[None] | None = None
        self.keeping = Keeping()
        # What was stored under each key after a loss, by its digest
        self._found: dict[str, str] = {}

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the server with each heartbeat from now on."""
        if self._task is None:
            self._task = loop.create_task(self._watch.run())

    def close(self) -> None:
        """Look no more."""
        tasks = [one for one in (self._rewriting, self._task) if one is not None]
        self._task = self._rewriting = None
        for task in tasks:
            loop = task.get_loop()
            if not loop.is_closed():
                task.cancel()
                if not loop.is_running():
                    with suppress(asyncio.CancelledError):
                        loop.run_until_complete(task)

    def _now(self) -> int:
        ts: int = self._monitor.clock.timestamp_ns()
        return ts

    def _take(self, sight: Sight) -> None:
        # What raises here must not end the watch
        monitor = self._monitor
        try:
            before = self.keeping
            self.keeping, notices = storage.looked(before, sight, self._now())
            for notice in notices:
                write(monitor.log, notice.severity, notice.text)
                if notice.incident is not None and notice.incident.kind is StorageTrouble.LOST:
                    self._found.clear()
            if self.keeping.is_to_be_rewritten and not sight.refused:
                self._rewrite()
            if self.keeping.incidents != before.incidents:
                self._on_changed()
            for notice in notices:
                if notice.incident is not None:
                    signals.send(
                        signals.storage_changed,
                        monitor,
                        monitor.log.exception,
                        incident=notice.incident,
                    )
        except Exception as e:
            monitor.log.exception("The recovery monitor raised while looking at Redis", e)

    # -- WHAT IS STORED AGAIN --

    def _rewrite(self) -> None:
        if self._rewriting is None or self._rewriting.done():
            self._rewriting = asyncio.get_running_loop().create_task(self._rewritten())

    async def _rewritten(self) -> None:
        # Whether it is there is known at the next look, or at one after that
        try:
            missing, count = await self._missing()
            for key in missing:
                self._store_again(key)
                await asyncio.sleep(0)  # A history may be large
        except (redis.RedisError, OSError):
            return  # It is tried again
        except Exception as e:
            monitor = self._monitor
            monitor.log.exception("The recovery monitor raised while storing entries again", e)
            return
        if not missing:
            self._found.clear()
            self.keeping = self.keeping.rewritten()
            self._monitor.log.info(f"Stored in Redis again: {counted(count, 'entry')}")
            self._on_changed()

    async def _missing(self) -> tuple[list[str], int]:
        journal = self._journal()
        keys = journal.keys(strategy_ids(self._monitor.msgbus))
        values = {key: data for key in keys if (data := self._value(key)) is not None}
        stored = dict(zip(values, await self._watch.digests(tuple(values)), strict=True))
        missing = []
        for key, data in values.items():
            # What has changed since the loss was noticed was written since
            is_new = stored[key] and self._found.setdefault(key, stored[key]) != stored[key]
            if not is_new and stored[key] != sha1(data, usedforsecurity=False).hexdigest():
                missing.append(key)
        return missing, len(values)

    def _value(self, key: str) -> bytes | None:
        written = None if self._writes is None else self._writes.get(key)
        if self._writes is None or written is None:
            return self._journal().value(key)
        return written if self._writes.is_restored else None  # It is on another server

    def _store_again(self, key: str) -> None:
        value = self._value(key)  # It may have changed since it was missed
        if value is None:
            return
        if self._writes is not None and self._writes.is_restored and is_checkpoint(key):
            # What the cache writes later must not replace what is written past it
            self._writes.put(key, value)
        else:
            self._journal().rewrite(key)


def known_beside(server: Server | None, log: Logger) -> Beside | None:
    """Return what a server keeps beside the cache, ``None`` if it cannot be asked."""
    if server is None:
        return None
    try:
        return beside(server)
    except (redis.RedisError, RedisUnusableError, OSError) as e:
        log.warning(
            f"What {server.address} keeps beside the cache is not known: {one_line(str(e))}"
        )
        return None

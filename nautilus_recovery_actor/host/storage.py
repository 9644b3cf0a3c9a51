"""
Notices that the server of the cache loses or refuses writes, and stores again what it can.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha1

from nautilus_recovery_actor.core import storage
from nautilus_recovery_actor.core.checkpoint import is_checkpoint
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.staleness import Beside
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.core.storage import Sight
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.host.log import write
from nautilus_recovery_actor.link.client import UNANSWERED
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.watch import Watch
from nautilus_recovery_actor.link.watch import beside
from nautilus_recovery_actor.link.writes import Writes


class Storage:
    """What the monitor knows of the server of the cache, told once for each incident."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        token: str,
        log: Log,
        now: Callable[[], int],
        journal: Callable[[], RecoveryJournal],
        keys: Callable[[], Iterable[str]],
        writes: Writes | None,
        epoch: Callable[[], int],
        on_changed: Callable[[], None],
        on_incident: Callable[[StorageIncident], None],
    ) -> None:
        self._log = log
        self._now = now
        self._journal = journal
        self._keys = keys
        self._writes = writes
        self._on_changed = on_changed
        self._on_incident = on_incident
        self._watch = Watch(server, heartbeat_secs, token, epoch, now, self._take)
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

    def _take(self, sight: Sight) -> None:
        # What raises here must not end the watch
        try:
            before = self.keeping
            self.keeping, notices = storage.looked(before, sight, self._now())
            for notice in notices:
                write(self._log, notice.severity, notice.text)
                if notice.incident is not None and notice.incident.kind is StorageTrouble.LOST:
                    self._found.clear()
            if self.keeping.is_to_be_rewritten and not sight.refused:
                self._rewrite()
            if self.keeping.incidents != before.incidents:
                self._on_changed()
            for notice in notices:
                if notice.incident is not None:
                    self._on_incident(notice.incident)
        except Exception as e:
            self._log.exception("The recovery monitor raised while looking at Redis", e)

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
        except UNANSWERED:
            return  # It is tried again
        except Exception as e:
            self._log.exception("The recovery monitor raised while storing entries again", e)
            return
        if not missing:
            self._found.clear()
            self.keeping = self.keeping.rewritten()
            self._log.info(f"Stored in Redis again: {counted(count, 'entry')}")
            self._on_changed()

    async def _missing(self) -> tuple[list[str], int]:
        values = {key: data for key in self._keys() if (data := self._value(key)) is not None}
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


def known_beside(server: Server | None, log: Log) -> Beside | None:
    """Return what a server keeps beside the cache, ``None`` if it cannot be asked."""
    if server is None:
        return None
    try:
        return beside(server)
    except UNANSWERED as e:
        log.warning(
            f"What {server.address} keeps beside the cache is not known: {one_line(str(e))}"
        )
        return None

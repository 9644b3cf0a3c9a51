"""
A thread beside a node that has no event loop: what comes from Redis waits there for the node.

Of NautilusTrader only copies of orders and positions may be touched here: at anything else 2.0 ends
the process (seen on rc7).
"""

import asyncio
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.host import told
from nautilus_recovery_actor.host.storage import Storage
from nautilus_recovery_actor.host.storage import known_beside
from nautilus_recovery_actor.link.link import Link
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.stream import Entry
from nautilus_recovery_actor.link.stream import Stream


_END_SECS = 10.0


class Wire:
    """What comes from Redis, in `inbox`: the name of what it is, and its values."""

    def __init__(self, server: Server, heartbeat_secs: float, *, is_leased: bool) -> None:
        # What the lease says of the node: it is read on the thread
        self.epoch = 0
        self.inbox: SimpleQueue[tuple[str, tuple[Any, ...]]] = SimpleQueue()
        self.link = Link(
            server,
            heartbeat_secs,
            self,
            lambda: self.epoch,
            self._teller("lease") if is_leased else None,
            self._teller("command"),
            is_restored=True,
        )
        self.link.open(may_wait=True)
        self._stream = Stream(server.beside(), self, self._on_entries)
        # What the cache has restored, as far as it was asked for: it is read on the thread too
        self.restored: dict[str, bytes] = {}
        # What the server keeps beside the cache
        self.beside = known_beside(server, self)
        journal = RecoveryJournal(self, 0, self.warning)
        self.storage = Storage(
            server.beside(),
            heartbeat_secs,
            "" if self.link.keeper is None else self.link.keeper.token,
            self,
            time.time_ns,
            lambda: journal,
            self._keys,
            self.link.writes,
            lambda: self.epoch,
            self._teller("storage"),
            self._teller("incident"),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Keep the lease, hear commands and read the bus from now on."""
        self._thread.start()

    def _teller(self, what: str) -> Callable[..., None]:
        return lambda *values: self.inbox.put((what, values))

    def _on_entries(self, entries: Sequence[Entry]) -> None:
        try:
            for news in told.news(entries):
                self.inbox.put(("bus", (news,)))
        except Exception as e:  # What is missed may be just what it was about
            self.inbox.put(("raised", (e,)))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, suppress(RuntimeError):
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.link.begin(self._loop)
        self.storage.begin(self._loop)
        self._reading = self._loop.create_task(self._stream.read())
        await self._ended.wait()
        self._reading.cancel()
        self.storage.close()
        self.link.close()

    def _keys(self) -> Iterator[str]:
        # What outlasts a run: the heartbeat is written anew all the time
        return (
            key
            for key in {**self.restored, **dict.fromkeys(self.link.writes.keys())}
            if key != HEARTBEAT_KEY
        )

    # -- FROM THE NODE'S THREAD --

    def call(self, function: Callable[..., Any], *values: Any) -> None:
        """Have something done on the thread beside."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *values)

    def compute(self, function: Callable[[], Any], what: str, number: int) -> None:
        """Have something computed on a thread of its own: `what` comes of it, or ``raised``."""

        def done(future: asyncio.Future[Any]) -> None:
            if (error := future.exception()) is None:
                self.inbox.put((what, (number, future.result())))
            else:
                self.inbox.put(("raised", (error,)))

        self.call(lambda: self._loop.run_in_executor(None, function).add_done_callback(done))

    def get(self, key: str) -> bytes | None:
        """Return what was written here, or was asked for before."""
        written = self.link.writes.get(key)
        return self.restored.get(key) if written is None else written

    def add(self, key: str, value: bytes, on_stored: Callable[[], None] | None = None) -> None:
        """Write an entry of the cache, unless another node has the lease."""
        self.call(self.link.writes.put, key, value, on_stored)

    def close(self) -> None:
        """Write what is left, and give the lease back. Waits for it, but not for long."""
        if self._thread.is_alive():
            self.call(self._ended.set)
            self._thread.join(_END_SECS)

    # -- THE LOG --

    def info(self, message: str, /) -> None:
        """Have the node log it."""
        self.inbox.put(("info", (message,)))

    def warning(self, message: str, /) -> None:
        """Have the node log it."""
        self.inbox.put(("warning", (message,)))

    def error(self, message: str, /) -> None:
        """Have the node log it."""
        self.inbox.put(("error", (message,)))

    def exception(self, message: str, ex: Exception, /) -> None:
        """Have the node log it."""
        self.inbox.put(("error", (f"{message}: {ex!r}",)))

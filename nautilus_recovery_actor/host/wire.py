"""
A thread beside a node that has no event loop: what comes from Redis waits there for the node.

Nothing of NautilusTrader may be touched here: 2.0 ends the process then (seen on rc7).
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from nautilus_recovery_actor.link.link import Link
from nautilus_recovery_actor.link.server import Server
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
        self._stream = Stream(server.beside(), self, self._teller("bus"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Keep the lease, hear commands and read the bus from now on."""
        self._thread.start()

    def _teller(self, what: str) -> Callable[..., None]:
        return lambda *values: self.inbox.put((what, values))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, suppress(RuntimeError):
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.link.begin(self._loop)
        self._reading = self._loop.create_task(self._stream.read())
        await self._ended.wait()
        self._reading.cancel()
        self.link.close()

    # -- FROM THE NODE'S THREAD --

    def call(self, function: Callable[..., Any], *values: Any) -> None:
        """Have something done on the thread beside."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *values)

    def get(self, key: str) -> bytes | None:
        """Return what was written here."""
        return self.link.writes.get(key)

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

"""
The connection of a trading or data client to a paper venue, which reconnects by itself.
"""

import asyncio
import itertools
from collections.abc import Awaitable
from collections.abc import Callable
from typing import TypeVar

from nautilus_recovery_actor.testkit.wire import MAX_LINE_BYTES
from nautilus_recovery_actor.testkit.wire import Call
from nautilus_recovery_actor.testkit.wire import CallError
from nautilus_recovery_actor.testkit.wire import Push
from nautilus_recovery_actor.testkit.wire import Reply
from nautilus_recovery_actor.testkit.wire import decode


R = TypeVar("R")

_BACKOFF_SECS = (0.02, 0.05, 0.1, 0.25, 0.5)


class VenueConnection:
    """A connection to a paper venue that is opened again, with a small backoff, when it drops."""

    def __init__(
        self,
        host: str,
        port: int,
        hello: Call[None],
        on_push: Callable[[Push], None],
        on_reconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._hello = hello
        self._on_push = on_push
        self._on_reconnect = on_reconnect
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._opened = asyncio.Event()
        self._is_past_hello = False
        self._running: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect, trying again until the venue answers."""
        self._running = asyncio.create_task(self._run(), name="paper-venue-connection")
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({opened, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                self._running.result()
        finally:
            opened.cancel()

    async def close(self) -> None:
        """Close the connection for good."""
        for task in (self._reconnecting, self._running):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._opened.clear()

    def send(self, call: Call[R], request_id: int = 0) -> None:
        """Send a call, and do not wait for its reply."""
        if self._writer is None:
            raise CallError(f"no connection to the paper venue {self._host}:{self._port}")
        self._writer.write(call.line(request_id))

    async def request(self, call: Call[R]) -> R:
        """Send a call, and return what it returned."""
        request_id = next(self._ids)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = future
        try:
            self.send(call, request_id)
            return call.result(await future)
        finally:
            del self._replies[request_id]

    async def _run(self) -> None:
        failures = 0
        while True:
            self._is_past_hello = False
            try:
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, limit=MAX_LINE_BYTES
                )
                try:
                    writer.write(self._hello.line())
                    await self._read(reader, writer)
                finally:
                    self._lose(writer)
            except OSError:
                pass  # Refused or reset: tried again below
            failures = 0 if self._is_past_hello else failures + 1
            await asyncio.sleep(_BACKOFF_SECS[min(failures, len(_BACKOFF_SECS) - 1)])

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = decode(line)
            if isinstance(message, Push):
                self._on_push(message)
            elif not isinstance(message, Reply):
                continue  # The venue sends no requests
            elif self._is_past_hello:
                future = self._replies.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
            else:
                self._hello.result(message)
                self._gain(writer)

    def _gain(self, writer: asyncio.StreamWriter) -> None:
        self._is_past_hello = True
        self._writer = writer
        if self._opened.is_set() and self._on_reconnect is not None:
            self._reconnecting = asyncio.ensure_future(self._on_reconnect())
        self._opened.set()

    def _lose(self, writer: asyncio.StreamWriter) -> None:
        self._writer = None
        writer.close()
        for future in self._replies.values():
            if not future.done():
                error = CallError(f"connection to {self._host}:{self._port} lost")
                future.set_exception(error)

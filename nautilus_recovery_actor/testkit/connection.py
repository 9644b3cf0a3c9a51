"""
The connection of a trading or data client to a paper venue, which heals by itself.
"""

import asyncio
import itertools
from collections.abc import Awaitable
from collections.abc import Callable
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.testkit import protocol as p


R = TypeVar("R", bound=p.Reply)

_BACKOFF_SECS = (0.02, 0.05, 0.1, 0.25, 0.5)


class VenueRequestError(Exception):
    """
    Raised when the venue answers a request with an error, or the connection is lost before.
    """


class VenueConnection:
    """
    A connection to a paper venue that is opened again, with a small backoff, when it drops.

    Parameters
    ----------
    host : str
        The host of the venue.
    port : int
        The port of the venue.
    hello : HelloTrading or HelloData
        The first request of every connection.
    on_push : Callable[[Push], None]
        Called with every message that is not a reply.
    on_reconnect : Callable[[], Awaitable[None]], optional
        Awaited after every connection but the first.

    """

    def __init__(
        self,
        host: str,
        port: int,
        hello: p.HelloTrading | p.HelloData,
        on_push: Callable[[p.Push], None],
        on_reconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._hello = hello
        self._on_push = on_push
        self._on_reconnect = on_reconnect
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[p.Reply]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._opened = asyncio.Event()
        self._is_past_hello = False
        self._running: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """
        Return whether the connection is up.
        """
        return self._writer is not None

    async def open(self) -> None:
        """
        Connect, trying again until the venue answers.

        Raises
        ------
        VenueRequestError
            If the venue answers that it does not take this client.

        """
        self._running = asyncio.create_task(self._run(), name="paper-venue-connection")
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({opened, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                self._running.result()
        finally:
            opened.cancel()

    async def close(self) -> None:
        """
        Close the connection for good.
        """
        for task in (self._reconnecting, self._running):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._opened.clear()

    def send(self, request: p.AnyRequest) -> None:
        """
        Send a request, and do not wait for its reply.

        Raises
        ------
        VenueRequestError
            If the connection is down.

        """
        if self._writer is None:
            raise VenueRequestError(f"no connection to the paper venue {self._host}:{self._port}")
        self._writer.write(p.encode(request))

    async def request(self, request: p.AnyRequest, reply: type[R]) -> R:
        """
        Send a request and return its reply.

        Raises
        ------
        VenueRequestError
            If the venue answers with an error, or the connection is down or drops meanwhile.

        """
        request_id = next(self._ids)
        future: asyncio.Future[p.Reply] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = future
        try:
            self.send(msgspec.structs.replace(request, id=request_id))
            answer = await future
        finally:
            del self._replies[request_id]
        if isinstance(answer, p.Failed):
            raise VenueRequestError(f"{type(request).__name__}: {answer.message}")
        if not isinstance(answer, reply):
            raise VenueRequestError(f"{type(request).__name__}: got {type(answer).__name__}")
        return answer

    async def _run(self) -> None:
        failures = 0
        while True:
            self._is_past_hello = False
            try:
                reader, writer = await asyncio.open_connection(
                    self._host,
                    self._port,
                    limit=p.MAX_LINE_BYTES,
                )
                try:
                    writer.write(p.encode(self._hello))
                    await self._read(reader, writer)
                finally:
                    self._lose(writer)
            except OSError:
                pass  # Refused or reset: tried again below
            failures = 0 if self._is_past_hello else failures + 1
            await asyncio.sleep(_BACKOFF_SECS[min(failures, len(_BACKOFF_SECS) - 1)])

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = p.decode(line)
            if isinstance(message, p.Push):
                self._on_push(message)
            elif not isinstance(message, p.Reply):
                continue  # The venue sends no requests
            elif self._is_past_hello:
                future = self._replies.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
            elif isinstance(message, p.Done):
                self._gain(writer)
            elif isinstance(message, p.Failed):
                raise VenueRequestError(f"{type(self._hello).__name__}: {message.message}")

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
                future.set_exception(
                    VenueRequestError(f"connection to {self._host}:{self._port} lost"),
                )

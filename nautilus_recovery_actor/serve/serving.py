"""
The process of a board: it answers a bounded number of connections, and ends when it is asked to.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol


# How many connections are answered, and how many are held open to say that there are too many
_ANSWERED = 200
_HELD = 256
_BACKLOG = 128
# How long a connection may be open without a request (seconds)
_IDLE_SECS = 10.0
_KEEP_ALIVE_SECS = 5
# At how many looks in a row something of an answer may not have been taken yet
_MOST_LOOKS = 3
_SHUTDOWN_SECS = 1

_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class _Connection(H11Protocol):
    # Who opens connections and asks nothing must not take up what others need

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._looks = 0
        if len(self.connections) > _HELD:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._look = self.loop.call_later(_IDLE_SECS, self._end_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        if (look := getattr(self, "_look", None)) is not None:
            look.cancel()
        super().connection_lost(exc)

    def _end_if_idle(self) -> None:
        is_unsent = self.transport.get_write_buffer_size() > 0
        self._looks = self._looks + 1 if is_unsent else 0
        if self._looks >= _MOST_LOOKS:
            # Closing would wait until it is taken
            self.transport.abort()
        elif not is_unsent and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            self._look = self.loop.call_later(_IDLE_SECS, self._end_if_idle)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # They are handled below: a clean end is not one by a signal

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound. Raises ``OSError``."""
    (family, _, _, _, where), *_ = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(where)
    except BaseException:
        made.close()
        raise
    return made


def serve(app: Starlette, at: socket.socket, announce: Callable[[], None]) -> None:
    """Answer until the process is asked to end by ``SIGINT`` or ``SIGTERM``."""
    asyncio.run(_serve(app, at, announce))


async def _serve(app: Starlette, at: socket.socket, announce: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_ANSWERED,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECS,
        timeout_graceful_shutdown=_SHUTDOWN_SECS,
    )
    server = _Server(config, announce)

    def end() -> None:
        app.state.live.close()  # Or the pages that are open would be waited for
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, end)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
    await server.serve([at])

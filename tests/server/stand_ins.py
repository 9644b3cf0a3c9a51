"""
Servers that are not Redis, or stand before one.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator


Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def listening(serve: Serve, host: str = "127.0.0.1") -> Iterator[int]:
    """
    Serve each connection in a thread of its own, and yield the port.
    """
    listener = socket.create_server((host, 0))
    connections: list[socket.socket] = []

    def run(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=run, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def never_answers(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closes_at_once(connection: socket.socket) -> None:
    connection.close()


def says(answer: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(answer)

    return serve


def drips(connection: socket.socket) -> None:
    """
    Answer a byte now and then, so that no single read ever waits for long.
    """
    connection.recv(4096)
    while True:
        connection.sendall(b"+")
        time.sleep(0.05)


def passes_to(
    port: int,
    *,
    delay_secs: float = 0.0,
    rewrite: Callable[[bytes], bytes] = bytes,
    ask: Callable[[bytes], bytes] = bytes,
    tls: ssl.SSLContext | None = None,
) -> Serve:
    """
    Stand before the server at a port, and change what it is asked and what it answers.
    """

    def serve(connection: socket.socket) -> None:
        client = tls.wrap_socket(connection, server_side=True) if tls else connection
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            forward = threading.Thread(target=_copy, args=(client, server, ask), daemon=True)
            forward.start()

            def late(data: bytes) -> bytes:
                time.sleep(delay_secs)
                return rewrite(data)

            _copy(server, client, late)
            forward.join()

    return serve


def _copy(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(change(data))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

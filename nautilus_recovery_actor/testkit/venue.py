"""
The paper venue's server: the paper exchange behind a TCP port, in a process of its own.

Started with ``python -m nautilus_recovery_actor.testkit.venue --port 0``, it prints one JSON line
with its port and keeps running, while trading nodes come and go, until it is asked to shut down or,
with ``--exit-with-parent``, until its standard input is closed.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.testkit.controls import Controls
from nautilus_recovery_actor.testkit.exchange import ExchangeError
from nautilus_recovery_actor.testkit.session import Session
from nautilus_recovery_actor.testkit.wire import MAX_LINE_BYTES
from nautilus_recovery_actor.testkit.wire import CallError
from nautilus_recovery_actor.testkit.wire import Failed
from nautilus_recovery_actor.testkit.wire import Request
from nautilus_recovery_actor.testkit.wire import answer
from nautilus_recovery_actor.testkit.wire import decode
from nautilus_recovery_actor.testkit.wire import perform


class Server:
    """Answer the calls of all connections."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it closes."""
        session = Session(writer, self._controls)
        self._controls.peers.add(session)
        try:
            while line := await reader.readline():
                await self._controls.until_heard(session)
                self._receive(session, line)
                self._controls.check_conditions()
        except ConnectionError:
            pass  # A killed node resets its connection: the end of the session as well
        finally:
            self._controls.peers.discard(session)
            session.close()
            self._controls.check_conditions()

    def _receive(self, session: Session, line: bytes) -> None:
        try:
            request = decode(line)
        except msgspec.MsgspecError as e:
            session.send(Failed(message=f"not a message of the paper venue protocol: {e}"))
            return
        if not isinstance(request, Request):
            session.send(Failed(message=f"{type(request).__name__} is not a request"))
            return
        try:
            value = perform(request, session, self._controls, self._controls.exchange)
        except (CallError, ExchangeError) as e:
            session.send(Failed(id=request.id, message=str(e)))
            return
        if isinstance(value, Coroutine):
            self._controls.start(self._answer_later(session, request.id, value))
        else:
            session.send(answer(request.id, value))

    async def _answer_later(
        self, session: Session, request_id: int, value: Coroutine[Any, Any, Any]
    ) -> None:
        try:
            session.send(answer(request_id, await value))
        except ExchangeError as e:
            session.send(Failed(id=request_id, message=str(e)))


async def run(port: int, prefix: str, fee_rate: Decimal, exit_with_parent: bool) -> None:
    """Serve on 127.0.0.1 until asked to shut down."""
    controls = Controls(prefix=prefix, fee_rate=fee_rate)
    serve = Server(controls).serve
    try:
        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=MAX_LINE_BYTES)
    except OSError as e:
        _say(error=f"port {port} cannot be used ({os.strerror(e.errno or 0)}): give another one")
        return
    _say(port=server.sockets[0].getsockname()[1])
    if exit_with_parent:
        stdin = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        end_of_input = loop.create_task(stdin.read())
        end_of_input.add_done_callback(lambda _: controls.closed.set())
    await controls.closed.wait()
    server.close()


def _say(**fields: Any) -> None:
    with suppress(BrokenPipeError):  # Who started it was interrupted, and has gone
        os.write(sys.stdout.fileno(), f"{json.dumps(fields)}\n".encode())


def main() -> None:
    """Run the server from the command line."""
    parser = argparse.ArgumentParser(prog="python -m nautilus_recovery_actor.testkit.venue")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 for a free one")
    parser.add_argument("--prefix", default="PAPER", help="starts every venue order and trade ID")
    parser.add_argument("--fee-rate", type=Decimal, default=Decimal(0), help="fraction of notional")
    parser.add_argument("--exit-with-parent", action="store_true", help="end with standard input")
    args = parser.parse_args()
    asyncio.run(run(args.port, args.prefix, args.fee_rate, args.exit_with_parent))


if __name__ == "__main__":
    main()

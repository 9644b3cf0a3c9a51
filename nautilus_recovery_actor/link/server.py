"""
The Redis server of a node, asked in time.
"""

from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.client import SOCKET_SECS
from nautilus_recovery_actor.link.client import answered
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.link.client import connect_async
from nautilus_recovery_actor.link.client import disconnect
from nautilus_recovery_actor.link.client import in_words


# How long a node may be held up at its registration by one question
_AT_REGISTRATION_SECS = 2.0


class Server:
    """Where what a monitor keeps beside the cache is, and how to ask there."""

    def __init__(self, url: str, namespace: Namespace) -> None:
        self._url = url
        self.namespace = namespace
        self.address = address(url)
        self._client: redis.asyncio.Redis | None = None

    def ask_now(self, script: str, names: Sequence[str], *values: object) -> Any:
        """Ask and wait for it: only before the event loop runs, or when it is over."""
        keys = [self.namespace.where(name) for name in names]
        with connect(self._url, _AT_REGISTRATION_SECS) as client:
            return client.eval(script, len(keys), *keys, *values)

    async def ask(self, script: str, keys: Sequence[str], *values: object) -> Any:
        """Ask for one step of the server's, with whole keys."""
        return await self._answered(lambda client: client.eval(script, len(keys), *keys, *values))

    async def command(self, *words: object) -> Any:
        """Send one command."""
        return await self._answered(lambda client: client.execute_command(*words))

    async def _answered(self, call: Any) -> Any:
        if self._client is None:
            self._client = connect_async(self._url, SOCKET_SECS)
        # A host name that does not resolve, and a server that sends one byte a second, know no
        # timeout of a socket
        return await answered(call(self._client), SOCKET_SECS * 2)

    def beside(self) -> "Server":
        """Return it with a connection of its own, which no other question holds up."""
        return Server(self._url, self.namespace)

    def why(self, error: BaseException) -> str:
        """Return where an error came from, and what it says."""
        return f"{self.address}: {in_words(error)}"

    def listener(self) -> redis.asyncio.Redis:
        """Return a client of its own for who waits for what comes. Disconnect it."""
        return connect_async(self._url, None)

    async def close(self) -> None:
        """Close the connection; it is made anew when it is needed."""
        client, self._client = self._client, None
        if client is not None:
            await disconnect(client)

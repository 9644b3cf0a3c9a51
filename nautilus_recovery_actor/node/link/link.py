"""
What a monitor does with its own connection to Redis.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.node.link.lease import LeaseKeeper
from nautilus_recovery_actor.node.link.server import Server
from nautilus_recovery_actor.node.link.writes import Place
from nautilus_recovery_actor.node.link.writes import Writes


class Link:
    """The monitor's own connection to Redis: the lease of its trader, and what must be stored."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Logger,
        epoch: Callable[[], int],
        on_lease: Callable[[Lease], None] | None,
        *,
        is_restored: bool,
    ) -> None:
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self.keeper = (
            None if on_lease is None else LeaseKeeper(server, heartbeat_secs, log, epoch, on_lease)
        )
        self.writes = Writes(server.beside(), Place(self._token, self._is_taken, is_restored), log)

    def _token(self) -> str:
        return "" if self.keeper is None else self.keeper.token

    def _is_taken(self) -> bool:
        return self.keeper is not None and self.keeper.lease.standing is Standing.TAKEN

    def open(self) -> None:
        """
        Take the lease, before the event loop runs.

        Raises `AnotherNodeError` if another node holds it.
        """
        if self.keeper is not None:
            self.keeper.take()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep it from now on."""
        self._task = loop.create_task(self._run())
        self.writes.begin(loop)

    async def _run(self) -> None:
        try:
            if self.keeper is not None:
                await self.keeper.keep()
        finally:  # In which it may be canceled once more
            try:
                await self._server.close()
            finally:
                await self.writes.disconnect()

    def close(self) -> None:
        """Write what is left, and give the lease back, when the node is disposed of."""
        self.writes.close()
        if self.keeper is not None:
            self.keeper.give_back()
        if self._task is None:
            return
        task, self._task = self._task, None
        loop = task.get_loop()
        if not loop.is_closed():
            task.cancel()
            if not loop.is_running():
                with suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)

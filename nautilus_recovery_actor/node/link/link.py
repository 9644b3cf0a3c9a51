"""
What a monitor does with its own connection to Redis.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.node.link.lease import LeaseKeeper
from nautilus_recovery_actor.node.link.server import Server


class Link:
    """The monitor's own connection to Redis: the lease of its trader."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Logger,
        epoch: Callable[[], int],
        on_lease: Callable[[Lease], None] | None,
    ) -> None:
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self.keeper = (
            None if on_lease is None else LeaseKeeper(server, heartbeat_secs, log, epoch, on_lease)
        )

    def open(self, *, may_wait: bool) -> None:
        """
        Take the lease, before the event loop runs.

        Raises `AnotherNodeError` if another node holds it, or may do so and is not waited for.
        """
        if self.keeper is not None:
            self.keeper.take(may_wait=may_wait)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep it from now on."""
        self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            if self.keeper is not None:
                await self.keeper.keep()
        finally:
            await self._server.close()

    def close(self) -> None:
        """Give the lease back, when the node is disposed of."""
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

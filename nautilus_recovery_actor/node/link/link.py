"""
What a monitor does with its own connection to Redis.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.node.link.commands import Commands
from nautilus_recovery_actor.node.link.lease import LeaseKeeper
from nautilus_recovery_actor.node.link.server import Server


class Link:
    """The monitor's own connection to Redis: the lease of its trader, and operators' commands."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Logger,
        epoch: Callable[[], int],
        on_lease: Callable[[Lease], None] | None,
        on_command: Callable[[OperatorCommand, int], None],
    ) -> None:
        self._server = server
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.keeper = (
            None if on_lease is None else LeaseKeeper(server, heartbeat_secs, log, epoch, on_lease)
        )
        token = None if self.keeper is None else self.keeper.token
        self.commands = Commands(server, token, log, on_command)

    def open(self) -> None:
        """
        Take the lease, before the event loop runs.

        Raises `AnotherNodeError` if another node holds it.
        """
        if self.keeper is not None:
            self.keeper.take()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep it from now on, and hear commands."""
        listening = self.commands.listen(self._may_listen)
        self._tasks = (loop.create_task(self._run()), loop.create_task(listening))

    def _may_listen(self) -> bool:
        return self.keeper is None or self.keeper.lease.standing is not Standing.TAKEN

    async def _run(self) -> None:
        try:
            if self.keeper is not None:
                await self.keeper.keep()
        finally:
            await self._server.close()

    def close(self) -> None:
        """Give the lease back and hear nothing any more, when the node is disposed of."""
        if self.keeper is not None:
            self.keeper.give_back()
        if not self._tasks:
            return
        tasks, self._tasks = self._tasks, ()
        for task in (*tasks, self.commands.answering):
            if task is not None:
                _end(task)
        self.commands.close()


def _end(task: asyncio.Task[None]) -> None:
    loop = task.get_loop()
    if loop.is_closed():
        return
    task.cancel()
    if not loop.is_running():
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

"""
What a monitor does with its own connection to Redis.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.commands import Commands
from nautilus_recovery_actor.link.lease import LeaseKeeper
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.writes import Place
from nautilus_recovery_actor.link.writes import Writes


class Link:
    """
    The monitor's own connections to Redis: the lease of its trader, operators' commands, and what
    must be stored.
    """

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Log,
        epoch: Callable[[], int],
        on_lease: Callable[[Lease], None] | None,
        on_command: Callable[[OperatorCommand, int], None],
        *,
        is_restored: bool,
    ) -> None:
        self._server = server
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.keeper = (
            None if on_lease is None else LeaseKeeper(server, heartbeat_secs, log, epoch, on_lease)
        )
        token = None if self.keeper is None else self.keeper.token
        self.commands = Commands(server, token, log, on_command)
        self.writes = Writes(server.beside(), Place(self._token, self._is_taken, is_restored), log)

    def _token(self) -> str:
        return "" if self.keeper is None else self.keeper.token

    def _is_taken(self) -> bool:
        return self.keeper is not None and self.keeper.lease.standing is Standing.TAKEN

    def open(self, *, may_wait: bool) -> None:
        """
        Take the lease, before the event loop runs.

        Raises `AnotherNodeError` if another node holds it, or may do so and is not waited for.
        """
        if self.keeper is not None:
            self.keeper.take(may_wait=may_wait)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep it from now on, and hear commands."""
        listening = self.commands.listen(lambda: not self._is_taken())
        self._tasks = (loop.create_task(self._run()), loop.create_task(listening))
        self.writes.begin(loop)

    async def _run(self) -> None:
        try:
            if self.keeper is not None:
                await self.keeper.keep()
            else:
                await asyncio.Event().wait()  # Until it is canceled
        finally:  # In which it may be canceled once more
            try:
                await self._server.close()
            finally:
                await self.writes.disconnect()

    def close(self) -> None:
        """
        Write what is left, give the lease back and hear nothing any more, when the node is disposed
        of.
        """
        self.writes.close()
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

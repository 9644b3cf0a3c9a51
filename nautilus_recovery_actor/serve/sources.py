"""
The newest board, and who waits for the next one.
"""

import asyncio

import msgspec

from nautilus_recovery_actor.serve.board import Board


class Watch:
    """Has the newest board, on one event loop."""

    def __init__(self) -> None:
        self._board = Board(ts=0)
        self._next = asyncio.Event()

    def board(self) -> Board:
        """Return the newest board, at once. Before anything was read it is of the time zero."""
        return self._board

    async def changed(self, after: int) -> Board:
        """Wait until there is a newer board than that of a time, and return it."""
        while self._board.ts <= after:
            await self._next.wait()
        return self._board

    def put(self, board: Board) -> None:
        """Make a board the newest one."""
        # A clock that was set back must not stop who waits
        ts = max(board.ts, self._board.ts + 1)
        self._board = board if ts == board.ts else msgspec.structs.replace(board, ts=ts)
        is_there, self._next = self._next, asyncio.Event()
        is_there.set()

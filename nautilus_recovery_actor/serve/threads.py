"""
Threads for what blocks: a few at most, and none is waited for without end.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any
from typing import TypeVar


_Answer = TypeVar("_Answer")

# How many there are at once, and how long whoever asks waits (seconds)
_MOST = 4
_WAIT_SECS = 4.0


class Threads:
    """Runs what blocks. A thread that is held up counts until it ends, and ends no process."""

    def __init__(self, most: int = _MOST, wait_secs: float = _WAIT_SECS) -> None:
        self._free = asyncio.Semaphore(most)
        self._wait_secs = wait_secs

    async def run(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what a function returns, or raise ``TimeoutError``."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._wait_secs):
            await self._free.acquire()
            answer: asyncio.Future[_Answer] = loop.create_future()
            thread = threading.Thread(
                target=self._run, args=(loop, answer, call), name="serve-blocking", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # The system has no more: its place must not be lost
                self._free.release()
                raise TimeoutError("no thread is free") from None
            return await answer

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[Any]",
        call: Callable[[], Any],
    ) -> None:
        try:
            value, error = call(), None
        except Exception as e:
            value, error = None, e
        with contextlib.suppress(RuntimeError):  # The loop may have ended
            loop.call_soon_threadsafe(self._settle, answer, value, error)

    def _settle(
        self, answer: "asyncio.Future[Any]", value: object, error: Exception | None
    ) -> None:
        self._free.release()
        if answer.done():
            return  # Nobody waits for it any more
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)

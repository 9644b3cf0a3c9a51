"""
What can be seen of a node's start: whether it goes on, whether it was stopped, and the kernel.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.system.kernel import NautilusKernel


# The kernel tells nobody when it gives its start up, so that is looked for at this interval.
PROBE_SECS = 0.25


class NodeStart:
    """The start of the node in which the monitor's executor was registered."""

    def __init__(self, on_stopped: Callable[[], None]) -> None:
        self._on_stopped = on_stopped
        self._task: asyncio.Task[Any] | None = None
        self._kernel: NautilusKernel | None = None

    @property
    def exec_engine(self) -> ExecutionEngine | None:
        """The execution engine of the node, ``None`` if it could not be seen."""
        return None if self._kernel is None else self._kernel.exec_engine

    @property
    def is_stopped(self) -> bool:
        """Whether the node is known to have been stopped."""
        return self._kernel is not None and not self._kernel.is_running()

    @property
    def is_pending(self) -> bool | None:
        """Whether the start goes on, ``None`` if it could not be seen."""
        return None if self._task is None else starting_kernel(self._task) is not None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the task that runs now: it is the one that starts the node."""
        self._task = asyncio.current_task(loop)
        loop.call_soon(self._look)

    def _look(self) -> None:
        # The kernel awaits its clients by now: what is not seen of its start now never will be
        if self._task is None:
            return
        self._kernel = starting_kernel(self._task)
        if self._kernel is None:
            self._task = None
        else:
            self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        # A start that awaits a venue outlives the stop of its node: it would hold the process for
        # ever, or start the trader of a node that has stopped (seen on 1.221 and 1.231).
        if self._task is None or not self.is_pending:
            return
        if self.is_stopped:
            self._on_stopped()
            self._task.cancel("The node was stopped before it had started")
        self._task.get_loop().call_later(PROBE_SECS, self._end_if_stopped)


def starting_kernel(task: asyncio.Task[Any]) -> NautilusKernel | None:
    """
    Return the kernel whose start `task` awaits, ``None`` if it awaits none that can be seen.

    The kernel tells nobody when it gives its start up, nor whether it reconciles: `start_async`
    just returns, and the node goes on as running. So it is looked for among the coroutines that the
    task awaits.
    """
    awaited: Any = None if task.done() else task.get_coro()
    while inspect.iscoroutine(awaited):
        if awaited.__name__ == "start_async" and awaited.cr_frame is not None:
            kernel = awaited.cr_frame.f_locals.get("self")
            if isinstance(kernel, NautilusKernel):
                return kernel
        awaited = awaited.cr_await
    return None

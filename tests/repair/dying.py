"""
A node that kills itself in the middle of its repairs.
"""

import asyncio
import os
import signal
from typing import Any

from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.testkit import emit


# Until Redis has what a buffer holds back
_STORED_SECS = 0.1


def die_after(operations: int, *, is_stored: bool) -> None:
    """
    Have this process killed after so many operations of repairs, with zero before the first, and
    with all of it in Redis or at once.
    """
    do, count = Repairs._do, 0

    async def do_and_die(repairs: Repairs, step: Any, operation: Any) -> None:
        nonlocal count
        if operations:
            await do(repairs, step, operation)
        count += 1
        emit("operation", step=step.told.kind, operation=type(operation).__name__)
        if count >= operations:
            if is_stored:
                await asyncio.sleep(_STORED_SECS)
            os.kill(os.getpid(), signal.SIGKILL)

    Repairs._do = do_and_die  # type: ignore[method-assign, assignment]

"""
The inside of a `NodeProcess`: build a node, run it, and emit when it has started and stopped.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import threading
from typing import Any

from nautilus_recovery_actor.testkit.facts import emit
from nautilus_recovery_actor.testkit.facts import emit_to
from nautilus_recovery_actor.testkit.node import NodeRun


async def run(target: str, kwargs: dict[str, Any]) -> None:
    """Run the node that a factory returns until it is stopped."""
    module, _, function = target.partition(":")
    node = getattr(importlib.import_module(module), function)(**kwargs)
    if inspect.isawaitable(node):
        node = await node
    node_run = NodeRun(node)
    try:
        emit("started", is_trading=await node_run.started(timeout_secs=3600))
        await asyncio.wait({node_run.task})
    finally:
        await node_run.stop()
    emit("stopped")


def main() -> None:
    """Run the factory named by the first argument, with the JSON in the second."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # NautilusTrader logs to standard output: facts keep the pipe, logs go to standard error
    emit_to(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    asyncio.run(run(sys.argv[1], json.loads(sys.argv[2])))


def _end_with_parent() -> None:
    os.read(0, 1)  # Returns when the parent's end of the pipe is closed
    os._exit(1)


if __name__ == "__main__":
    main()

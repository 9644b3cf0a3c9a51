"""
The inside of a `Node2Process`: build a node of 2.0, run it, and emit how that ended.
"""

import importlib
import json
import os
import sys
import threading

from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit.facts import emit_to


def main() -> None:
    """Run the function named by the first argument, with the JSON in the second."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    emit_to(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    module, _, function = sys.argv[1].partition(":")
    try:
        getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    except Exception as e:
        emit("raised", error=repr(e))
    emit("stopped")


def _end_with_parent() -> None:
    os.read(0, 1)  # Returns when the parent's end of the pipe is closed
    os._exit(1)


if __name__ == "__main__":
    main()

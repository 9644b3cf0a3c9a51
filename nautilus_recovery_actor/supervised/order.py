"""
What is to be run in the process of a node, and how that process tells of itself.
"""

import sys
from collections.abc import Callable
from typing import Any
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Phase
from nautilus_recovery_actor.supervised.server import Server


# Tells what watches this process in which phase it is, of a server before it is used, how it ended
Tell: TypeAlias = Callable[[Phase | Server | Ending], None]


class Order(msgspec.Struct, frozen=True):
    """What is to be run, and how."""

    build: Callable[[], Any]
    heal: bool
    # Builds the node and runs it, on the NautilusTrader that is installed
    run: Callable[["Order", Tell], Ending]
    is_in_own_process: bool = True


def say(line: str) -> None:
    """Print a line to stderr: NautilusTrader's log may not be there yet, or not any more."""
    print(f"run_supervised: {line}", file=sys.stderr, flush=True)  # noqa: T201

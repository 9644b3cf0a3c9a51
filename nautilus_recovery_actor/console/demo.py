"""
``nautilus-recovery demo``: see it work.
"""

import argparse
import os
from importlib.util import find_spec

from nautilus_recovery_actor.console.common import CLONE
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import MissingError
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import loading


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "kill a node, restart it, and see what the monitor finds"
    demo = add_command(commands, "demo", text, _demo)
    demo.set_defaults(interrupted="Interrupted: everything that was started has been stopped")
    demo.add_argument("-v", "--verbose", action="store_true", help="list every check")


def _demo(arguments: argparse.Namespace) -> int:
    with loading():
        if not _has_demo_extra():
            raise MissingError(f"Dependencies of the demo are missing: pip install '{CLONE}[demo]'")
        # It runs nodes in processes of their own, which could only fail
        import nautilus_trader.common.actor  # noqa: F401, PLC0415

        from nautilus_recovery_actor.demo.command import run  # noqa: PLC0415

    return run(is_verbose=arguments.verbose)


def _has_demo_extra() -> bool:
    if not all(map(find_spec, ("rich", "redis"))):
        return False
    from nautilus_recovery_actor.testkit import ValkeyError  # noqa: PLC0415
    from nautilus_recovery_actor.testkit.valkey import server_binary  # noqa: PLC0415

    try:
        return bool(os.environ.get("REDIS_URL") or server_binary())
    except ValkeyError:
        return False

"""
The command line ``nautilus-recovery``.
"""

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from nautilus_recovery_actor.console import demo
from nautilus_recovery_actor.console import inspect
from nautilus_recovery_actor.console import operator
from nautilus_recovery_actor.console.common import INTERRUPTED
from nautilus_recovery_actor.console.common import PACKAGE
from nautilus_recovery_actor.console.common import complain


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Parameters
    ----------
    arguments : Sequence[str], optional
        The arguments, by default those of the process.

    Returns
    -------
    int
        The exit code.

    """
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except KeyboardInterrupt:
        complain("Interrupted: all that was started has been ended")
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nautilus-recovery",
        description="See, check and steer the recovery of NautilusTrader nodes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(PACKAGE)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (demo, inspect, operator):
        module.add_to(commands)
    return parser

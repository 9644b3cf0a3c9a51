"""
The command line ``nautilus-recovery``.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version


_PACKAGE = "nautilus_recovery_actor"

# Exit codes
_UNUSABLE = 2
_INTERRUPTED = 130


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
        _complain("Interrupted: all that was started has been ended")
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nautilus-recovery",
        description="See and check the recovery of NautilusTrader nodes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(_PACKAGE)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    return parser


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


# -- DEMO --


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "kill a node, restart it, and see what the monitor says"
    demo = commands.add_parser("demo", help=text, description=f"{text.capitalize()}.")
    demo.add_argument("-v", "--verbose", action="store_true", help="list every check")
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    if not _has_demo_extra():
        _complain(f"The demo needs more: pip install '{_PACKAGE}[demo]'")
        return _UNUSABLE
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor.demo.command import run  # noqa: PLC0415

    return run(is_verbose=arguments.verbose)


def _has_demo_extra() -> bool:
    if not all(map(importlib.util.find_spec, ("rich", "redis"))):
        return False
    from nautilus_recovery_actor.testkit import ValkeyError  # noqa: PLC0415
    from nautilus_recovery_actor.testkit.valkey import server_binary  # noqa: PLC0415

    try:
        return bool(os.environ.get("REDIS_URL") or server_binary())
    except ValkeyError:
        return False

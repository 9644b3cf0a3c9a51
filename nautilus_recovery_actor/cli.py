"""
The command line ``nautilus-recovery``.
"""

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeAlias


if TYPE_CHECKING:
    from nautilus_recovery_actor.commands import Action


_PACKAGE = "nautilus_recovery_actor"
_REDIS = "redis://127.0.0.1:6379"

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 (the type has no other name)

# Exit codes
_REFUSED = 1
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
        description="See, check and steer the recovery of NautilusTrader nodes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(_PACKAGE)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_release(commands)
    _add_resume(commands)
    return parser


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


# -- DEMO --


def _add_demo(commands: _Commands) -> None:
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


# -- OPERATOR --


def _add_release(commands: _Commands) -> None:
    text = "let a blocked instrument trade for a time, though it differs from the venue"
    release = commands.add_parser("release", help=text, description=f"{text.capitalize()}.")
    release.add_argument("instrument", metavar="INSTRUMENT", help="such as ETHUSDT-PERP.BINANCE")
    _add_addressee(release)
    how_long = release.add_mutually_exclusive_group()
    how_long.add_argument(
        "--minutes",
        type=float,
        default=15.0,
        help="how long, at most 1440 (default: 15); the next recovery ends it earlier",
    )
    how_long.add_argument("--withdraw", action="store_true", help="end a release now")
    release.set_defaults(run=_release)


def _add_resume(commands: _Commands) -> None:
    text = "let a running node try again whose recovery failed, or was repeated too often"
    resume = commands.add_parser("resume", help=text, description=f"{text.capitalize()}.")
    _add_addressee(resume)
    resume.set_defaults(run=_resume)


def _add_addressee(command: argparse.ArgumentParser) -> None:
    command.add_argument("--trader", required=True, help="the trader ID of the node")
    command.add_argument(
        "--reason",
        required=True,
        help="why, in one line: it is logged and kept in the report",
    )
    command.add_argument(
        "--redis",
        metavar="URL",
        default=os.environ.get("REDIS_URL") or _REDIS,
        help=f"the server of the node's message bus and cache (default: REDIS_URL, else {_REDIS})",
    )
    command.add_argument(
        "--stream",
        default="recovery-commands",
        help="one of external_streams of the node's message bus (default: %(default)s)",
    )
    command.add_argument(
        "--encoding",
        choices=("json", "msgpack"),
        help="that of the node's message bus (default: the one of NautilusTrader as installed)",
    )
    command.add_argument(
        "--timeout",
        metavar="SECS",
        type=_positive,
        default=10.0,
        help="how long to wait for the node's answer (default: %(default)g)",
    )


def _positive(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return number


def _release(arguments: argparse.Namespace) -> int:
    if arguments.withdraw:
        return _command(arguments, "withdraw", instrument_id=arguments.instrument)
    secs = arguments.minutes * 60
    return _command(arguments, "release", instrument_id=arguments.instrument, secs=secs)


def _resume(arguments: argparse.Namespace) -> int:
    return _command(arguments, "resume")


def _command(arguments: argparse.Namespace, action: "Action", **what: Any) -> int:
    if importlib.util.find_spec("redis") is None:
        _complain(f"This needs more: pip install '{_PACKAGE}[cli]'")
        return _UNUSABLE
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor import remote  # noqa: PLC0415
    from nautilus_recovery_actor.commands import OperatorCommand  # noqa: PLC0415

    try:
        command = OperatorCommand.new(
            arguments.trader,
            action,
            arguments.reason,
            valid_secs=arguments.timeout,
            **what,
        )
    except ValueError as e:
        _complain(str(e))
        return _UNUSABLE
    try:
        text = remote.send(command, arguments.redis, arguments.stream, arguments.encoding)
    except remote.RemoteError as e:
        _complain(str(e))
        return _REFUSED if isinstance(e, remote.RefusedError) else _UNUSABLE
    except KeyboardInterrupt:
        _complain("Interrupted before the node answered: its log tells whether it obeyed")
        return _INTERRUPTED
    print(f"{command.trader_id}: {text}")  # noqa: T201
    return 0

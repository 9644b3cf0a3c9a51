"""
What the commands have in common.
"""

import argparse
import contextlib
import importlib.util
import math
import os
import shutil
import sys
from typing import Any
from typing import NoReturn
from typing import TypeAlias


PACKAGE = "nautilus_recovery_actor"

Commands: TypeAlias = "argparse._SubParsersAction[Command]"  # noqa: SLF001 (the type has no other name)

# Exit codes
DONE = 0
REFUSED = 1
UNUSABLE = 2
MISUSED = 64  # `EX_USAGE`, where 2 has another meaning
INTERRUPTED = 130
UNREAD = 141  # What a shell says of a process that `SIGPIPE` ended

_REDIS = "redis://127.0.0.1:6379"


class Command(argparse.ArgumentParser):
    """
    The parser of one command, which can end with a code of its own if it is misused.
    """

    misused = UNUSABLE

    def parse_known_args(self, *given: Any, **known: Any) -> Any:
        """
        Return the arguments, all of which are known.

        Returns
        -------
        tuple[argparse.Namespace, list[str]]

        """
        parsed, unknown = super().parse_known_args(*given, **known)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """
        Say what is wrong with the arguments, and end the process.

        Parameters
        ----------
        message : str
            What is wrong.

        """
        self.print_usage(sys.stderr)
        self.exit(self.misused, f"{self.prog}: error: {message}\n")


def say(line: str) -> None:
    """
    Print a line of the answer.

    Parameters
    ----------
    line : str
        The line.

    """
    print(line)  # noqa: T201


def complain(line: str) -> None:
    """
    Print what went wrong, and what to do.

    Parameters
    ----------
    line : str
        The line.

    """
    print(line, file=sys.stderr)  # noqa: T201


def end_answer() -> None:
    """
    Send what a target still prints while the process ends where it disturbs no answer.
    """
    with contextlib.suppress(OSError):  # It may have been started without any
        os.dup2(2, 1)


def columns() -> int | None:
    """
    Return how many columns the terminal has, ``None`` if what is said goes into a pipe or a file.

    Returns
    -------
    int or ``None``

    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def lacks(extra: str, *modules: str) -> bool:
    """
    Return whether one of the modules is not installed, and say which extra brings it.

    Parameters
    ----------
    extra : str
        An extra of this package.
    *modules : str
        What a command imports.

    Returns
    -------
    bool

    """
    if all(map(importlib.util.find_spec, modules)):
        return False
    complain(f"This needs more: pip install '{PACKAGE}[{extra}]'")
    return True


def add_trader(command: argparse.ArgumentParser) -> None:
    """
    Let a command ask for a trader.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command.

    """
    command.add_argument("--trader", required=True, type=_text, help="the trader ID of the node")


def _text(argument: str) -> str:
    try:
        argument.encode()
    except UnicodeEncodeError:  # What the shell gave is none: no node writes such a key
        raise argparse.ArgumentTypeError("give a name in UTF-8") from None
    return argument


def add_redis(command: argparse.ArgumentParser, what: str) -> None:
    """
    Let a command ask for a server.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command.
    what : str
        Which server that is, such as "the server of the node's cache".

    """
    command.add_argument(
        "--redis",
        metavar="URL",
        default=os.environ.get("REDIS_URL") or _REDIS,
        help=f"{what} (default: REDIS_URL, else {_REDIS})",
    )


def positive(text: str) -> float:
    """
    Return the number of seconds that an argument gives.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    float

    Raises
    ------
    argparse.ArgumentTypeError
        If that is no finite number above zero.

    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return number

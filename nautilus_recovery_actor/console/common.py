"""
What the commands have in common.
"""

import argparse
import importlib.util
import math
import os
import sys
from typing import TypeAlias


PACKAGE = "nautilus_recovery_actor"

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 (the type has no other name)

# Exit codes
DONE = 0
REFUSED = 1
UNUSABLE = 2
INTERRUPTED = 130

_REDIS = "redis://127.0.0.1:6379"


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
    command.add_argument("--trader", required=True, help="the trader ID of the node")


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

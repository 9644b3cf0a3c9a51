"""
What the commands have in common.
"""

import argparse
import contextlib
import importlib.util
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NoReturn
from typing import TypeAlias

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import wrapped


PACKAGE = "nautilus_recovery_actor"
# It is not on an index yet: by its name, pip would find nothing, or something else
CLONE = "/path/to/the/clone"

Commands: TypeAlias = "argparse._SubParsersAction[Command]"  # noqa: SLF001 (the type has no other name)

# Exit codes: each means the same wherever it occurs (`status` and `watch` count their states)
DONE = 0
REFUSED = 1
UNUSABLE = 2
MISUSED = 64  # `EX_USAGE`
MISSING = 69  # `EX_UNAVAILABLE`
INTERRUPTED = 130
UNREAD = 141  # What a shell says of a process that `SIGPIPE` ended

CODES = (
    f"exit codes of all commands: {MISUSED} wrong usage; {MISSING} a dependency is not installed; "
    f"{INTERRUPTED} interrupted; {UNREAD} the reader of a pipe has gone. For the others see "
    "COMMAND --help"
)

DEFAULT_REDIS = "redis://127.0.0.1:6379"


class Command(argparse.ArgumentParser):
    """A parser of arguments, with an exit code of its own for wrong usage."""

    def parse_known_args(self, *given: Any, **known: Any) -> Any:
        """Return the arguments, all of which are known."""
        parsed, unknown = super().parse_known_args(*given, **known)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end the process."""
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"{self.prog}: error: {message}\n")


class CommandError(Exception):
    """
    Raised when a command cannot do its job. The text is one line that says what to do.
    """

    # The exit code, ``None`` for that of the command
    code: int | None = None


class UsageError(CommandError):
    """Raised when the arguments of a command do not go together."""

    code = MISUSED


class MissingError(CommandError):
    """Raised when what a command imports is not installed."""

    code = MISSING


def say(line: str) -> None:
    """Print a line to stdout."""
    print(line)  # noqa: T201


def say_in_lines(lines: Iterable[str]) -> None:
    """Print lines of any length, each indented as it is, as the terminal is wide."""
    width = columns()
    for line in lines:
        indent = line[: len(line) - len(line.lstrip(" "))]
        text = indent + one_line(line)
        for part in [text] if width is None else wrapped(text, width - 1):
            say(part)


def complain(line: str) -> None:
    """Print what went wrong, and what to do, to stderr."""
    print(line, file=sys.stderr)  # noqa: T201


def end_answer() -> None:
    """Send whatever is still printed while the process ends to stderr."""
    with contextlib.suppress(OSError):  # It may have been started without any
        os.dup2(2, 1)


def columns() -> int | None:
    """
    Return how many columns the terminal has, ``None`` for a pipe or a file.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def require(extra: str, *modules: str) -> None:
    """Raise if a module that a command imports is not installed."""
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise MissingError(
            f"Dependencies are missing ({', '.join(missing)}): pip install '{CLONE}[{extra}]'"
        )


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """End the process at once on Ctrl-C meanwhile: what is compiled may swallow the exception."""
    try:
        kept = signal.signal(signal.SIGINT, _interrupted)
    except ValueError:  # Not in the main thread, which alone can be interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, kept)


def _interrupted(*_: object) -> None:
    complain("Interrupted")
    os._exit(INTERRUPTED)


def add_command(
    commands: Commands,
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
    *,
    unusable: int = UNUSABLE,
    **options: Any,
) -> Command:
    """Add a command to the parser."""
    described = {"help": text, "description": f"{sentence(text)}.", **options}
    command = commands.add_parser(name, **described)
    command.set_defaults(run=run, unusable=unusable, interrupted="Interrupted")
    return command


def sentence(text: str) -> str:
    """Return a text with a capital letter first."""
    return f"{text[:1].upper()}{text[1:]}"


def add_trader(command: argparse.ArgumentParser, *, is_acting: bool = False) -> None:
    """
    Let a command ask for a trader. One that only reads takes the only trader on record by itself.
    """
    only = "" if is_acting else ", else the only one on record"
    command.add_argument(
        "--trader",
        metavar="ID",
        default=os.environ.get("RECOVERY_TRADER") or None,
        type=utf8,
        help=f"the trader ID of the node (default: RECOVERY_TRADER{only})",
    )
    command.set_defaults(is_acting=is_acting)


def utf8(argument: str) -> str:
    """Return an argument that can be sent to a server, or raise what `argparse` says of it."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("it must be UTF-8") from None
    return argument


def add_redis(command: argparse.ArgumentParser, what: str) -> None:
    """Let a command ask for a server."""
    command.add_argument(
        "--redis",
        metavar="URL",
        type=utf8,
        default=os.environ.get("REDIS_URL") or DEFAULT_REDIS,
        help=f"{what} (default: REDIS_URL, else {DEFAULT_REDIS})",
    )


def add_timeout(command: argparse.ArgumentParser, what: str, default: float) -> None:
    """Let a command ask how long to wait."""
    command.add_argument(
        "--timeout",
        metavar="SECS",
        type=positive,
        default=default,
        help=f"how long to wait for {what} (default: %(default)g)",
    )


def add_max_value(command: argparse.ArgumentParser) -> None:
    """Let a command ask how large a value may be."""
    command.add_argument(
        "--max-value",
        metavar="MIB",
        type=_mebibytes,
        default=64 * 2**20,
        help="skip values that take more memory in Redis (default: 64)",
    )


def _mebibytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:7]) <= 2**20):
        raise argparse.ArgumentTypeError("give a whole number of MiB greater than 0")
    return int(text[:7]) * 2**20


def positive(text: str) -> float:
    """Return the number of seconds that an argument gives."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError("give a number of seconds greater than 0")
    return number

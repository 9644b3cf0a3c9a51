"""
The command line ``nautilus-recovery``.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nautilus_recovery_actor.console import check
from nautilus_recovery_actor.console import demo
from nautilus_recovery_actor.console import forget
from nautilus_recovery_actor.console import history
from nautilus_recovery_actor.console import init
from nautilus_recovery_actor.console import inspect
from nautilus_recovery_actor.console import lease
from nautilus_recovery_actor.console import migrate
from nautilus_recovery_actor.console import operator
from nautilus_recovery_actor.console import repair
from nautilus_recovery_actor.console import serve
from nautilus_recovery_actor.console import status
from nautilus_recovery_actor.console import traders
from nautilus_recovery_actor.console import venue
from nautilus_recovery_actor.console import watch
from nautilus_recovery_actor.console.common import CLONE
from nautilus_recovery_actor.console.common import CODES
from nautilus_recovery_actor.console.common import INTERRUPTED
from nautilus_recovery_actor.console.common import MISSING
from nautilus_recovery_actor.console.common import MISUSED
from nautilus_recovery_actor.console.common import PACKAGE
from nautilus_recovery_actor.console.common import UNREAD
from nautilus_recovery_actor.console.common import Command
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.core.text import one_line


_COMMANDS = (
    *(demo, venue, init, check, inspect, traders, status, history, watch, serve, lease, operator),
    *(repair, forget, migrate),
)


def main(  # noqa: C901  One case for each way to end
    arguments: Sequence[str] | None = None, on_interrupt: Callable[[], object] = lambda: None
) -> int:
    """Run a command. `on_interrupt` is called before anything is said of an interruption."""
    if sys.stdout is None:  # Closed by the caller: the exit code is the answer
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (for all that comes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # It may lack characters of what is stored
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        parser.print_help(sys.stderr)
        return MISUSED
    parsed = parser.parse_args(given)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except CommandError as e:
        complain(str(e))
        return int(parsed.unusable if e.code is None else e.code)
    except ModuleNotFoundError as e:
        missing = (e.name or "").partition(".")[0]
        if missing in ("", PACKAGE, "nautilus_trader"):  # The last is said by who calls this
            raise
        complain(f"Dependencies are missing ({missing}): pip install '{CLONE}'")
        return MISSING
    except BrokenPipeError:  # The reader has seen enough, as `head` has
        return _unread()
    except SystemExit as e:
        if not isinstance(e.__context__, BrokenPipeError):
            raise
        return _unread()  # rich makes it a 1, which means warnings
    except KeyboardInterrupt:
        on_interrupt()
        complain(parsed.interrupted)
        return INTERRUPTED
    return code


def _unread() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdout.flush()  # Flushes what is left into the void
    return UNREAD


class _Parser(Command):
    """The parser of the whole command line."""

    commands: Commands

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments, if they name a command that there is."""
        first = next((one for one in args if not one.startswith("-")), None)
        if first is not None and first not in self.commands.choices:
            self.error(f"there is no command {one_line(first)!r}{self._meant(first)}")
        return super().parse_known_args(args, namespace)

    def _meant(self, first: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415

        meant = get_close_matches(first, self.commands.choices, 1)
        return f": did you mean {meant[0]}?" if meant else f": see {self.prog} --help"


class _Version(argparse.Action):
    """Prints the version, which takes some time to look up."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        say(f"{parser.prog} {version(PACKAGE)}")
        parser.exit(0)


def _parser() -> _Parser:
    parser = _Parser(
        prog="nautilus-recovery",
        description="Check, watch and control the recovery of NautilusTrader nodes.",
        epilog=CODES,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    parser.commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Command
    )
    for module in _COMMANDS:
        module.add_to(parser.commands)
    return parser

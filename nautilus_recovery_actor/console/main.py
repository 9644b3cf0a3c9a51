"""
The command line ``nautilus-recovery``.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from nautilus_recovery_actor.console import check
from nautilus_recovery_actor.console import demo
from nautilus_recovery_actor.console import forget
from nautilus_recovery_actor.console import history
from nautilus_recovery_actor.console import init
from nautilus_recovery_actor.console import inspect
from nautilus_recovery_actor.console import lease
from nautilus_recovery_actor.console import operator
from nautilus_recovery_actor.console import repair
from nautilus_recovery_actor.console import serve
from nautilus_recovery_actor.console import status
from nautilus_recovery_actor.console import venue
from nautilus_recovery_actor.console import watch
from nautilus_recovery_actor.console.common import INTERRUPTED
from nautilus_recovery_actor.console.common import PACKAGE
from nautilus_recovery_actor.console.common import UNREAD
from nautilus_recovery_actor.console.common import Command
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import complain


_MODULES = (
    *(
        demo,
        venue,
        init,
        check,
        inspect,
        status,
        history,
        watch,
        serve,
        lease,
        operator,
        repair,
        forget,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    if sys.stdout is None:  # Closed by the caller: the exit code is the answer
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (for all that comes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # It may lack characters of what is stored
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except CommandError as e:
        complain(str(e))
        return int(parsed.unusable)
    except BrokenPipeError:  # The reader has seen enough, as `head` has
        return _unread()
    except SystemExit as e:
        if not isinstance(e.__context__, BrokenPipeError):
            raise
        return _unread()  # rich makes it a 1, which means warnings
    except KeyboardInterrupt:
        complain("Interrupted: everything that was started has been stopped")
        return INTERRUPTED
    return code


def _unread() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdout.flush()  # Flushes what is left into the void
    return UNREAD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nautilus-recovery",
        description="Check, watch and control the recovery of NautilusTrader nodes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(PACKAGE)}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Command
    )
    for module in _MODULES:
        module.add_to(commands)
    return parser

"""
The command ``nautilus-recovery demo``.
"""

import platform
import shutil
import tempfile
import time
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from rich.console import Console

from nautilus_recovery_actor.demo import screen
from nautilus_recovery_actor.demo.expect import checks
from nautilus_recovery_actor.demo.play import PlayError
from nautilus_recovery_actor.demo.play import play
from nautilus_recovery_actor.demo.record import Moment
from nautilus_recovery_actor.demo.scene import ACTS
from nautilus_recovery_actor.demo.scene import Act
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit import ValkeyError


class ExitCode(IntEnum):
    """How the demo ended."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    NO_SERVER = 2


class Stage:
    """The terminal or the pipe on which an act is shown while it is played."""

    def __init__(self, console: Console, act: Act) -> None:
        self._console = console
        self._act = act
        self._status = console.status("", spinner="line") if console.is_terminal else None

    def __enter__(self) -> Self:
        self._console.print(screen.heading(self._act))
        self._ts_zero = time.time_ns()
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def moment(self, moment: Moment) -> None:
        """Print a line of the timeline."""
        self._console.print(screen.moment(moment, self._ts_zero))

    def waiting(self, for_what: str) -> None:
        """Show what the act waits for, on a terminal only."""
        if self._status is not None:
            self._status.update(f"waiting for {for_what}")


def run(acts: tuple[Act, ...] = ACTS, *, is_verbose: bool = False) -> ExitCode:
    """Play the acts, show what happened, and check that it is what should happen."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, screen.MAX_WIDTH)
    logs = Path(tempfile.mkdtemp(prefix="nautilus-recovery-demo-"))
    is_as_expected = True
    try:
        with EmbeddedValkey() as valkey:
            console.print(screen.opening(_versions(valkey)))
            for act in acts:
                is_as_expected &= _show(console, act, valkey, logs, is_verbose)
    except (ValkeyError, redis.RedisError) as e:
        console.print(screen.failure(str(e)))
        return ExitCode.NO_SERVER
    except (NodeProcessError, PaperVenueError, PlayError) as e:
        is_as_expected = False
        console.print(screen.failure(str(e).partition("; facts:")[0]))
    finally:
        if is_as_expected:
            shutil.rmtree(logs, ignore_errors=True)
    console.print(screen.next_steps() if is_as_expected else screen.logs(logs))
    return ExitCode.AS_EXPECTED if is_as_expected else ExitCode.NOT_AS_EXPECTED


def _show(console: Console, act: Act, valkey: EmbeddedValkey, logs: Path, is_verbose: bool) -> bool:
    with Stage(console, act) as stage:
        record = play(act, valkey, logs, stage)
    found = checks(record)
    console.print(screen.result(record))
    console.print(screen.checks(found, is_verbose))
    return all(check.is_met for check in found)


def _versions(valkey: EmbeddedValkey) -> str:
    with valkey.client() as client:
        server = client.info("server")
    is_valkey = "valkey_version" in server
    name, key = ("Valkey", "valkey_version") if is_valkey else ("Redis", "redis_version")
    return (
        f"NautilusTrader {version('nautilus_trader')}, "
        f"Python {platform.python_version()}, {name} {server[key]}"
    )

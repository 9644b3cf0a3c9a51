"""
``nautilus-recovery watch``: follow a recovery.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import columns
from nautilus_recovery_actor.console.common import positive
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.console.status import CODES
from nautilus_recovery_actor.console.status import NO_HEARTBEAT
from nautilus_recovery_actor.console.status import add_max_age
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.text import hanging


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.outside.record.changes import Change
    from nautilus_recovery_actor.outside.record.entries import Record
    from nautilus_recovery_actor.outside.record.status import NodeStatus

_POLL_SECS = 0.25
_REREAD_SECS = 2.0


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "follow a recovery until it ends"
    watch = add_command(
        commands, "watch", text, _watch, unusable=NO_HEARTBEAT, epilog=f"{CODES}; 130 interrupted"
    )
    watch.set_defaults(interrupted="Interrupted: the node is not affected")
    add_record(watch)
    add_max_age(watch)
    watch.add_argument("--follow", action="store_true", help="keep watching after the end")
    watch.add_argument(
        "--timeout",
        metavar="SECS",
        type=positive,
        help="stop after this long (default: when the recovery ends, or on Ctrl-C)",
    )
    watch.add_argument("--json", action="store_true", help="print each change as a JSON object")


def _watch(arguments: argparse.Namespace) -> int:
    with _screen(arguments) as (emit, show), connected(arguments) as client:
        return _follow(arguments, client, emit, show)


def _follow(
    arguments: argparse.Namespace,
    client: "redis.Redis",
    emit: "Callable[[Change], None]",
    show: "Callable[[NodeStatus], None]",
) -> int:
    from nautilus_recovery_actor.outside.record.changes import Changes  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import State  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import node_status  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.stream import MessageStream  # noqa: PLC0415

    where = namespace(arguments)
    nothing = ""
    view, stream = RecordReader(client, where), MessageStream(client, where)
    changes = Changes(arguments.trader)
    began = time.monotonic()
    deadline = math.inf if arguments.timeout is None else began + arguments.timeout
    stream.begin()
    record, read_at = view.current(), began
    if record.heartbeat is None and not record.broken:
        nothing = with_known(arguments, client, node_status(arguments.trader, record, 0).reason)
    while True:
        now = time.time_ns()
        found = node_status(arguments.trader, record, now, arguments.max_age)
        beat = record.heartbeat
        if beat is None and nothing:
            found = msgspec.structs.replace(found, reason=nothing)
        for change in changes.look(found, beat.ts if beat else None, record.report, now):
            emit(change)
        show(found)
        if not arguments.follow and found.state in (State.OPEN, State.FAILED, State.UNSTORED):
            return found.state.exit_code
        remaining_secs = deadline - time.monotonic()
        if remaining_secs <= 0:
            return found.state.exit_code
        for message in stream.wait(min(_POLL_SECS, remaining_secs)):
            for change in changes.hear(message):
                emit(change)
        stamps = view.stamps()
        if _place(stamps) != _place(record) or time.monotonic() - read_at > _REREAD_SECS:
            # A report may be large, and changes only when an operator releases something
            record, read_at = view.current(), time.monotonic()
        else:
            record = msgspec.structs.replace(stamps, report=record.report)


def _place(record: "Record") -> object:
    beat = record.heartbeat
    return record.epoch, beat and (beat.epoch, beat.phase)


@contextmanager
def _screen(
    arguments: argparse.Namespace,
) -> "Iterator[tuple[Callable[[Change], None], Callable[[NodeStatus], None]]]":
    # How to print a change, and how to show the status meanwhile
    if arguments.json:
        yield (lambda change: _say(msgspec.json.encode(change).decode())), (lambda _: None)
    elif not sys.stdout.isatty() or find_spec("rich") is None:
        yield _print, (lambda _: None)
    else:
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(highlight=False)
        with console.status("") as status:
            yield (
                lambda change: _print(change, console.out),
                lambda found: status.update(
                    Text(one_line(f"{found.state}: {found.reason}")[: console.width - 3], "dim")
                ),
            )


def _print(change: "Change", out: Callable[[str], None] | None = None) -> None:
    epoch = "" if change.epoch is None else f"epoch {change.epoch}"
    start = f"{moment(change.ts, digits=3)}Z  {epoch:<9} {one_line(change.what):<12}  "
    width = columns()
    for line in hanging(start, one_line(change.text), None if width is None else width - 1):
        (out or _say)(line)


def _say(line: str) -> None:
    say(line)
    sys.stdout.flush()  # Who reads a pipe waits for it

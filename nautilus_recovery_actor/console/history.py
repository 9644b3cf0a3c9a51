"""
``nautilus-recovery history``: past recoveries.
"""

import argparse
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import columns
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.core.report import RecoveryReport
    from nautilus_recovery_actor.outside.record.entries import Broken
    from nautilus_recovery_actor.outside.record.reader import RecordReader


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "list the last recoveries of a node, or show one in full"
    history = add_command(commands, "history", text, _history)
    add_record(history)
    which = history.add_mutually_exclusive_group()
    which.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=20,
        help="how many to list, newest first (default: %(default)s)",
    )
    which.add_argument("--epoch", metavar="N", type=_count, help="show this one in full")
    history.add_argument("--json", action="store_true", help="print the full reports as JSON")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 16 and int(text)):  # noqa: PLR2004
        raise argparse.ArgumentTypeError("give a number above 0")
    return int(text)


def _history(arguments: argparse.Namespace) -> int:
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    with connected(arguments) as client:
        view = RecordReader(client, namespace(arguments))
        if arguments.epoch is None:
            _all(arguments, client, view)
        else:
            _one(arguments, client, view)
    return DONE


def _one(arguments: argparse.Namespace, client: "redis.Redis", view: "RecordReader") -> None:
    report, broken = view.report(arguments.epoch)
    if report is None:
        _complain_of(broken)
        newest, _ = view.history(1)
        last = next(newest, None)
        if last is None:
            raise _nothing(arguments, client, view)
        raise CommandError(
            f"No report of epoch {arguments.epoch}: it is in progress, too old, or never existed. "
            f"The newest on record is {last.epoch}"
        )
    if arguments.json:
        say(report.to_bytes().decode())
    else:
        _show(report)


def _all(arguments: argparse.Namespace, client: "redis.Redis", view: "RecordReader") -> None:
    reports, broken = view.history(arguments.limit)
    first = next(reports, None)
    if first is None:
        _complain_of(broken)
        raise _nothing(arguments, client, view)
    if arguments.json:
        _dump(first, reports)
    else:
        _list(chain([first], reports))
    _complain_of(broken)


def _nothing(
    arguments: argparse.Namespace, client: "redis.Redis", view: "RecordReader"
) -> CommandError:
    from nautilus_recovery_actor.node.link.address import address  # noqa: PLC0415

    trader, where = one_line(arguments.trader), address(arguments.redis)
    if view.stamps().heartbeat is not None:
        why = "its monitor has not finished a recovery yet, or keeps no history (history_size=0)"
    elif view.is_known():
        why = "its cache is here, but the node had no RecoveryMonitorActor"
    else:
        why = "nothing is stored for it, or this is not the server of the node's cache"
    line = f"No recovery of {trader} on record in Redis at {where}: {why}"
    return CommandError(with_known(arguments, client, line))


def _complain_of(broken: "Iterable[Broken]") -> None:
    for one in broken:
        complain(one_line(f"Cannot read {one.key}: {one.why}"))


def _dump(first: "RecoveryReport", reports: "Iterable[RecoveryReport]") -> None:
    # One at a time: together they may be large
    say(f"[{first.to_bytes().decode()}")
    for report in reports:
        say(f",{report.to_bytes().decode()}")
    say("]")


def _list(reports: "Iterable[RecoveryReport]") -> None:
    from nautilus_recovery_actor.console import report_tables  # noqa: PLC0415

    rows = [
        report_tables.Row(*map(one_line, msgspec.structs.astuple(report_tables.row(report))))
        for report in reports
    ]
    for line in report_tables.table(rows, columns()):
        say(line)


def _show(report: "RecoveryReport") -> None:
    from nautilus_recovery_actor.console import report_tables  # noqa: PLC0415

    say_in_lines(report_tables.in_full(report))

"""
``nautilus-recovery history``: past recoveries.
"""

import argparse
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import columns
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.common import sentence
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
    from nautilus_recovery_actor.outside.record.rows import Row


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
    how = history.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the full reports as JSON")
    how.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write them in full into one page that needs nothing else, to attach to an incident "
        "(needs the extra serve)",
    )
    history.add_argument(
        "--force", action="store_true", help="let --html write over a file that is there"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 16 and int(text)):  # noqa: PLR2004
        raise argparse.ArgumentTypeError("give a number above 0")
    return int(text)


def _history(arguments: argparse.Namespace) -> int:
    if arguments.html is not None:
        require("serve", "jinja2")
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
        kept: set[int] = set()
        newest, _ = view.history(1, kept)
        last = next(newest, None)
        gaps = view.unreported(kept)
        if any(first <= arguments.epoch <= end for first, end in gaps):
            _, story = _gap(arguments, view, (arguments.epoch, arguments.epoch))
            raise CommandError(f"No report of epoch {arguments.epoch}: {story}")
        if last is None:
            raise _nothing(arguments, client, view)
        raise CommandError(
            f"No report of epoch {arguments.epoch}: it is in progress, too old, or never existed. "
            f"The newest on record is {last.epoch}"
        )
    if arguments.html is not None:
        _write(arguments, [report])
    elif arguments.json:
        say(report.to_bytes().decode())
    else:
        _show(report)


def _all(arguments: argparse.Namespace, client: "redis.Redis", view: "RecordReader") -> None:
    kept: set[int] = set()
    reports, broken = view.history(arguments.limit, kept)
    gaps = view.unreported(kept)
    first = next(reports, None)
    if first is None and not gaps:
        _complain_of(broken)
        raise _nothing(arguments, client, view)
    known = reports if first is None else chain([first], reports)
    if arguments.html is not None:
        _write(arguments, list(known))
    elif arguments.json:
        _dump(known)
        for gap in gaps:
            complain(f"Epoch {_run(gap)}: {_gap(arguments, view, gap)[1]}")
    else:
        _list(arguments, view, known, gaps)
    _complain_of(broken)


def _gap(
    arguments: argparse.Namespace, view: "RecordReader", gap: tuple[int, int]
) -> tuple[str, str]:
    from nautilus_recovery_actor.outside.record.status import State  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import node_status  # noqa: PLC0415

    found = node_status(arguments.trader, view.stamps(), time.time_ns())
    if found.epoch == gap[1] and found.state is not State.NO_HEARTBEAT:
        return "IN PROGRESS", "it is in progress"
    return "CUT SHORT", "it left no report: the node was killed, or Redis has lost what it wrote"


def _run(gap: tuple[int, int]) -> str:
    return str(gap[0]) if gap[0] == gap[1] else f"{gap[0]}-{gap[1]}"


def _nothing(
    arguments: argparse.Namespace, client: "redis.Redis", view: "RecordReader"
) -> CommandError:
    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415

    trader, where = one_line(arguments.trader), address(arguments.redis)
    if view.stamps().heartbeat is not None:
        why = "its monitor has not finished a recovery yet, or keeps no history (history_size=0)"
    elif view.is_known():
        why = "its cache is here, but the node had no RecoveryMonitorActor"
    else:
        why = "nothing is stored for it, or this is not the server of the node's cache"
        why = with_known(arguments, client, why)
    return CommandError(f"No recovery of {trader} on record in Redis at {where}: {why}")


def _complain_of(broken: "Iterable[Broken]") -> None:
    for one in broken:
        complain(one_line(f"Cannot read {one.key}: {one.why}"))


def _dump(reports: "Iterable[RecoveryReport]") -> None:
    # One at a time: together they may be large
    before = "["
    for report in reports:
        say(f"{before}{report.to_bytes().decode()}")
        before = ","
    say("]" if before == "," else "[]")


def _list(
    arguments: argparse.Namespace,
    view: "RecordReader",
    reports: "Iterable[RecoveryReport]",
    gaps: list[tuple[int, int]],
) -> None:
    from nautilus_recovery_actor.console import report_tables  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.rows import Row  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.rows import row  # noqa: PLC0415

    rows = []
    count = 0
    for report in reports:
        while gaps and gaps[0][0] > report.epoch:
            rows.append(_gap_row(arguments, view, gaps.pop(0)))
        rows.append(Row(*map(one_line, msgspec.structs.astuple(row(report)))))
        count += 1
    if count < arguments.limit:
        rows += [_gap_row(arguments, view, gap) for gap in gaps]
    for line in report_tables.table(rows, columns()):
        say(line)


def _gap_row(arguments: argparse.Namespace, view: "RecordReader", gap: tuple[int, int]) -> "Row":
    from nautilus_recovery_actor.outside.record.rows import Row  # noqa: PLC0415

    result, story = _gap(arguments, view, gap)
    return Row(_run(gap), "-", "-", result, sentence(story))


def _show(report: "RecoveryReport") -> None:
    from nautilus_recovery_actor.console import report_tables  # noqa: PLC0415

    say_in_lines(report_tables.in_full(report))


def _write(arguments: argparse.Namespace, reports: "list[RecoveryReport]") -> None:
    from nautilus_recovery_actor.console.writing import write_new  # noqa: PLC0415
    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415
    from nautilus_recovery_actor.serve.rendering import standalone  # noqa: PLC0415

    path: Path = arguments.html
    trader = one_line(arguments.trader)
    what = f"{len(reports)} recoveries" if len(reports) > 1 else f"epoch {reports[0].epoch}"
    page = standalone(
        f"{trader}: {what}", reports, where=address(arguments.redis), now=time.time_ns()
    )
    write_new(path, page, may_replace=arguments.force)
    say(f"Written to {path}: {what} of {trader}")

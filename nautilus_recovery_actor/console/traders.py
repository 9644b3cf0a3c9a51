"""
``nautilus-recovery traders``: which traders have a record on a server, or on several.
"""

import argparse
import time
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import columns
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.servers import add_servers
from nautilus_recovery_actor.console.servers import urls
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.text import hanging


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.record.twins import Place

_NS = 1_000_000_000
_HEADINGS = ("Server", "Trader", "State", "Epoch", "Heartbeat", "Result")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A trader that has a record."""

    trader_id: str
    # Where its record is, without what is secret in the URL
    server: str
    # How a command names it, the server aside
    options: str
    # `OPEN`, `CLOSED`, `FAILED`, `UNSTORED` or `NO_HEARTBEAT`, as `status` says it
    state: str
    epoch: int | None
    # The outcome of the epoch or the reason of its failure, else its phase
    result: str
    heartbeat_age_secs: float | None
    # In one line
    reason: str
    # Which other nodes of it run, each in one line
    twins: tuple[str, ...] = ()


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "list the traders that have a record on a server, or on several"
    traders = add_command(
        commands,
        "traders",
        text,
        _traders,
        epilog="exit codes: 0 there are some; 2 there are none, or Redis cannot be used",
    )
    add_servers(traders)
    add_timeout(traders, "each answer from the server", 5.0)
    traders.add_argument("--json", action="store_true", help="print a JSON array")


def _traders(arguments: argparse.Namespace) -> int:
    from nautilus_recovery_actor.outside.record.twins import ADVICE  # noqa: PLC0415

    servers = dict.fromkeys(urls(arguments))
    found = list(_known([one for url in servers for one in _places(url, arguments.timeout)]))
    if arguments.json:
        say(msgspec.json.encode(found).decode())
    if not found:
        raise CommandError(
            "No trader is on record there: is this the server of the nodes' caches, and do they "
            "have a RecoveryMonitorActor?"
        )
    if not arguments.json:
        for line in _table(found, columns(), is_one=len(servers) == 1):
            say(line)
    for one in found:
        for twin in one.twins:
            complain(f"Two nodes of {one.trader_id} on {one.server}: {twin}: {ADVICE}")
    return DONE


def _places(url: str, timeout_secs: float) -> "Iterator[Place]":
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415
    from nautilus_recovery_actor.outside import holding  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record import traders  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import node_status  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.twins import Place  # noqa: PLC0415

    server = address(url)
    with connected(argparse.Namespace(redis=url), timeout_secs) as client:
        listed = traders.traders(client)
        for where in listed.traders:
            record = RecordReader(client, where).current()
            now = time.time_ns()
            try:
                lease = holding.lease_status(where.trader_id, holding.found(client, where))
            except redis.ResponseError:  # Where it stands does not depend on it
                lease = None
            yield Place(
                server=server,
                options=traders.options(where),
                status=node_status(where.trader_id, record, now),
                ts_read=now,
                lease=lease,
                report=record.report,
            )
    if listed.unseen:
        complain(f"There may be more traders on {server}: {listed.unseen}")


def _known(places: "Sequence[Place]") -> Iterator[Known]:
    from nautilus_recovery_actor.outside.record.twins import twins  # noqa: PLC0415

    by_id: dict[str, list[Place]] = {}
    for place in places:
        by_id.setdefault(place.status.trader_id, []).append(place)
    for place in places:
        found = place.status
        yield Known(
            trader_id=one_line(found.trader_id),
            server=one_line(place.server),
            options=f"--trader {place.options}",
            state=found.state,
            epoch=found.epoch,
            result=str(found.failure or found.outcome or found.phase or "-"),
            heartbeat_age_secs=found.heartbeat_age_secs,
            reason=one_line(found.reason),
            twins=tuple(twins(by_id[found.trader_id], place)),
        )


def _table(found: Sequence[Known], width: int | None, *, is_one: bool) -> Iterator[str]:
    start = 1 if is_one else 0
    rows = [row[start:] for row in (_HEADINGS, *map(_row, found))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        before = "  ".join(f"{text:<{size}}" for text, size in zip(row, widths, strict=False))
        yield from hanging(f"{before}  ", row[-1], width)


def _row(one: Known) -> tuple[str, ...]:
    age = one.heartbeat_age_secs
    beat = "-" if age is None else "now" if age < 1 else f"{duration(int(age * _NS))} ago"
    if age is not None and age < -1:
        beat = f"{duration(int(-age * _NS))} ahead"
    epoch = "-" if one.epoch is None else str(one.epoch)
    named = one.options.removeprefix("--trader ")
    return one.server, named, one.state, epoch, beat, one.result

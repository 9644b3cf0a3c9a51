"""
``nautilus-recovery traders``: which traders have a record on a server.
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
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import columns
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.text import hanging


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.link.address import Namespace

_NS = 1_000_000_000
_HEADINGS = ("Trader", "State", "Epoch", "Heartbeat", "Result")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A trader that has a record."""

    trader_id: str
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


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "list the traders that have a record on a server"
    traders = add_command(
        commands,
        "traders",
        text,
        _traders,
        epilog="exit codes: 0 there are some; 2 there are none, or Redis cannot be used",
    )
    add_redis(traders, "the server of the nodes' caches")
    add_timeout(traders, "each answer from the server", 5.0)
    traders.add_argument("--json", action="store_true", help="print a JSON array")


def _traders(arguments: argparse.Namespace) -> int:
    from nautilus_recovery_actor.outside.record.traders import traders  # noqa: PLC0415

    with connected(arguments, arguments.timeout) as client:
        listed = traders(client)
        found = list(_known(client, listed.traders))
    if arguments.json:
        say(msgspec.json.encode(found).decode())
    if listed.unseen:
        complain(f"There may be more traders: {listed.unseen}")
    if not found:
        raise CommandError(
            "No trader is on record there: is this the server of the nodes' caches, and do they "
            "have a RecoveryMonitorActor?"
        )
    if not arguments.json:
        for line in _table(found, columns()):
            say(line)
    return DONE


def _known(client: "redis.Redis", places: "Sequence[Namespace]") -> Iterator[Known]:
    from nautilus_recovery_actor.outside.record import traders  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import node_status  # noqa: PLC0415

    for where in places:
        record = RecordReader(client, where).current()
        found = node_status(where.trader_id, record, time.time_ns())
        yield Known(
            trader_id=one_line(where.trader_id),
            options=f"--trader {traders.options(where)}",
            state=found.state,
            epoch=found.epoch,
            result=str(found.failure or found.outcome or found.phase or "-"),
            heartbeat_age_secs=found.heartbeat_age_secs,
            reason=one_line(found.reason),
        )


def _table(found: Sequence[Known], width: int | None) -> Iterator[str]:
    rows = [_HEADINGS, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        start = "  ".join(f"{text:<{size}}" for text, size in zip(row, widths, strict=False))
        yield from hanging(f"{start}  ", row[4], width)


def _row(one: Known) -> tuple[str, str, str, str, str]:
    age = one.heartbeat_age_secs
    beat = "-" if age is None else "now" if age < 1 else f"{duration(int(age * _NS))} ago"
    if age is not None and age < -1:
        beat = f"{duration(int(-age * _NS))} ahead"
    epoch = "-" if one.epoch is None else str(one.epoch)
    return one.options.removeprefix("--trader "), one.state, epoch, beat, one.result

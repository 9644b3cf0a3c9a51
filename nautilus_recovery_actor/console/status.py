"""
``nautilus-recovery status``: may a node trade?
"""

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import UsageError
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import positive
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.text import moment


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.link.address import Namespace
    from nautilus_recovery_actor.outside.record.status import NodeStatus

CODES = (
    "exit codes: 0 open, the last recovery allows trading; 1 closed, a recovery is in progress; "
    "2 failed; 3 no heartbeat, the node may be down, or Redis cannot be used; 4 open, but Redis "
    "has lost or refuses what the node writes; 64 wrong usage"
)
NO_HEARTBEAT = 3


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show whether a node may trade, also as the exit code"
    status = add_command(
        commands,
        "status",
        text,
        _status,
        unusable=NO_HEARTBEAT,
        description=f"{sentence(text)}. Meant for readiness probes.",
        epilog=CODES,
    )
    add_record(status)
    add_max_age(status)
    status.add_argument(
        "--strict",
        action="store_true",
        help="also closed (1) while any instrument is blocked and not released by an operator",
    )
    status.add_argument("--json", action="store_true", help="print one JSON object")
    add_timeout(status, "each answer from the server", 2.0)


def add_max_age(command: argparse.ArgumentParser) -> None:
    """Let a command ask how old a heartbeat may be."""
    command.add_argument(
        "--max-age",
        metavar="SECS",
        type=positive,
        help="how old the heartbeat may be (default: three times heartbeat_secs, at least 3)",
    )


def _status(arguments: argparse.Namespace) -> int:
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import NodeStatus  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import State  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import is_late  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.status import node_status  # noqa: PLC0415

    try:
        with connected(arguments, arguments.timeout) as client:
            reader = RecordReader(client, namespace(arguments))
            record = reader.current()
            if is_late(record, time.time_ns()):
                record = msgspec.structs.replace(record, refused=reader.refused())
            found = node_status(
                arguments.trader, record, time.time_ns(), arguments.max_age, arguments.strict
            )
            if record.heartbeat is None and not record.broken:
                reason = with_known(arguments, client, found.reason)
                found = msgspec.structs.replace(found, reason=reason)
            found = msgspec.structs.replace(found, lease=_lease(client, namespace(arguments)))
    except UsageError:
        raise
    except CommandError as e:
        if not arguments.json:
            raise
        trader_id = arguments.trader or ""
        found = NodeStatus(trader_id=trader_id, state=State.NO_HEARTBEAT, reason=str(e))
    if arguments.json:
        say(msgspec.json.encode(found).decode())
    else:
        show(found)
    return found.state.exit_code


def _lease(client: "redis.Redis", where: "Namespace") -> str:
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor.outside import holding  # noqa: PLC0415

    try:
        return holding.holding_line(holding.found(client, where))
    except redis.ResponseError:  # The answer to whether it may trade does not depend on it
        return ""


def show(found: "NodeStatus") -> None:
    """Print the status of a node."""
    say_in_lines(wording.with_trader(line, found.trader_id) for line in _lines(found))


def _lines(found: "NodeStatus") -> Iterator[str]:
    from nautilus_recovery_actor.outside.record.rows import absent_line  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.rows import orphans_line  # noqa: PLC0415

    yield f"{found.trader_id} {found.state}: {found.reason}"
    yield from _storage_lines(found)
    yield from _block_lines(found)
    if found.proven_age_secs is not None:
        is_rest = bool(found.blocked_instruments)
        yield wording.proven(found.proven_age_secs, is_old=found.is_proof_old, is_rest=is_rest)
    if found.ts_unanswered is not None:
        yield wording.unanswered(found.ts_unanswered)
    if found.unprotected:
        yield wording.unprotected(found.unprotected, found.unprotected_more)
    if found.orphan_exits:
        yield orphans_line(found)
    if found.absent_strategies:
        yield absent_line(found)
    for line in wording.first_corrections(found.corrections):
        yield line
    for _, line in wording.repair_lines(found.repairs, found.trader_id):
        yield line
    for account in found.accounts:
        if proof := wording.proof_of(account):
            yield f"{account.account_id} {proof}"
    yield from _monitor_lines(found)


def _monitor_lines(found: "NodeStatus") -> Iterator[str]:
    if found.lease:
        yield f"Lease: {found.lease}"
    if found.is_shadow:
        yield wording.SHADOW


def _storage_lines(found: "NodeStatus") -> Iterator[str]:
    from nautilus_recovery_actor.outside.record.rows import incident_line  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.rows import stale_line  # noqa: PLC0415

    yield from map(incident_line, found.storage)
    yield from map(stale_line, found.stale_caches)


def _block_lines(found: "NodeStatus") -> Iterator[str]:
    for instrument_id in found.blocked_instruments:
        until = found.released_until.get(instrument_id)
        released = "" if until is None else f", released until {moment(until)} UTC"
        yield f"Blocked: {instrument_id}{released}"

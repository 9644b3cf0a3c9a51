"""
``nautilus-recovery lease``: which node runs a trader, and taking over from it.
"""

import argparse
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core.lease import remedy
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import seconds


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.holding import Taken

CODES = (
    "exit codes: 0 a node holds the lease, or it was taken over; 1 no node holds it; 2 Redis "
    "cannot be used"
)


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show which node holds the lease of a trader, or take it over"
    lease = add_command(
        commands,
        "lease",
        text,
        _lease,
        description=f"{sentence(text)}. `--take-over` is for a node that is out of reach: its "
        "gates close, and the next node may start. It needs the rights of the node's Redis user.",
        epilog=CODES,
    )
    add_record(lease)
    lease.add_argument(
        "--take-over",
        action="store_true",
        help="take the lease from the node that holds it, for the next one that starts",
    )
    lease.add_argument(
        "--reason", default="", help="why, in one line; the node that loses it logs that"
    )
    lease.add_argument("--json", action="store_true", help="print one JSON object")
    add_timeout(lease, "each answer from the server", 5.0)


def _lease(arguments: argparse.Namespace) -> int:
    arguments.is_acting = arguments.take_over
    return _take_over(arguments) if arguments.take_over else _show(arguments)


def _show(arguments: argparse.Namespace) -> int:
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor.outside.holding import found  # noqa: PLC0415
    from nautilus_recovery_actor.outside.holding import lease_status  # noqa: PLC0415

    with connected(arguments, arguments.timeout) as client:
        try:
            status = lease_status(arguments.trader, found(client, namespace(arguments)))
        except redis.ResponseError as e:
            raise _refused(arguments, e) from e
        if status.fence is None:  # It never had one
            reason = with_known(arguments, client, status.reason)
            status = msgspec.structs.replace(status, reason=reason)
    if arguments.json:
        say(msgspec.json.encode(status).decode())
    else:
        say_in_lines([f"{status.trader_id} {status.state}: {status.reason}"])
        if status.wait_secs and status.state.exit_code:
            say(f"The next node waits at most {seconds(status.wait_secs)} for it")
    return status.state.exit_code


def _take_over(arguments: argparse.Namespace) -> int:
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor.link.whoami import user_at_host  # noqa: PLC0415
    from nautilus_recovery_actor.outside.holding import take_over  # noqa: PLC0415

    reason = f": {one_line(arguments.reason)}" if arguments.reason else ""
    with connected(arguments, arguments.timeout) as client:
        try:
            taken = take_over(client, namespace(arguments), f"{user_at_host()}{reason}")
        except redis.ResponseError as e:
            raise _refused(arguments, e) from e
    if arguments.json:
        say(msgspec.json.encode(taken).decode())
    else:
        _say_taken(taken)
    return DONE


def _say_taken(taken: "Taken") -> None:
    if not taken.holder:
        say(one_line(f"{taken.trader_id}: no node held the lease, the next one may start now"))
        return
    say(one_line(f"{taken.trader_id}: taken over from {taken.holder}"))
    if not taken.wait_secs:
        say("That process has ended: the next node may start now")
        return
    say(
        "Its gates close with its next heartbeat, or when its lease runs out if it cannot reach "
        f"Redis. Start the next node now: it waits for that, at most {seconds(taken.wait_secs)}"
    )
    say(
        "Not undone: orders that it has sent, also those still on their way, and what it still "
        "writes to Redis. Stop it as soon as you can reach it"
    )


def _refused(arguments: argparse.Namespace, error: Exception) -> CommandError:
    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415

    why = one_line(str(error)).rstrip(".")
    return CommandError(
        f"Redis at {address(arguments.redis)} refuses it ({why}){remedy(why, arguments.trader)}"
    )

"""
``nautilus-recovery release``, ``resume`` and ``verify``: control a running node.
"""

import argparse
from typing import TYPE_CHECKING
from typing import Any

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import UsageError
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import add_trader
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.record import add_namespace
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    from nautilus_recovery_actor.core.delivery import CommandAnswer
    from nautilus_recovery_actor.link.command import Action
    from nautilus_recovery_actor.link.command import OperatorCommand


_VERIFY_REASON = "asked on the command line"


def add_to(commands: Commands) -> None:
    """Add the commands."""
    _add_release(commands)
    _add_resume(commands)
    _add_verify(commands)


def _add_release(commands: Commands) -> None:
    text = "let a blocked instrument trade for a while although it differs from the venue"
    release = add_command(commands, "release", text, _release)
    release.add_argument("instrument", metavar="INSTRUMENT", help="e.g. ETHUSDT-PERP.BINANCE")
    add_addressee(release)
    how_long = release.add_mutually_exclusive_group()
    how_long.add_argument(
        "--minutes",
        type=float,
        default=15.0,
        help="for how long, at most 1440 (default: 15); the next recovery ends it early",
    )
    how_long.add_argument("--withdraw", action="store_true", help="end a release now")


def _add_resume(commands: Commands) -> None:
    text = "let a running node retry after its recovery failed or was repeated too often"
    add_addressee(add_command(commands, "resume", text, _resume))


def _add_verify(commands: Commands) -> None:
    text = "let a running node ask its venues now whether they hold what its cache holds"
    add_addressee(
        add_command(commands, "verify", text, _verify), reason=_VERIFY_REASON, timeout_secs=60.0
    )


def add_addressee(
    command: argparse.ArgumentParser, *, reason: str | None = None, timeout_secs: float = 10.0
) -> None:
    """
    Let a command ask for a running node, and why it has to do that, `reason` if nobody says so.
    """
    add_trader(command, is_acting=True)
    command.add_argument(
        "--reason",
        required=reason is None,
        default=reason,
        help="why, in one line; it goes into the log and the report",
    )
    add_redis(command, "the server of the node's cache")
    command.add_argument(
        "--database",
        metavar="URL",
        help="the server in `database` of the RecoveryMonitorConfig, if it is set (default: that "
        "of the cache)",
    )
    add_namespace(command)
    add_timeout(command, "the node's answer", timeout_secs)
    command.add_argument("--json", action="store_true", help="print the node's answer as JSON")


def _release(arguments: argparse.Namespace) -> int:
    if arguments.withdraw:
        return _command(arguments, "withdraw", instrument_id=arguments.instrument)
    secs = arguments.minutes * 60
    return _command(arguments, "release", instrument_id=arguments.instrument, secs=secs)


def _resume(arguments: argparse.Namespace) -> int:
    return _command(arguments, "resume")


def _verify(arguments: argparse.Namespace) -> int:
    return _command(arguments, "verify")


def _command(arguments: argparse.Namespace, action: "Action", **what: Any) -> int:
    command, answer = ask(arguments, action, **what)
    text = one_line(answer.text)
    if arguments.json:
        addressee = {"trader_id": command.trader_id, "action": action, **what}
        say(msgspec.json.encode(addressee | msgspec.structs.asdict(answer)).decode())
    elif answer.is_accepted:
        say_in_lines([f"{command.trader_id}: {text}"])
    else:
        refused = "" if action == "verify" else " refused"
        complain(f"{command.trader_id}{refused}: {text}")
    return DONE if answer.is_accepted else REFUSED


def ask(
    arguments: argparse.Namespace, action: "Action", **what: Any
) -> "tuple[OperatorCommand, CommandAnswer]":
    """Send a command to a running node, and return it with its answer."""
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor.link.client import RedisUnusableError  # noqa: PLC0415
    from nautilus_recovery_actor.link.command import OperatorCommand  # noqa: PLC0415
    from nautilus_recovery_actor.outside import remote  # noqa: PLC0415

    if arguments.trader is None:
        with connected(arguments):
            pass  # It names those on record
    try:
        command = OperatorCommand.new(
            arguments.trader, action, arguments.reason, valid_secs=arguments.timeout, **what
        )
    except ValueError as e:
        raise UsageError(str(e)) from e
    arguments.interrupted = (
        "Interrupted before the node answered: its log says whether it did what was asked"
    )
    try:
        server = arguments.database or arguments.redis
        answer = remote.send(command, server, namespace(arguments), arguments.redis)
    except remote.NoNodeError as e:
        raise CommandError(_with_known(arguments, str(e))) from e
    except (remote.RemoteError, RedisUnusableError) as e:
        raise CommandError(str(e)) from e
    return command, answer


def _with_known(arguments: argparse.Namespace, line: str) -> str:
    try:
        with connected(arguments) as client:
            return with_known(arguments, client, line)
    except CommandError:
        return line

"""
``nautilus-recovery inspect``: what the next start of a node would restore.
"""

import argparse

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_max_value
from nautilus_recovery_actor.console.common import loading
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.core.text import one_line


_ROWS = 50
_NAMED = 5


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show what the next start of a node would restore from Redis"
    inspect = add_command(
        commands,
        "inspect",
        text,
        _inspect,
        description=f"{sentence(text)}. Starts no node and changes nothing.",
        epilog="exit codes: 0 all is readable; 1 broken entries; 2 Redis or the trader not found",
    )
    add_record(inspect)
    inspect.add_argument("--strategy", metavar="ID", help="show only its positions and orders")
    inspect.add_argument("--instrument", metavar="ID", help="show only its positions and orders")
    add_max_value(inspect)
    inspect.add_argument("--all", action="store_true", help=f"show more than {_ROWS} rows a table")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")


def _inspect(arguments: argparse.Namespace) -> int:
    require("cli", "rich")
    with loading():
        from nautilus_recovery_actor.console import inventory_tables  # noqa: PLC0415
        from nautilus_recovery_actor.outside.store import keys  # noqa: PLC0415
        from nautilus_recovery_actor.outside.store import reader  # noqa: PLC0415

    with connected(arguments) as client:
        inventory = reader.read(client, namespace(arguments), arguments.max_value)
        if inventory is None:
            raise _nothing(arguments, keys.owners(client))
    inventory = inventory.of(arguments.strategy, arguments.instrument)
    if arguments.json:
        say(msgspec.json.encode(inventory).decode())
    else:
        inventory_tables.show(inventory, None if arguments.all else _ROWS)
    return REFUSED if inventory.broken else DONE


def _nothing(arguments: argparse.Namespace, owners: list[tuple[str, str]]) -> CommandError:
    from nautilus_recovery_actor.node.link.address import address  # noqa: PLC0415

    trader = one_line(arguments.trader)
    line = f"Redis at {address(arguments.redis)} has no entries for {trader}"
    if not owners:
        return CommandError(f"{line} or any other trader: is this the server of the node's cache?")
    named = ", ".join(f"--trader {trader}{options}" for trader, options in owners[:_NAMED])
    more = f" and {len(owners) - _NAMED:,} more" if len(owners) > _NAMED else ""
    return CommandError(f"{line}. It has entries for: {named}{more}")

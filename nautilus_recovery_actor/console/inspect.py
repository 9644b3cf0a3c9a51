"""
``nautilus-recovery inspect``: what the next start of a node would restore.
"""

import argparse
from typing import TYPE_CHECKING

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
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.store.inventory import Inventory

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
        epilog="exit codes: 0 all is there and readable; 1 broken or missing entries; 2 the "
        "trader, the strategy or the instrument is not known there, or Redis cannot be used",
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
    _check_known("strategy", arguments.strategy, inventory.known_strategies, inventory)
    _check_known("instrument", arguments.instrument, inventory.known_instruments, inventory)
    inventory = inventory.of(arguments.strategy, arguments.instrument)
    if arguments.json:
        say(msgspec.json.encode(inventory).decode())
    else:
        inventory_tables.show(inventory, None if arguments.all else _ROWS)
    return REFUSED if inventory.broken or inventory.missing else DONE


def _check_known(
    what: str, given: str | None, known: tuple[str, ...], inventory: "Inventory"
) -> None:
    from difflib import get_close_matches  # noqa: PLC0415

    if given is None or given in known:
        return
    positions, orders = len(inventory.positions), len(inventory.orders)
    hides = f"hides {counted(positions, 'open position')} and {counted(orders, 'order')}"
    meant = get_close_matches(given, known, 1, 0.8)
    hint = f"did you mean {meant[0]}? " if meant else ""
    named = ", ".join(known[:_NAMED]) or "none"
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    raise CommandError(
        one_line(
            f"Nothing stored of {inventory.trader_id} is of the {what} {given}, which {hides}: "
            f"{hint}Known: {named}{more}"
        )
    )


def _nothing(arguments: argparse.Namespace, owners: list[tuple[str, str]]) -> CommandError:
    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415

    trader = one_line(arguments.trader)
    line = f"Redis at {address(arguments.redis)} has no entries for {trader}"
    if not owners:
        return CommandError(f"{line} or any other trader: is this the server of the node's cache?")
    named = ", ".join(f"--trader {trader}{options}" for trader, options in owners[:_NAMED])
    more = f" and {len(owners) - _NAMED:,} more" if len(owners) > _NAMED else ""
    return CommandError(f"{line}. It has entries for: {named}{more}")

"""
``nautilus-recovery inspect``: what the next start of a node would restore.
"""

import argparse
import sys
from contextlib import closing
from io import TextIOWrapper

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import UNUSABLE
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import add_trader
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import lacks
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.text import one_line


_ROWS = 50
_NAMED = 5


def add_to(commands: Commands) -> None:
    """
    Add the command.

    Parameters
    ----------
    commands : Commands
        The commands of the parser.

    """
    text = "show what the next start of a node would restore from Redis"
    inspect = commands.add_parser(
        "inspect",
        help=text,
        description=f"{text.capitalize()}. No node is started, and nothing is changed.",
        epilog="Exit code: 0; 1 with broken entries; 2 if Redis or the trader is not found.",
    )
    add_trader(inspect)
    add_redis(inspect, "the server of the node's cache")
    inspect.add_argument("--strategy", metavar="ID", help="only its positions and orders")
    inspect.add_argument("--instrument", metavar="ID", help="only its positions and orders")
    inspect.add_argument(
        "--instance-id",
        metavar="UUID",
        help="the instance, if the node's cache has use_instance_id=True",
    )
    inspect.add_argument(
        "--no-prefix",
        action="store_true",
        help="the node's cache has use_trader_prefix=False",
    )
    inspect.add_argument(
        "--max-value",
        metavar="MIB",
        type=_mebibytes,
        default=64 * 2**20,
        help="do not read values that take more memory in Redis (default: 64)",
    )
    inspect.add_argument("--all", action="store_true", help=f"more than {_ROWS} rows in a table")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(run=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    if lacks("cli", "redis", "rich"):
        return UNUSABLE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # A stored name may hold any letter
    # What needs the extra is imported when it is there
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor import redis_view  # noqa: PLC0415
    from nautilus_recovery_actor.console import inventory_tables  # noqa: PLC0415
    from nautilus_recovery_actor.inspection import store_reader  # noqa: PLC0415

    namespace = redis_view.Namespace(
        trader_id=arguments.trader,
        instance_id=arguments.instance_id,
        use_trader_prefix=not arguments.no_prefix,
    )
    try:
        with closing(redis_view.connect(arguments.redis)) as client:
            inventory = store_reader.read(client, namespace, arguments.max_value)
            owners = [] if inventory else store_reader.owners(client)
    except redis_view.RedisUnusableError as e:
        complain(str(e))
        return UNUSABLE
    except (redis.RedisError, OSError) as e:
        where = redis_view.address(arguments.redis)
        why = one_line(str(e)).rstrip(".")
        complain(
            f"Redis at {where} cannot be read ({why}): is it running, and is this the server of "
            f"the node's cache?",
        )
        return UNUSABLE
    if inventory is None:
        complain(_nothing(arguments, owners))
        return UNUSABLE
    inventory = inventory.of(arguments.strategy, arguments.instrument)
    if arguments.json:
        say(msgspec.json.encode(inventory).decode())
    else:
        inventory_tables.show(inventory, None if arguments.all else _ROWS)
    return REFUSED if inventory.broken else DONE


def _nothing(arguments: argparse.Namespace, owners: list[tuple[str, str]]) -> str:
    from nautilus_recovery_actor import redis_view  # noqa: PLC0415

    trader = one_line(arguments.trader)
    line = f"Redis at {redis_view.address(arguments.redis)} holds nothing of {trader}"
    if not owners:
        return f"{line}, and of no other trader: is this the server of the node's cache?"
    named = ", ".join(f"--trader {trader}{options}" for trader, options in owners[:_NAMED])
    more = f" and {len(owners) - _NAMED:,} more" if len(owners) > _NAMED else ""
    return f"{line}. It holds entries of: {named}{more}"


def _mebibytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:7]) <= 2**20):
        raise argparse.ArgumentTypeError("give a whole number of MiB above 0")
    return int(text[:7]) * 2**20

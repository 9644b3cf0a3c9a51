"""
How what was taken out of a cache is put back, and what all commands that change one have in common.
"""

import argparse
import sys
from typing import TYPE_CHECKING
from typing import Any

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.outside.store.forgetting import Taken
    from nautilus_recovery_actor.outside.store.keeping import Keeper


LATEST = ""
PERMISSIONS = (
    "This Redis user lacks permissions: it needs the commands SCAN, TYPE, MEMORY USAGE, EXISTS, "
    "GET, GETRANGE, LLEN, LRANGE, SISMEMBER, SSCAN, HGET, HMGET, HSCAN, WATCH, MULTI, EXEC, "
    "RENAME, RPUSH, SREM, SADD, HDEL, HSET, SET and DEL on the keys of the trader"
)


def undo(
    arguments: argparse.Namespace,
    client: "redis.Redis",
    keeper: "Keeper",
    *,
    is_replaced: bool = False,
) -> int:
    """Put back what was taken, by default the last of all, or of what was replaced."""
    from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415

    refuse_running(arguments, client)
    id_ = None if arguments.undo == LATEST else arguments.undo
    kept = keeper.find(id_, is_replaced=is_replaced)
    keeper.check_place(kept)
    trader = one_line(arguments.trader)
    if not arguments.json:
        forget_tables.show_taken(
            f"{kept.id}, to be put back into the cache of {trader}", kept.taken
        )
    if not is_wished(arguments, "Put this back?"):
        return not_applied(arguments, kept.taken, id=kept.id)
    keeper.put_back(kept)
    if arguments.json:
        say_json(arguments, kept.taken, id=kept.id, is_applied=True)
    else:
        say(f"Put back: the cache has all of {kept.id} again, as it was")
    return DONE


def refuse_running(arguments: argparse.Namespace, client: "redis.Redis") -> None:
    """Raise if a node runs, or may run."""
    from nautilus_recovery_actor.outside.running import why_not_stopped  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.keeping import RefusedError  # noqa: PLC0415

    where = namespace(arguments)
    heartbeat = general_key(HEARTBEAT_KEY)
    is_meant = bool(arguments.keys) and set(arguments.keys) <= {heartbeat, where.key(heartbeat)}
    why = why_not_stopped(client, where, is_unreadable_gone=is_meant)
    if why is not None:
        raise RefusedError(why)


def is_wished(arguments: argparse.Namespace, question: str) -> bool:
    """Return whether to do it: asks a person at a terminal who did not say."""
    if arguments.apply:
        return True
    if arguments.json or not sys.stdin.isatty():
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def check_known(arguments: argparse.Namespace, client: "redis.Redis", trader: str) -> None:
    """Raise if nothing is known of a trader."""
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    if not RecordReader(client, namespace(arguments)).is_known():
        raise CommandError(with_known(arguments, client, f"Nothing of {trader} is stored there"))


def not_applied(arguments: argparse.Namespace, taken: "tuple[Taken, ...]", **more: Any) -> int:
    """Say that nothing was changed."""
    if arguments.json:
        say_json(arguments, taken, **{"id": None, "is_applied": False, **more})
    else:
        complain("Nothing was changed: give --apply to do it without being asked")
    return REFUSED


def say_json(arguments: argparse.Namespace, taken: "tuple[Taken, ...]", **more: Any) -> None:
    """Print what is taken as one JSON object."""
    from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415

    told = {"trader_id": one_line(arguments.trader), **more, **forget_tables.told(taken)}
    say(msgspec.json.encode(told).decode())


def undoing(arguments: argparse.Namespace, id_: str) -> str:
    """Return the command that puts back what was taken."""
    where = " --no-prefix" if arguments.no_prefix else ""
    if arguments.instance_id:
        where += f" --instance-id {one_line(arguments.instance_id)}"
    return f"nautilus-recovery forget --undo {id_} --trader {one_line(arguments.trader)}{where}"

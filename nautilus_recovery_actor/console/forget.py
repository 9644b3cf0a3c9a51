"""
``nautilus-recovery forget``: take entries out of the cache of a stopped node, and put them back.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING
from typing import Any

import msgspec

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import Command
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_max_value
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import loading
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.outside.store.forgetting import Taken
    from nautilus_recovery_actor.outside.store.keeping import Keeper


_LATEST = ""
_PERMISSIONS = (
    "This Redis user lacks permissions: it needs the commands SCAN, TYPE, MEMORY USAGE, EXISTS, "
    "GET, GETRANGE, LLEN, LRANGE, SISMEMBER, SSCAN, HGET, HMGET, HSCAN, WATCH, MULTI, EXEC, "
    "RENAME, RPUSH, SREM, SADD, HDEL, HSET, SET and DEL on the keys of the trader"
)


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "take entries out of the cache of a stopped node, and put them back"
    forget = add_command(
        commands,
        "forget",
        text,
        _forget,
        description=f"{sentence(text)}. They go with all that refers to them, and are kept.",
        epilog="exit codes: 0 done, or nothing to do; 1 refused, or not carried out; "
        "2 no such entry, or Redis cannot be used",
    )
    forget.add_argument(
        "keys",
        metavar="KEY",
        nargs="*",
        help="an entry as `inspect`, `check` or the log names it, e.g. positions:<position_id>, "
        "or its ID alone if no other entry has that",
    )
    forget.add_argument(
        "--all-that-stop",
        action="store_true",
        help="take whatever `inspect` says stops the start; where events are repeated in a list, "
        "only these",
    )
    forget.add_argument(
        "--with-orders",
        action="store_true",
        help="with a position, take the orders too that filled it: for one that the venue holds",
    )
    forget.add_argument(
        "--undo",
        metavar="ID",
        nargs="?",
        const=_LATEST,
        help="put back what was taken under an ID, by default what was taken last",
    )
    forget.add_argument("--list", action="store_true", help="show what was taken and is kept")
    forget.add_argument("--apply", action="store_true", help="do not ask")
    add_record(forget)
    add_max_value(forget)
    forget.add_argument("--json", action="store_true", help="print one JSON object; never asks")
    forget.set_defaults(parser=forget)


def _forget(arguments: argparse.Namespace) -> int:
    _check(arguments.parser, arguments)
    require("cli", "rich")
    # What needs the extra is imported when it is there
    from redis.exceptions import NoPermissionError  # noqa: PLC0415

    from nautilus_recovery_actor.outside.store.forgetting import UnknownKeyError  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.keeping import RefusedError  # noqa: PLC0415

    arguments.is_acting = not arguments.list
    with connected(arguments) as client:
        try:
            return _list(arguments, client) if arguments.list else _change(arguments, client)
        except UnknownKeyError as e:
            raise CommandError(str(e)) from e
        except NoPermissionError as e:
            raise CommandError(_PERMISSIONS) from e
        except RefusedError as e:
            complain(str(e))
            return REFUSED


def _check(parser: Command, arguments: argparse.Namespace) -> None:
    ways = (
        bool(arguments.keys or arguments.all_that_stop),
        arguments.undo is not None,
        arguments.list,
    )
    if sum(ways) != 1:
        parser.error("give one of KEY and --all-that-stop, --undo, or --list")
    if arguments.list and arguments.apply:
        parser.error("--list changes nothing: leave out --apply")
    if arguments.with_orders and not arguments.keys:
        parser.error("--with-orders goes with the KEY of a position")


def _change(arguments: argparse.Namespace, client: "redis.Redis") -> int:
    from nautilus_recovery_actor.outside.store.keeping import Keeper  # noqa: PLC0415

    keeper = Keeper(client, namespace(arguments))
    try:
        if arguments.undo is not None:
            return _undo(arguments, client, keeper)
        return _take(arguments, client, keeper)
    finally:
        keeper.close()


def _take(arguments: argparse.Namespace, client: "redis.Redis", keeper: "Keeper") -> int:
    with loading():
        from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415
        from nautilus_recovery_actor.link.whoami import user_at_host  # noqa: PLC0415
        from nautilus_recovery_actor.outside.store.selection import Selection  # noqa: PLC0415

    _refuse_running(arguments, client)
    selection = Selection(client, namespace(arguments), arguments.max_value)
    if arguments.all_that_stop:
        selection.add_all_that_stop()
    if arguments.keys:
        named = [os.fsencode(key) for key in arguments.keys]
        kept = keeper.named_as(named)
        selection.add_named(
            [key for key in named if key not in kept], with_orders=arguments.with_orders
        )
        for key in kept:
            complain(kept[key])
    taken = selection.taken
    trader = one_line(arguments.trader)
    if not taken:
        return _nothing(arguments, client, trader)
    keeper.watch(taken)
    if not arguments.json:
        forget_tables.show_taken(f"To be taken out of the cache of {trader}", taken)
        forget_tables.show_notes(selection.notes)
    if not _is_wished(arguments, "Take this out?"):
        return _not_applied(arguments, taken, notes=selection.notes)
    done = keeper.take(taken, user_at_host())
    if arguments.json:
        _say_json(arguments, taken, id=done.id, is_applied=True, notes=selection.notes)
    else:
        say(f"Taken out, and kept as {done.id}. To put it back:")
        say(f"  {_undoing(arguments, done.id)}")
    return DONE


def _undo(arguments: argparse.Namespace, client: "redis.Redis", keeper: "Keeper") -> int:
    from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415

    _refuse_running(arguments, client)
    kept = keeper.find(None if arguments.undo == _LATEST else arguments.undo)
    keeper.check_place(kept)
    trader = one_line(arguments.trader)
    if not arguments.json:
        forget_tables.show_taken(
            f"{kept.id}, to be put back into the cache of {trader}", kept.taken
        )
    if not _is_wished(arguments, "Put this back?"):
        return _not_applied(arguments, kept.taken, id=kept.id)
    keeper.put_back(kept)
    if arguments.json:
        _say_json(arguments, kept.taken, id=kept.id, is_applied=True)
    else:
        say(f"Put back: the cache has all of {kept.id} again, as it was")
    return DONE


def _list(arguments: argparse.Namespace, client: "redis.Redis") -> int:
    from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.keeping import Keeper  # noqa: PLC0415

    keeper = Keeper(client, namespace(arguments))
    try:
        kept = keeper.all()
    finally:
        keeper.close()
    trader = one_line(arguments.trader)
    if arguments.json:
        told = [
            {"id": one.id, "ts": one.ts, "operator": one.operator, **forget_tables.told(one.taken)}
            for one in kept
        ]
        say(msgspec.json.encode({"trader_id": trader, "kept": told}).decode())
    elif not kept:
        _check_known(arguments, client, trader)
        say(f"Nothing is kept of {trader}: nothing was forgotten, or all of it was put back")
    else:
        forget_tables.show_kept(kept)
    return DONE


def _refuse_running(arguments: argparse.Namespace, client: "redis.Redis") -> None:
    from nautilus_recovery_actor.outside.running import why_not_stopped  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.keeping import RefusedError  # noqa: PLC0415

    where = namespace(arguments)
    heartbeat = general_key(HEARTBEAT_KEY)
    is_meant = bool(arguments.keys) and set(arguments.keys) <= {heartbeat, where.key(heartbeat)}
    why = why_not_stopped(client, where, is_unreadable_gone=is_meant)
    if why is not None:
        raise RefusedError(why)


def _is_wished(arguments: argparse.Namespace, question: str) -> bool:
    if arguments.apply:
        return True
    if arguments.json or not sys.stdin.isatty():
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _nothing(arguments: argparse.Namespace, client: "redis.Redis", trader: str) -> int:
    _check_known(arguments, client, trader)
    if arguments.json:
        _say_json(arguments, (), id=None, is_applied=False)
    elif arguments.all_that_stop:
        say(f"Nothing to take: no stored entry keeps {trader} from starting")
    return DONE


def _check_known(arguments: argparse.Namespace, client: "redis.Redis", trader: str) -> None:
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    if not RecordReader(client, namespace(arguments)).is_known():
        raise CommandError(with_known(arguments, client, f"Nothing of {trader} is stored there"))


def _not_applied(arguments: argparse.Namespace, taken: "tuple[Taken, ...]", **more: Any) -> int:
    if arguments.json:
        _say_json(arguments, taken, **{"id": None, "is_applied": False, **more})
    else:
        complain("Nothing was changed: give --apply to do it without being asked")
    return REFUSED


def _say_json(arguments: argparse.Namespace, taken: "tuple[Taken, ...]", **more: Any) -> None:
    from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415

    told = {"trader_id": one_line(arguments.trader), **more, **forget_tables.told(taken)}
    say(msgspec.json.encode(told).decode())


def _undoing(arguments: argparse.Namespace, id_: str) -> str:
    where = " --no-prefix" if arguments.no_prefix else ""
    if arguments.instance_id:
        where += f" --instance-id {one_line(arguments.instance_id)}"
    return f"nautilus-recovery forget --undo {id_} --trader {one_line(arguments.trader)}{where}"

"""
``nautilus-recovery forget``: take entries out of the cache of a stopped node, and put them back.
"""

import argparse
import os
from typing import TYPE_CHECKING

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
from nautilus_recovery_actor.console.put_back import LATEST
from nautilus_recovery_actor.console.put_back import PERMISSIONS
from nautilus_recovery_actor.console.put_back import check_known
from nautilus_recovery_actor.console.put_back import is_wished
from nautilus_recovery_actor.console.put_back import not_applied
from nautilus_recovery_actor.console.put_back import refuse_running
from nautilus_recovery_actor.console.put_back import say_json
from nautilus_recovery_actor.console.put_back import undo
from nautilus_recovery_actor.console.put_back import undoing
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.outside.store.keeping import Keeper


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
        "--for-upgrade",
        action="store_true",
        help="take all that NautilusTrader 1.x wrote, before 2.0 starts: see `check --upgrade`",
    )
    forget.add_argument(
        "--for-downgrade",
        action="store_true",
        help="take all that NautilusTrader 2.0 wrote, before 1.x starts again",
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
        const=LATEST,
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
            raise CommandError(PERMISSIONS) from e
        except RefusedError as e:
            complain(str(e))
            return REFUSED


def _check(parser: Command, arguments: argparse.Namespace) -> None:
    ways = (
        bool(arguments.keys or arguments.all_that_stop),
        arguments.for_upgrade,
        arguments.for_downgrade,
        arguments.undo is not None,
        arguments.list,
    )
    if sum(ways) != 1:
        parser.error(
            "give one of KEY and --all-that-stop, --for-upgrade, --for-downgrade, --undo, or --list"
        )
    if arguments.list and arguments.apply:
        parser.error("--list changes nothing: leave out --apply")
    if arguments.with_orders and not arguments.keys:
        parser.error("--with-orders goes with the KEY of a position")


def _change(arguments: argparse.Namespace, client: "redis.Redis") -> int:
    from nautilus_recovery_actor.outside.store.keeping import Keeper  # noqa: PLC0415

    keeper = Keeper(client, namespace(arguments))
    try:
        if arguments.undo is not None:
            return undo(arguments, client, keeper)
        return _take(arguments, client, keeper)
    finally:
        keeper.close()


def _take(arguments: argparse.Namespace, client: "redis.Redis", keeper: "Keeper") -> int:
    with loading():
        from nautilus_recovery_actor.console import forget_tables  # noqa: PLC0415
        from nautilus_recovery_actor.link.whoami import user_at_host  # noqa: PLC0415
        from nautilus_recovery_actor.outside.store.majors import Major  # noqa: PLC0415
        from nautilus_recovery_actor.outside.store.selection import Selection  # noqa: PLC0415

    refuse_running(arguments, client)
    selection = Selection(client, namespace(arguments), arguments.max_value)
    if arguments.all_that_stop:
        selection.add_all_that_stop()
    if arguments.for_upgrade or arguments.for_downgrade:
        selection.add_written_by(Major.ONE if arguments.for_upgrade else Major.TWO)
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
    if not is_wished(arguments, "Take this out?"):
        return not_applied(arguments, taken, notes=selection.notes)
    done = keeper.take(taken, user_at_host())
    if arguments.json:
        say_json(arguments, taken, id=done.id, is_applied=True, notes=selection.notes)
    else:
        say(f"Taken out, and kept as {done.id}. To put it back:")
        say(f"  {undoing(arguments, done.id)}")
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
        check_known(arguments, client, trader)
        say(f"Nothing is kept of {trader}: nothing was forgotten, or all of it was put back")
    else:
        forget_tables.show_kept(kept)
    return DONE


def _nothing(arguments: argparse.Namespace, client: "redis.Redis", trader: str) -> int:
    check_known(arguments, client, trader)
    if arguments.json:
        say_json(arguments, (), id=None, is_applied=False)
    elif arguments.all_that_stop:
        say(f"Nothing to take: no stored entry keeps {trader} from starting")
    elif arguments.for_upgrade or arguments.for_downgrade:
        version = "1.x" if arguments.for_upgrade else "2.0"
        say(f"Nothing to take: NautilusTrader {version} has written nothing of {trader}")
    return DONE

"""
``nautilus-recovery migrate``: the cache of NautilusTrader 1.x, in the encoding of 2.0.
"""

import argparse
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console import put_back
from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_max_value
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.record import add_record
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.store.two import proven


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.outside.store.forgetting import Entry
    from nautilus_recovery_actor.outside.store.keeping import Keeper
    from nautilus_recovery_actor.outside.store.replacing import Replacement

_PROVEN = " or ".join(proven.VERSIONS)


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "bring what NautilusTrader 1.x stored into the encoding of 2.0"
    migrate = add_command(
        commands,
        "migrate",
        text,
        _migrate,
        description=f"{sentence(text)}: so that 2.0 starts with the same orders and positions. "
        f"Proven for {_PROVEN}; where another 2.0 is installed it refuses. Without --apply it only "
        "says what it would do. All that it replaces is kept.",
        epilog="exit codes: 0 done, or it can be done; 1 refused, or something cannot be migrated; "
        "2 Redis cannot be used",
    )
    migrate.add_argument(
        "--undo",
        metavar="ID",
        nargs="?",
        const="",
        help="put back what was replaced under an ID, by default what was replaced last",
    )
    migrate.add_argument("--apply", action="store_true", help="do it")
    add_record(migrate)
    add_max_value(migrate)
    migrate.add_argument("--json", action="store_true", help="print one JSON object")
    migrate.set_defaults(keys=())


def _migrate(arguments: argparse.Namespace) -> int:
    require("cli", "rich")
    # What needs the extra is imported when it is there
    from redis.exceptions import NoPermissionError  # noqa: PLC0415

    from nautilus_recovery_actor.outside.store.keeping import Keeper  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.keeping import RefusedError  # noqa: PLC0415

    arguments.is_acting = True
    with connected(arguments) as client:
        keeper = Keeper(client, namespace(arguments))
        try:
            if arguments.undo is not None:
                return put_back.undo(arguments, client, keeper, is_replaced=True)
            return _take(arguments, client, keeper)
        except NoPermissionError as e:
            raise CommandError(put_back.PERMISSIONS) from e
        except RefusedError as e:
            complain(str(e))
            return REFUSED
        finally:
            keeper.close()


def _take(arguments: argparse.Namespace, client: "redis.Redis", keeper: "Keeper") -> int:
    from nautilus_recovery_actor.link.whoami import user_at_host  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.replacing import Replacement  # noqa: PLC0415

    _refuse_unproven()
    put_back.refuse_running(arguments, client)
    found = Replacement(client, namespace(arguments), arguments.max_value)
    if not (found.taken or found.refused):
        put_back.check_known(arguments, client, one_line(arguments.trader))
    if found.taken:
        keeper.watch(found.taken)
    id_ = None
    if arguments.apply and found.taken and not found.refused:
        id_ = keeper.take(found.taken, user_at_host()).id
    if arguments.json:
        _say_json(arguments, found, id_)
    else:
        _say(arguments, found, id_)
    return REFUSED if found.refused else DONE


def _refuse_unproven() -> None:
    from nautilus_recovery_actor.outside.store.keeping import RefusedError  # noqa: PLC0415

    there = proven.installed()
    if there not in (None, *proven.VERSIONS):
        raise RefusedError(
            f"NautilusTrader {one_line(str(there))} is installed here: that it loads what is "
            f"migrated was proven for {_PROVEN} alone. Do it where that one is installed, or 1.x"
        )


def _say(arguments: argparse.Namespace, found: "Replacement", id_: str | None) -> None:
    from nautilus_recovery_actor.outside.store.keys import name  # noqa: PLC0415

    trader = one_line(arguments.trader)
    if not (found.taken or found.refused):
        say(f"Nothing to migrate: NautilusTrader 1.x has written nothing of {trader}")
        return
    for key, why in found.refused.items():
        complain(f"{name(key)} cannot be migrated: {why}")
    for entry in found.left_out:
        say(f"left out: {name(entry.key)}: {entry.why}")
    say(f"{trader}: {_counted(found.replaced) or 'nothing'} can be had equal on {_PROVEN}")
    if proven.installed() is None:
        say(f"Assumed: the node will run {_PROVEN}, for which alone this was proven")
    if found.refused:
        complain(
            "Nothing was changed: close and cancel with 1.x what cannot be migrated, then try again"
        )
        return
    say(f"On 2.0: {_configured(found)}")
    if id_ is None:
        say("Nothing was changed: give --apply to do it")
    else:
        say(f"Done. What was replaced is kept as {id_}. To go back, before 2.0 has started:")
        say(f"  {put_back.undoing(arguments, id_)}")


def _configured(found: "Replacement") -> str:
    from nautilus_recovery_actor.outside.store.decoding import encoding  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.forgetting import split  # noqa: PLC0415

    # With another encoding it does not start, with another account it holds all positions twice
    stored = sorted({encoding(one.left[0]) for one in found.replaced})
    told = [f"encoding=SerializationEncoding.{one} in `with_recovery`" for one in stored]
    for one in found.replaced:
        kind, identifier = split(one.key)
        if kind == b"accounts":
            account = one_line(identifier.decode(errors="replace"))
            told.append(f'account_id=AccountId("{account}") in the client of that account')
    return ", ".join(told)


def _say_json(arguments: argparse.Namespace, found: "Replacement", id_: str | None) -> None:
    from nautilus_recovery_actor.outside.store.keys import name  # noqa: PLC0415

    told = {
        "trader_id": one_line(arguments.trader),
        "proven_for": proven.VERSIONS,
        "installed": proven.installed(),
        "id": id_,
        "is_applied": id_ is not None,
        "migrated": [name(entry.key) for entry in found.replaced],
        "left_out": {name(entry.key): entry.why for entry in found.left_out},
        "refused": {name(key): why for key, why in found.refused.items()},
    }
    say(msgspec.json.encode(told).decode())


def _counted(entries: "list[Entry]") -> str:
    from nautilus_recovery_actor.core.text import counted  # noqa: PLC0415

    kinds = Counter(entry.key.partition(b":")[0].decode() for entry in entries)
    nouns = {"strategies": "state of a strategy", "actors": "state of an actor"}
    nouns["currencies"] = "currency"
    return ", ".join(
        counted(number, nouns.get(kind, kind[:-1])) for kind, number in sorted(kinds.items())
    )

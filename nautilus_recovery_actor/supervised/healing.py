"""
Taking out, and keeping, what stored entries keep a node from starting: `forget --all-that-stop`.
"""

from collections.abc import Callable

import redis

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.running import why_not_stopped
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.keeping import Keeper
from nautilus_recovery_actor.outside.store.keeping import RefusedError as NotTakenError
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.endings import RefusedError
from nautilus_recovery_actor.supervised.server import Server


_OPERATOR = "run_supervised"

# Reads what keeps a node from starting, with what refers to it
WhatStops = Callable[[redis.Redis, Namespace], tuple[Taken, ...]]
Say = Callable[[str], None]


def heal(server: Server, what_stops: WhatStops, say: Say) -> None:
    """Take out what keeps a node from starting, and keep it."""
    trader = one_line(server.namespace.trader_id)
    with connect(database_url(server.database)) as client:
        keeper = Keeper(client, server.namespace)
        try:
            taken = what_stops(client, server.namespace)
            if not taken:
                return
            if why := why_not_stopped(client, server.namespace):
                raise _not_healed(trader, why)
            keeper.watch(taken)
            kept = keeper.take(taken, _OPERATOR)
        except NotTakenError as e:
            raise _not_healed(trader, str(e)) from e
        finally:
            keeper.close()
    for entry in kept.entries:
        say(f"healed {name(entry.key)} of {trader}: {_taken(entry)}, because {entry.why}")
    undo = f"nautilus-recovery forget --undo {kept.id} {options(server)}"
    say(f"what was taken out is kept as {kept.id}, and put back by `{undo}`")


def stopping(server: Server, key: str, why: str, count: int) -> str:
    """Return that stored entries stop a start: the first one, why, and how many there are."""
    more = f", and {count - 1:,} more" if count > 1 else ""
    trader = one_line(server.namespace.trader_id)
    return f"Stored entries stop the start of {trader}: {key} ({why}){more}"


def options(server: Server) -> str:
    """Return the options with which a command finds the entries."""
    where = server.namespace
    named = f"--trader {one_line(where.trader_id)}"
    if not where.use_trader_prefix:
        named += " --no-prefix"
    if where.instance_id:
        named += f" --instance-id {one_line(where.instance_id)}"
    return named


def _not_healed(trader: str, why: str) -> RefusedError:
    why = f"Stored entries stop the start of {trader}, and were not healed: {why}"
    return RefusedError(Exit.TRY_AGAIN, why)


def _taken(entry: Entry) -> str:
    if not entry.left or entry.count is None:
        return "taken out"
    return f"{entry.count - len(entry.left)} of its {counted(entry.count, 'event')} taken out"

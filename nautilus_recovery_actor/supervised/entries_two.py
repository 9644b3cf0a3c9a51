"""
Stored entries that keep NautilusTrader 2.0 from starting, or from loading an order or a position.
"""

from collections.abc import Collection

import redis

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.outside.store.stopping_two import Stopping
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.healing import stopping
from nautilus_recovery_actor.supervised.server import Server


def what_stops(client: redis.Redis, namespace: Namespace) -> tuple[Taken, ...]:
    """Return what keeps a node from starting, or from loading an order or a position."""
    found = Stopping(client, namespace)
    if found.of_one:  # It does not start with these, whatever else goes
        return ()
    return (*found.entries(), *found.repeats())


def stopped_by_entries(server: Server, encodings: Collection[str] = ()) -> Ending | None:
    """Return how to go on where stored entries stopped the start, if they did."""
    try:
        with connect(database_url(server.database)) as client:
            found = Stopping(client, server.namespace)
            broken = found.entries()
    except Exception:
        return None  # What stopped the start is told without it
    if found.of_one:
        return Ending(Exit.ENTRIES_STOP_START, _of_one(found.of_one, server.namespace))
    if not broken:
        return _of_another(found.encoding, encodings, server.namespace)
    told = stopping(server, name(broken[0].key), broken[0].why, len(broken))
    return Ending(
        Exit.ENTRIES_STOP_START,
        f"{told}. They are taken out, and kept, before each start by "
        f"run_supervised(..., heal=True).",
    )


def _of_one(keys: list[bytes], namespace: Namespace) -> str:
    trader = one_line(namespace.trader_id)
    return (
        f"NautilusTrader 1.x wrote what is stored of {trader} ({name(keys[0])}), and 2.0 does not "
        f"start with it: bring it over first, beside NautilusTrader 1.x, with `nautilus-recovery "
        f"migrate --trader {trader}` (docs/nautilus-2-upgrade.md)"
    )


def _of_another(stored: str, encodings: Collection[str], namespace: Namespace) -> Ending | None:
    if not (stored and encodings) or stored in encodings:
        return None
    return Ending(
        Exit.ENTRIES_STOP_START,
        f"What is stored of {one_line(namespace.trader_id)} has the encoding {stored}, and the "
        f"node has {' and '.join(encodings)}: build it by `with_recovery(builder, database, "
        f"encoding=SerializationEncoding.{stored})`",
    )

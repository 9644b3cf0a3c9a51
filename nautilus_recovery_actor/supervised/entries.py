"""
Stored entries that keep NautilusTrader 1.x from starting.
"""

import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.selection import Selection
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.healing import options
from nautilus_recovery_actor.supervised.healing import stopping
from nautilus_recovery_actor.supervised.server import Server


def what_stops(client: redis.Redis, namespace: Namespace) -> tuple[Taken, ...]:
    """Return what keeps a node from starting, with what refers to it."""
    selection = Selection(client, namespace)
    selection.add_all_that_stop()
    return selection.taken


def stopped_by_entries(server: Server) -> Ending | None:
    """Return how to go on where stored entries stopped the start, if they did."""
    try:
        with connect(database_url(server.database)) as client:
            survey = reader.survey(client, server.namespace)
    except Exception:
        return None  # What stopped the start is told without it
    broken = [one for one in survey.broken.values() if one.stops_start]
    if not broken:
        return None
    told = stopping(server, broken[0].key, broken[0].why, len(broken))
    command = f"nautilus-recovery forget --all-that-stop {options(server)}"
    return Ending(
        Exit.ENTRIES_STOP_START,
        f"{told}. They are taken out, and kept, by `{command}`, or before each start by "
        f"run_supervised(..., heal=True).",
    )

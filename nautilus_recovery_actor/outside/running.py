"""
Does a node of a trader run? What changes its cache from outside asks this first.
"""

import time

import redis

from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.holding import why_held
from nautilus_recovery_actor.outside.record.reader import RecordReader


_NS = 1_000_000_000


def why_not_stopped(
    client: redis.Redis, namespace: Namespace, *, is_unreadable_gone: bool = False
) -> str | None:
    """
    Return why the node of a trader cannot be taken for stopped, and what to do, in one line.

    A node without a monitor cannot be seen; one that has just started has a lease, and no heartbeat
    yet. A heartbeat that cannot be read says nothing, and
    counts as none where just that entry is to go.
    """
    return _why_alive(client, namespace, is_unreadable_gone) or why_held(client, namespace)


def _why_alive(client: redis.Redis, namespace: Namespace, is_unreadable_gone: bool) -> str | None:
    trader_id = one_line(namespace.trader_id)
    record = RecordReader(client, namespace).stamps()
    if record.heartbeat is None:
        why = next((one.why for one in record.broken if one.key == HEARTBEAT_KEY), None)
        if why is None or is_unreadable_gone:
            return None
        return (
            f"The heartbeat of {trader_id} cannot be read ({why}), so that nothing says whether a "
            f"node runs: make sure that it is stopped, and forget general:{HEARTBEAT_KEY} first"
        )
    life = liveness(record.heartbeat, time.time_ns())
    age = duration(int(abs(life.age_secs) * _NS))
    match life.life:
        case Life.ALIVE:
            return (
                f"A node of {trader_id} runs, its last heartbeat is {age} old: stop it first. "
                f"If it was killed, wait until that is older than {seconds(life.max_age_secs)}"
            )
        case Life.AHEAD:
            return (
                f"The last heartbeat of {trader_id} is {age} in the future, so that nothing says "
                f"whether a node runs: stop it, or wait until this host's clock is past that"
            )
    return None

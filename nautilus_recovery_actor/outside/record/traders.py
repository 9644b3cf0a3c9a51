"""
Which traders have a record on a server.
"""

from typing import Any
from typing import NamedTuple

import redis

from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import TRADER_PREFIX
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace


# How many keys are looked at for them, and how many at once
_LOOK = 100_000
_SLICE = 1_000
_MAX_KEY = 300
_NAMED = 10

_SUFFIX = f":{general_key(HEARTBEAT_KEY)}"
# What the keys are like by which a trader is found
HEARTBEATS = f"*{_SUFFIX}"


class Listed(NamedTuple):
    """The traders of a server."""

    traders: list[Namespace]
    # Why there may be more, in one line, empty if there are not
    unseen: str


def traders(client: redis.Redis) -> Listed:
    """Return where the traders are that have a heartbeat here, as far as a short scan finds."""
    cursor, found = 0, set[Namespace]()
    for _ in range(_LOOK // _SLICE):
        answer: Any = client.scan(cursor, match=HEARTBEATS, count=_SLICE)
        cursor, keys = answer
        found |= set(filter(None, map(place, keys)))
        if not cursor:
            break
    unseen = f"only the first {_LOOK:,} keys there were looked at" if cursor else ""
    return Listed(sorted(found, key=options), unseen)


def place(key: bytes) -> Namespace | None:
    """Return where a trader is whose heartbeat has a key, ``None`` if no node writes that."""
    if len(key) > _MAX_KEY:
        return None
    try:
        name = key.decode().removesuffix(_SUFFIX)
    except UnicodeDecodeError:
        return None
    trader_id, _, instance_id = name.removeprefix(TRADER_PREFIX).partition(":")
    if not trader_id:
        return None
    return Namespace(
        trader_id=trader_id,
        instance_id=instance_id or None,
        use_trader_prefix=name.startswith(TRADER_PREFIX),
    )


def options(where: Namespace) -> str:
    """Return a trader as the options of a command name it, the option of its ID aside."""
    instance = f" --instance-id {one_line(where.instance_id)}" if where.instance_id else ""
    return (
        f"{one_line(where.trader_id)}{'' if where.use_trader_prefix else ' --no-prefix'}{instance}"
    )


def known(client: redis.Redis) -> str:
    """Return the traders on record in a sentence, also if there is none."""
    try:
        found, unseen = traders(client)
        named = [options(one) for one in found]
    except redis.ResponseError:  # Whoever asks may not look for keys
        return "Which traders are on record cannot be told: this Redis user may not SCAN"
    rest = f" ({unseen})" if unseen else ""
    if not named:
        return f"No trader is on record there{rest}"
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return (
        f"{'Trader' if len(named) == 1 else 'Traders'} on record: {', '.join(named[:_NAMED])}"
        f"{more}{rest}"
    )

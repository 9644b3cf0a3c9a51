"""
Which keys of a trader a Redis server holds, found without reading any value.
"""

import re
import time
from typing import cast

import msgspec
import redis

from nautilus_recovery_actor.core.names import TRADER_PREFIX
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal


_COUNT = 5000  # Keys that a server looks at in one step: what NautilusTrader asks for, too
_MOST = 5
_INSTANCE = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TraderKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What keys of a trader there are."""

    # If there is any under the namespace, ``None`` if that was not seen to the end
    has_keys: bool | None
    # Other prefixes under which the same trader is stored, the first few
    elsewhere: tuple[str, ...]


def keys_of(client: redis.Redis, namespace: Namespace, deadline: float) -> TraderKeys:
    """Return which keys of a trader there are, without those of its name in another place."""
    own = namespace.key("").encode()
    pattern = f"*{literal(namespace.trader_id)}:*"
    elsewhere: dict[bytes, None] = {}
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, match=pattern, count=_COUNT)
        for key in cast(list[bytes], keys):
            prefix = _prefix(key, namespace)
            if prefix == own:
                return TraderKeys(has_keys=True, elsewhere=())
            if prefix is not None and len(elsewhere) < _MOST:
                elsewhere[prefix] = None
        if not cursor or time.monotonic() > deadline:
            break
    names = tuple(one_line(prefix.decode(errors="replace")) for prefix in elsewhere)
    return TraderKeys(has_keys=None if cursor else False, elsewhere=names)


def _prefix(key: bytes, namespace: Namespace) -> bytes | None:
    trader = namespace.trader_id.encode()
    for prefix in (TRADER_PREFIX.encode() + trader + b":", trader + b":"):
        if key.startswith(prefix):
            instance = _INSTANCE.match(key, len(prefix))
            return prefix if instance is None else key[: instance.end()] + b":"
    return None

"""
From the server to what it holds of a trader. Nothing is written.

All of it may be hostile: of names only the start is read, of values only the first byte.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from typing import TypeVar

import redis

from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import SOCKET_SECS
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.checks.node_facts import StoredFacts
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.record import entries
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.majors import Major


_MAX_HEARTBEAT_BYTES = 16_384
_SAMPLES = 3
_SCANNED_KEYS = 10_000
_BATCH = 1_000

_Found = TypeVar("_Found")

# What an encoded map begins with
_MSGPACK_MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
_JSON_MAP = ord("{")


def read_stored(
    url: str, namespace: Namespace, lookback_mins: int | None, timeout_secs: float = SOCKET_SECS
) -> StoredFacts:
    """Return what a server holds of a trader."""
    # Counting must leave time for the rest
    with connect(url, timeout_secs / 2) as client:
        return _within(
            timeout_secs, lambda: _read(client, namespace, lookback_mins, timeout_secs / 2)
        )


def read_inventory(
    url: str, namespace: Namespace, timeout_secs: float = SOCKET_SECS
) -> Inventory | None:
    """Return what the next start of 1.x would restore, and what it could not load."""
    with connect(url, timeout_secs) as client:
        return _within(timeout_secs, lambda: reader.read(client, namespace, major=Major.ONE))


def _within(timeout_secs: float, read: Callable[[], _Found]) -> _Found:
    found: Future[_Found] = Future()

    def run() -> None:
        try:
            found.set_result(read())
        except Exception as e:
            found.set_exception(e)

    # A host name that does not resolve, or a server that sends a byte a second, knows no timeout
    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(timeout_secs)
    except TimeoutError:
        raise TimeoutError(f"not read within {seconds(timeout_secs)}") from None


def _read(
    client: redis.Redis, namespace: Namespace, lookback_mins: int | None, timeout_secs: float
) -> StoredFacts:
    now = time.time_ns()
    orders = namespace.key("index:orders")
    total = _number(client.scard(orders))
    recent = total
    if lookback_mins and total:
        since = now / 1e9 - lookback_mins * 60
        recent -= _older(client, orders, since, time.monotonic() + timeout_secs)
    return StoredFacts(
        now=now,
        ts_last_alive=_last_alive(client, namespace),
        order_count=total,
        recent_order_count=max(recent, 0),
        closed_order_count=_number(client.scard(namespace.key("index:orders_closed"))),
        encodings=frozenset(_encodings(client, namespace)),
    )


def _number(answer: Any) -> int:
    return int(answer)


def _last_alive(client: redis.Redis, namespace: Namespace) -> int | None:
    key = namespace.key(general_key(HEARTBEAT_KEY))
    data: Any = client.getrange(key, 0, _MAX_HEARTBEAT_BYTES)
    try:
        ts = entries.heartbeat(data).ts
    except entries.DamagedError:
        return None
    return ts if ts > 0 else None


def _older(client: redis.Redis, key: str, since: float, deadline: float) -> int:
    # What is not seen in time, or has no time in its name, counts as recent
    older, cursor = 0, 0
    while time.monotonic() < deadline:
        answer: Any = client.sscan(key, cursor, count=_BATCH)
        cursor, names = answer
        made = (made_at(name[:64].decode(errors="replace")) for name in names)
        older += sum(1 for ts in made if ts is not None and ts < since)
        if cursor == 0:
            break
    return older


def _encodings(client: redis.Redis, namespace: Namespace) -> Iterator[str]:
    for key in _samples(client, namespace):
        kind: Any = client.type(key)
        if kind == b"list":
            value: Any = client.lindex(key, 0)
        elif kind == b"string":
            value = client.getrange(key, 0, 0)
        else:
            continue
        first = value[0] if value else None
        if first == _JSON_MAP:
            yield "json"
        elif first in _MSGPACK_MAPS:
            yield "msgpack"


def _samples(client: redis.Redis, namespace: Namespace) -> Iterator[bytes | str]:
    for kind in ("orders", "positions"):
        names: Any = client.srandmember(namespace.key(f"index:{kind}"), _SAMPLES)
        for name in names:
            yield namespace.key(f"{kind}:").encode() + name
    # What has no index: found unless the server is full of other things
    found: dict[bytes, int] = {}
    pattern = literal(namespace.key("")) + "*"
    prefixes = [
        namespace.key(f"{kind}:").encode() for kind in ("accounts", "instruments", "currencies")
    ]
    cursor = 0
    for _ in range(_SCANNED_KEYS // _BATCH):
        answer: Any = client.scan(cursor, match=pattern, count=_BATCH)
        cursor, keys = answer
        for key in keys:
            for prefix in prefixes:
                if key.startswith(prefix) and found.get(prefix, 0) < _SAMPLES:
                    found[prefix] = found.get(prefix, 0) + 1
                    yield key
        if cursor == 0:
            return

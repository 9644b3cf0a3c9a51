"""
What the cache of a trader holds in Redis, read from outside and never changed.

Closed orders and positions are counted and forgotten: only what is open takes memory.
"""

from collections.abc import Callable
from collections.abc import Iterable

import msgspec
import redis
from redis.exceptions import NoPermissionError

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.outside.store.batches import MAX_VALUE_BYTES
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.loading import Loading
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.positions import RestoredPosition


class Survey(msgspec.Struct, frozen=True):
    """What is wrong with the stored entries, and by what positions are judged."""

    # The entries that a node cannot load, by their keys
    broken: dict[bytes, BrokenEntry]
    # What a node makes of a stored list of fills
    position: Callable[[Iterable[bytes]], RestoredPosition]


def read(
    client: redis.Redis,
    namespace: Namespace,
    max_value_bytes: int = MAX_VALUE_BYTES,
    major: Major | None = None,
) -> Inventory | None:
    """
    Return what the next start of a node would restore: of the version that alone wrote the store,
    of 1.x where that cannot be told, or of one that is given.
    """
    return _read(client, namespace, max_value_bytes, major)[0]


def survey(
    client: redis.Redis,
    namespace: Namespace,
    max_value_bytes: int = MAX_VALUE_BYTES,
    major: Major | None = None,
) -> Survey:
    """Return what of the stored entries a node cannot load: what `read` says, with their keys."""
    _, loading = _read(client, namespace, max_value_bytes, major)
    return Survey(loading.broken, loading.position)


def positions_of_one(
    client: redis.Redis, namespace: Namespace, max_value_bytes: int = MAX_VALUE_BYTES
) -> Callable[[Iterable[bytes]], RestoredPosition]:
    """Return what 1.x makes of a stored list of fills, by the instruments that are stored."""
    loading = Loading(client, namespace, max_value_bytes, Major.ONE)
    loading.read_terms()
    return loading.position


def _read(
    client: redis.Redis, namespace: Namespace, max_value_bytes: int, major: Major | None
) -> tuple[Inventory | None, Loading]:
    try:
        loading = Loading(client, namespace, max_value_bytes, major)
        found = loading.inventory()
        if found and major is None and len(found.written_by) > 1 and not loading.reads_as_one:
            # What was looked at first was of 2.0 alone
            loading = Loading(client, namespace, max_value_bytes, Major.ONE)
            found = loading.inventory()
    except NoPermissionError as e:
        raise RedisUnusableError(
            "This Redis user lacks permissions: it needs the commands SCAN, MEMORY USAGE, TYPE, "
            "GET, LLEN, LRANGE, SSCAN and HSCAN on the keys of the trader"
        ) from e
    return found, loading

"""
What the index of a trader names, and whether it is stored.

NautilusTrader keeps the index beside the entries and does not read it when it starts (1.221 and
1.231): a node begins without whatever an index names that is not there, and says nothing. So this
is what is left to see after keys were evicted, flushed while a node ran, or deleted by hand.
"""

from collections.abc import Container
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from nautilus_recovery_actor.outside.store.batches import pipelined
from nautilus_recovery_actor.outside.store.keys import name


# Each index with the kind of entry that it names. The positions that `index:order_position` gives
# to orders are not looked at: they stay there when closed positions are purged.
_INDEXES = {
    b"index:orders": b"orders",
    b"index:order_ids": b"orders",
    b"index:orders_open": b"orders",
    b"index:orders_closed": b"orders",
    b"index:orders_emulated": b"orders",
    b"index:orders_inflight": b"orders",
    b"index:order_position": b"orders",
    b"index:order_client": b"orders",
    b"index:positions": b"positions",
    b"index:positions_open": b"positions",
    b"index:positions_closed": b"positions",
}
_MAPS = frozenset({b"index:order_position", b"index:order_client"})
_BATCH = 1_000
_NAMED = 20
_ENCODED = frozenset([*range(0x80, 0x100), ord("{")])


class MissingEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Orders or positions that an index names and that are not stored."""

    # The key of the index
    index: str
    # ``order`` or ``position``
    what: str
    # How many
    count: int
    # The first of them, sorted
    named: tuple[str, ...]


class StoredIndex:
    """What every index of a trader names."""

    def __init__(self, client: redis.Redis, prefix: bytes) -> None:
        self._prefix = prefix
        keys = [prefix + index for index in _INDEXES]
        self._named = {
            key.removeprefix(prefix): frozenset(_members(client, key, kind))
            for key, kind in zip(keys, pipelined(client, "TYPE", keys), strict=True)
        }

    def missing(self, stored: Mapping[bytes, Container[bytes]]) -> Iterator[MissingEntries]:
        """Yield what is named and not among the identifiers of the entries, by their kind."""
        for index, members in self._named.items():
            kind = _INDEXES[index]
            gone = sorted(member for member in members if member not in stored[kind])
            if gone:
                yield MissingEntries(
                    index=name(self._prefix + index),
                    what=kind.decode().removesuffix("s"),
                    count=len(gone),
                    named=tuple(map(name, gone[:_NAMED])),
                )


def _members(client: redis.Redis, key: bytes, kind: bytes) -> Iterator[bytes]:
    is_map = key.endswith(tuple(_MAPS))
    if kind != (b"hash" if is_map else b"set"):
        return  # There is none, or it is another's: no node reads it
    found: Any = (
        client.hscan_iter(key, count=_BATCH) if is_map else client.sscan_iter(key, count=_BATCH)
    )
    for member in found:
        identifier = member[0] if is_map else member
        # 1.221 puts fills into the indexes of open and closed positions, and takes none out
        if identifier and identifier[0] not in _ENCODED:
            yield identifier

"""
What of a trader's cache one major version of NautilusTrader wrote, and what the other makes of it
(seen with 1.231 and 2.0.0rc7).
"""

import os
from collections.abc import Iterable
from collections.abc import Mapping
from itertools import islice

import msgspec
import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store.batches import MAX_VALUE_BYTES
from nautilus_recovery_actor.outside.store.batches import read_values
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.majors import majors_of


_STOPS = "2.0 does not start with it"
_LEFT_OUT = "2.0 leaves it out"
# What 2.0 makes of each kind that 1.x wrote
_OF_ONE = {
    b"currencies": f"{_STOPS}: it has no `code`",
    b"instruments": f"{_LEFT_OUT}, until its data client loads it anew",
    b"accounts": f"{_LEFT_OUT}, and appends what 1.x cannot load",
    b"orders": f"{_LEFT_OUT}, and writes over it what the venue reports",
    b"positions": f"{_LEFT_OUT} at the first start, and loads it at the second",
    b"strategies": f"{_STOPS} if it loads states",
    b"actors": f"{_STOPS} if it loads states",
}
_OF_TWO = dict.fromkeys(_OF_ONE, "1.x cannot load it") | {b"currencies": "1.x does not need it"}
_STRINGS = (b"currencies", b"instruments", b"strategies", b"actors")

# How many entries of a kind are looked at to see at once who wrote a store, and how large
_SAMPLE = 50
_SAMPLE_BYTES = 2**20


class Written(msgspec.Struct, frozen=True):
    """An entry that one of the versions wrote."""

    # Its key, without what stands before each key of the trader
    key: bytes
    # What the other makes of it, in one line
    why: str
    # Whether the other has written to it, too
    is_mixed: bool

    @property
    def kind(self) -> bytes:
        """What it is, such as ``orders``."""
        return self.key.partition(b":")[0]

    @property
    def stops_two(self) -> bool:
        """Whether 2.0 does not start with what 1.x wrote, whatever its configuration."""
        return self.kind == b"currencies"


def written_by(
    major: Major, client: redis.Redis, namespace: Namespace, max_bytes: int = MAX_VALUE_BYTES
) -> list[Written]:
    """Return what a version wrote, sorted by key. An entry that tells nothing is not among it."""
    why = _OF_ONE if major is Major.ONE else _OF_TWO
    prefix = os.fsencode(namespace.key(""))
    pattern = os.fsencode(f"{literal(namespace.key(''))}*")
    keys: dict[bytes, list[bytes]] = {kind: [] for kind in why}
    for key in sorted(set(client.scan_iter(match=pattern, count=1_000))):
        kind, colon, _ = key[len(prefix) :].partition(b":")
        if colon and kind in keys:
            keys[kind].append(key)
    found = []
    for kind, some in keys.items():
        read = read_values(client, some, are_lists=is_list(kind), max_bytes=max_bytes)
        for key, value in read:
            majors = set() if isinstance(value, BrokenEntryError) else majors_of(kind, value)
            if major in majors:
                found.append(Written(key[len(prefix) :], why[kind], is_mixed=len(majors) > 1))
    return sorted(found, key=lambda entry: entry.key)


def is_list(kind: bytes) -> bool:
    """Return whether entries of a kind are lists, as both versions keep them."""
    return kind not in _STRINGS


def written_in(client: redis.Redis, namespace: Namespace) -> set[Major]:
    """Return who wrote the first entries that are found of a trader's cache."""
    prefix = os.fsencode(namespace.key(""))
    pattern = os.fsencode(f"{literal(namespace.key(''))}*")
    found: dict[bytes, list[bytes]] = {}
    for key in client.scan_iter(match=pattern, count=1_000):
        kind, _, identifier = key[len(prefix) :].partition(b":")
        found.setdefault(kind, []).append(identifier)
    return seen_in(client, prefix, found)


def seen_in(
    client: redis.Redis, prefix: bytes, identifiers: Mapping[bytes, Iterable[bytes]]
) -> set[Major]:
    """Return who wrote some entries of each kind."""
    found: set[Major] = set()
    for kind in _OF_ONE:
        some = identifiers.get(kind, ())
        keys = [prefix + kind + b":" + one for one in islice(some, _SAMPLE)]
        are_lists = is_list(kind)
        for _, values in read_values(client, keys, are_lists=are_lists, max_bytes=_SAMPLE_BYTES):
            if not isinstance(values, BrokenEntryError):
                found |= majors_of(kind, values)
    return found

"""
What goes when an entry is taken from a trader's cache: decided from plain values.

Keys and members are as in Redis, without what stands before each key of the trader.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.keys import name


ORDERS, POSITIONS = b"orders", b"positions"
# What may be taken: all that a node loads
KINDS = (
    *(ORDERS, POSITIONS, b"accounts", b"general", b"instruments", b"currencies", b"synthetics"),
    *(b"strategies", b"actors"),
)
# Lists that NautilusTrader writes and no node loads
_SNAPSHOTS = b"snapshots:"
# Which orders fill which position: written by one, read by the other
_ORDER_POSITION = b"index:order_position"

_fields = decoding.decoder(dict[str, Any])


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag="entry"):
    """
    An entry that goes; or a list from which events go that are repeated in it; or an entry that is
    replaced.
    """

    key: bytes
    # Why, in one line
    why: str = ""
    # Its type in Redis
    redis_type: str = ""
    # How many events it has, if it is a list
    count: int | None = None
    # What stays, or comes in its place; none if the entry goes
    left: tuple[bytes, ...] = ()

    @property
    def is_replaced(self) -> bool:
        """Whether as much comes as goes."""
        return bool(self.left) and self.count in {None, len(self.left)}


class Members(msgspec.Struct, frozen=True, tag="members"):
    """What leaves a set."""

    key: bytes
    members: tuple[bytes, ...]
    # Whether it stays, and is only to be there again when all is put back
    stays: bool = False


class Fields(msgspec.Struct, frozen=True, tag="fields"):
    """What leaves a hash, with its values."""

    key: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    # As of `Members`
    stays: bool = False


Taken: TypeAlias = Entry | Members | Fields


class UnknownKeyError(Exception):
    """
    Raised when a key names nothing that can be taken, or more than one entry. The text is one line.
    """


def meant(text: bytes, prefix: bytes, stored: Iterable[bytes]) -> list[bytes]:
    """
    Return which of the stored keys a person means: by the whole key, as a command shows it, or by
    the identifier alone.
    """
    keys = list(stored)
    short = text.removeprefix(prefix)
    if short in keys:
        return [short]
    shown = text.decode(errors="surrogateescape")
    found = [key for key in keys if shown in {name(key), name(prefix + key)}]
    return found or [key for key in keys if _is_named(key, text, shown)]


def _is_named(key: bytes, text: bytes, shown: str) -> bool:
    identifier = key.partition(b":")[2]
    return identifier == text or name(identifier) == shown


def split(key: bytes) -> tuple[bytes, bytes]:
    """Return the kind of an entry and its identifier."""
    kind, _, identifier = key.partition(b":")
    return kind, identifier


def snapshot_of(key: bytes) -> bytes | None:
    """Return where NautilusTrader keeps snapshots of an order or a position."""
    return _SNAPSHOTS + key if split(key)[0] in {ORDERS, POSITIONS} else None


def is_index_of(index: bytes, kind: bytes) -> bool:
    """Return whether an index may refer to entries of a kind."""
    if kind == ORDERS:
        return index.startswith(b"index:order")
    return kind == POSITIONS and (index.startswith(b"index:position") or index == _ORDER_POSITION)


def members_of(key: bytes, members: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return which members of a set refer to an entry."""
    kind, identifier = split(key)
    return tuple(
        sorted(
            member
            for member in members
            if member == identifier or (kind == POSITIONS and _position_id(member) == identifier)
        )
    )


def leaving(kind: bytes, members: Iterable[bytes], gone: set[bytes]) -> tuple[bytes, ...]:
    """Return which members of a set refer to entries of a kind that go."""
    return tuple(
        sorted(
            member
            for member in members
            if member in gone or (kind == POSITIONS and _position_id(member) in gone)
        )
    )


def fields_of(
    key: bytes, index: bytes, fields: Iterable[tuple[bytes, bytes]]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return which fields of a hash refer to an entry."""
    kind, identifier = split(key)
    by_value = kind == POSITIONS and index == _ORDER_POSITION
    return tuple(
        sorted(
            (field, value)
            for field, value in fields
            if (value if by_value else field) == identifier
        )
    )


def filling_orders(fills: Iterable[bytes]) -> tuple[set[bytes], bool]:
    """Return the orders that a list of fills names, and whether all of it can be read."""
    orders: set[bytes] = set()
    is_whole = True
    for fill in fills:
        order_id = _text(fill, "client_order_id")
        if order_id is None:
            is_whole = False
        else:
            orders.add(order_id)
    return orders, is_whole


def fills(events: Iterable[bytes], position_id: bytes) -> bool:
    """Return whether an order has filled a position, as far as its events can be read."""
    return any(_position_id(event) == position_id for event in events)


def joined(taken: Iterable[Taken]) -> tuple[Taken, ...]:
    """Return what goes, each key once, entries first."""
    entries: dict[bytes, Entry] = {}
    members: dict[tuple[bytes, bool], set[bytes]] = {}
    fields: dict[tuple[bytes, bool], dict[bytes, bytes]] = {}
    for one in taken:
        match one:
            case Entry():
                entries.setdefault(one.key, one)
            case Members():
                members.setdefault((one.key, one.stays), set()).update(one.members)
            case Fields():
                fields.setdefault((one.key, one.stays), {}).update(one.fields)
    return (
        *entries.values(),
        *(
            Members(key, tuple(sorted(some)), stays)
            for (key, stays), some in _remaining(members, entries)
        ),
        *(
            Fields(key, tuple(sorted(some.items())), stays)
            for (key, stays), some in _remaining(fields, entries)
        ),
    )


def _remaining(
    some: dict[tuple[bytes, bool], Any], entries: dict[bytes, Entry]
) -> Iterator[tuple[tuple[bytes, bool], Any]]:
    # An index that goes as a whole loses no members besides
    return ((key, value) for key, value in sorted(some.items()) if key[0] not in entries)


def _position_id(member: bytes) -> bytes | None:
    # Where 1.221 means the ID of a position, it writes the event that changed it
    return _text(member, "position_id")


def _text(value: bytes, field: str) -> bytes | None:
    with suppress(BrokenEntryError):
        found = _fields(value).get(field)
        if isinstance(found, str):
            return found.encode(errors="surrogatepass")
    return None

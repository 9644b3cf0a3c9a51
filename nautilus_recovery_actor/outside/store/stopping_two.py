"""
What keeps NautilusTrader 2.0 from starting, or from loading an order or a position (each seen on
2.0.0rc7).

It does not start with a damaged currency or end of an instrument. A key that is no name ends its
process, and so does a position whose first fill names none. It starts without an order or a
position whose events it refuses: an event that two nodes have written is enough for that. All else
that is damaged it leaves out, and the venue reports it anew.
"""

import os
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import msgspec
import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.batches import read_values
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.forgetting import KINDS
from nautilus_recovery_actor.outside.store.forgetting import ORDERS
from nautilus_recovery_actor.outside.store.forgetting import POSITIONS
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import split
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.majors import major_of
from nautilus_recovery_actor.outside.store.two.events import fill
from nautilus_recovery_actor.outside.store.two.instruments import precision
from nautilus_recovery_actor.outside.store.two.snapshots import check_close


_CURRENCIES = b"currencies"
_CLOSES = b"instrument_closes"
_NAMED = {ORDERS, POSITIONS, b"accounts"}
# It does not start where one of these is there and is not a hash
MAPS = (b"index:order_position", b"index:order_client")
# What differs between the events that two nodes make of one message
_OF_THE_NODE = ("event_id", "ts_init")


_map = decoding.decoder(dict[str, Any])


class Stopping:
    """What is found of one trader. Nothing is written."""

    def __init__(self, client: redis.Redis, namespace: Namespace) -> None:
        # What the client answers depends on how it was made, which its types do not say
        self._client: Any = client
        self._prefix = os.fsencode(namespace.key(""))
        pattern = os.fsencode(f"{literal(namespace.key(''))}*")
        found = set(self._client.scan_iter(match=pattern, count=1_000))
        self._keys = sorted(key[len(self._prefix) :] for key in found)
        # The currencies that 1.x wrote: 2.0 does not start with them
        self.of_one: list[bytes] = []
        # What 2.0 calls the encoding of the currencies, empty where there is none
        self.encoding = ""
        self._faults = dict((*self._named(), *self._torn()))

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries with which 2.0 does not start."""
        return tuple(self._entry(key, why) for key, why in self._faults.items())

    def repeats(self) -> tuple[Entry, ...]:
        """Return the orders and positions that 2.0 loads without what is repeated in them."""
        return tuple(self._repeats())

    def _named(self) -> Iterator[tuple[bytes, str]]:
        for key in self._keys:
            kind, identifier = split(key)
            if kind in KINDS and (why := unnamed(kind, identifier)):
                yield key, why
            elif key in MAPS and self._client.type(self._prefix + key) != b"hash":
                yield key, "its Redis type is not the one that NautilusTrader writes"

    def _torn(self) -> Iterator[tuple[bytes, str]]:
        for key, (value,) in self._read(_CLOSES, are_lists=False):
            if why := _not_a_close(split(key)[1], value):
                yield key, why
        for key, values in self._read(POSITIONS, are_lists=True):
            if _is_of_no_position(values):
                yield key, "its first fill has no position ID"
        for key, values in self._read(_CURRENCIES, are_lists=False):
            (value,) = values
            self.encoding = decoding.encoding(value)
            if major_of(_CURRENCIES, value) is Major.ONE:
                self.of_one.append(key)
            elif why := _not_a_currency(split(key)[1], value):
                yield key, why

    def _repeats(self) -> Iterator[Entry]:
        for key, values in self._read(ORDERS, are_lists=True):
            if left := _without_repeats(values, _said):
                yield self._entry(key, "an event is repeated in it", left)
        for key, values in self._read(POSITIONS, are_lists=True):
            if left := _without_repeats(values, lambda one: _trade(_map(one)), self._is_whole):
                yield self._entry(key, "a fill is repeated in it", left)

    def _is_whole(self, value: bytes) -> bool:
        # Where a position is reversed, one fill is split into two; whole, it is that of its order
        told = _map(value)
        order = self._prefix + ORDERS + b":" + str(told.get("client_order_id")).encode()
        if self._client.type(order) != b"list":
            return False
        events = [_map(one).get("Filled") or {} for one in self._client.lrange(order, 0, -1)]
        return any(_trade(one) == _trade(told) for one in events)

    def _read(self, kind: bytes, *, are_lists: bool) -> Iterator[tuple[bytes, list[bytes]]]:
        keys = [self._prefix + one for one in self._keys if one.startswith(kind + b":")]
        for key, values in read_values(self._client, keys, are_lists=are_lists):
            if not isinstance(values, BrokenEntryError):  # 2.0 leaves it out
                yield key[len(self._prefix) :], list(values)

    def _entry(self, key: bytes, why: str, left: tuple[bytes, ...] = ()) -> Entry:
        kind = self._client.type(self._prefix + key).decode()
        count = self._client.llen(self._prefix + key) if kind == "list" else None
        return Entry(key=key, why=why, redis_type=kind, count=count, left=left)


def unnamed(kind: bytes, identifier: bytes) -> str:
    """Return why 2.0 ends on the key of an entry, empty if it does not."""
    try:
        text = identifier.decode()
    except UnicodeDecodeError:
        return "its key is not UTF-8"
    is_name = text.isascii() and bool(text.strip())
    if kind in _NAMED and not (is_name and (kind != b"accounts" or "-" in text[1:-1])):
        return "its key does not hold an ID"
    return ""


def _not_a_currency(code: bytes, value: bytes) -> str:
    try:
        precision(os.fsdecode(code), value)
    except BrokenEntryError as e:
        return str(e)
    return ""


def _not_a_close(instrument_id: bytes, value: bytes) -> str:
    try:
        check_close(os.fsdecode(instrument_id), value)
    except BrokenEntryError as e:
        return str(e)
    return ""


def _is_of_no_position(values: list[bytes]) -> bool:
    try:
        fills = [fill(value) for value in values]
    except BrokenEntryError:
        return False  # It passes over one that it cannot decode, whatever else is wrong
    return bool(fills) and fills[0].position_id is None


def _without_repeats(
    values: list[bytes],
    said: Callable[[bytes], object],
    is_certain: Callable[[bytes], bool] = lambda _: True,
) -> tuple[bytes, ...]:
    # What stays, if anything is repeated and all of it can be read
    seen: set[bytes] = set()
    left = []
    try:
        for value in values:
            what = msgspec.json.encode(said(value))
            if what not in seen or not is_certain(value):
                left.append(value)
            seen.add(what)
    except BrokenEntryError:
        return ()
    return tuple(left) if len(left) < len(values) else ()


def _said(value: bytes) -> object:
    found = _map(value)
    kind, event = next(iter(found.items()), ("", {}))
    if len(found) != 1 or not isinstance(event, dict):
        raise BrokenEntryError("not an event")
    if kind == "Filled":
        return _trade(event)
    return kind, {name: one for name, one in event.items() if name not in _OF_THE_NODE}


def _trade(told: dict[str, Any]) -> object:
    names = ("client_order_id", "trade_id", "order_side", "last_px", "last_qty")
    return tuple(told.get(name) for name in names)

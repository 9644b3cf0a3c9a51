"""
From what a person names, or what stops a start, to all that goes: read from Redis, nothing written.
"""

import os
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import cast

import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store import forgetting
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store import repeats
from nautilus_recovery_actor.outside.store.batches import MAX_VALUE_BYTES
from nautilus_recovery_actor.outside.store.batches import read_values
from nautilus_recovery_actor.outside.store.batches import shapes
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.forgetting import ORDERS
from nautilus_recovery_actor.outside.store.forgetting import POSITIONS
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import Fields
from nautilus_recovery_actor.outside.store.forgetting import Members
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.forgetting import UnknownKeyError
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.written_by import written_by


_MAPS = (b"index:order_position", b"index:order_client")
_CLOSED = b"index:orders_closed"
_ORDERS_STAY = (
    "The orders of the position stay, so that the venue's history does not bring it back. If the "
    "venue still holds it, give --with-orders: the next start then restores it from there."
)
_PARTLY_FILLED = (
    "The order was filled in part. If the venue still has it, give {position} and --with-orders "
    "too, or the next start books what was filled a second time."
)
_NAMED = 5
_COUNT = 1_000


class Selection:
    """What of one trader's cache is to go."""

    def __init__(
        self, client: redis.Redis, namespace: Namespace, max_value_bytes: int = MAX_VALUE_BYTES
    ) -> None:
        # What the client answers depends on how it was made, which its types do not say
        self._client: Any = client
        self._namespace = namespace
        self._max_bytes = max_value_bytes
        self.prefix = os.fsencode(namespace.key(""))
        self._taken: list[Taken] = []
        # What a person must know of it, each in one line
        self.notes: list[str] = []
        self._indexes: dict[bytes, str] | None = None

    @property
    def taken(self) -> tuple[Taken, ...]:
        """All that goes."""
        return forgetting.joined(self._taken)

    def add_named(self, named: list[bytes], *, with_orders: bool) -> None:
        """Add what a person names, and with a position the orders that filled it, if so wished."""
        stored = [key for key in self._keys() if self._may_go(key)]
        for text in named:
            key = self._named(text, stored)
            self._add(key, "named")
            kind = forgetting.split(key)[0]
            if kind == POSITIONS and with_orders:
                self._add_orders(key)
            elif kind == POSITIONS:
                self.notes.append(_ORDERS_STAY)
            elif position := self._position_partly_filled(key):
                self.notes.append(_PARTLY_FILLED.format(position=name(position)))

    def add_all_that_stop(self) -> None:
        """
        Add what keeps NautilusTrader from starting: of a list with events that are repeated in it
        only these, if a node can then load it. A position goes with the orders that filled it, and
        so does the one that an order has filled in part: a node then restores from the venue's
        history what the venue holds, and books no fill twice.
        """
        found = reader.survey(self._client, self._namespace, self._max_bytes)
        broken = {key: one for key, one in found.broken.items() if one.stops_start}
        orders: dict[bytes, list[bytes]] = {}
        for full, one in broken.items():
            key = full[len(self.prefix) :]
            kind = forgetting.split(key)[0]
            values = self._list(key) if kind in {ORDERS, POSITIONS} else []
            left: list[bytes] | None = None
            if values and kind == ORDERS:
                left = repeats.order_without_repeats(values, restored_order)
                orders[key] = left or []
            elif values and kind == POSITIONS:
                traded = _Traded(self._list, orders)
                left = repeats.position_without_repeats(values, found.position, traded)
            if left:
                self._taken.append(self._entry(key, one.why, tuple(left)))
            else:
                self._add(key, one.why)
                position = self._position_partly_filled(key) if kind == ORDERS else None
                if position is not None:
                    self._add(position, f"{name(key)} filled it in part")
                    self._add_orders(position)
                elif kind == POSITIONS:
                    self._add_orders(key)

    def add_written_by(self, major: Major) -> None:
        """Add all that one version of NautilusTrader wrote, so that the other starts without."""
        gone: dict[bytes, set[bytes]] = {ORDERS: set(), POSITIONS: set()}
        entries = written_by(major, self._client, self._namespace, self._max_bytes)
        for entry in entries:
            kind, identifier = forgetting.split(entry.key)
            gone.setdefault(kind, set()).add(identifier)
        self.add_entries([(entry.key, entry.why, ()) for entry in entries])
        self.leave_indexes(gone)

    def add_entries(self, entries: list[tuple[bytes, str, tuple[bytes, ...]]]) -> None:
        """
        Add entries, each with why it goes and what is left in its place; not what refers to them,
        but their snapshots, which one version alone reads.
        """
        found = self._client.scan_iter(match=self._pattern("snapshots:"), count=_COUNT)
        snapshots = {key[len(self.prefix) :] for key in found}
        also = {forgetting.snapshot_of(key) for key, _, _ in entries} & snapshots
        why = "the other version cannot read it"
        entries = [*entries, *((key, why, ()) for key in sorted(filter(None, also)))]
        keys = [self.prefix + key for key, _, _ in entries]
        for (key, reason, left), (kind, count) in zip(
            entries, shapes(self._client, keys), strict=True
        ):
            self._taken.append(Entry(key=key, why=reason, redis_type=kind, count=count, left=left))

    def leave_indexes(self, gone: dict[bytes, set[bytes]], *, stays: bool = False) -> None:
        """Add what refers to orders and positions that go, or are replaced, by their IDs."""
        for index, type_ in self._all_indexes().items():
            full = self.prefix + index
            if type_ == "set":
                kind = POSITIONS if forgetting.is_index_of(index, POSITIONS) else ORDERS
                members = set(self._client.sscan_iter(full, count=_COUNT))
                if leaving := forgetting.leaving(kind, members, gone[kind]):
                    self._taken.append(Members(index, leaving, stays))
            elif type_ == "hash":
                fields = set(self._client.hscan_iter(full, count=_COUNT))
                if some := tuple(sorted(one for one in fields if one[0] in gone[ORDERS])):
                    self._taken.append(Fields(index, some, stays))

    # -- ENTRIES --

    def _add(self, key: bytes, why: str) -> None:
        if any(isinstance(one, Entry) and one.key == key and not one.left for one in self._taken):
            return  # For a reason of its own
        self._taken = [one for one in self._taken if one.key != key]
        if self._type(key) != "none":
            self._taken.append(self._entry(key, why))
        snapshot = forgetting.snapshot_of(key)
        if snapshot is not None and self._type(snapshot) != "none":
            self._taken.append(self._entry(snapshot, why))
        self._taken.extend(self._references(key))

    def _add_orders(self, position: bytes) -> None:
        identifier = forgetting.split(position)[1]
        named, is_whole = forgetting.filling_orders(self._list(position))
        orders = {ORDERS + b":" + order_id for order_id in named}
        if not (named and is_whole):
            orders |= {
                key for key, events in self._lists(ORDERS) if forgetting.fills(events, identifier)
            }
        for key in sorted(orders):
            self._add(key, f"filled {name(position)}")

    def _position_partly_filled(self, order: bytes) -> bytes | None:
        # The venue still reports the order, and its fills with it: they would be booked again
        if forgetting.split(order)[0] != ORDERS:
            return None
        if any(one.key == _CLOSED for one in self._references(order)):
            return None
        order_id = forgetting.split(order)[1]
        for position, fills in self._lists(POSITIONS):
            if order_id in forgetting.filling_orders(fills)[0]:
                return position
        return None

    def _entry(self, key: bytes, why: str, left: tuple[bytes, ...] = ()) -> Entry:
        kind = self._type(key)
        count = self._client.llen(self.prefix + key) if kind == "list" else None
        return Entry(key=key, why=why, redis_type=kind, count=count, left=left)

    # -- WHAT REFERS TO THEM --

    def _references(self, key: bytes) -> Iterator[Taken]:
        kind = forgetting.split(key)[0]
        for index, type_ in self._all_indexes().items():
            if not forgetting.is_index_of(index, kind):
                continue
            if type_ == "set" and (members := self._members(index, key)):
                yield Members(index, members)
            elif type_ == "hash" and (fields := self._fields(index, key)):
                yield Fields(index, fields)

    def _members(self, index: bytes, key: bytes) -> tuple[bytes, ...]:
        kind, identifier = forgetting.split(key)
        if kind == ORDERS:
            is_member = self._client.sismember(self.prefix + index, identifier)
            return (identifier,) if is_member else ()
        members = self._client.sscan_iter(self.prefix + index, count=_COUNT)
        return forgetting.members_of(key, set(members))

    def _fields(self, index: bytes, key: bytes) -> tuple[tuple[bytes, bytes], ...]:
        kind, identifier = forgetting.split(key)
        if kind == ORDERS:
            value = self._client.hget(self.prefix + index, identifier)
            return () if value is None else ((identifier, value),)
        fields = self._client.hscan_iter(self.prefix + index, count=_COUNT)
        return forgetting.fields_of(key, index, set(fields))

    def _all_indexes(self) -> dict[bytes, str]:
        if self._indexes is None:
            pattern = self._pattern("index:")
            found = sorted(set(self._client.scan_iter(match=pattern, count=_COUNT)))
            self._indexes = {
                key[len(self.prefix) :]: self._client.type(key).decode() for key in found
            }
        return self._indexes

    # -- KEYS --

    def _named(self, text: bytes, stored: list[bytes]) -> bytes:
        found = forgetting.meant(text, self.prefix, stored)
        if not found:  # It may be gone, and what refers to it not
            short = text.removeprefix(self.prefix)
            wanted = [short] if b":" in short else []
            wanted += [kind + b":" + text for kind in (ORDERS, POSITIONS)]
            found = [key for key in wanted if any(self._references(key))]
        if len(found) == 1:
            return found[0]
        shown = name(text)
        if not found:
            raise UnknownKeyError(
                f"Nothing is stored of {name(self._namespace.trader_id.encode())} that is named "
                f"'{shown}': give a key as `nautilus-recovery inspect` or the log names it, "
                f"such as orders:<client_order_id> or positions:<position_id>"
            )
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        raise UnknownKeyError(
            f"'{shown}' names {len(found)} entries, give one of them: "
            f"{', '.join(map(name, found[:_NAMED]))}{more}"
        )

    def _keys(self) -> Iterator[bytes]:
        found = self._client.scan_iter(match=self._pattern(""), count=_COUNT)
        return (key[len(self.prefix) :] for key in set(found))

    def _may_go(self, key: bytes) -> bool:
        kind, identifier = forgetting.split(key)
        if kind in forgetting.KINDS:
            return bool(identifier)
        return key in _MAPS and self._type(key) != "hash"

    def _pattern(self, start: str) -> bytes:
        return os.fsencode(f"{literal(self._namespace.key(start))}*")

    def _type(self, key: bytes) -> str:
        return str(self._client.type(self.prefix + key).decode())

    def _lists(self, kind: bytes) -> Iterator[tuple[bytes, Iterable[bytes]]]:
        keys = set(self._client.scan_iter(match=self._pattern(f"{kind.decode()}:"), count=_COUNT))
        read = read_values(self._client, keys, are_lists=True, max_bytes=self._max_bytes)
        for key, values in read:
            if not isinstance(values, BrokenEntryError):
                yield key[len(self.prefix) :], values

    def _list(self, key: bytes) -> list[bytes]:
        size = self._client.memory_usage(self.prefix + key)
        if self._type(key) != "list" or size is None or size > self._max_bytes:
            return []
        return cast(list[bytes], self._client.lrange(self.prefix + key, 0, -1))


class _Traded:
    # How much of a trade an order was filled with, by its own events
    def __init__(self, read: Any, known: dict[bytes, list[bytes]]) -> None:
        self._read = read
        self._known = known

    def __call__(self, client_order_id: str, trade_id: str) -> Any:
        key = ORDERS + b":" + client_order_id.encode()
        values = self._known.get(key) or self._read(key)
        try:
            return repeats.traded_qty(values, trade_id)
        except BrokenEntryError:
            return None

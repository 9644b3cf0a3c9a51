"""
Taking entries out of a trader's cache, and putting them back: each in one transaction, so that a
command that is killed has done all of it or nothing.

What goes is renamed, not copied: whatever its type and its size, it stays in Redis byte for byte.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from itertools import count
from typing import Any
from typing import cast

import msgspec
import redis
from redis.exceptions import WatchError

from nautilus_recovery_actor.core.names import FORGOTTEN
from nautilus_recovery_actor.core.names import FORGOTTEN_ENTRY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store.batches import shapes
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import Fields
from nautilus_recovery_actor.outside.store.forgetting import Members
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.keys import name


_AT_ONCE = 500


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken at one time, and is kept."""

    id: str
    # When (UNIX ns)
    ts: int
    # Who took it
    operator: str
    taken: tuple[Taken, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries alone, without what referred to them."""
        return tuple(one for one in self.taken if isinstance(one, Entry))


class RefusedError(Exception):
    """Raised when nothing was changed. The text is one line that says why, and what to do."""


class Keeper:
    """
    The entries that are kept of one trader.

    From its making on it notices whoever else writes to what it was asked to change.
    """

    def __init__(self, client: redis.Redis, namespace: Namespace) -> None:
        # What the client answers depends on how it was made, which its types do not say
        self._client: Any = client
        self._namespace = namespace
        self._transaction = cast(Any, client.pipeline(transaction=True))
        self._transaction.watch(self._key(general_key(HEARTBEAT_KEY).encode()))

    def close(self) -> None:
        """Watch nothing any more."""
        self._transaction.reset()

    def watch(self, taken: tuple[Taken, ...]) -> None:
        """Notice whoever else writes to what is to go, or has done so since it was read."""
        self._watch(taken)
        entries = [one for one in taken if isinstance(one, Entry)]
        stored = shapes(self._client, [self._key(one.key) for one in entries])
        if stored != [(one.redis_type, one.count) for one in entries]:
            raise RefusedError(self._changed())

    def _watch(self, taken: tuple[Taken, ...]) -> None:
        self._transaction.watch(*{self._key(one.key) for one in taken})

    # -- WHAT IS KEPT --

    def all(self) -> list[Kept]:
        """Return what is kept, the oldest first."""
        start = self._namespace.key(FORGOTTEN.format(id=""))
        pattern = os.fsencode(f"{literal(start)}*")
        found = []
        for key in set(self._client.scan_iter(match=pattern, count=1_000)):
            id_ = key[len(os.fsencode(start)) :]
            if b":" not in id_ and (kept := self._read(key)) is not None:
                found.append(kept)
        return sorted(found, key=lambda kept: (kept.ts, kept.id))

    def find(self, id_: str | None, *, is_replaced: bool = False) -> Kept:
        """Return what is kept under an ID, or what was taken last, or what was replaced last."""
        kept = [
            one
            for one in self.all()
            if not is_replaced or any(entry.is_replaced for entry in one.entries)
        ]
        trader_id = one_line(self._namespace.trader_id)
        if not kept:
            raise RefusedError(f"Nothing is kept of {trader_id}: nothing was forgotten, or undone")
        if id_ is None:
            return kept[-1]
        for one in kept:
            if one.id == id_:
                return one
        raise RefusedError(
            f"Nothing of {trader_id} is kept under '{one_line(id_)}': "
            f"`nautilus-recovery forget --list` shows what is"
        )

    def named_as(self, named: list[bytes]) -> dict[bytes, str]:
        """Return which of the named entries are not stored because they were taken, and a line."""
        found: dict[bytes, str] = {}
        prefix = self._key(b"")
        kept = self.all() if named else []
        for text in named:
            key = text.removeprefix(prefix)
            if self._client.exists(prefix + key):
                continue
            for one in kept:
                if any(entry.key == key and not entry.left for entry in one.entries):
                    found[text] = f"{name(key)} was taken out before, and is kept as {one.id}"
        return found

    def _read(self, key: bytes) -> Kept | None:
        if self._client.type(key) != b"string":
            return None
        try:
            return msgspec.msgpack.decode(self._client.get(key), type=Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
            return None

    # -- CHANGES --

    def take(self, taken: tuple[Taken, ...], operator: str) -> Kept:
        """Take entries out, with what refers to them, and keep them."""
        now = time.time_ns()
        kept = Kept(id=self._free_id(now), ts=now, operator=operator, taken=taken)
        todo = self._transaction
        todo.multi()
        for slot, entry in enumerate(kept.entries):
            todo.rename(self._key(entry.key), self._slot(kept, slot))
            if entry.left and entry.redis_type == "string":
                todo.set(self._key(entry.key), entry.left[0])
                continue
            for start in range(0, len(entry.left), _AT_ONCE):
                todo.rpush(self._key(entry.key), *entry.left[start : start + _AT_ONCE])
        for one in taken:
            if isinstance(one, Entry) or one.stays:
                continue
            if isinstance(one, Members):
                todo.srem(self._key(one.key), *one.members)
            else:
                todo.hdel(self._key(one.key), *(field for field, _ in one.fields))
        todo.set(self._record(kept.id), msgspec.msgpack.encode(kept))
        self._execute()
        return kept

    def check_place(self, kept: Kept) -> None:
        """Refuse to put back what is kept if something else stands in its place now."""
        self._watch(kept.taken)
        self._transaction.watch(self._record(kept.id), *self._slots(kept))
        in_place = next(self._in_its_place(kept), None)
        if in_place is not None:
            raise RefusedError(in_place)

    def put_back(self, kept: Kept) -> None:
        """Put back what is kept, exactly as it was, once its place is known to be free."""
        todo = self._transaction
        todo.multi()
        for slot, entry in zip(self._slots(kept), kept.entries, strict=True):
            todo.rename(slot, self._key(entry.key))
        for one in kept.taken:
            if isinstance(one, Members):
                todo.sadd(self._key(one.key), *one.members)
            elif isinstance(one, Fields):
                todo.hset(self._key(one.key), mapping=dict(one.fields))
        todo.delete(self._record(kept.id))
        self._execute()

    def _in_its_place(self, kept: Kept) -> Iterator[str]:
        nothing = f"{kept.id} cannot be undone, and nothing was changed: "
        keys = [self._key(entry.key) for entry in kept.entries]
        slots = [kind for kind, _ in shapes(self._client, self._slots(kept))]
        places = [kind for kind, _ in shapes(self._client, keys)]
        for entry, key, slot, place in zip(kept.entries, keys, slots, places, strict=True):
            shown = name(entry.key)
            remedy = f"To go back all the same, forget {shown} first, then undo {kept.id}"
            if slot == "none":
                yield f"{nothing}{shown} is not kept any more: use the server's backup"
            elif place != "none" and not (
                entry.left and self._values(key, place) == list(entry.left)
            ):
                yield f"{nothing}another {shown} stands there now, a node has stored it. {remedy}"
        for one in kept.taken:
            if isinstance(one, Entry):
                continue
            wanted = b"set" if isinstance(one, Members) else b"hash"
            kind = self._client.type(self._key(one.key))
            if kind not in {wanted, b"none"}:
                yield f"{nothing}{name(one.key)} is a {name(kind)} now, not a {name(wanted)}"
            elif isinstance(one, Fields) and self._is_other(one):
                yield f"{nothing}{name(one.key)} refers to something else now"

    def _is_other(self, one: Fields) -> bool:
        now = self._client.hmget(self._key(one.key), [field for field, _ in one.fields])
        return any(
            is_now not in {None, value} for is_now, (_, value) in zip(now, one.fields, strict=True)
        )

    def _values(self, key: bytes, kind: str) -> list[bytes]:
        match kind:
            case "list":
                return [*self._client.lrange(key, 0, -1)]
            case "string":
                return [self._client.get(key)]
        return []

    def _execute(self) -> None:
        try:
            self._transaction.execute()
        except WatchError as e:
            raise RefusedError(self._changed()) from e

    def _changed(self) -> str:
        return (
            f"Nothing was changed: somebody else has just written to the cache of "
            f"{one_line(self._namespace.trader_id)}. Make sure that no node of it runs, and try "
            f"again"
        )

    # -- KEYS --

    def _free_id(self, now: int) -> str:
        # In the order in which they were taken, and easy to type
        start = f"{datetime.fromtimestamp(now / 1e9, UTC):%Y%m%d-%H%M%S}"
        for number in count(1):
            id_ = start if number == 1 else f"{start}-{number}"
            record = self._record(id_)
            self._transaction.watch(record)
            if not self._client.exists(record):
                return id_
        raise AssertionError

    def _record(self, id_: str) -> bytes:
        return self._key(FORGOTTEN.format(id=id_).encode())

    def _slots(self, kept: Kept) -> list[bytes]:
        return [self._slot(kept, slot) for slot in range(len(kept.entries))]

    def _slot(self, kept: Kept, slot: int) -> bytes:
        return self._key(FORGOTTEN_ENTRY.format(id=kept.id, slot=slot).encode())

    def _key(self, key: bytes) -> bytes:
        return os.fsencode(self._namespace.key("")) + key

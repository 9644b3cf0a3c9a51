"""
What 2.0 stores in the place of what 1.x stored: read from Redis, nothing written.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import redis

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import forgetting
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store import versions
from nautilus_recovery_actor.outside.store.batches import MAX_VALUE_BYTES
from nautilus_recovery_actor.outside.store.batches import read_values
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.events import OrderFilled
from nautilus_recovery_actor.outside.store.forgetting import ORDERS
from nautilus_recovery_actor.outside.store.forgetting import POSITIONS
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.migrating import is_over
from nautilus_recovery_actor.outside.store.migrating import migrated
from nautilus_recovery_actor.outside.store.migration import CannotMigrateError
from nautilus_recovery_actor.outside.store.selection import Selection
from nautilus_recovery_actor.outside.store.two.instruments import PRECISIONS
from nautilus_recovery_actor.outside.store.written_by import Written
from nautilus_recovery_actor.outside.store.written_by import is_list
from nautilus_recovery_actor.outside.store.written_by import written_by


class Replacement:
    """All that 1.x wrote of one trader's cache, and what comes in its place."""

    def __init__(
        self, client: redis.Redis, namespace: Namespace, max_value_bytes: int = MAX_VALUE_BYTES
    ) -> None:
        # What the client answers depends on how it was made, which its types do not say
        self._client: Any = client
        self._selection = Selection(client, namespace, max_value_bytes)
        self._position = reader.positions_of_one(client, namespace, max_value_bytes)
        pattern = literal(namespace.key("currencies:")) + "*"
        prefix = len(namespace.key("currencies:").encode())
        stored = {key[prefix:].decode(errors="replace") for key in client.scan_iter(match=pattern)}
        self._knows = (stored | PRECISIONS.keys()).__contains__
        # What cannot be had equal on both versions, and why
        self.refused: dict[bytes, str] = {}
        gone: dict[bytes, set[bytes]] = {ORDERS: set(), POSITIONS: set()}
        staying: dict[bytes, set[bytes]] = {ORDERS: set(), POSITIONS: set()}
        entries: list[tuple[bytes, str, tuple[bytes, ...]]] = []
        found = written_by(Major.ONE, client, namespace, max_value_bytes)
        for written, values in self._values(found, max_value_bytes):
            kind, identifier = forgetting.split(written.key)
            try:
                left = self._replaced(written, values)
                entries.append((written.key, "in the encoding of 2.0", left))
                staying.setdefault(kind, set()).add(identifier)
            except CannotMigrateError as e:
                if is_over(kind, values):
                    gone[ORDERS].add(identifier)
                    entries.append((written.key, str(e), ()))
                else:
                    self.refused[written.key] = str(e)
        self._selection.add_entries(entries)
        self._selection.leave_indexes(gone)
        self._selection.leave_indexes(staying, stays=True)

    @cached_property
    def taken(self) -> tuple[Taken, ...]:
        """All that is replaced, or left out."""
        return self._selection.taken

    @property
    def replaced(self) -> list[Entry]:
        """The entries that 2.0 gets."""
        return [one for one in self.taken if isinstance(one, Entry) and one.left]

    @property
    def left_out(self) -> list[Entry]:
        """The entries of the past that 2.0 does not get."""
        return [one for one in self.taken if isinstance(one, Entry) and not one.left]

    def _values(
        self, entries: list[Written], max_bytes: int
    ) -> Iterator[tuple[Written, list[bytes]]]:
        prefix = self._selection.prefix
        for are_lists in (False, True):
            some = {prefix + one.key: one for one in entries if is_list(one.kind) is are_lists}
            for key, values in read_values(
                self._client, some, are_lists=are_lists, max_bytes=max_bytes
            ):
                if isinstance(values, BrokenEntryError):
                    self.refused[some[key].key] = str(values)
                else:
                    yield some[key], [*values]

    def _replaced(self, written: Written, values: list[bytes]) -> tuple[bytes, ...]:
        if written.is_mixed:
            raise CannotMigrateError("2.0 has written to it, too")
        kind, identifier = forgetting.split(written.key)
        if kind == POSITIONS:
            self._check_position(values)
        return migrated(kind, identifier, values, self._knows)

    def _check_position(self, values: list[bytes]) -> None:
        try:
            position = self._position(values)
        except BrokenEntryError as e:
            raise CannotMigrateError(str(e)) from e
        if position.is_turned:
            raise CannotMigrateError(
                "a fill or its commission turned it around, which 2.0 takes otherwise"
            )
        if not versions.TAKES_COMMISSION and self._pays_in_base(values):
            why = "2.0 takes its commissions from its quantity, 1.221 did not"
            if versions.TAKES_COMMISSION is None:
                why += ": migrate it where the 1.x that wrote it is installed"
            raise CannotMigrateError(why)

    def _pays_in_base(self, values: list[bytes]) -> bool:
        fills = [
            fill for fill in map(decoding.order_event, values) if isinstance(fill, OrderFilled)
        ]
        key = b"instruments:" + fills[0].instrument_id.encode()
        instrument = decoding.instrument(self._client.get(self._selection.prefix + key))
        paid = (decoding.money(fill.commission) for fill in fills)
        return instrument.type == "CurrencyPair" and any(
            amount and currency == instrument.base_currency for amount, currency in paid
        )

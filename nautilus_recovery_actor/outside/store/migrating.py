"""
The entries of a cache, from what 1.x stored to what 2.0 stores: all of one entry, or why not.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import migration
from nautilus_recovery_actor.outside.store.accounts import restored_account
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.migration import CannotMigrateError
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.two import orders as orders_of_two


_MSGPACK = 0x80
_fields = decoding.decoder(dict[str, Any])


def migrated(kind: bytes, identifier: bytes, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the values of an entry as 2.0 stores them, each in the encoding that it has."""
    try:
        decoded = [_fields(value) for value in values]
        found = _converted(kind, identifier, values, decoded)
    except BrokenEntryError as e:
        raise CannotMigrateError(str(e)) from e
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise CannotMigrateError(f"it is not as 1.x writes it: {e!r}"[:160]) from e
    encoded = tuple(
        _encoded(one, is_msgpack=value[0] >= _MSGPACK)
        for one, value in zip(found, values, strict=True)
    )
    if kind == b"orders":
        _check_equal(values, encoded)
    return encoded


def is_over(kind: bytes, values: Sequence[bytes]) -> bool:
    """Return whether an entry may be left out, because an order of the past is all that it is."""
    try:
        return kind == b"orders" and restored_order(values).is_closed
    except BrokenEntryError:
        return False


def _converted(
    kind: bytes, identifier: bytes, values: Sequence[bytes], decoded: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    match kind:
        case b"currencies":
            return [migration.currency(identifier.decode(), one) for one in decoded]
        case b"instruments":
            return [migration.instrument(one) for one in decoded]
        case b"accounts":
            restored_account(values)
            return [migration.account_state(one) for one in decoded]
        case b"positions":
            return [migration.fill(one) for one in decoded]
        case b"strategies" | b"actors":
            return [_state(one) for one in decoded]
    return [migration.order_event(event) for event in decoded]


def _check_equal(values: Sequence[bytes], encoded: Sequence[bytes]) -> None:
    one = msgspec.structs.asdict(restored_order(values))
    try:
        two = msgspec.structs.asdict(orders_of_two.restored_order(encoded))
    except BrokenEntryError as e:
        raise CannotMigrateError(f"2.0 does not load it: {e}") from e
    if one["account_id"] is None:  # Of an acceptance, which 1.x does not take it from
        del one["account_id"]
    for name, value in one.items():
        if value != two[name]:
            raise CannotMigrateError(f"1.x restores its {name} as {value}, 2.0 as {two[name]}")


def _state(fields: dict[str, Any]) -> dict[str, list[int]]:
    return {name: [*_bytes(value)] for name, value in fields.items()}


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(str(value), validate=True)  # As JSON has it
    except binascii.Error:
        raise CannotMigrateError("a state that is not bytes") from None


def _encoded(value: dict[str, Any], *, is_msgpack: bool) -> bytes:
    return msgspec.msgpack.encode(value) if is_msgpack else msgspec.json.encode(value)

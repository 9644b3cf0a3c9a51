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
from nautilus_recovery_actor.outside.store.two import accounts
from nautilus_recovery_actor.outside.store.two import events
from nautilus_recovery_actor.outside.store.two import instruments
from nautilus_recovery_actor.outside.store.two import orders


_MSGPACK = 0x80
_fields = decoding.decoder(dict[str, Any])


def migrated(
    kind: bytes, identifier: bytes, values: Sequence[bytes], knows: events.Knows
) -> tuple[bytes, ...]:
    """
    Return the values of an entry as 2.0 stores them, each in the encoding that it has. What names a
    currency that 2.0 will not know is refused.
    """
    try:
        decoded = [_fields(value) for value in values]
        found = _converted(kind, identifier, decoded)
    except BrokenEntryError as e:
        raise CannotMigrateError(str(e)) from e
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise CannotMigrateError(f"it is not as 1.x writes it: {e!r}"[:160]) from e
    encoded = tuple(
        _encoded(one, is_msgpack=value[0] >= _MSGPACK)
        for one, value in zip(found, values, strict=True)
    )
    try:
        _check_loaded(kind, values, encoded, knows)
    except BrokenEntryError as e:
        raise CannotMigrateError(f"2.0 does not load it: {e}") from e
    return encoded


def is_over(kind: bytes, values: Sequence[bytes]) -> bool:
    """Return whether an entry may be left out, because an order of the past is all that it is."""
    try:
        return kind == b"orders" and restored_order(values).is_closed
    except BrokenEntryError:
        return False


def _converted(
    kind: bytes, identifier: bytes, decoded: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    match kind:
        case b"currencies":
            return [migration.currency(identifier.decode(), one) for one in decoded]
        case b"instruments":
            return [migration.instrument(one) for one in decoded]
        case b"accounts":
            return [migration.account_state(one) for one in decoded]
        case b"positions":
            return [migration.fill(one) for one in decoded]
        case b"strategies" | b"actors":
            return [_state(one) for one in decoded]
    return [migration.order_event(event) for event in decoded]


def _check_loaded(
    kind: bytes, values: Sequence[bytes], encoded: Sequence[bytes], knows: events.Knows
) -> None:
    match kind:
        case b"instruments":
            instruments.instrument_terms(encoded[0], lambda code: 0 if knows(code) else None)
        case b"accounts":
            _check_equal(restored_account(values), accounts.restored_account(encoded, knows))
        case b"orders":
            _check_equal(restored_order(values), orders.restored_order(encoded, knows))
        case b"positions":
            for fill in map(events.fill, encoded):
                events.check_money(knows, fill.currency, fill.commission)


def _check_equal(one: msgspec.Struct, two: msgspec.Struct) -> None:
    restored = msgspec.structs.asdict(two)
    for name, value in msgspec.structs.asdict(one).items():
        if name == "account_id" and value is None:
            continue  # Of an acceptance, which 1.x does not take it from
        if value != restored[name]:
            raise CannotMigrateError(f"1.x restores its {name} as {value}, 2.0 as {restored[name]}")


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

"""
Which major version of NautilusTrader wrote what is stored: 1.x and 2.0 use the same keys, and other
encodings (seen in 1.221, 1.231 and 2.0.0rc7).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


class Major(StrEnum):
    """A major version of NautilusTrader."""

    ONE = "1.x"
    TWO = "2.0"


WRITTEN = {
    frozenset({Major.TWO}): "NautilusTrader 2.0 wrote it",
    frozenset({Major.ONE, Major.TWO}): "NautilusTrader 1.x wrote it, then 2.0",
}

_anything = decoding.decoder(Any)


def major_of(kind: bytes, value: bytes) -> Major | None:
    """Return who wrote a value, ``None`` if it does not tell."""
    try:
        found = _anything(value)
    except BrokenEntryError:
        return None
    match kind, found:
        case b"currencies", str():  # A bare code: earlier release candidates
            return Major.TWO
        case b"currencies", {"precision": _}:
            return Major.TWO if "code" in found else Major.ONE
        case b"positions", {"type": "OrderFilled", "position_id": _, "reconciliation": _}:
            # Both write the same fields, each in an order of its own
            names = list(found)
            is_two = names.index("reconciliation") < names.index("position_id")
            return Major.TWO if is_two else Major.ONE
        case b"instruments" | b"orders" | b"accounts", {"type": _}:
            return Major.ONE
        case b"instruments" | b"orders", {}:
            # Externally tagged: a map of one variant
            return Major.TWO if len(found) == 1 and _are(dict, found) else None
        case b"accounts", {"is_reported": _}:
            return Major.TWO
        case b"strategies" | b"actors", {} if found:
            # Bytes, which JSON has as text; 2.0 has numbers
            return Major.TWO if _are(list, found) else Major.ONE
    return None


def majors_of(kind: bytes, values: Iterable[bytes]) -> set[Major]:
    """Return who wrote the values of an entry, as far as that can be told."""
    return {major for value in values if (major := major_of(kind, value)) is not None}


def _are(kind: type, found: dict[Any, Any]) -> bool:
    return all(isinstance(value, kind) for value in found.values())

"""
Which instruments a configuration names.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.outside.checks.native_ids import check_bar_types


_OWN = frozenset({"external_order_claims"})
_MAX_DEPTH = 6


def instruments_in(config: msgspec.Struct, venues: AbstractSet[str]) -> frozenset[str]:
    """
    Return the instruments that the fields of a strategy's configuration name.

    These are, in any field, in collections and in nested configurations: every `InstrumentId`, the
    instrument of every `BarType`, every text that is a bar type, and every text that is an
    instrument ID if the field's name has ``instrument`` in it or the venue is one of `venues`. So
    an instrument that is only watched counts too, and one that the strategy finds out by itself
    does not. Claims are left out.
    """
    found: set[str] = set()
    for name in config.__struct_fields__:
        if name not in _OWN:
            found |= set(_named(getattr(config, name), name, venues, 0))
    return frozenset(found)


def _named(value: Any, name: str, venues: AbstractSet[str], depth: int) -> Iterator[str]:
    if isinstance(value, InstrumentId):
        yield value.value
    elif isinstance(value, BarType):
        yield value.instrument_id.value
    elif isinstance(value, str):
        yield from _parsed(value, name, venues)
    elif depth < _MAX_DEPTH:
        if isinstance(value, msgspec.Struct):
            for part in value.__struct_fields__:
                yield from _named(getattr(value, part), part, venues, depth + 1)
        if isinstance(value, Mapping):
            value = [*value.keys(), *value.values()]
        if isinstance(value, list | tuple | set | frozenset):
            for part in value:
                yield from _named(part, name, venues, depth + 1)


def _parsed(text: str, name: str, venues: AbstractSet[str]) -> Iterator[str]:
    try:
        check_bar_types(text)
        yield BarType.from_str(text).instrument_id.value
    except ValueError:
        pass
    else:
        return
    try:
        instrument_id = InstrumentId.from_str(text)
    except ValueError:
        return
    if "instrument" in name or instrument_id.venue.value in venues:
        yield instrument_id.value

"""
What NautilusTrader stores in Redis, decoded: one value at a time, none of them trusted.

An order is a list of its events, a position one of its fills, an account one of its states; an
instrument and a currency are one value. Each is msgpack or JSON, as the cache of the node that
wrote it was configured, and a timestamp is a number or ISO 8601.
"""

import re
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from decimal import Decimal
from decimal import InvalidOperation
from functools import lru_cache
from typing import Annotated
from typing import Any

import msgspec

from nautilus_recovery_actor.outside.store.events import LAST_NS
from nautilus_recovery_actor.outside.store.events import AccountState
from nautilus_recovery_actor.outside.store.events import OrderEvent


class BrokenEntryError(Exception):
    """
    Raised when a stored value is not what NautilusTrader writes; its text says why, in one line.
    """


class LeftOutError(BrokenEntryError):
    """Raised on an entry without which a node starts."""


class OfTwoError(BrokenEntryError):
    """Raised on an entry of 1.x where 2.0 wrote what it needs."""


class StopsStartError(BrokenEntryError):
    """Raised when NautilusTrader ends with an error on a value that it else passes over."""


_FRACTION = re.compile(r"(\.\d{1,9})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_BILLION = 1_000_000_000

# No number of a venue needs more; one that does would take gigabytes to print
_MAX_DIGITS = 60
_MAX_EXPONENT = 40
_MAX_WHY = 160


class StoredCurrency(msgspec.Struct, gc=False):
    """How many decimals a currency has."""

    precision: Annotated[int, msgspec.Meta(ge=0, le=18)]
    # Only 2.0 writes it
    code: str | None = None


class StoredInstrument(msgspec.Struct, gc=False):
    """
    What of an instrument decides how fills add up to a position.

    What one kind of instrument does not write has the value here that NautilusTrader gives it.
    """

    type: str
    id: str
    size_precision: Annotated[int, msgspec.Meta(ge=0, le=18)] = 0
    multiplier: str = "1"
    is_inverse: bool = False
    base_currency: str | None = None
    quote_currency: str | None = None
    settlement_currency: str | None = None
    underlying: str | None = None
    currency: str | None = None


def encoding(data: bytes) -> str:
    """Return what NautilusTrader 2.0 calls the encoding of a stored value."""
    # All that NautilusTrader writes is a map. No JSON begins like one in msgpack.
    return "MSG_PACK" if data[:1] >= b"\x80" else "JSON"


def decoder(kind: Any) -> Any:
    """Return a function that decodes a stored value of a kind, in whichever encoding it is."""
    of_msgpack = msgspec.msgpack.Decoder(kind).decode
    of_json = msgspec.json.Decoder(kind).decode

    def decode(data: bytes) -> Any:
        is_msgpack = encoding(data) == "MSG_PACK"
        try:
            return of_msgpack(data) if is_msgpack else of_json(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as e:
            shown = "msgpack" if is_msgpack else "JSON"
            why = f"{e}"[:_MAX_WHY] if data else "it is empty"
            raise BrokenEntryError(f"not {shown} as NautilusTrader writes it: {why}") from e

    return decode


order_event = decoder(OrderEvent)
account_state = decoder(AccountState)
currency = decoder(StoredCurrency)
instrument = decoder(StoredInstrument)


def nanoseconds(when: int | str) -> int:
    """Return a stored timestamp as UNIX nanoseconds."""
    if isinstance(when, int):
        return when
    ns = -1
    with suppress(ValueError):  # No such day
        if when.isdecimal():
            ns = int(when[:_MAX_DIGITS])
        elif _FRACTION.fullmatch(when, 19):
            ns = _seconds(when[:19]) * _BILLION + int(when[20:-1].ljust(9, "0"))
    if not 0 <= ns <= LAST_NS:
        raise BrokenEntryError(f"not a timestamp: {when[:_MAX_DIGITS]!r}")
    return ns


@lru_cache(maxsize=1024)
def _seconds(second: str) -> int:
    return (datetime.fromisoformat(f"{second}+00:00") - _EPOCH) // _SECOND


@lru_cache(maxsize=4096)
def number(text: str) -> Decimal:
    """Return a stored price, quantity or amount."""
    value = Decimal("NaN")
    if len(text) <= _MAX_DIGITS:
        with suppress(InvalidOperation):
            value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _MAX_EXPONENT:
        raise BrokenEntryError(f"not a number: {text[:_MAX_DIGITS]!r}")
    return value or Decimal(0)  # One zero: that of eight decimals would read 0E-8


def quantity(text: str) -> Decimal:
    """Return a stored quantity."""
    value = number(text)
    if value < 0:
        raise BrokenEntryError(f"a negative quantity: {text!r}")
    return value


def money(text: str) -> tuple[Decimal, str]:
    """Return a stored amount of money and its currency."""
    amount, _, code = text.partition(" ")
    if not code:
        raise BrokenEntryError(f"not an amount of money: {text[:_MAX_DIGITS]!r}")
    return number(amount), code

"""
What the monitor left in Redis: a value that is damaged, or made to do harm, is refused as a whole.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import RecoveryReport


_Value = TypeVar("_Value")

# What an exchange can name fits; what would fill the memory once it is written out does not
_MAX_DIGITS = 64
_MAX_INTEGER = 2**63


class DamagedError(ValueError):
    """Raised when a value is not what the monitor writes."""


class Broken(msgspec.Struct, frozen=True):
    """An entry that cannot be read."""

    # Its key
    key: str
    # Why not, in one line
    why: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of a trader's present."""

    # The last sign of life
    heartbeat: Heartbeat | None = None
    # The newest epoch that has begun
    epoch: int | None = None
    # The report of that epoch, if it has ended and is kept
    report: RecoveryReport | None = None
    # What could not be read of these
    broken: tuple[Broken, ...] = ()
    # Why the server refuses writes, in its words, empty if it does not or if that is not known
    refused: str = ""


class Message(msgspec.Struct, frozen=True):
    """What an external stream has of a message of the monitor."""

    type: MessageKind
    # Its report
    report: RecoveryReport


class _Stamp(msgspec.Struct, frozen=True):
    epoch: int


def epoch(data: bytes) -> int:
    """Return the epoch that `RecoveryJournal.begin` wrote."""
    return _decoded(_EPOCH, data)


def heartbeat(data: bytes) -> Heartbeat:
    """Return the sign of life that `RecoveryJournal.beat` wrote."""
    return _decoded(_HEARTBEAT, data)


def report_epoch(data: bytes) -> int:
    """Return the epoch of a report. The rest of it is not looked at."""
    return _decoded(_STAMP, data).epoch


def report(data: bytes) -> RecoveryReport:
    """Return the report that `RecoveryJournal.record` wrote."""
    return _decoded(_REPORT, data)


def message(payload: bytes) -> Message:
    """
    Return a message of the monitor from an external stream, in either encoding of a message bus.
    """
    decode = _JSON_MESSAGE if payload[:1] == b"{" else _MSGPACK_MESSAGE
    return _decoded(decode, payload)


def _decoded(decode: Callable[[bytes], _Value], data: bytes) -> _Value:
    try:
        value = decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise DamagedError(str(e)) from e
    for number in _numbers(value):
        if isinstance(number, int):
            is_sane = -_MAX_INTEGER <= number < _MAX_INTEGER
        else:
            is_sane = number.is_finite() and _is_short(number)
        if not is_sane:
            raise DamagedError("it contains a number that no node writes")
    return value


def _is_short(number: Decimal) -> bool:
    # An exponent of a few letters can stand for more digits than there is memory
    return -_MAX_DIGITS <= number.adjusted() <= _MAX_DIGITS and (
        len(number.as_tuple().digits) <= _MAX_DIGITS
    )


def _numbers(value: Any) -> list[int | Decimal]:
    found: list[int | Decimal] = []
    todo = [msgspec.to_builtins(value, builtin_types=(Decimal,))]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list | tuple):
            todo += one
        elif isinstance(one, int | Decimal):
            found.append(one)
    return found


_EPOCH = msgspec.json.Decoder(int).decode
_HEARTBEAT = msgspec.json.Decoder(Heartbeat).decode
_STAMP = msgspec.json.Decoder(_Stamp).decode
_REPORT = msgspec.json.Decoder(RecoveryReport).decode
_JSON_MESSAGE = msgspec.json.Decoder(Message).decode
_MSGPACK_MESSAGE = msgspec.msgpack.Decoder(Message).decode

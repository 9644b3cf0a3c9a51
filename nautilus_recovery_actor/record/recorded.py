"""
What the monitor left in Redis, as somebody else reads it: each value may be damaged, or made to do
harm, and is refused as a whole then.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.journal import Heartbeat
from nautilus_recovery_actor.report import RecoveryReport


_Value = TypeVar("_Value")

# What an exchange can name fits; what would fill the memory once it is written out does not
_MAX_DIGITS = 64
_MAX_INTEGER = 2**63

_MESSAGES = ("RecoveryStarted", "RecoveryComplete", "RecoveryFailed", "RecoveryOverridden")


class DamagedError(ValueError):
    """
    Raised when a value is not what the monitor writes.
    """


class Broken(msgspec.Struct, frozen=True):
    """
    An entry that cannot be read.

    Parameters
    ----------
    key : str
        Its key.
    why : str
        Why not, in one line.

    """

    key: str
    why: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is on record of a trader's present.

    Parameters
    ----------
    heartbeat : Heartbeat, optional
        The last sign of life.
    epoch : int, optional
        The newest epoch that has begun.
    report : RecoveryReport, optional
        The report of that epoch, if it has ended and is kept.
    broken : tuple[Broken, ...]
        What could not be read of these.

    """

    heartbeat: Heartbeat | None = None
    epoch: int | None = None
    report: RecoveryReport | None = None
    broken: tuple[Broken, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """
    What an external stream has of a message of the monitor.

    Parameters
    ----------
    type : str
        The name of its class.
    report : RecoveryReport
        Its report.

    """

    type: str
    report: RecoveryReport


class _Stamp(msgspec.Struct, frozen=True):
    epoch: int


def epoch(data: bytes) -> int:
    """
    Return the epoch that `RecoveryJournal.begin` wrote.

    Parameters
    ----------
    data : bytes
        The value.

    Returns
    -------
    int

    Raises
    ------
    DamagedError
        If that is no epoch.

    """
    return _decoded(_EPOCH, data)


def heartbeat(data: bytes) -> Heartbeat:
    """
    Return the sign of life that `RecoveryJournal.beat` wrote.

    Parameters
    ----------
    data : bytes
        The value.

    Returns
    -------
    Heartbeat

    Raises
    ------
    DamagedError
        If that is none.

    """
    return _decoded(_HEARTBEAT, data)


def report_epoch(data: bytes) -> int:
    """
    Return the epoch of a report. The rest of it is not looked at.

    Parameters
    ----------
    data : bytes
        The value.

    Returns
    -------
    int

    Raises
    ------
    DamagedError
        If that is no report.

    """
    return _decoded(_STAMP, data).epoch


def report(data: bytes) -> RecoveryReport:
    """
    Return the report that `RecoveryJournal.record` wrote.

    Parameters
    ----------
    data : bytes
        The value.

    Returns
    -------
    RecoveryReport

    Raises
    ------
    DamagedError
        If that is no report.

    """
    return _decoded(_REPORT, data)


def message(payload: bytes) -> Message:
    """
    Return a message of the monitor from an external stream, in either encoding of a message bus.

    Parameters
    ----------
    payload : bytes
        What the entry of the stream has in its field ``payload``.

    Returns
    -------
    Message

    Raises
    ------
    DamagedError
        If that is none.

    """
    decode = _JSON_MESSAGE if payload[:1] == b"{" else _MSGPACK_MESSAGE
    found = _decoded(decode, payload)
    if found.type not in _MESSAGES:
        raise DamagedError("no message of a recovery monitor")
    return found


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
            raise DamagedError("it holds a number that no node writes")
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

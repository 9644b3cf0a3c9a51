"""
Text for a person at a terminal.
"""

import textwrap
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from decimal import Decimal


# Fits a terminal of 80 columns
_WIDTH = 79

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_NS = 1_000_000_000
_HOUR_SECS = 3_600
_CENTURY_SECS = 100 * 365 * 86_400


def one_line(text: str) -> str:
    """Return `text` without what would move or color a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def moment(ns: int, *, digits: int = 0) -> str:
    """Return a time as ``2026-11-23 03:14:18``, in UTC."""
    when = _1970 + timedelta(microseconds=ns // 1000)
    text = f"{when:%Y-%m-%d %H:%M:%S.%f}"
    return text[: 20 + digits] if digits else text[:19]


def duration(nanoseconds: int) -> str:
    """Return a time in its two largest units."""
    seconds = max(nanoseconds, 0) // _NS
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "less than 1 s"


def seconds(secs: float) -> str:
    """Return a time in seconds, to the millisecond, and one of hours in its two largest units."""
    if not secs < _CENTURY_SECS:
        return "more than a hundred years"
    if secs >= _HOUR_SECS:
        return duration(round(secs * _NS))
    text = f"{secs:.3f}".rstrip("0").rstrip(".")
    return "less than 0.001 s" if text == "0" and secs > 0 else f"{text} s"


def counted(number: int, noun: str) -> str:
    """Return how many there are, such as ``1 open order`` and ``2 entries``."""
    several = [
        f"{part[:-1]}ies" if part.endswith("y") else f"{part}s" for part in noun.split(" or ")
    ]
    return f"{number:,} {noun if number == 1 else ' and '.join(several)}"


def signed(number: Decimal) -> str:
    """Return a number with its sign, which zero has none of."""
    return f"{number:+f}" if number else "0"


def wrapped(line: str, width: int = _WIDTH) -> list[str]:
    """Return a line as several that fit, with its indent and more."""
    if len(line) <= width:
        return [line] if line.strip() else []
    indent = len(line) - len(line.lstrip()) + 4
    return textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )

"""
Text for a person at a terminal.
"""

import textwrap
from datetime import UTC
from datetime import datetime
from datetime import timedelta


# Fits a terminal of 80 columns
_WIDTH = 79

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


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
    seconds = max(nanoseconds, 0) // 1_000_000_000
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "less than 1 s"


def wrapped(line: str, width: int = _WIDTH) -> list[str]:
    """Return a line as several that fit, with its indent and more."""
    if len(line) <= width:
        return [line] if line.strip() else []
    indent = len(line) - len(line.lstrip()) + 4
    return textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )

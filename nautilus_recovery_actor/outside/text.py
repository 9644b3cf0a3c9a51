"""
Rows and round figures for a person at a terminal.
"""

import textwrap
from collections.abc import Iterator


_LEAST_WIDTH = 20
# From here on a time is given in minutes
_LONG_SECS = 120


def roughly(seconds: float) -> str:
    """Return about how long a time is, in seconds or in minutes."""
    return f"{seconds:,.0f} s" if seconds < _LONG_SECS else f"{seconds / 60:,.0f} min"


def hanging(start: str, text: str, width: int | None) -> Iterator[str]:
    """Return a row whose last column goes on below itself where it does not fit."""
    parts = [text]
    if width is not None:
        room = max(width - len(start), _LEAST_WIDTH)
        parts = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    for part in parts:
        yield f"{start}{part}".rstrip()
        start = " " * len(start)

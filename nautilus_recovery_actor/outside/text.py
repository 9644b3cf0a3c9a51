"""
Rows and round figures for a person at a terminal.
"""

import textwrap
from collections.abc import Iterator


_LEAST_WIDTH = 36
_BELOW = " " * 7
# From here on a time is given in minutes
_LONG_SECS = 120


def roughly(seconds: float) -> str:
    """Return about how long a time is, in seconds or in minutes."""
    return f"{seconds:,.0f} s" if seconds < _LONG_SECS else f"{seconds / 60:,.0f} min"


def hanging(start: str, text: str, width: int | None) -> Iterator[str]:
    """
    Return a row whose last column goes on below itself where it does not fit, or stands below the
    others where it has too little room there. No word is broken.
    """
    if width is None:
        yield f"{start}{text}".rstrip()
        return
    room = width - len(start)
    longest = max(map(len, text.split()), default=0)
    if len(text) > room and (room < _LEAST_WIDTH or longest > room):
        yield start.rstrip()
        start, room = _BELOW, width - len(_BELOW)
    parts = textwrap.wrap(
        text, max(room, _LEAST_WIDTH), break_long_words=False, break_on_hyphens=False
    )
    for part in parts or [""]:
        yield f"{start}{part}".rstrip()
        start = " " * len(start)

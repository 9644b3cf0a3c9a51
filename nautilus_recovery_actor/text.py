"""
Text for a terminal, whoever wrote it.
"""

import textwrap
from collections.abc import Iterator


_LEAST_WIDTH = 20


def one_line(text: str) -> str:
    """
    Return `text` without what would move or colour a terminal.

    Parameters
    ----------
    text : str
        Any text, also from a stranger.

    Returns
    -------
    str

    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def hanging(start: str, text: str, width: int | None) -> Iterator[str]:
    """
    Return a row whose last column goes on below itself where it does not fit.

    Parameters
    ----------
    start : str
        The columns before.
    text : str
        The last column.
    width : int, optional
        The number of columns to fit in, ``None`` for one line, however long.

    Returns
    -------
    Iterator[str]

    """
    parts = [text]
    if width is not None:
        room = max(width - len(start), _LEAST_WIDTH)
        parts = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    for part in parts:
        yield f"{start}{part}".rstrip()
        start = " " * len(start)

"""
What tables are printed on.
"""

import os
import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nautilus_recovery_actor.core.text import one_line


# What goes into a pipe or a file is searched and cut, so that an identifier must not be broken
_ENDLESS = 10_000


class Paper(Console):
    """The standard output."""

    def __init__(self) -> None:
        is_limited = sys.stdout.isatty() or os.environ.get("COLUMNS")
        super().__init__(highlight=False, emoji=False, width=None if is_limited else _ENDLESS)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line: rich would end the process with a code that means more."""
        raise BrokenPipeError


def ruled(*headings: str) -> Table:
    """Return an empty table; a column whose heading begins with ``>`` is set to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold",
        )
    return table


def plain(text: str, style: str = "") -> Text:
    """Return a text in one line, of which nothing is taken for markup."""
    return Text(one_line(text), style)

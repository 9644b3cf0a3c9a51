"""
What tables are printed on.
"""

import os
import sys
from collections.abc import Iterable
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import wrapped


# What goes into a pipe or a file is searched and cut, so that an identifier must not be broken
_ENDLESS = 10_000
_GAP = 2
_INDENT = 4
# What is longer than this may go on in the next line, between two words
_FREE_TEXT = 30


class Paper(Console):
    """The standard output."""

    def __init__(self) -> None:
        is_limited = sys.stdout.isatty() or os.environ.get("COLUMNS")
        super().__init__(highlight=False, emoji=False, width=None if is_limited else _ENDLESS)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line: rich would end the process with a code that means more."""
        raise BrokenPipeError


class Sheet:
    """
    A table in which no word is broken, and so no identifier: who copies one has all of it.

    Where the columns do not fit, the first cell of each row has a line of its own, above the
    others. A column whose heading begins with ``>`` is set to the right.
    """

    def __init__(self, *headings: str) -> None:
        self._headings = [heading.removeprefix(">") for heading in headings]
        self._is_right = [heading.startswith(">") for heading in headings]
        self._rows: list[tuple[Text, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, *cells: Text) -> None:
        """Add a row."""
        self._rows.append(cells)

    def show(self, console: Console) -> None:
        """Print it."""
        widths = self._widths(0, console.width)
        if widths is not None:
            console.print(self._table(0, widths, self._rows, is_headed=True))
            return
        widths = self._widths(1, console.width - _INDENT)
        _print_whole(console, Text(self._headings[0]))
        for is_headed, row in ((True, None), *((False, row) for row in self._rows)):
            if row is not None:
                _print_whole(console, row[0])
            if widths is not None:
                rows = [] if row is None else [row]
                table = self._table(1, widths, rows, is_headed=is_headed)
                console.print(Padding(table, (0, 0, 0, _INDENT)))
            elif row is not None:
                for heading, cell in zip(self._headings[1:], row[1:], strict=True):
                    line = f"{' ' * _INDENT}{heading}: {cell.plain}"
                    for part in wrapped(line, console.width):
                        _print_whole(console, Text(part))

    def _widths(self, first: int, room: int) -> list[int] | None:
        columns = [
            [heading, *(cell.plain for cell in cells)]
            for heading, cells in zip(self._headings, _columns(self._rows), strict=True)
        ][first:]
        widths = [max(map(cell_len, column)) for column in columns]
        least = [
            max(cell_len(word) for cell in column for word in cell.split() or [""])
            if width > _FREE_TEXT
            else width
            for column, width in zip(columns, widths, strict=True)
        ]
        over = sum(widths) + _GAP * (len(widths) - 1) - room
        while over > 0:
            slack = [width - small for width, small in zip(widths, least, strict=True)]
            if not any(slack):
                return None
            widest = max(range(len(widths)), key=lambda at: (slack[at] > 0, widths[at]))
            widths[widest] -= 1
            over -= 1
        return widths

    def _table(
        self,
        first: int,
        widths: Sequence[int],
        rows: Iterable[tuple[Text, ...]],
        *,
        is_headed: bool,
    ) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD if is_headed else None,
            show_header=is_headed,
            show_edge=False,
            pad_edge=False,
            padding=(0, _GAP - 1 if is_headed else _GAP, 0, 0),
        )
        named = zip(self._headings[first:], self._is_right[first:], widths, strict=True)
        for heading, is_right, width in named:
            table.add_column(heading, justify="right" if is_right else "left", width=width)
        for row in rows:
            table.add_row(*row[first:])
        return table


def _columns(rows: Sequence[tuple[Text, ...]]) -> Iterable[tuple[Text, ...]]:
    return zip(*rows, strict=True)


def _print_whole(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)  # The terminal breaks it, and copies it in one piece


def plain(text: str, style: str = "") -> Text:
    """Return a text in one line, of which nothing is taken for markup."""
    return Text(one_line(text), style)

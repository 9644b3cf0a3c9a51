"""
What tables are printed on.
"""

import os
import sys

from rich.console import Console


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

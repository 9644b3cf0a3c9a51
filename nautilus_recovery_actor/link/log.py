"""
The log of a node, as NautilusTrader 1.x has it and any other host can.
"""

from typing import Protocol


class Log(Protocol):
    """What writes lines to a log."""

    def info(self, message: str, /) -> None:
        """Write what is as it should be."""

    def warning(self, message: str, /) -> None:
        """Write what may need somebody."""

    def error(self, message: str, /) -> None:
        """Write what does need somebody."""

    def exception(self, message: str, ex: Exception, /) -> None:
        """Write what was raised."""

"""
What is logged once a minute at most, however often somebody outside is the cause.
"""

import time


_PAUSE_SECS = 60.0


class Seldom:
    """Says whether a line is due, on any thread."""

    def __init__(self) -> None:
        self._next = float("-inf")

    def is_due(self) -> bool:
        """Return whether to log now."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _PAUSE_SECS
        return True

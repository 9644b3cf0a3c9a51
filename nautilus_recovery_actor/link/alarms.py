"""
One timer of the event loop that is armed again and again, and whether this is the loop's thread.

The timer is the loop's own: a `LiveClock` calls back on another thread, also while the loop is busy
(seen on 1.221 and 1.231).
"""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` on the loop's thread, when it is armed."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_armed(self) -> bool:
        """Whether it will ring."""
        return self._timer is not None

    def arm(self, loop: asyncio.AbstractEventLoop, delay_secs: float) -> None:
        """Ring after `delay_secs`, and not before that for what it was armed earlier."""
        self.cancel()
        self._timer = loop.call_later(delay_secs, self._on_time)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        self._ring()


def is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether this is called on the thread of `loop`, while it runs."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False

"""
What is sent once a checkpoint is stored.
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from nautilus_recovery_actor.host.wire import Wire


_PATIENCE_NS = 1_000_000_000


class Waiting:
    """Orders that wait, in their order, and whether what was written before them is stored."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, list[Any], Callable[[], None]]] = []
        self._written = self._stored = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing has to wait."""
        return self._stored == self._written and not self._waiting

    def writing(self, wire: Wire) -> Callable[[str, bytes], None]:
        """Return what writes an entry, which is waited for."""

        def write(key: str, value: bytes) -> None:
            self._written += 1
            wire.add(key, value, self._noting(self._written))

        return write

    def _noting(self, number: int) -> Callable[[], None]:
        def note() -> None:  # On the thread beside
            self._stored = max(self._stored, number)

        return note

    def put(self, now: int, orders: list[Any], send: Callable[[], None]) -> bool:
        """Have orders wait, and return whether they are the first."""
        self._waiting.append((now + _PATIENCE_NS, orders, send))
        return len(self._waiting) == 1

    def due(self, now: int) -> Iterator[tuple[list[Any], Callable[[], None] | None]]:
        """Yield orders with what sends them, ``None`` for those that may not be sent any more."""
        while self._waiting:
            until, orders, send = self._waiting[0]
            is_stored = self._stored == self._written
            if not (is_stored or until <= now):
                return
            del self._waiting[0]
            may_send = is_stored or (orders and all(one.is_reduce_only for one in orders))
            yield orders, send if may_send else None

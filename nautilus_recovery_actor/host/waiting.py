"""
What is sent once a checkpoint is stored.
"""

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any
from typing import NamedTuple

from nautilus_recovery_actor.host.wire import Wire


_PATIENCE_NS = 1_000_000_000
CANCELED = "RECOVERY_CANCELED: it waited for a checkpoint and was canceled"
_REFUSAL = "RECOVERY_CHECKPOINT_NOT_STORED: not within a second"


class _Submit(NamedTuple):
    until: int
    orders: list[Any]
    send: Callable[[], None]
    # Unless they can only reduce
    refuse: Callable[[str], None]


class Waiting:
    """Orders that wait, in their order, and whether what was written before them is stored."""

    def __init__(self) -> None:
        self._waiting: list[_Submit] = []
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

    def put(
        self, now: int, orders: list[Any], send: Callable[[], None], refuse: Callable[[str], None]
    ) -> bool:
        """Have orders wait, and return whether they are the first."""
        self._waiting.append(_Submit(now + _PATIENCE_NS, orders, send, refuse))
        return len(self._waiting) == 1

    def give_up(self, is_canceled: Callable[[Any], bool]) -> list[Any]:
        """Return the orders that are canceled while they wait, with those that go with them."""
        given_up = [one for one in self._waiting if any(map(is_canceled, one.orders))]
        self._waiting = [one for one in self._waiting if one not in given_up]
        return [order for one in given_up for order in one.orders]

    def due(self, now: int) -> Iterator[Callable[[], None]]:
        """Yield what sends orders, or refuses those that may not be sent any more."""
        while self._waiting:
            one = self._waiting[0]
            is_stored = self._stored == self._written
            if not (is_stored or one.until <= now):
                return
            del self._waiting[0]
            may_send = is_stored or (one.orders and all(o.is_reduce_only for o in one.orders))
            yield one.send if may_send else partial(one.refuse, _REFUSAL)

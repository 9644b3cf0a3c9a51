"""
What a monitor keeps in the cache, unless another node keeps it.
"""

from collections.abc import Callable

from nautilus_recovery_actor.core.journal import Store


class KeptStore:
    """The cache, into which nothing is written once another node has the lease of the trader."""

    def __init__(self, store: Store, is_forgone: Callable[[], bool]) -> None:
        self._store = store
        self._is_forgone = is_forgone

    def get(self, key: str) -> bytes | None:
        """Return the value of `key`, ``None`` if there is none."""
        return self._store.get(key)

    def add(self, key: str, value: bytes) -> None:
        """Write `value`, over the one before: not over the other node's."""
        if not self._is_forgone():
            self._store.add(key, value)

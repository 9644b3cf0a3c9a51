"""
The ways in which a node goes away and comes back.
"""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Way:
    """How a node ends, whether strategies claim external orders, and what is left in Redis."""

    is_redis_kept: bool
    is_claimed: bool
    is_killed: bool

    @property
    def words(self) -> tuple[str, str, str]:
        return (
            "Redis kept" if self.is_redis_kept else "Redis lost",
            "claimed" if self.is_claimed else "not claimed",
            "kill -9" if self.is_killed else "clean stop",
        )

    @property
    def name(self) -> str:
        return ", ".join(self.words)


WAYS = tuple(Way(*of) for of in product((True, False), (True, False), (False, True)))

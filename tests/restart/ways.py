"""
The ways in which a node goes away and comes back.
"""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Way:
    """
    How a node ends, whether strategies claim external orders, what is left in Redis, and if all
    this was so long ago that the venue answers only with what happened since.
    """

    is_redis_kept: bool
    is_claimed: bool
    is_killed: bool
    is_old: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        return (
            "Redis kept" if self.is_redis_kept else "Redis lost",
            "claimed" if self.is_claimed else "not claimed",
            "kill -9" if self.is_killed else "clean stop",
            "back a week later" if self.is_old else "back soon",
        )

    @property
    def name(self) -> str:
        return ", ".join(self.words)


WAYS = tuple(
    Way(is_redis_kept, is_claimed, is_killed, is_old)
    for is_redis_kept, is_claimed, (is_killed, is_old) in product(
        (True, False), (True, False), ((False, False), (True, False), (True, True))
    )
)

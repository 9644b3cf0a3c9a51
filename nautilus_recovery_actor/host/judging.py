"""
The judgment of much: the node's thread copies what the cache holds, slice by slice, and another one
reads it and judges.
"""

import time
from collections.abc import Callable
from collections.abc import Generator
from functools import partial
from typing import Any

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.host.unprotected import Soon


# What is observed in the end, on whatever thread that is asked for
Looking = Generator[None, None, Callable[[], Observation]]

# How many orders, positions and events are judged at once: that takes a few milliseconds
JUDGED_AT_ONCE = 200
# How long the node is held at a time (ns)
_SLICE = 4_000_000
# How often it is void because something has happened meanwhile, before it is judged at once
_TRIES = 3


def at_once(looking: Looking) -> Observation:
    """Look at all of it now."""
    while True:
        try:
            next(looking)
        except StopIteration as end:
            observe: Callable[[], Observation] = end.value
            return observe()


def _judge(observe: Callable[[], Observation], policy: Policy) -> Judgment:
    return verdict.judge(observe(), policy)


class Judging:
    """
    Makes one judgment at a time. `compute` has a function called on another thread, and `take` is
    to be called with what came of it. `soon` has something called after others had their turn.
    """

    def __init__(
        self, policy: Policy, compute: Callable[[Callable[[], Any], str, int], None], soon: Soon
    ) -> None:
        self._policy = policy
        self._compute = compute
        self._soon = soon
        self._looking: Looking | None = None
        self._number = self._void = 0
        self._about: tuple[Recovery, int] | None = None

    @property
    def is_on(self) -> bool:
        """Whether a judgment is being made."""
        return self._about is not None

    @property
    def is_vain(self) -> bool:
        """Whether it was void so often that it is to be made at once."""
        return self._void >= _TRIES

    def begin(self, looking: Looking, recovery: Recovery, flagged: int) -> None:
        """Begin with what is known now."""
        self._number += 1
        self._looking, self._about = looking, (recovery, flagged)
        self.go_on()

    def cancel(self) -> None:
        """Drop it."""
        self._looking = self._about = None

    def go_on(self) -> None:
        """Look at the next slice."""
        if (looking := self._looking) is None:
            return
        end = time.perf_counter_ns() + _SLICE
        while time.perf_counter_ns() < end:
            try:
                next(looking)
            except StopIteration as done:
                self._looking = None
                self._compute(partial(_judge, done.value, self._policy), "judged", self._number)
                return
        self._soon(self.go_on)

    def is_valid(self, number: int, recovery: Recovery, flagged: int) -> bool:
        """Return whether a judgment that was made is the last, and of what is known now."""
        if number != self._number or self._about is None:
            return False
        is_valid = self._about == (recovery, flagged)
        self._void = 0 if is_valid else self._void + 1
        self._about = None
        return is_valid

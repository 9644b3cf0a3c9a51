"""
Is a node alive? One rule, by its heartbeat.
"""

from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat


# How many heartbeats may be missing, and the shortest silence that counts (seconds)
_MISSED = 3
_LEAST_SECS = 3.0
# For a heartbeat that does not say how often there is one, or says what cannot be (seconds)
_DEFAULT_SECS = 15.0
_DAY_SECS = 86_400.0

_NS = 1_000_000_000


class Life(StrEnum):
    """
    What a heartbeat says of its node.

    ``ALIVE``: it is recent. ``STOPPED``: it is the last of a clean stop. ``SILENT``: it is too old.
    ``AHEAD``: it is from the future, so the clocks differ and its age is unknown.
    """

    ALIVE = "ALIVE"
    STOPPED = "STOPPED"
    SILENT = "SILENT"
    AHEAD = "AHEAD"


class Liveness(msgspec.Struct, frozen=True):
    """Whether a node is alive."""

    life: Life
    # How old the heartbeat is, negative where the node's clock is ahead
    age_secs: float
    # How old it may be
    max_age_secs: float


def liveness(heartbeat: Heartbeat, *clocks: int, max_age_secs: float | None = None) -> Liveness:
    """
    Return whether the node of `heartbeat` is alive, by one clock or more (UNIX ns).

    It is unless every clock says that it is not: nobody knows which of them is wrong.
    """
    limit = max_age_secs or max_age(heartbeat)
    ages = [(now - heartbeat.ts) / _NS for now in clocks]
    youngest, oldest = min(ages), max(ages)
    if heartbeat.is_stopped:
        return Liveness(Life.STOPPED, youngest, limit)
    if youngest > limit:
        return Liveness(Life.SILENT, youngest, limit)
    if oldest < -limit:
        return Liveness(Life.AHEAD, oldest, limit)
    return Liveness(Life.ALIVE, youngest, limit)


def max_age(heartbeat: Heartbeat) -> float:
    """Return how old a heartbeat may be (seconds): three of its node's intervals."""
    return max_age_of(heartbeat.interval_secs)


def max_age_of(interval_secs: float | None) -> float:
    """Return how old a heartbeat may be (seconds) that is due at an interval."""
    if interval_secs is None or not 0 < interval_secs < _DAY_SECS:
        return _DEFAULT_SECS
    return max(_MISSED * interval_secs, _LEAST_SECS)

"""
A venue's report, read when it is judged, slice by slice or at once.
"""

from collections.abc import Callable
from collections.abc import Iterator

from nautilus_recovery_actor.core.observation import VenueReport


class ReadLater:
    """
    Reads a report once: to read all of it when it comes costs more than a start may be slower.

    `reading` yields after each slice, and returns what was read.
    """

    def __init__(self, reading: Callable[[], Iterator[VenueReport | None]]) -> None:
        self._reading = reading
        self._report: VenueReport | None = None

    def steps(self) -> Iterator[None]:
        """Read it, if it was not read before."""
        if self._report is None:
            for report in self._reading():
                self._report = report
                yield

    def __call__(self) -> VenueReport:
        """Return the report."""
        for _ in self.steps():
            pass
        assert self._report is not None  # It comes last
        return self._report

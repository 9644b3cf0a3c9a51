"""
Which open positions no stop covers, kept current between recoveries.
"""

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.protection import unproven
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.log import Log


# A look at all positions, with a pause wherever nothing is yielded; it leaves out these orders
Steps = Callable[[frozenset[str]], Iterator[Discrepancy | None]]
# Has something called after others had their turn
Soon = Callable[[Callable[[], None]], object]

# How long the node is held at a time (ns)
_SLICE = 2_000_000
# How many a heartbeat names
_NAMED = 5


class Unprotected:
    """Looks at all positions after order events, in slices, once a recovery has looked at them."""

    def __init__(
        self, steps: Steps, newest: Callable[[], object], log: Log, on_late: Callable[[], None]
    ) -> None:
        self._look = steps
        self._newest = newest
        self._log = log
        self._on_late = on_late
        self._found: tuple[Discrepancy, ...] | None = None
        self._unproven: frozenset[str] = frozenset()
        self._epoch = 0
        # The look under way, and what it has found so far
        self._steps: Iterator[Discrepancy | None] | None = None
        self._so_far: list[Discrepancy] = []
        # The newest order event by then, if there was a look
        self._has_looked = False
        self._looked_at: object = None

    def first_few(self) -> tuple[tuple[Discrepancy, ...] | None, int]:
        """Return the first few, and how many more there are."""
        if self._found is None:
            return None, 0
        return self._found[:_NAMED], max(len(self._found) - _NAMED, 0)

    def take(self, report: RecoveryReport | None) -> None:
        """Take what a recovery has found, once it is complete."""
        if report is None or report.outcome is None or report.epoch == self._epoch:
            return
        self._epoch = report.epoch
        self._unproven = unproven(report)
        self._steps = None
        kind = DiscrepancyKind.UNPROTECTED_POSITION
        self._found = tuple(one for one in report.discrepancies if one.kind is kind)

    @property
    def has_news(self) -> bool:
        """Whether an order event came since the positions were last looked at."""
        return not self._has_looked or self._looked_at is not self._newest()

    def look(self, soon: Soon) -> None:
        """Look if anything may have changed, and call `on_late` unless that is done at once."""
        if self._found is None or self._steps is not None or not self.has_news:
            return
        with self._guarded():
            self._has_looked, self._looked_at, self._so_far = True, self._newest(), []
            self._steps = steps = self._look(self._unproven)
            if not self._is_done(steps):
                soon(partial(self._go_on, soon, steps))

    def _go_on(self, soon: Soon, steps: Iterator[Discrepancy | None]) -> None:
        if steps is not self._steps:
            return  # A recovery has looked meanwhile
        with self._guarded():
            if self._is_done(steps):
                self._on_late()
            else:
                soon(partial(self._go_on, soon, steps))

    def _is_done(self, steps: Iterator[Discrepancy | None]) -> bool:
        end = time.perf_counter_ns() + _SLICE
        for found in steps:
            if found is not None:
                self._so_far.append(found)
            if time.perf_counter_ns() > end:
                return False
        self._steps = None
        self._so_far.sort(key=attrgetter("account_id", "instrument_id", "position_id"))
        self._found = tuple(self._so_far)
        return True

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as e:  # That nobody looks must not end an epoch
            self._steps = None
            self._log.exception("The recovery monitor raised while looking at the positions", e)

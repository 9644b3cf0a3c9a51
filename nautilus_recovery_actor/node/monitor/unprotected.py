"""
Which open positions no stop covers, kept current between recoveries.
"""

import asyncio
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from operator import attrgetter

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Logger
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.core.compare.owners import unprotected
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import unproven
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.positions import cached_position


# How long the event loop is held at a time (ns)
_SLICE = 2_000_000
# How many a heartbeat names
_NAMED = 5


class Unprotected:
    """Looks at all positions after order events, in slices, once a recovery has looked at them."""

    def __init__(
        self,
        cache: CacheFacade,
        intake: Intake,
        policy: Policy,
        log: Logger,
        on_late: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._intake = intake
        self._policy = policy
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
        self._looked_at: OrderEvent | None = None

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
        return not self._has_looked or self._looked_at is not self._intake.newest

    def look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look if anything may have changed, and call `on_late` unless that is done at once."""
        if self._found is None or self._steps is not None or not self.has_news:
            return
        with self._guarded():
            self._steps = self._begun()
            if not self._is_done(self._steps):
                loop.call_soon(self._go_on, loop, self._steps)

    def _go_on(self, loop: asyncio.AbstractEventLoop, steps: Iterator[Discrepancy | None]) -> None:
        if steps is not self._steps:
            return  # A recovery has looked meanwhile
        with self._guarded():
            if self._is_done(steps):
                self._on_late()
            else:
                loop.call_soon(self._go_on, loop, steps)

    def _begun(self) -> Iterator[Discrepancy | None]:
        self._has_looked, self._looked_at, self._so_far = True, self._intake.newest, []
        held: set[InstrumentId] = set()
        return unprotected(
            self._positions(held), self._orders(held), self._policy, self._unproven, self._increment
        )

    # Each is looked up in its turn: all of them at once take longer than the loop may be held

    def _positions(self, held: set[InstrumentId]) -> Iterator[CachedPosition]:
        for position in map(self._cache.position, tuple(self._cache.position_open_ids())):
            if position is not None and position.is_open:
                held.add(position.instrument_id)
                yield cached_position(position)

    def _orders(self, held: set[InstrumentId]) -> Iterator[OwnOrder]:
        cache = self._cache
        for order_id in (*cache.client_order_ids_open(), *cache.client_order_ids_emulated()):
            order = cache.order(order_id)
            if order is not None and order.instrument_id in held:
                yield own_order(cache, order, self._intake.ts_registered)

    def _increment(self, instrument_id: str) -> Decimal:
        instrument = self._cache.instrument(InstrumentId.from_str(instrument_id))
        return Decimal(0) if instrument is None else instrument.size_increment.as_decimal()

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

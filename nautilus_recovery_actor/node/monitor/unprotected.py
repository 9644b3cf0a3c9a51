"""
A look at the open positions and the orders that may protect them, one after another.
"""

from collections.abc import Iterator
from decimal import Decimal

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.core.compare.owners import unprotected
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.positions import cached_position


class Look:
    """Looks up each in its turn: all of them at once take longer than the loop may be held."""

    def __init__(self, cache: CacheFacade, intake: Intake, policy: Policy) -> None:
        self._cache = cache
        self._intake = intake
        self._policy = policy

    def steps(self, unproven: frozenset[str]) -> Iterator[Discrepancy | None]:
        """Yield what no stop covers, and ``None`` wherever it may pause."""
        held: set[InstrumentId] = set()
        return unprotected(
            self._positions(held), self._orders(held), self._policy, unproven, self._increment
        )

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

"""
The cache of a node on NautilusTrader 2.0, copied order by order: nobody else may touch it.
"""

from collections.abc import Generator
from collections.abc import Iterator
from decimal import Decimal
from itertools import batched
from typing import Any

from nautilus_trader.common import DataActor
from nautilus_trader.model import ClientOrderId
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import VenueOrderId

from nautilus_recovery_actor.core.compare.owners import unprotected
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.host import reading
from nautilus_recovery_actor.host.bus import Bus
from nautilus_recovery_actor.host.bus import Origin
from nautilus_recovery_actor.host.observing import Picture


# How many orders are copied before it is looked at the time
_AT_ONCE = 250
# In the place of an order that protects nothing: it may be paused there too
_OTHER = OwnOrder(client_order_id="", leaves=Decimal(0), status="", kind="")


class Cached:
    """What an actor's cache holds, on the thread of its node."""

    def __init__(self, actor: DataActor) -> None:
        self._actor = actor
        self._increments: dict[str, Decimal] = {}

    def size(self, bus: Bus) -> int:
        """Return how many orders there are to copy, about."""
        return len(self._actor.cache.client_order_ids_open()) + len(bus.order_ids)

    def origin_of(self, client_order_id: str | None, venue_order_id: str | None) -> Origin:
        """Return what is known of an order."""
        cache = self._actor.cache
        found = client_order_id and ClientOrderId(client_order_id)
        if not found and venue_order_id:
            found = cache.client_order_id(VenueOrderId(venue_order_id))
        return reading.origin(cache.order(found) if found else None)

    def picture(self, before: list[Any], bus: Bus) -> Generator[None, None, Picture]:
        """Copy the orders that are alive or were reported, and the positions, slice by slice."""
        cache = self._actor.cache
        ids = (*cache.client_order_ids_open(), *cache.client_order_ids_inflight())
        alive, others, names = list[Any](), list[Any](), set[str]()
        for some in batched(ids, _AT_ONCE):
            names.update(map(str, some))
            alive += zip(map(cache.order, some), map(cache.position_id, some), strict=True)
            yield
        for some in batched(bus.order_ids - names, _AT_ONCE):
            others += map(cache.order, map(ClientOrderId, some))
            yield
        after = cache.positions_open()
        for place in bus.instruments | {str(one.instrument_id) for one in after}:
            self._increment(place)
            yield
        tied = {str(one): cache.position(one) for _, one in alive if one is not None}
        return Picture(alive, others, before, after, tied, self._increments.copy())

    def protections(
        self, unproven: frozenset[str], policy: Policy, ts_registered: int
    ) -> Iterator[Discrepancy | None]:
        """Yield what no stop covers, and ``None`` wherever it may pause."""
        held = self._actor.cache.positions_open()
        return unprotected(
            map(reading.cached_position, held),
            self._stops({one.instrument_id for one in held}, ts_registered),
            policy,
            unproven,
            lambda place: self._increment(place) or Decimal(0),
        )

    def _stops(self, places: set[InstrumentId], ts_registered: int) -> Iterator[OwnOrder]:
        cache = self._actor.cache
        if not places:
            return
        for one in (*cache.client_order_ids_open(), *cache.client_order_ids_emulated()):
            order = cache.order(one)
            is_held = order is not None and order.instrument_id in places
            is_stop = is_held and "STOP" in order.order_type.name
            yield (
                reading.own_order(order, cache.position_id(one), ts_registered)
                if is_stop
                else _OTHER
            )

    def _increment(self, place: str) -> Decimal | None:
        if place not in self._increments:
            found = self._actor.cache.instrument(InstrumentId.from_str(place))
            if found is None:
                return None
            self._increments[place] = Decimal(str(found.size_increment))
        return self._increments[place]

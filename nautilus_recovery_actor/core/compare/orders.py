"""
What differs between the orders of a venue's report and those of the cache.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.compare import advice
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_COMPARED = ("side", "qty", "filled_qty", "px", "trigger_px")


def order_discrepancies(
    observation: Observation, report: VenueReport, policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what differs between the orders of `report` and those of the cache."""
    subject = _Subject(report, observation.instruments, policy)
    # Two nodes may number their orders alike
    by_client_id = {
        (order.instrument_id, order.client_order_id): order
        for order in observation.orders
        if order.account_id in (None, report.account_id)
    }
    # Venues number their orders by themselves, some per symbol
    by_venue_id = {
        (order.account_id, order.instrument_id, order.venue_order_id): order
        for order in observation.orders
    }
    reported: dict[str, VenueOrder] = {}
    for order in report.orders:
        known = by_client_id.get(
            (order.instrument_id, order.client_order_id or "")
        ) or by_venue_id.get((report.account_id, order.instrument_id, order.venue_order_id))
        if known is None:
            if order.is_open:
                yield subject.unknown_order(order)
            continue
        other = reported.get(known.client_order_id)
        if other is None or not (other.is_open and order.is_open):
            reported[known.client_order_id] = order
        elif other.venue_order_id == known.venue_order_id:
            # Two orders rest at the venue under one client order id: the cache knows one of them
            yield subject.unknown_order(order)
        else:
            yield subject.unknown_order(other)
            reported[known.client_order_id] = order
    for known in observation.orders:
        order_at_venue = reported.get(known.client_order_id)
        if max(known.ts_init, known.ts_last) > report.ts:
            continue  # What came after the report cannot be in it
        if order_at_venue is not None:
            yield from subject.known_order(order_at_venue, known)
        elif (
            known.account_id == report.account_id
            and not known.is_local
            and known.ts_filled <= report.ts
        ):
            yield from subject.unreported_order(known)


class _Subject(msgspec.Struct, frozen=True):
    report: VenueReport
    instruments: Mapping[str, Decimal]
    policy: Policy

    def unknown_order(self, order: VenueOrder) -> Discrepancy:
        if order.instrument_id in self.instruments:
            return self._differs(Kind.ORDER_NOT_IN_CACHE, order, None, order.status, "unknown")
        cache = "instrument not loaded"
        return self._differs(Kind.INSTRUMENT_NOT_LOADED, order, None, order.status, cache)

    def known_order(self, order: VenueOrder, known: CachedOrder) -> Iterator[Discrepancy]:
        if order.is_open and order.instrument_id not in self.instruments:
            yield self.unknown_order(order)
            return
        if known.is_inflight and (not order.is_open or order.status == known.status == "SUBMITTED"):
            yield self._differs(Kind.INFLIGHT_ORDER, order, known, order.status, known.status)
            return
        if not order.is_open and not known.is_open:
            return
        is_filled_since = known.ts_filled > self.report.ts  # Changes nothing of what was agreed
        venue, cache = [], []
        # Of an order that is open on both sides each venue and adapter names the status in its way
        if order.is_open != known.is_open and not is_filled_since:
            venue.append(order.status)
            cache.append(known.status)
        for name in _COMPARED:
            if is_filled_since and name == "filled_qty":
                continue
            there, here = getattr(order, name), getattr(known, name)
            if there is not None and here is not None and there != here:
                venue.append(f"{name} {there}")
                cache.append(f"{name} {here}")
        if venue:
            there, here = ", ".join(venue), ", ".join(cache)
            yield self._differs(Kind.ORDER_MISMATCH, order, known, there, here)

    def unreported_order(self, known: CachedOrder) -> Iterator[Discrepancy]:
        if known.is_inflight:
            yield self._differs(Kind.INFLIGHT_ORDER, None, known, "no report", known.status)
        elif known.is_open:
            yield self._differs(Kind.ORDER_NOT_AT_VENUE, None, known, "no report", known.status)

    def _differs(
        self,
        kind: Kind,
        order: VenueOrder | None,
        known: CachedOrder | None,
        venue: str,
        cache: str,
    ) -> Discrepancy:
        subject = known or order
        assert subject is not None
        return self.policy.difference(
            kind,
            self.report.account_id,
            subject.instrument_id,
            client_order_id=subject.client_order_id or subject.venue_order_id,
            venue=venue,
            cache=cache,
            detail=advice.on_order(kind, order, known),
        )

"""
What differs between the orders of a venue's report and those of the cache.
"""

from collections.abc import Container
from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import DiscrepancyKind
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
    comparison = _Comparison(observation.instruments, report, policy)
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
                yield comparison.unknown(order)
            continue
        other = reported.get(known.client_order_id)
        if other is None or not (other.is_open and order.is_open):
            reported[known.client_order_id] = order
        elif other.venue_order_id == known.venue_order_id:
            # Two orders rest at the venue under one client order id: the cache knows one of them
            yield comparison.unknown(order)
        else:
            yield comparison.unknown(other)
            reported[known.client_order_id] = order
    for known in observation.orders:
        order_at_venue = reported.get(known.client_order_id)
        if max(known.ts_init, known.ts_last) > report.ts:
            continue  # What came after the report cannot be in it
        if order_at_venue is not None:
            yield from comparison.known(order_at_venue, known)
        elif (
            known.account_id == report.account_id
            and not known.is_local
            and known.ts_filled <= report.ts
        ):
            yield from comparison.unreported(known)


class _Comparison:
    def __init__(self, instruments: Container[str], report: VenueReport, policy: Policy) -> None:
        self.instruments = instruments
        self.report = report
        self.policy = policy

    def unknown(self, order: VenueOrder) -> Discrepancy:
        if order.instrument_id not in self.instruments:
            return self._not_loaded(order)
        detail = (
            f"The venue holds order {order.venue_order_id} and the cache does not know it: "
            "cancel it at the venue, or restart so that it is reconciled"
        )
        return self._of_venue(DiscrepancyKind.ORDER_NOT_IN_CACHE, order, "unknown", detail)

    def known(self, order: VenueOrder, known: CachedOrder) -> Iterator[Discrepancy]:
        if order.is_open and order.instrument_id not in self.instruments:
            yield self._not_loaded(order)
            return
        if known.is_inflight and (not order.is_open or order.status == known.status == "SUBMITTED"):
            yield self._inflight(known, order.status)
            return
        if not order.is_open and not known.is_open:
            return
        is_filled_since = known.ts_filled > self.report.ts  # Which changes nothing of its terms
        venue, cache = [], []
        # Venues and adapters report the status of an open order in their own ways
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
            yield self._of_cache(
                DiscrepancyKind.ORDER_MISMATCH,
                known,
                ", ".join(venue),
                "The order at the venue is not what the cache says: look at the venue, cancel it "
                "there, and place it again",
                ", ".join(cache),
            )

    def unreported(self, known: CachedOrder) -> Iterator[Discrepancy]:
        if known.is_inflight:
            yield self._inflight(known, "no report")
        elif known.is_open:
            yield self._of_cache(
                DiscrepancyKind.ORDER_NOT_AT_VENUE,
                known,
                "no report",
                "The cache holds an open order that the venue did not report, so it protects "
                "nothing: look at the venue, and cancel it in the cache or place it again",
            )

    def _not_loaded(self, order: VenueOrder) -> Discrepancy:
        detail = (
            "The venue holds an order on an instrument that the node did not load: "
            "load it, or cancel the order at the venue"
        )
        kind = DiscrepancyKind.INSTRUMENT_NOT_LOADED
        return self._of_venue(kind, order, "instrument not loaded", detail)

    def _inflight(self, known: CachedOrder, venue: str) -> Discrepancy:
        detail = "Sent before the restart and never answered: look for it at the venue"
        return self._of_cache(DiscrepancyKind.INFLIGHT_ORDER, known, venue, detail)

    def _of_venue(
        self, kind: DiscrepancyKind, order: VenueOrder, cache: str, detail: str
    ) -> Discrepancy:
        return self.policy.difference(
            kind,
            self.report.account_id,
            order.instrument_id,
            client_order_id=order.client_order_id or order.venue_order_id,
            venue=order.status,
            cache=cache,
            detail=detail,
        )

    def _of_cache(
        self,
        kind: DiscrepancyKind,
        known: CachedOrder,
        venue: str,
        detail: str,
        cache: str | None = None,
    ) -> Discrepancy:
        return self.policy.difference(
            kind,
            self.report.account_id,
            known.instrument_id,
            client_order_id=known.client_order_id,
            venue=venue,
            cache=known.status if cache is None else cache,
            detail=detail,
        )

"""
What differs between a venue's report and the cache: one function for each kind of thing compared.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.enums import DiscrepancyKind
from nautilus_recovery_actor.enums import FillOrigin
from nautilus_recovery_actor.enums import Severity
from nautilus_recovery_actor.observe import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.observe import CachedOrder
from nautilus_recovery_actor.observe import CachedPosition
from nautilus_recovery_actor.observe import Observation
from nautilus_recovery_actor.observe import VenueOrder
from nautilus_recovery_actor.observe import VenuePosition
from nautilus_recovery_actor.observe import VenueReport
from nautilus_recovery_actor.observe import origins
from nautilus_recovery_actor.report import Discrepancy


_P = TypeVar("_P", CachedPosition, VenuePosition)
_ZERO = Decimal(0)


class Policy(msgspec.Struct, frozen=True):
    """
    How to judge.

    Parameters
    ----------
    severities : Mapping[DiscrepancyKind, Severity], default {}
        The severities that differ from their defaults.
    allow_unreconciled : bool, default False
        If an account that never reported may trade.
    max_report_fills : int, default 1000
        How many fills a report holds, the newest.
    shadow : bool, default False
        If nothing is to be blocked, only told.

    """

    severities: Mapping[DiscrepancyKind, Severity] = {}
    allow_unreconciled: bool = False
    max_report_fills: int = 1000
    shadow: bool = False

    def severity(self, kind: DiscrepancyKind) -> Severity:
        """
        Return the severity of `kind` under this policy.

        Parameters
        ----------
        kind : DiscrepancyKind
            The kind of a discrepancy.

        Returns
        -------
        Severity

        """
        if kind is DiscrepancyKind.NO_MASS_STATUS and self.allow_unreconciled:
            return self.severities.get(kind, Severity.WARN)
        return self.severities.get(kind, kind.default_severity)


def discrepancies(observation: Observation, policy: Policy) -> Iterator[Discrepancy]:
    """
    Yield every difference, in no particular order.

    Parameters
    ----------
    observation : Observation
        What was seen.
    policy : Policy
        The severities.

    Yields
    ------
    Discrepancy

    """
    reported = {report.account_id for report in observation.reports}
    for account_id in observation.required_accounts - reported:
        yield Discrepancy(
            kind=DiscrepancyKind.NO_MASS_STATUS,
            severity=policy.severity(DiscrepancyKind.NO_MASS_STATUS),
            account_id=account_id,
            instrument_id="",
            venue="no report",
            detail=f"{account_id} sent no mass status: nothing of it is proven; "
            "look for its client's errors in the log and restart",
        )
    yield from (found for found in observation.carried if found.account_id not in reported)
    made_up = {
        (fill.account_id, fill.instrument_id)
        for fill in observation.fills
        if fill.is_made_up and fill.account_id not in reported
    }
    for account_id, instrument_id in made_up:
        yield Discrepancy(
            kind=DiscrepancyKind.NO_MASS_STATUS,
            severity=policy.severity(DiscrepancyKind.NO_MASS_STATUS),
            account_id=account_id,
            instrument_id=instrument_id,
            venue="no report",
            cache="aligned by a synthetic fill",
            detail="The engine made up a fill to align this position, and no mass status has come "
            "since: look at the venue; the next mass status is verified",
        )
    for report in observation.reports:
        for found in _account_discrepancies(observation, report):
            yield msgspec.structs.replace(found, severity=policy.severity(found.kind))


def _account_discrepancies(
    observation: Observation,
    report: VenueReport,
) -> Iterator[Discrepancy]:
    account_id = report.account_id
    cached = _by_instrument(p for p in observation.after if p.account_id == account_id)
    venue = _by_instrument(report.positions)
    late = _late_quantities(observation, report)
    for instrument_id in sorted(cached.keys() | venue.keys()):
        yield from _position_discrepancies(
            account_id,
            instrument_id,
            cached.get(instrument_id, []),
            venue.get(instrument_id),
            late[instrument_id],
            instrument_id in observation.instruments,
        )
    yield from _order_discrepancies(observation, report)


def _by_instrument(positions: Iterable[_P]) -> dict[str, list[_P]]:
    found: dict[str, list[_P]] = {}
    for position in positions:
        found.setdefault(position.instrument_id, []).append(position)
    return found


def _late_quantities(observation: Observation, report: VenueReport) -> dict[str, Decimal]:
    # What the venue filled after it had reported: its position now is the reported one plus these.
    # A synthetic fill is no trade of the venue, so it proves nothing and is left out.
    late: dict[str, Decimal] = defaultdict(Decimal)
    for fill, kind in zip(observation.fills, origins(observation), strict=True):
        if (
            fill.account_id == report.account_id
            and fill.index >= report.seen_events
            and kind is not FillOrigin.SYNTHETIC
        ):
            late[fill.instrument_id] += fill.qty
    for fill in observation.live_fills:
        if fill.account_id == report.account_id and fill.index >= report.seen_live_fills:
            late[fill.instrument_id] += fill.qty
    return late


def _position_discrepancies(
    account_id: str,
    instrument_id: str,
    cached: list[CachedPosition],
    venue: list[VenuePosition] | None,
    late: Decimal,
    is_loaded: bool,
) -> Iterator[Discrepancy]:
    held = sum((p.qty for p in cached), _ZERO)
    if venue is not None and not is_loaded:
        if any(p.qty != 0 for p in venue):
            yield _found(
                DiscrepancyKind.INSTRUMENT_NOT_LOADED,
                account_id,
                instrument_id,
                venue=_quantities(venue),
                cache="instrument not loaded",
                detail="The venue holds a position on an instrument that the node did not load: "
                "load it, or close the position at the venue",
            )
        return

    if venue is None:
        if held != late or (late == 0 and any(p.qty != 0 for p in cached)):
            for position in cached:
                yield _found(
                    DiscrepancyKind.POSITION_NOT_AT_VENUE,
                    account_id,
                    instrument_id,
                    position_id=position.position_id,
                    venue="no report",
                    cache=str(position.qty),
                    detail="The cache holds a position that the venue did not report: look at the "
                    "venue, and correct the cache or the position before trading it",
                )
    elif any(p.position_id is not None for p in venue):
        yield from _leg_discrepancies(account_id, instrument_id, cached, venue)
    elif held != (expected := sum((p.qty for p in venue), _ZERO) + late):
        yield _found(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            account_id,
            instrument_id,
            position_id=cached[0].position_id if len(cached) == 1 else None,
            venue=str(expected),
            cache=str(held),
            detail="Reconciliation left another quantity in the cache than the venue reports: "
            "look at the venue, and correct the cache before trading it",
        )

    for position in cached:
        if position.strategy_id in UNCLAIMED_STRATEGIES:
            yield _found(
                DiscrepancyKind.UNCLAIMED_POSITION,
                account_id,
                instrument_id,
                position_id=position.position_id,
                venue=_quantities(venue or []),
                cache=f"{position.qty} of {position.strategy_id}",
                detail="No strategy owns this position: name the instrument in the "
                "`external_order_claims` of the strategy that should, or close it",
            )


def _leg_discrepancies(
    account_id: str,
    instrument_id: str,
    cached: list[CachedPosition],
    venue: list[VenuePosition],
) -> Iterator[Discrepancy]:
    legs = {p.position_id or "": p.qty for p in venue}
    held = {p.position_id: p.qty for p in cached}
    for position_id in sorted(legs.keys() | held.keys()):
        if legs.get(position_id, _ZERO) != held.get(position_id, _ZERO):
            yield _found(
                DiscrepancyKind.HEDGE_LEG_MISMATCH,
                account_id,
                instrument_id,
                position_id=position_id,
                venue=str(legs.get(position_id, "no report")),
                cache=str(held.get(position_id, "not held")),
                detail="The legs of a hedged position differ: look at the venue, and correct the "
                "cache before trading it",
            )


def _order_discrepancies(observation: Observation, report: VenueReport) -> Iterator[Discrepancy]:
    cached = {order.client_order_id: order for order in observation.orders}
    by_venue_id = {order.venue_order_id: order for order in observation.orders}
    reported: dict[str, VenueOrder] = {}
    for order in report.orders:
        known = cached.get(order.client_order_id or "") or by_venue_id.get(order.venue_order_id)
        if known is not None:
            reported[known.client_order_id] = order
        if order.is_open:
            yield from _venue_order_discrepancies(observation, report, order, known)
    for known in observation.orders:
        if known.account_id == report.account_id and not known.is_local:
            yield from _cached_order_discrepancies(
                report,
                known,
                reported.get(known.client_order_id),
            )


def _venue_order_discrepancies(
    observation: Observation,
    report: VenueReport,
    order: VenueOrder,
    known: CachedOrder | None,
) -> Iterator[Discrepancy]:
    order_id = order.client_order_id or order.venue_order_id
    if order.instrument_id not in observation.instruments:
        yield _found(
            DiscrepancyKind.INSTRUMENT_NOT_LOADED,
            report.account_id,
            order.instrument_id,
            client_order_id=order_id,
            venue=order.status,
            cache="instrument not loaded",
            detail="The venue holds an order on an instrument that the node did not load: "
            "load it, or cancel the order at the venue",
        )
    elif known is None or not (known.is_open or known.ts_last > report.ts):
        yield _found(
            DiscrepancyKind.ORDER_NOT_IN_CACHE,
            report.account_id,
            order.instrument_id,
            client_order_id=order_id,
            venue=order.status,
            cache=known.status if known else "unknown",
            detail=f"The venue holds order {order.venue_order_id} open and the cache does not: "
            "cancel it at the venue, or restart so that it is reconciled",
        )


def _cached_order_discrepancies(
    report: VenueReport,
    known: CachedOrder,
    order: VenueOrder | None,
) -> Iterator[Discrepancy]:
    if known.ts_init > report.ts or (order is not None and order.is_open):
        return
    if known.is_inflight:
        yield _found(
            DiscrepancyKind.INFLIGHT_ORDER,
            report.account_id,
            known.instrument_id,
            client_order_id=known.client_order_id,
            venue=order.status if order else "no report",
            cache=known.status,
            detail="Sent before the restart and never answered: look for it at the venue",
        )
    elif known.is_open:
        yield _found(
            DiscrepancyKind.ORDER_NOT_AT_VENUE,
            report.account_id,
            known.instrument_id,
            client_order_id=known.client_order_id,
            venue=order.status if order else "no report",
            cache=known.status,
            detail="The cache holds an open order that is not open at the venue: it protects "
            "nothing; look at the venue, and cancel it in the cache or place it anew",
        )


def _quantities(positions: list[VenuePosition]) -> str:
    return ", ".join(str(p.qty) for p in positions) or "no report"


def _found(
    kind: DiscrepancyKind,
    account_id: str,
    instrument_id: str,
    *,
    venue: str,
    cache: str,
    detail: str,
    position_id: str | None = None,
    client_order_id: str | None = None,
) -> Discrepancy:
    return Discrepancy(
        kind=kind,
        severity=kind.default_severity,
        account_id=account_id,
        instrument_id=instrument_id,
        position_id=position_id,
        client_order_id=client_order_id,
        venue=venue,
        cache=cache,
        detail=detail,
    )

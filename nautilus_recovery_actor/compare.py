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
from nautilus_recovery_actor.observe import ObservedFill
from nautilus_recovery_actor.observe import VenueOrder
from nautilus_recovery_actor.observe import VenuePosition
from nautilus_recovery_actor.observe import VenueReport
from nautilus_recovery_actor.observe import origins
from nautilus_recovery_actor.report import Discrepancy


_P = TypeVar("_P", CachedPosition, VenuePosition, ObservedFill)
_ZERO = Decimal(0)
_LEGS_DIFFER = (
    "The legs of a hedged position differ: look at the venue, "
    "and correct the cache before trading it"
)


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
    carried = [found for found in observation.carried if found.account_id not in reported]
    yield from carried
    made_up = {
        (fill.account_id, fill.instrument_id)
        for fill in observation.fills
        if fill.is_made_up and fill.account_id not in reported
    }
    told = {
        (found.account_id, found.instrument_id)
        for found in carried
        if found.kind is DiscrepancyKind.NO_MASS_STATUS
    }
    for account_id, instrument_id in made_up - told:
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
    fill_origins = origins(observation)
    for report in observation.reports:
        for found in _account_discrepancies(observation, report, fill_origins):
            yield msgspec.structs.replace(found, severity=policy.severity(found.kind))


def _account_discrepancies(
    observation: Observation,
    report: VenueReport,
    fill_origins: tuple[FillOrigin, ...],
) -> Iterator[Discrepancy]:
    account_id = report.account_id
    cached = _by_instrument(p for p in observation.after if p.account_id == account_id)
    venue = _by_instrument(report.positions)
    late = _by_instrument(_late_fills(observation, fill_origins, report))
    crossing = _by_instrument(_crossing_fills(observation, report))
    aligned = {
        fill.instrument_id
        for fill, origin in zip(observation.fills, fill_origins, strict=True)
        if origin is FillOrigin.SYNTHETIC and fill.account_id == account_id
    }
    for instrument_id in sorted(cached.keys() | venue.keys() | late.keys() | crossing.keys()):
        subject = _Subject(
            account_id=account_id,
            instrument_id=instrument_id,
            cached=cached.get(instrument_id, []),
            venue=venue.get(instrument_id, []),
            late=late.get(instrument_id, []),
        )
        yield from _quantity_discrepancies(
            subject,
            crossing.get(instrument_id, []),
            is_aligned=instrument_id in aligned,
            is_loaded=instrument_id in observation.instruments,
        )
        yield from _ownership_discrepancies(subject)
    yield from _order_discrepancies(observation, report)


class _Subject(msgspec.Struct, frozen=True):
    # What venue and cache say of one account's positions on one instrument, and the fills that came
    # after the venue said so: its position now is the reported one plus these.
    account_id: str
    instrument_id: str
    cached: list[CachedPosition]
    venue: list[VenuePosition]
    late: list[ObservedFill]

    @property
    def held(self) -> Decimal:
        return sum((p.qty for p in self.cached), _ZERO)

    @property
    def expected(self) -> Decimal:
        late = sum((fill.qty for fill in self.late), _ZERO)
        return sum((p.qty for p in self.venue), late)

    def differs(
        self,
        kind: DiscrepancyKind,
        detail: str,
        venue: str,
        cache: str,
        position_id: str | None = None,
    ) -> Discrepancy:
        return _found(
            kind,
            self.account_id,
            self.instrument_id,
            venue=venue,
            cache=cache,
            detail=detail,
            position_id=position_id,
        )


def _by_instrument(entries: Iterable[_P]) -> dict[str, list[_P]]:
    found: dict[str, list[_P]] = {}
    for entry in entries:
        found.setdefault(entry.instrument_id, []).append(entry)
    return found


def _late_fills(
    observation: Observation,
    fill_origins: tuple[FillOrigin, ...],
    report: VenueReport,
) -> Iterator[ObservedFill]:
    # A synthetic fill is no trade of the venue, so it proves nothing and is left out
    for fill, origin in zip(observation.fills, fill_origins, strict=True):
        if (
            fill.account_id == report.account_id
            and fill.index >= report.seen_events
            and origin is not FillOrigin.SYNTHETIC
        ):
            yield fill
    for fill in observation.live_fills:
        if fill.account_id == report.account_id and fill.index >= report.seen_live_fills:
            yield fill


def _crossing_fills(observation: Observation, report: VenueReport) -> Iterator[ObservedFill]:
    # Applied before the report arrived, and after it was begun: it may count them, or it may not
    for fill in observation.live_fills:
        is_before_arrival = fill.index < report.seen_live_fills
        if fill.account_id == report.account_id and is_before_arrival and fill.ts_init > report.ts:
            yield fill


def _quantity_discrepancies(
    subject: _Subject,
    crossing: list[ObservedFill],
    is_aligned: bool,
    is_loaded: bool,
) -> Iterator[Discrepancy]:
    found = list(_position_discrepancies(subject, is_loaded))
    if crossing and is_aligned and not found:
        yield subject.differs(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            "The engine aligned this position to a report that was begun before the last fills: "
            "look at the venue; the next mass status is verified",
            venue=f"{subject.expected}, before or after {len(crossing)} fills",
            cache=str(subject.held),
        )
    elif crossing and found and not is_aligned:
        with_all = msgspec.structs.replace(subject, late=[*subject.late, *crossing])
        if any(_position_discrepancies(with_all, is_loaded)):
            yield from found
    else:
        yield from found


def _position_discrepancies(subject: _Subject, is_loaded: bool) -> Iterator[Discrepancy]:
    if not is_loaded and any(p.qty != 0 for p in subject.venue):
        yield subject.differs(
            DiscrepancyKind.INSTRUMENT_NOT_LOADED,
            "The venue holds a position on an instrument that the node did not load: "
            "load it, or close the position at the venue",
            venue=_quantities(subject.venue),
            cache="instrument not loaded",
        )
    elif not subject.venue:
        yield from _unreported_discrepancies(subject)
    elif any(p.position_id is not None for p in subject.venue):
        yield from _leg_discrepancies(subject)
    elif min(p.qty for p in subject.venue) < 0 < max(p.qty for p in subject.venue):
        yield from _unnamed_leg_discrepancies(subject)
    elif subject.held != subject.expected:
        yield subject.differs(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            "Reconciliation left another quantity in the cache than the venue reports: "
            "look at the venue, and correct the cache before trading it",
            venue=str(subject.expected),
            cache=str(subject.held),
            position_id=subject.cached[0].position_id if len(subject.cached) == 1 else None,
        )


def _unreported_discrepancies(subject: _Subject) -> Iterator[Discrepancy]:
    # Missing is not flat: only what late fills made of nothing can be there without a report.
    late: dict[str, Decimal] = defaultdict(Decimal)
    for fill in subject.late:
        late[fill.strategy_id] += fill.qty
    held: dict[str, list[CachedPosition]] = {}
    for position in subject.cached:
        if position.qty != 0:
            held.setdefault(position.strategy_id, []).append(position)
    for strategy_id in sorted(late.keys() | held.keys()):
        positions = held.get(strategy_id, [])
        if len(positions) <= 1 and late[strategy_id] == sum((p.qty for p in positions), _ZERO):
            continue
        told: list[tuple[str | None, str]] = [(p.position_id, str(p.qty)) for p in positions]
        for position_id, cache in told or [(None, "flat")]:
            yield subject.differs(
                DiscrepancyKind.POSITION_NOT_AT_VENUE,
                "The cache holds a position that the venue did not report: look at the "
                "venue, and correct the cache or the position before trading it",
                venue="no report",
                cache=cache,
                position_id=position_id,
            )


def _leg_discrepancies(subject: _Subject) -> Iterator[Discrepancy]:
    legs: dict[str, set[Decimal]] = {}
    for leg in subject.venue:
        legs.setdefault(leg.position_id or "", set()).add(leg.qty)
    held = {p.position_id: p.qty for p in subject.cached}
    different = [
        position_id
        for position_id in sorted(legs.keys() | held.keys())
        if legs.get(position_id, {_ZERO}) != {held.get(position_id, _ZERO)}
    ]
    if subject.late and len(different) == 1 and subject.held == subject.expected:
        return  # Fills carry no leg, and this one has moved by just what was filled
    for position_id in different:
        quantities = sorted(legs.get(position_id, ()))
        yield subject.differs(
            DiscrepancyKind.HEDGE_LEG_MISMATCH,
            _LEGS_DIFFER,
            venue=", ".join(map(str, quantities)) or "no report",
            cache=str(held.get(position_id, "not held")),
            position_id=position_id,
        )
    if not different and subject.held != subject.expected:
        yield subject.differs(
            DiscrepancyKind.HEDGE_LEG_MISMATCH,
            _LEGS_DIFFER,
            venue=f"{subject.expected} in all",
            cache=f"{subject.held} in all",
        )


def _unnamed_leg_discrepancies(subject: _Subject) -> Iterator[Discrepancy]:
    reported = sorted(p.qty for p in subject.venue if p.qty != 0)
    held = sorted(p.qty for p in subject.cached)
    if reported != held or subject.held != subject.expected:
        yield subject.differs(
            DiscrepancyKind.HEDGE_LEG_MISMATCH,
            _LEGS_DIFFER,
            venue=_quantities(subject.venue),
            cache=", ".join(map(str, held)) or "not held",
        )


def _ownership_discrepancies(subject: _Subject) -> Iterator[Discrepancy]:
    for position in subject.cached:
        if position.strategy_id in UNCLAIMED_STRATEGIES:
            yield subject.differs(
                DiscrepancyKind.UNCLAIMED_POSITION,
                "No strategy owns this position: name the instrument in the "
                "`external_order_claims` of the strategy that should, or close it",
                venue=_quantities(subject.venue),
                cache=f"{position.qty} of {position.strategy_id}",
                position_id=position.position_id,
            )


def _order_discrepancies(observation: Observation, report: VenueReport) -> Iterator[Discrepancy]:
    by_client_id = {order.client_order_id: order for order in observation.orders}
    # Venues number their orders by themselves, some per symbol
    by_venue_id = {
        (order.account_id, order.instrument_id, order.venue_order_id): order
        for order in observation.orders
    }
    reported: dict[str, VenueOrder] = {}
    for order in report.orders:
        known = by_client_id.get(order.client_order_id or "") or by_venue_id.get(
            (report.account_id, order.instrument_id, order.venue_order_id),
        )
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
    if order is not None and order.is_open:
        return
    if max(known.ts_init, known.ts_last) > report.ts:
        return  # What came after the report cannot be in it
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
    return ", ".join(map(str, sorted(p.qty for p in positions))) or "no report"


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

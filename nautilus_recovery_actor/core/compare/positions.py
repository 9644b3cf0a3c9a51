"""
What differs between the positions of a venue's report and those of the cache.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import Traced
from nautilus_recovery_actor.core.origins import guessed_positions
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_P = TypeVar("_P", CachedPosition, VenuePosition, ObservedFill)
_ZERO = Decimal(0)
_LEGS_DIFFER = (
    "The legs of a hedged position differ: look at the venue, "
    "and correct the cache before trading it"
)
_DUST = (
    "Venue and cache differ by less than the instrument's size increment: no order can trade that"
)


def position_discrepancies(
    observation: Observation, report: VenueReport, fills: Traced, policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what differs between the positions of `report` and those of the cache."""
    account_id = report.account_id
    own = [(fill, origin) for fill, origin in fills if fill.account_id == account_id]
    live = [fill for fill in observation.live_fills if fill.account_id == account_id]
    cached = _by_instrument(p for p in observation.after if p.account_id == account_id)
    venue = _by_instrument(report.positions)
    late = _by_instrument(_late_fills(own, live, report))
    # Applied before the report arrived, and after it was begun: it may count them, or it may not
    crossing = _by_instrument(
        fill for fill in live if fill.index < report.seen_live_fills and fill.ts_init > report.ts
    )
    aligned = {fill.instrument_id for fill, origin in own if origin is FillOrigin.SYNTHETIC}
    guessed = guessed_positions(observation, fills)
    for instrument_id in sorted(cached.keys() | venue.keys() | late.keys() | crossing.keys()):
        subject = _Subject(
            policy=policy,
            account_id=account_id,
            instrument_id=instrument_id,
            cached=cached.get(instrument_id, []),
            venue=venue.get(instrument_id, []),
            late=late.get(instrument_id, []),
            size_increment=observation.instruments.get(instrument_id),
        )
        doubtful = crossing.get(instrument_id, [])
        is_counted_twice = (account_id, instrument_id) in guessed and any(
            fill.ts_event <= report.ts for fill in subject.late
        )
        found = [*_quantities_differ(subject, doubtful, instrument_id in aligned, is_counted_twice)]
        yield from found
        if not (found or subject.late or doubtful):
            yield from _average_prices_differ(subject, policy.avg_px_tolerance)
        yield from _owners_differ(subject)


def counted_twice(
    policy: Policy, account_id: str, instrument_id: str, venue: str, cache: str
) -> Discrepancy:
    """Return the difference that is there where a late fill may be counted already."""
    return policy.difference(
        DiscrepancyKind.POSITION_QTY_MISMATCH,
        account_id,
        instrument_id,
        venue=venue,
        cache=cache,
        detail="The engine guessed what was filled, and then a fill came that is older than the "
        "report, so it may be counted twice: look at the venue; the next mass status is verified",
    )


class _Subject(msgspec.Struct, frozen=True):
    # What venue and cache say of one account's positions on one instrument, and the fills that came
    # after the venue said so: its position now is the reported one plus these.
    policy: Policy
    account_id: str
    instrument_id: str
    cached: list[CachedPosition]
    venue: list[VenuePosition]
    late: list[ObservedFill]
    size_increment: Decimal | None  # None if the node has not loaded the instrument

    @property
    def has_named_legs(self) -> bool:
        return any(p.position_id is not None for p in self.venue)

    @property
    def has_unnamed_legs(self) -> bool:
        return min(p.qty for p in self.venue) < 0 < max(p.qty for p in self.venue)

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
        by: Decimal | None = None,
    ) -> Discrepancy:
        # What no order can trade blocks nothing
        is_dust = by is not None and abs(by) < (self.size_increment or _ZERO)
        return self.policy.difference(
            kind,
            self.account_id,
            self.instrument_id,
            venue=venue,
            cache=cache,
            detail=_DUST if is_dust else detail,
            position_id=position_id,
            is_harmless=is_dust,
        )


def _by_instrument(entries: Iterable[_P]) -> dict[str, list[_P]]:
    found: dict[str, list[_P]] = {}
    for entry in entries:
        found.setdefault(entry.instrument_id, []).append(entry)
    return found


def _late_fills(
    fills: Iterable[tuple[ObservedFill, FillOrigin]],
    live: Iterable[ObservedFill],
    report: VenueReport,
) -> Iterator[ObservedFill]:
    # A synthetic fill is no trade of the venue, so it proves nothing and is left out
    for fill, origin in fills:
        if fill.index >= report.seen_events and origin is not FillOrigin.SYNTHETIC:
            yield fill
    yield from (fill for fill in live if fill.index >= report.seen_live_fills)


def _quantities_differ(
    subject: _Subject, crossing: list[ObservedFill], is_aligned: bool, is_counted_twice: bool
) -> Iterator[Discrepancy]:
    found = list(_positions_differ(subject))
    is_harmless = all(one.detail is _DUST for one in found)
    if is_counted_twice and is_harmless:
        yield counted_twice(
            subject.policy,
            subject.account_id,
            subject.instrument_id,
            venue=f"{subject.expected}, or that without a late fill",
            cache=str(subject.held),
        )
    elif crossing and is_aligned and is_harmless:
        yield subject.differs(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            "The engine aligned this position to a report that was begun before the last fills: "
            "look at the venue; the next mass status is verified",
            venue=f"{subject.expected}, before or after {len(crossing)} fills",
            cache=str(subject.held),
        )
    elif crossing and found and not is_aligned:
        # The report was made between two of them, so that it lacks the last ones
        if all(
            any(_positions_differ(msgspec.structs.replace(subject, late=[*subject.late, *lacking])))
            for lacking in (crossing[count:] for count in range(len(crossing)))
        ):
            yield from found
    else:
        yield from found


def _positions_differ(subject: _Subject) -> Iterator[Discrepancy]:
    if subject.size_increment is None and any(p.qty != 0 for p in subject.venue):
        yield subject.differs(
            DiscrepancyKind.INSTRUMENT_NOT_LOADED,
            "The venue holds a position on an instrument that the node did not load: "
            "load it, or close the position at the venue",
            venue=_quantities(subject.venue),
            cache="instrument not loaded",
        )
    elif not subject.venue:
        yield from _unreported_differ(subject)
    elif subject.has_named_legs:
        yield from _legs_differ(subject)
    elif subject.has_unnamed_legs:
        yield from _unnamed_legs_differ(subject)
    elif subject.held != subject.expected:
        yield subject.differs(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            "Reconciliation left another quantity in the cache than the venue reports: "
            "look at the venue, and correct the cache before trading it",
            venue=str(subject.expected),
            cache=str(subject.held),
            position_id=subject.cached[0].position_id if len(subject.cached) == 1 else None,
            by=subject.held - subject.expected,
        )


def _unreported_differ(subject: _Subject) -> Iterator[Discrepancy]:
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
        rows: list[tuple[str | None, str]] = [(p.position_id, str(p.qty)) for p in positions]
        for position_id, cache in rows or [(None, "flat")]:
            yield subject.differs(
                DiscrepancyKind.POSITION_NOT_AT_VENUE,
                "The cache holds a position that the venue did not report: look at the "
                "venue, and correct the cache or the position before trading it",
                venue="no report",
                cache=cache,
                position_id=position_id,
            )


def _legs_differ(subject: _Subject) -> Iterator[Discrepancy]:
    late: dict[str, Decimal] = defaultdict(Decimal)
    for fill in subject.late:
        late[fill.position_id or ""] += fill.qty
    reported: dict[str, set[Decimal]] = {}
    for leg in subject.venue:
        reported.setdefault(leg.position_id or "", set()).add(leg.qty)
    held = {p.position_id: p.qty for p in subject.cached}
    for position_id in sorted(reported.keys() | held.keys() | late.keys()):
        expected = {qty + late[position_id] for qty in reported.get(position_id, {_ZERO})}
        qty = held.get(position_id, _ZERO)
        if expected != {qty}:
            yield subject.differs(
                DiscrepancyKind.HEDGE_LEG_MISMATCH,
                _LEGS_DIFFER,
                venue=", ".join(map(str, sorted(expected)))
                if position_id in reported or late[position_id]
                else "no report",
                cache=str(held.get(position_id, "not held")),
                position_id=position_id or None,
                by=max((qty - one for one in expected), key=abs),
            )


def _unnamed_legs_differ(subject: _Subject) -> Iterator[Discrepancy]:
    reported = sorted(p.qty for p in subject.venue if p.qty != 0)
    held = sorted(p.qty for p in subject.cached)
    if reported != held or subject.held != subject.expected:
        yield subject.differs(
            DiscrepancyKind.HEDGE_LEG_MISMATCH,
            _LEGS_DIFFER,
            venue=_quantities(subject.venue),
            cache=", ".join(map(str, held)) or "not held",
        )


def _owners_differ(subject: _Subject) -> Iterator[Discrepancy]:
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
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for position in subject.cached:
        is_owned = position.strategy_id not in UNCLAIMED_STRATEGIES
        parts[position.strategy_id if is_owned else "EXTERNAL"] += position.qty
    parts = {
        owner: qty for owner, qty in parts.items() if abs(qty) >= (subject.size_increment or _ZERO)
    }
    is_net = subject.venue and not (subject.has_named_legs or subject.has_unnamed_legs)
    if is_net and len(parts) > 1:
        yield subject.differs(
            DiscrepancyKind.SPLIT_OWNERSHIP,
            "The venue holds one net position and several own a part of it in the cache, so none "
            "can close just its own: let one strategy trade the instrument, or use an account each",
            venue=_quantities(subject.venue),
            cache=", ".join(f"{qty} of {owner}" for owner, qty in sorted(parts.items())),
        )


def _average_prices_differ(subject: _Subject, tolerance: Decimal) -> Iterator[Discrepancy]:
    # A net position that is held in parts has as many prices
    is_one = len(subject.cached) == 1 and len(subject.venue) == 1
    pairs = [
        (position, reported)
        for position in subject.cached
        for reported in subject.venue
        if reported.position_id == position.position_id or (is_one and reported.position_id is None)
    ]
    for position, reported in pairs:
        here, there = position.avg_px, reported.avg_px
        if here is not None and there and abs(here - there) > tolerance * abs(there):
            yield subject.differs(
                DiscrepancyKind.AVG_PX_MISMATCH,
                "The quantity is right and the average open price is not: the PnL of this position "
                "is not the venue's",
                venue=str(there),
                cache=str(here),
                position_id=position.position_id,
            )


def _quantities(positions: list[VenuePosition]) -> str:
    return ", ".join(map(str, sorted(p.qty for p in positions))) or "no report"

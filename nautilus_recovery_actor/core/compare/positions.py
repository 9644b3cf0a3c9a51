"""
What differs between the positions of a venue's report and those of the cache.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.compare.subject import DUST
from nautilus_recovery_actor.core.compare.subject import Subject
from nautilus_recovery_actor.core.compare.subject import quantities
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
        subject = Subject(
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
            yield from _average_prices_differ(subject)
        yield from _owners_differ(subject)


def doubt(
    account_id: str,
    instrument_id: str,
    policy: Policy,
    venue: str = "no newer report",
    cache: str = "one fill more",
) -> Discrepancy:
    """Return the difference that a late fill may have made, where the engine guessed before."""
    return policy.difference(
        DiscrepancyKind.POSITION_QTY_MISMATCH,
        account_id,
        instrument_id,
        venue=venue,
        cache=cache,
        detail="The engine guessed what was filled, and then a fill came that is older than the "
        "report, so it may be counted twice: look at the venue; the next mass status is verified",
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
    subject: Subject, crossing: list[ObservedFill], is_aligned: bool, is_counted_twice: bool
) -> Iterator[Discrepancy]:
    found = list(_positions_differ(subject))
    is_harmless = all(one.detail == DUST for one in found)
    expected, held = subject.expected, str(subject.held)
    if is_counted_twice and is_harmless:
        venue = f"{expected}, or that without a late fill"
        yield doubt(subject.account_id, subject.instrument_id, subject.policy, venue, held)
    elif crossing and is_aligned and is_harmless:
        yield subject.differs(
            DiscrepancyKind.POSITION_QTY_MISMATCH,
            f"{expected}, before or after {len(crossing)} fills",
            held,
            detail="The engine aligned this position to a report that was begun before the last "
            "fills: look at the venue; the next mass status is verified",
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


def _positions_differ(subject: Subject) -> Iterator[Discrepancy]:
    venue, cached = subject.venue, subject.cached
    if subject.size_increment is None and any(p.qty != 0 for p in venue):
        kind = DiscrepancyKind.INSTRUMENT_NOT_LOADED
        yield subject.differs(kind, quantities(venue), "instrument not loaded")
    elif not venue:
        yield from _unreported_differ(subject)
    elif subject.has_named_legs:
        yield from _legs_differ(subject)
    elif subject.has_unnamed_legs:
        yield from _unnamed_legs_differ(subject)
    elif (by := subject.held - subject.expected) != 0:
        position_id = cached[0].position_id if len(cached) == 1 else None
        kind = DiscrepancyKind.POSITION_QTY_MISMATCH
        yield subject.differs(kind, str(subject.expected), str(subject.held), position_id, by)


def _unreported_differ(subject: Subject) -> Iterator[Discrepancy]:
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
            kind = DiscrepancyKind.POSITION_NOT_AT_VENUE
            yield subject.differs(kind, "no report", cache, position_id)


def _legs_differ(subject: Subject) -> Iterator[Discrepancy]:
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
            is_reported = position_id in reported or late[position_id]
            yield subject.differs(
                DiscrepancyKind.HEDGE_LEG_MISMATCH,
                ", ".join(map(str, sorted(expected))) if is_reported else "no report",
                str(held.get(position_id, "not held")),
                position_id or None,
                max((qty - one for one in expected), key=abs),
            )


def _unnamed_legs_differ(subject: Subject) -> Iterator[Discrepancy]:
    reported = sorted(p.qty for p in subject.venue if p.qty != 0)
    held = sorted(p.qty for p in subject.cached)
    if reported != held or subject.held != subject.expected:
        cache = ", ".join(map(str, held)) or "not held"
        venue = quantities(subject.venue)
        yield subject.differs(DiscrepancyKind.HEDGE_LEG_MISMATCH, venue, cache)


def _owners_differ(subject: Subject) -> Iterator[Discrepancy]:
    venue = quantities(subject.venue)
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for position in subject.cached:
        owner = position.strategy_id
        if owner in UNCLAIMED_STRATEGIES:
            cache, kind = f"{position.qty} of {owner}", DiscrepancyKind.UNCLAIMED_POSITION
            yield subject.differs(kind, venue, cache, position.position_id)
            owner = "EXTERNAL"
        parts[owner] += position.qty
    least = subject.size_increment or _ZERO
    owned = [f"{qty} of {owner}" for owner, qty in sorted(parts.items()) if abs(qty) >= least]
    is_net = subject.venue and not (subject.has_named_legs or subject.has_unnamed_legs)
    if is_net and len(owned) > 1:
        yield subject.differs(DiscrepancyKind.SPLIT_OWNERSHIP, venue, ", ".join(owned))


def _average_prices_differ(subject: Subject) -> Iterator[Discrepancy]:
    # A net position that is held in parts has as many prices
    tolerance = subject.policy.avg_px_tolerance
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
            kind = DiscrepancyKind.AVG_PX_MISMATCH
            yield subject.differs(kind, str(there), str(here), position.position_id)

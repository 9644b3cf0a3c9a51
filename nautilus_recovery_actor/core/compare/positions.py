"""
What differs between the positions of a venue's report and those of the cache.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_P = TypeVar("_P", CachedPosition, VenuePosition, ObservedFill)
_ZERO = Decimal(0)
_DUST = (
    "Venue and cache differ by less than the instrument's size increment: no order can trade that"
)
_ALIGNED = (
    "The engine aligned this position to a report that was begun before the latest fills: "
    "check the venue; the next mass status is verified"
)
_COUNTED_TWICE = (
    "The engine guessed what was filled, and then a fill arrived that is older than the report, so "
    "it may be counted twice: check the venue; the next mass status is verified"
)
_ADVICE = {
    Kind.INSTRUMENT_NOT_LOADED: "The venue holds a position on an instrument that the "
    "node did not load: load the instrument, or close the position at the venue",
    Kind.POSITION_QTY_MISMATCH: "After reconciliation the cache holds a different quantity "
    "than the venue reports: check the venue, and correct the cache before you trade it",
    Kind.POSITION_NOT_AT_VENUE: "The cache holds a position that the venue did not "
    "report: check the venue, and correct the cache or the position before you trade it",
    Kind.HEDGE_LEG_MISMATCH: "The legs of a hedged position differ: check the venue, "
    "and correct the cache before you trade it",
    Kind.UNCLAIMED_POSITION: "No strategy owns this position: add the instrument to the "
    "`external_order_claims` of the strategy that should, or close the position",
    Kind.SPLIT_OWNERSHIP: "The venue holds one net position that is owned in parts in the "
    "cache, so no strategy can close only its own: let one strategy trade the instrument, or give "
    "each its own account",
    Kind.AVG_PX_MISMATCH: "The quantity matches, but the average open price does not: "
    "the PnL of this position is not the venue's",
}


def position_discrepancies(
    observation: Observation, report: VenueReport, origins: Origins, policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what differs between the positions of `report` and those of the cache."""
    account_id = report.account_id
    flagged = [one for one in origins.fills if one[0].account_id == account_id]
    live = [fill for fill in observation.live_fills if fill.account_id == account_id]
    cached = _by_instrument(p for p in observation.after if p.account_id == account_id)
    venue = _by_instrument(report.positions)
    # A synthetic fill is not a trade of the venue, so it proves nothing
    real = [fill for fill, origin in flagged if origin is not FillOrigin.SYNTHETIC]
    late = _by_instrument(
        [fill for fill in real if fill.index >= report.seen_events]
        + [fill for fill in live if fill.index >= report.seen_live_fills]
    )
    # Applied before the report arrived, and after it was begun: it may count them, or it may not
    crossing = _by_instrument(
        fill for fill in live if fill.index < report.seen_live_fills and fill.ts_init > report.ts
    )
    aligned = {fill.instrument_id for fill, origin in flagged if origin is FillOrigin.SYNTHETIC}
    for instrument_id in sorted(cached.keys() | venue.keys() | late.keys() | crossing.keys()):
        subject = _Subject(
            policy=policy,
            account_id=account_id,
            instrument_id=instrument_id,
            cached=cached[instrument_id],
            venue=venue[instrument_id],
            late=late[instrument_id],
            crossing=crossing[instrument_id],
            size_increment=observation.instruments.get(instrument_id),
            is_aligned=instrument_id in aligned,
            is_guessed=(account_id, instrument_id) in origins.guessed
            and any(fill.ts_event <= report.ts for fill in late[instrument_id]),
        )
        found = list(_quantities_differ(subject))
        yield from found
        if not (found or subject.late or subject.crossing):
            yield from _average_prices_differ(subject)
        yield from _owners_differ(subject)


def doubt(account_id: str, instrument_id: str, policy: Policy) -> Discrepancy:
    """Return the difference that a late fill may have made where the engine guessed before."""
    return policy.difference(
        Kind.POSITION_QTY_MISMATCH,
        account_id,
        instrument_id,
        venue="no newer report",
        cache="one more fill",
        detail=_COUNTED_TWICE,
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
    crossing: list[ObservedFill]
    size_increment: Decimal | None  # None if the node has not loaded the instrument
    is_aligned: bool  # By a synthetic fill
    is_guessed: bool  # What was filled, while a late fill is older than the report

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
        return sum((fill.qty for fill in self.late), sum((p.qty for p in self.venue), _ZERO))

    @property
    def reported(self) -> str:
        return ", ".join(map(str, sorted(p.qty for p in self.venue))) or "no report"

    def is_dust(self, qty: Decimal) -> bool:
        return abs(qty) < (self.size_increment or _ZERO)

    def differs(
        self,
        kind: Kind,
        venue: str,
        cache: str,
        position_id: str | None = None,
        *,
        by: Decimal | None = None,
        detail: str = "",
    ) -> Discrepancy:
        # What no order can trade blocks nothing
        is_dust = by is not None and self.is_dust(by)
        return self.policy.difference(
            kind,
            self.account_id,
            self.instrument_id,
            venue=venue,
            cache=cache,
            detail=_DUST if is_dust else detail or _ADVICE[kind],
            position_id=position_id,
            is_harmless=is_dust,
        )


def _by_instrument(entries: Iterable[_P]) -> dict[str, list[_P]]:
    found: dict[str, list[_P]] = defaultdict(list)
    for entry in entries:
        found[entry.instrument_id].append(entry)
    return found


def _sums(quantities: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for key, qty in quantities:
        sums[key] += qty
    return sums


def _quantities_differ(subject: _Subject) -> Iterator[Discrepancy]:
    found = list(_positions_differ(subject))
    is_equal = all(one.detail == _DUST for one in found)
    if is_equal and subject.is_guessed:
        venue, detail = f"{subject.expected}, or that less a late fill", _COUNTED_TWICE
    elif is_equal and subject.crossing and subject.is_aligned:
        count = len(subject.crossing)
        venue, detail = f"{subject.expected}, before or after the latest fills ({count})", _ALIGNED
    else:
        # A report that was made between two of the crossing fills lacks the last ones
        if subject.is_aligned or all(
            any(_positions_differ(msgspec.structs.replace(subject, late=[*subject.late, *lacking])))
            for lacking in (subject.crossing[count:] for count in range(len(subject.crossing)))
        ):
            yield from found
        return
    yield subject.differs(Kind.POSITION_QTY_MISMATCH, venue, str(subject.held), detail=detail)


def _positions_differ(subject: _Subject) -> Iterator[Discrepancy]:
    if subject.size_increment is None and any(p.qty != 0 for p in subject.venue):
        yield subject.differs(Kind.INSTRUMENT_NOT_LOADED, subject.reported, "instrument not loaded")
    elif not subject.venue:
        yield from _unreported_differ(subject)
    elif subject.has_named_legs:
        yield from _legs_differ(subject)
    elif subject.has_unnamed_legs:
        yield from _unnamed_legs_differ(subject)
    elif subject.held != subject.expected:
        yield subject.differs(
            Kind.POSITION_QTY_MISMATCH,
            str(subject.expected),
            str(subject.held),
            subject.cached[0].position_id if len(subject.cached) == 1 else None,
            by=subject.held - subject.expected,
        )


def _unreported_differ(subject: _Subject) -> Iterator[Discrepancy]:
    # Missing is not flat: only what late fills made of nothing can be there without a report.
    late = _sums((fill.strategy_id, fill.qty) for fill in subject.late)
    held: dict[str, list[CachedPosition]] = defaultdict(list)
    for position in subject.cached:
        if position.qty != 0:
            held[position.strategy_id].append(position)
    kind = Kind.POSITION_NOT_AT_VENUE
    for strategy_id in sorted(late.keys() | held.keys()):
        positions = held[strategy_id]
        if len(positions) <= 1 and late[strategy_id] == sum((p.qty for p in positions), _ZERO):
            continue
        if not positions:
            yield subject.differs(kind, "no report", "flat")
        for position in positions:
            yield subject.differs(kind, "no report", str(position.qty), position.position_id)


def _legs_differ(subject: _Subject) -> Iterator[Discrepancy]:
    late = _sums((fill.position_id or "", fill.qty) for fill in subject.late)
    reported: dict[str, set[Decimal]] = defaultdict(set)
    for leg in subject.venue:
        reported[leg.position_id or ""].add(leg.qty)
    held = {p.position_id: p.qty for p in subject.cached}
    for position_id in sorted(reported.keys() | held.keys() | late.keys()):
        expected = {qty + late[position_id] for qty in reported[position_id] or {_ZERO}}
        qty = held.get(position_id, _ZERO)
        if expected != {qty}:
            is_known = reported[position_id] or late[position_id]
            yield subject.differs(
                Kind.HEDGE_LEG_MISMATCH,
                ", ".join(map(str, sorted(expected))) if is_known else "no report",
                str(held.get(position_id, "not held")),
                position_id or None,
                by=max((qty - one for one in expected), key=abs),
            )


def _unnamed_legs_differ(subject: _Subject) -> Iterator[Discrepancy]:
    reported = sorted(p.qty for p in subject.venue if p.qty != 0)
    held = sorted(p.qty for p in subject.cached)
    if reported != held or subject.held != subject.expected:
        cache = ", ".join(map(str, held)) or "not held"
        yield subject.differs(Kind.HEDGE_LEG_MISMATCH, subject.reported, cache)


def _owners_differ(subject: _Subject) -> Iterator[Discrepancy]:
    is_net = subject.venue and not (subject.has_named_legs or subject.has_unnamed_legs)
    for position in subject.cached:
        if position.strategy_id in UNCLAIMED_STRATEGIES:
            yield subject.differs(
                Kind.UNCLAIMED_POSITION,
                subject.reported,
                f"{position.qty} of {position.strategy_id}",
                position.position_id,
            )
    sums = _sums(
        ("EXTERNAL" if p.strategy_id in UNCLAIMED_STRATEGIES else p.strategy_id, p.qty)
        for p in subject.cached
    )
    parts = [f"{qty} of {owner}" for owner, qty in sorted(sums.items()) if not subject.is_dust(qty)]
    if is_net and len(parts) > 1:
        yield subject.differs(Kind.SPLIT_OWNERSHIP, subject.reported, ", ".join(parts))


def _average_prices_differ(subject: _Subject) -> Iterator[Discrepancy]:
    # A net position that is held in parts has as many prices
    is_one = len(subject.cached) == 1 and len(subject.venue) == 1
    for position, reported in product(subject.cached, subject.venue):
        is_same = reported.position_id == position.position_id
        is_same |= is_one and reported.position_id is None
        here, there = position.avg_px, reported.avg_px
        tolerance = subject.policy.avg_px_tolerance
        if is_same and here is not None and there and abs(here - there) > tolerance * abs(there):
            yield subject.differs(Kind.AVG_PX_MISMATCH, str(there), str(here), position.position_id)

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

from nautilus_recovery_actor.core.compare import advice
from nautilus_recovery_actor.core.compare.balances import balances_differ
from nautilus_recovery_actor.core.compare.parts import owners_differ
from nautilus_recovery_actor.core.compare.subject import DUST
from nautilus_recovery_actor.core.compare.subject import ZERO
from nautilus_recovery_actor.core.compare.subject import Subject
from nautilus_recovery_actor.core.compare.wallets import wallets
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_P = TypeVar("_P", CachedPosition, VenuePosition, ObservedFill)
_ALIGNED = (
    "The engine aligned this position to a report that was begun before the latest fills: "
    "check the venue; it is blocked until a proof holds"
)
_COUNTED_TWICE = (
    "The engine guessed what was filled, and then a fill arrived that is older than the report, so "
    "it may be counted twice: check the venue; it is blocked until a proof holds"
)


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
    aligned = _sums(
        (fill.instrument_id, fill.qty) for fill, origin in flagged if origin is FillOrigin.SYNTHETIC
    )
    proofs = wallets(observation, account_id, origins)
    reporting, twice_missing = observation.reporting, observation.twice_missing
    closed = _sums(
        (one.instrument_id, one.made_up_qty + one.fee)
        for one in observation.closed_by_engine
        if one.account_id == account_id
    )
    traded = late.keys() | crossing.keys() | aligned.keys() | closed.keys()
    for instrument_id in sorted(cached.keys() | venue.keys() | traded):
        subject = Subject(
            policy=policy,
            account_id=account_id,
            instrument_id=instrument_id,
            cached=cached[instrument_id],
            venue=venue[instrument_id],
            late=late[instrument_id],
            crossing=crossing[instrument_id],
            claimant=observation.claims.get(instrument_id),
            size_increment=observation.instruments.get(instrument_id),
            aligned=aligned.get(instrument_id),
            is_guessed=(account_id, instrument_id) in origins.guessed
            and any(fill.ts_event <= report.ts for fill in late[instrument_id]),
            wallet=proofs.get(instrument_id),
            is_reporting=reporting is None or account_id in reporting,
            is_mute=account_id in observation.mute,
            is_gone=reporting is None or (account_id, instrument_id) in twice_missing,
            closed_by_engine=closed.get(instrument_id, ZERO),
        )
        if subject.wallet is None:
            found = list(_quantities_differ(subject))
            yield from found
            if not (found or subject.late or subject.crossing):
                yield from _average_prices_differ(subject)
        else:
            yield from balances_differ(subject, subject.wallet)
        yield from owners_differ(subject)


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


def _quantities_differ(subject: Subject) -> Iterator[Discrepancy]:
    found = list(_positions_differ(subject))
    is_equal = all(one.detail == DUST for one in found)
    if is_equal and subject.is_guessed:
        venue, detail = f"{subject.expected}, or that less a late fill", _COUNTED_TWICE
    elif is_equal and subject.crossing and subject.aligned is not None:
        count = len(subject.crossing)
        venue, detail = f"{subject.expected}, before or after the latest fills ({count})", _ALIGNED
    else:
        # A report that was made between two of the crossing fills lacks the last ones
        if subject.aligned is not None or all(
            any(_positions_differ(msgspec.structs.replace(subject, late=[*subject.late, *lacking])))
            for lacking in (subject.crossing[count:] for count in range(len(subject.crossing)))
        ):
            yield from found
        return
    yield subject.differs(Kind.POSITION_QTY_MISMATCH, venue, str(subject.held), detail=detail)


def _positions_differ(subject: Subject) -> Iterator[Discrepancy]:
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


def _unreported_differ(subject: Subject) -> Iterator[Discrepancy]:
    # Missing is not flat: only what late fills made of nothing can be there without a report.
    late = _sums((fill.strategy_id, fill.qty) for fill in subject.late)
    held: dict[str, list[CachedPosition]] = defaultdict(list)
    for position in subject.cached:
        if position.qty != 0:
            held[position.strategy_id].append(position)
    is_flat = subject.is_gone and not subject.is_mute
    for strategy_id in sorted(late.keys() | held.keys()):
        positions = held[strategy_id]
        if len(positions) <= 1 and late[strategy_id] == sum((p.qty for p in positions), ZERO):
            continue
        if not positions:
            yield subject.differs(Kind.POSITION_NOT_AT_VENUE, "no report", "flat")
        for position in positions:
            kind = Kind.POSITION_NOT_AT_VENUE if is_flat else Kind.UNPROVEN_REPORT
            yield subject.differs(
                kind,
                "no report",
                str(position.qty),
                position.position_id,
                detail=""
                if is_flat and subject.is_reporting
                else advice.on_unproven(position, is_asked=subject.is_reporting),
            )


def _legs_differ(subject: Subject) -> Iterator[Discrepancy]:
    late = _sums((fill.position_id or "", fill.qty) for fill in subject.late)
    reported: dict[str, set[Decimal]] = defaultdict(set)
    for leg in subject.venue:
        reported[leg.position_id or ""].add(leg.qty)
    held = {p.position_id: p for p in subject.cached}
    for position_id in sorted(reported.keys() | held.keys() | late.keys()):
        expected = {qty + late[position_id] for qty in reported[position_id] or {ZERO}}
        position = held.get(position_id)
        qty = position.qty if position else ZERO
        if expected != {qty}:
            is_known = reported[position_id] or late[position_id]
            yield subject.differs(
                Kind.HEDGE_LEG_MISMATCH,
                ", ".join(map(str, sorted(expected))) if is_known else "no report",
                str(position.qty) if position else "not held",
                position_id or None,
                by=max((qty - one for one in expected), key=abs),
                detail=advice.on_gone([position]) if position and expected == {ZERO} else "",
            )


def _unnamed_legs_differ(subject: Subject) -> Iterator[Discrepancy]:
    reported = sorted(p.qty for p in subject.venue if p.qty != 0)
    held = sorted(p.qty for p in subject.cached)
    if reported != held or subject.held != subject.expected:
        cache = ", ".join(map(str, held)) or "not held"
        yield subject.differs(Kind.HEDGE_LEG_MISMATCH, subject.reported, cache)


def _average_prices_differ(subject: Subject) -> Iterator[Discrepancy]:
    # A net position that is held in parts has as many prices
    is_one = len(subject.cached) == 1 and len(subject.venue) == 1
    for position, reported in product(subject.cached, subject.venue):
        is_same = reported.position_id == position.position_id
        is_same |= is_one and reported.position_id is None
        here, there = position.avg_px, reported.avg_px
        tolerance = subject.policy.avg_px_tolerance
        if is_same and here is not None and there and abs(here - there) > tolerance * abs(there):
            yield subject.differs(Kind.AVG_PX_MISMATCH, str(there), str(here), position.position_id)

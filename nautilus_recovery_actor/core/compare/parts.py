"""
One net position at the venue that is held in parts in the cache.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal

from nautilus_recovery_actor.core.compare import advice
from nautilus_recovery_actor.core.compare.subject import ZERO
from nautilus_recovery_actor.core.compare.subject import Subject
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.report import Discrepancy


def owners_differ(subject: Subject) -> Iterator[Discrepancy]:
    """Yield what nobody owns, and what is held in parts that do not go together."""
    for position in subject.cached:
        if position.strategy_id in UNCLAIMED_STRATEGIES and subject.claimant is None:
            yield subject.differs(
                Kind.UNCLAIMED_POSITION,
                subject.reported,
                f"{position.qty} of {position.strategy_id}",
                position.position_id,
            )
    has_legs = subject.has_named_legs or subject.has_unnamed_legs
    if subject.wallet is not None or (subject.venue and not has_legs):
        yield from _parts_differ(subject)


def _parts_differ(subject: Subject) -> Iterator[Discrepancy]:
    owned: dict[str, Decimal] = defaultdict(Decimal)
    for position in subject.cached:
        owned[_owner(position)] += position.qty
    owned = {owner: qty for owner, qty in sorted(owned.items()) if not subject.is_dust(qty)}
    held = [position for position in subject.cached if not subject.is_dust(position.qty)]
    # Whoever is handed all of it can close each part. A wallet can be sold from in parts as well
    is_shared = len(owned) > 1 and owned.keys() != {"EXTERNAL", subject.claimant}
    is_shared = is_shared and subject.wallet is None
    is_contrary = are_contrary(position.qty for position in held)
    if is_shared or is_contrary or len({position.made_up for position in held}) > 1:
        is_by_owner = len(owned) > 1 and are_contrary(owned.values()) == is_contrary
        parts = owned.items() if is_by_owner else [(_owner(p), p.qty) for p in held]
        yield subject.differs(
            Kind.SPLIT_OWNERSHIP,
            subject.reported,
            ", ".join(f"{qty} of {owner}" for owner, qty in parts),
            detail=advice.on_parts(held, _expected(subject, held), owned.keys()),
        )


def _owner(position: CachedPosition) -> str:
    return "EXTERNAL" if position.strategy_id in UNCLAIMED_STRATEGIES else position.strategy_id


def _expected(subject: Subject, held: Iterable[CachedPosition]) -> Decimal:
    if subject.wallet is None:
        return subject.expected
    # What is not made up, if the balance covers it
    real = sum((position.qty for position in held if not position.made_up), ZERO)
    return min(real, subject.wallet.total or ZERO)


def are_contrary(quantities: Iterable[Decimal]) -> bool:
    """Return whether some are LONG and others SHORT."""
    found = tuple(quantities)
    return min(found, default=ZERO) < 0 < max(found, default=ZERO)

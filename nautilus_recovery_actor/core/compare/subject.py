"""
One account's positions on one instrument, and how a difference between them is reported.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_ZERO = Decimal(0)
# What a difference means, and what to do
_DETAILS = {
    DiscrepancyKind.INSTRUMENT_NOT_LOADED: "The venue holds a position on an instrument that the "
    "node did not load: load it, or close the position at the venue",
    DiscrepancyKind.POSITION_QTY_MISMATCH: "Reconciliation left another quantity in the cache than "
    "the venue reports: look at the venue, and correct the cache before trading it",
    DiscrepancyKind.POSITION_NOT_AT_VENUE: "The cache holds a position that the venue did not "
    "report: look at the venue, and correct the cache or the position before trading it",
    DiscrepancyKind.HEDGE_LEG_MISMATCH: "The legs of a hedged position differ: look at the venue, "
    "and correct the cache before trading it",
    DiscrepancyKind.UNCLAIMED_POSITION: "No strategy owns this position: name the instrument in "
    "the `external_order_claims` of the strategy that should, or close it",
    DiscrepancyKind.SPLIT_OWNERSHIP: "The venue holds one net position and several own a part of "
    "it in the cache, so none can close just its own: let one strategy trade the instrument, or "
    "use an account each",
    DiscrepancyKind.AVG_PX_MISMATCH: "The quantity is right and the average open price is not: the "
    "PnL of this position is not the venue's",
}
DUST = (
    "Venue and cache differ by less than the instrument's size increment: no order can trade that"
)


class Subject(msgspec.Struct, frozen=True):
    """
    What venue and cache say of an account's positions on an instrument.

    The fills came after the venue said so: its position now is the reported one plus these.
    """

    policy: Policy
    account_id: str
    instrument_id: str
    cached: list[CachedPosition]
    venue: list[VenuePosition]
    late: list[ObservedFill]
    size_increment: Decimal | None  # None if the node has not loaded the instrument

    @property
    def has_named_legs(self) -> bool:
        """Whether the venue reports legs by their ids."""
        return any(p.position_id is not None for p in self.venue)

    @property
    def has_unnamed_legs(self) -> bool:
        """Whether the venue reports both sides without ids."""
        return min(p.qty for p in self.venue) < 0 < max(p.qty for p in self.venue)

    @property
    def held(self) -> Decimal:
        """The net quantity in the cache."""
        return sum((p.qty for p in self.cached), _ZERO)

    @property
    def expected(self) -> Decimal:
        """The net quantity at the venue, with the fills that came since."""
        late = sum((fill.qty for fill in self.late), _ZERO)
        return sum((p.qty for p in self.venue), late)

    def differs(
        self,
        kind: DiscrepancyKind,
        venue: str,
        cache: str,
        position_id: str | None = None,
        by: Decimal | None = None,
        detail: str = "",
    ) -> Discrepancy:
        """Return a difference here, by so much."""
        # What no order can trade blocks nothing
        is_dust = by is not None and abs(by) < (self.size_increment or _ZERO)
        return self.policy.difference(
            kind,
            self.account_id,
            self.instrument_id,
            venue=venue,
            cache=cache,
            detail=DUST if is_dust else detail or _DETAILS[kind],
            position_id=position_id,
            is_harmless=is_dust,
        )


def quantities(positions: Iterable[VenuePosition]) -> str:
    """Return what the venue reports, as a text."""
    return ", ".join(map(str, sorted(p.qty for p in positions))) or "no report"

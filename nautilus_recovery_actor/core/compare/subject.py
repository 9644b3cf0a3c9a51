"""
What venue and cache say of one account's positions on one instrument.
"""

from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.compare import advice
from nautilus_recovery_actor.core.compare.wallets import Wallet
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


ZERO = Decimal(0)
DUST = (
    "Venue and cache differ by less than the instrument's size increment: no order can trade that"
)


class Subject(msgspec.Struct, frozen=True):
    """
    What venue and cache say, and the fills that came after the venue said so.

    The venue's position now is the reported one plus these.
    """

    policy: Policy
    account_id: str
    instrument_id: str
    cached: list[CachedPosition]
    venue: list[VenuePosition]
    late: list[ObservedFill]
    crossing: list[ObservedFill]
    claimant: str | None  # The strategy that is handed what no strategy owns
    size_increment: Decimal | None  # None if the node has not loaded the instrument
    aligned: Decimal | None  # By how much synthetic fills have, None if there are none
    is_guessed: bool  # What was filled, while a late fill is older than the report
    wallet: Wallet | None  # What proves positions on a cash account, in place of a report
    is_reporting: bool  # Positions of this account were ever reported
    is_mute: bool  # Its adapter is known to report none
    is_gone: bool  # Left out as often as it takes to be flat
    closed_by_engine: Decimal = ZERO  # By a made-up fill, of a cash account

    @property
    def has_named_legs(self) -> bool:
        """Whether the venue has legs, and names them."""
        return any(p.position_id is not None for p in self.venue)

    @property
    def has_unnamed_legs(self) -> bool:
        """Whether the venue has contrary positions."""
        return bool(self.venue) and min(p.qty for p in self.venue) < 0 < max(
            p.qty for p in self.venue
        )

    @property
    def held(self) -> Decimal:
        """What the cache holds, in all."""
        return sum((p.qty for p in self.cached), ZERO)

    @property
    def expected(self) -> Decimal:
        """What the venue holds now, in all."""
        return sum((fill.qty for fill in self.late), sum((p.qty for p in self.venue), ZERO))

    @property
    def reported(self) -> str:
        """What the venue said."""
        if self.wallet is not None:
            return self.wallet.told
        return ", ".join(map(str, sorted(p.qty for p in self.venue))) or "no report"

    def is_dust(self, qty: Decimal) -> bool:
        """Return whether no order can trade that."""
        return abs(qty) < (self.size_increment or ZERO)

    def differs(
        self,
        kind: DiscrepancyKind,
        venue: str,
        cache: str,
        position_id: str | None = None,
        *,
        by: Decimal | None = None,
        detail: str = "",
    ) -> Discrepancy:
        """Return a difference; what no order can trade blocks nothing."""
        is_dust = by is not None and self.is_dust(by)
        detail = detail or advice.on_position(kind, position_id, self.cached, self.expected)
        return self.policy.difference(
            kind,
            self.account_id,
            self.instrument_id,
            venue=venue,
            cache=cache,
            detail=DUST if is_dust else advice.parts(kind, self.cached) + detail,
            position_id=position_id,
            is_harmless=is_dust,
        )

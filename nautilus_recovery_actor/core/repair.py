"""
Which steps make the cache equal to what two agreeing answers of the venue say.

A step moves what is real to where it belongs. It invents no trade, no quantity and no PnL.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.proof import Proof
from nautilus_recovery_actor.core.report import RepairStep


_ZERO = Decimal(0)


class Merge(msgspec.Struct, frozen=True):
    """
    What somebody else traded of a net position is booked on the strategy that holds it.

    `qty`, signed, goes at `px` from the position `source`, which is nobody's, to `target`.
    """

    account_id: str
    instrument_id: str
    source: str
    target: str
    strategy_id: str
    qty: Decimal
    px: Decimal
    # What `target` holds before
    held: Decimal = _ZERO

    @property
    def step(self) -> RepairStep:
        """How the report says it, once it is made."""
        return RepairStep(
            kind="merge",
            account_id=self.account_id,
            instrument_id=self.instrument_id,
            position_id=self.source,
            detail=f"{self.qty} that was traded outside of this node at {self.px} is booked on "
            f"{self.target} of {self.strategy_id}: the venue holds one net position",
            state="made",
        )


def merges(observation: Observation, proof: Proof) -> tuple[Merge, ...]:
    """
    Return what of nobody's real trades is contrary to the one strategy that holds the instrument.

    At the venue both are one net position, which two answers in a row say the cache has in all.
    """
    return tuple(_merges(observation, proof))


def _merges(observation: Observation, proof: Proof) -> Iterator[Merge]:
    proven = {
        account_id: report
        for account_id, report in proof.reports.items()
        if proof.answers.get(account_id, (0, None))[1] is not None
        and account_id not in observation.cash_accounts
    }
    reported: dict[tuple[str, str], list[VenuePosition]] = defaultdict(list)
    for account_id, report in proven.items():
        for position in report.positions:
            reported[account_id, position.instrument_id].append(position)
    held: dict[tuple[str, str], list[CachedPosition]] = defaultdict(list)
    for cached in observation.after:
        if cached.account_id in proven and cached.qty != 0:
            held[cached.account_id, cached.instrument_id].append(cached)
    for place, parts in sorted(held.items()):
        at_venue = reported.get(place, [])
        # What is left out may be what this venue never reports
        is_reported = bool(at_venue) or place[0] in (observation.reporting or ())
        if len(parts) < 2 or _has_legs(at_venue) or not is_reported:  # noqa: PLR2004  Parts
            continue
        if sum((one.qty for one in at_venue), _ZERO) == sum((one.qty for one in parts), _ZERO):
            yield from _of(parts, observation.strategies or frozenset())


def _has_legs(at_venue: Iterable[VenuePosition]) -> bool:
    held = [one for one in at_venue if one.qty]
    return len(held) > 1 or any(one.position_id is not None for one in at_venue)


def _of(parts: Iterable[CachedPosition], strategies: frozenset[str]) -> Iterator[Merge]:
    owned = [one for one in parts if one.strategy_id not in UNCLAIMED_STRATEGIES]
    nobodys = [one for one in parts if one.strategy_id in UNCLAIMED_STRATEGIES]
    if len(owned) != 1 or len(nobodys) != 1:
        return
    (target,), (source,) = owned, nobodys
    is_contrary = (target.qty > 0) != (source.qty > 0)
    is_real = not (source.made_up or target.made_up)
    if not (is_contrary and is_real) or target.strategy_id not in strategies or not source.avg_px:
        return
    qty = min(abs(target.qty), abs(source.qty))
    yield Merge(
        account_id=source.account_id,
        instrument_id=source.instrument_id,
        source=source.position_id,
        target=target.position_id,
        strategy_id=target.strategy_id,
        qty=qty if source.qty > 0 else -qty,
        px=source.avg_px,
        held=target.qty,
    )

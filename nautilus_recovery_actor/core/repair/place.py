"""
What venue and cache say of one account's positions and orders on one instrument, for a plan.
"""

from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.compare.wallets import Wallet
from nautilus_recovery_actor.core.compare.wallets import wallets
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import HalfMove
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.proof import Proof
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RepairStep


ZERO = Decimal(0)
EXTERNAL = "EXTERNAL"


class RefusedError(Exception):
    """Raised where no plan can be made, with the reason."""


class Part(msgspec.Struct):
    """A position as it will be once the steps before are made."""

    position_id: str | None
    strategy_id: str
    qty: Decimal
    avg_px: Decimal | None
    made_up_qty: Decimal = ZERO
    untold_qty: Decimal = ZERO

    @property
    def is_nobodys(self) -> bool:
        """Whether no strategy owns it."""
        return self.strategy_id in UNCLAIMED_STRATEGIES

    @property
    def is_made_up(self) -> bool:
        """Whether no trade of the venue is in it."""
        return self.qty == self.made_up_qty

    def is_venues(self, instrument_id: str) -> bool:
        """Return whether its id is the venue's own, and not the engine's."""
        engines = (None, f"{instrument_id}-{self.strategy_id}")
        return self.position_id not in engines and not is_virtual(self.position_id)

    @property
    def name(self) -> str:
        """How it is named."""
        return f"`{self.position_id}`" if self.position_id else f"a position of {self.strategy_id}"

    def take(self, qty: Decimal, px: Decimal | None, strategy_id: str | None = None) -> None:
        """Take a fill, of which a position that is opened or turned by it is `strategy_id`'s."""
        is_more = self.qty == 0 or (self.qty > 0) == (qty > 0)
        is_turned = not is_more and abs(qty) > abs(self.qty)
        if (self.qty == 0 or is_turned) and strategy_id is not None:
            self.strategy_id = strategy_id
        if is_more and px is not None:
            worth = (self.avg_px or ZERO) * abs(self.qty) + px * abs(qty)
            self.avg_px = worth / abs(self.qty + qty)
        elif is_turned:
            self.avg_px = px
        self.qty += qty


def is_virtual(position_id: str | None) -> bool:
    """Return whether the engine numbered a position: it cannot be opened again under its id."""
    return position_id is not None and position_id.startswith("P-")


def move(source: Part, target: Part, qty: Decimal, px: Decimal) -> tuple[Book, Book]:
    """Return how `qty` leaves one part and goes on on another, and let both have it so."""
    goes_to = (target.strategy_id, target.position_id)
    books = (
        Book(source.position_id, source.strategy_id, -qty, px, source.qty, True, goes_to=goes_to),
        Book(target.position_id, target.strategy_id, qty, px, target.qty, True, completes=""),
    )
    source.qty -= qty
    target.take(qty, px)
    return books


class Place(msgspec.Struct):
    """What venue and cache say of one account's positions and orders on one instrument."""

    account_id: str
    instrument_id: str
    # What the venue holds, ``None`` where that is not known, and whether it ever reported any
    reported: tuple[VenuePosition, ...] | None
    is_reporting: bool
    parts: list[Part]
    # Positions that only a made-up fill, or a repair, has closed, the newest first
    closed: tuple[CachedPosition, ...]
    trades: tuple[VenueTrade, ...]
    orders: tuple[CachedOrder, ...]
    # The strategy and the position of each order, by client order id
    owners: dict[str, tuple[str, str | None]]
    at_venue: tuple[VenueOrder, ...]
    claimant: str | None
    strategies: frozenset[str]
    increment: Decimal
    is_cash: bool
    wallet: Wallet | None
    # What is really held of the wallet on other instruments, and what was paid in fees of this one
    others: Decimal
    fees: Decimal
    # The strategies that keep legs apart
    hedging: frozenset[str]
    # What has left a position there, and is not booked where it goes on
    half_moves: tuple[HalfMove, ...] = ()

    @property
    def has_legs(self) -> bool:
        """Whether the venue names the legs that it holds."""
        return any(one.position_id is not None for one in self.reported or ())

    @property
    def has_unnamed_legs(self) -> bool:
        """Whether the venue holds contrary positions and does not name them."""
        held = [one.qty for one in self.reported or () if one.qty]
        return not self.has_legs and bool(held) and min(held) < 0 < max(held)

    @property
    def expected(self) -> Decimal:
        """What the venue holds in all."""
        return sum((one.qty for one in self.reported or ()), ZERO)

    @property
    def held(self) -> Decimal:
        """What the cache holds in all."""
        return sum((one.qty for one in self.parts), ZERO)

    @property
    def owner(self) -> str:
        """Who gets what no strategy of the node has traded."""
        return self.claimant if self.claimant in self.strategies else EXTERNAL

    def step(
        self,
        kind: str,
        detail: str,
        *operations: Operation,
        position_id: str | None = None,
        client_order_id: str | None = None,
        is_automatic: bool = False,
    ) -> Step:
        """Return a step that concerns a position or an order."""
        told = RepairStep(
            kind=kind,
            account_id=self.account_id,
            instrument_id=self.instrument_id,
            client_order_id=client_order_id,
            position_id=position_id,
            detail=detail,
        )
        return Step(told, operations, is_automatic)

    def position_of(self, strategy_id: str) -> str | None:
        """Return the id of a real position that a strategy holds, ``None`` for a new one."""
        for part in self.parts:
            is_own = part.strategy_id == strategy_id and not part.is_made_up
            if is_own and not is_virtual(part.position_id):
                return part.position_id
        return None

    def part_to_book(self, strategy_id: str, position_id: str | None) -> Part:
        """Return the part that is booked on: one that the strategy holds, if none is named."""
        own = (one for one in self.parts if one.strategy_id == strategy_id and one.qty)
        found = next(own, None) if position_id is None else None
        return self.part_of(strategy_id, position_id) if found is None else found

    def part_of(self, strategy_id: str, position_id: str | None) -> Part:
        """Return the part that a fill goes to, a new one if there is none."""
        # The engine names one position of each strategy so, where it nets
        is_netted = position_id == f"{self.instrument_id}-{strategy_id}"
        for part in self.parts:
            if position_id is not None and part.position_id == position_id:
                return part
        for part in self.parts:
            # One that it numbers is no other order's
            is_meant = position_id is None and not is_virtual(part.position_id)
            is_meant |= is_netted and part.position_id is None
            if part.strategy_id == strategy_id and is_meant:
                return part
        self.parts.append(Part(position_id, strategy_id, ZERO, None))
        return self.parts[-1]


def place(
    observation: Observation,
    proof: Proof,
    origins: Origins,
    at: tuple[str, str],
    explored: Answer | None,
) -> Place:
    """Return what is known of an account and instrument."""
    account_id, instrument_id = at
    report = proof.reports[account_id]
    reported = tuple(one for one in report.positions if one.instrument_id == instrument_id)
    wallet = None
    if account_id in observation.cash_accounts:
        wallet = wallets(observation, account_id, origins).get(instrument_id)
    is_known = (
        bool(reported)
        or at in proof.missing
        or not any(
            (one.account_id, one.instrument_id) == at and one.qty for one in observation.after
        )
    )
    is_reporting = bool(reported) or account_id in (observation.reporting or ())
    applied = {one.trade_id for one in (*observation.fills, *observation.live_fills)}
    history = explored.history if explored is not None else ()
    asked = {one.venue_order_id for one in history if one.instrument_id == instrument_id}
    return Place(
        account_id=account_id,
        instrument_id=instrument_id,
        reported=reported if is_known and account_id not in observation.mute else None,
        is_reporting=is_reporting,
        parts=[
            Part(
                one.position_id,
                one.strategy_id,
                one.qty,
                one.avg_px,
                one.qty if one.made_up else one.made_up_qty,
                one.untold_qty,
            )
            for one in observation.after
            if (one.account_id, one.instrument_id) == at and one.qty
        ],
        closed=tuple(one for one in observation.past if (one.account_id, one.instrument_id) == at),
        trades=tuple(
            one
            for one in (explored.trades if explored is not None else ())
            if one.instrument_id == instrument_id and one.trade_id not in applied
        ),
        orders=tuple(
            one
            for one in observation.orders
            if one.instrument_id == instrument_id
            and one.account_id in (None, account_id)
            and not one.is_local
        ),
        owners={
            one.client_order_id: (one.strategy_id, one.position_id)
            for one in observation.live_orders
            if one.instrument_id == instrument_id
        },
        at_venue=(
            *(one for one in history if one.instrument_id == instrument_id),
            *(
                one
                for one in report.orders
                if one.instrument_id == instrument_id and one.venue_order_id not in asked
            ),
        ),
        claimant=observation.claims.get(instrument_id),
        strategies=observation.strategies or frozenset(),
        increment=observation.instruments.get(instrument_id, ZERO),
        is_cash=account_id in observation.cash_accounts,
        wallet=wallet,
        others=sum(
            (
                one.qty - one.made_up_qty - one.fee
                for one in (wallet.positions if wallet is not None else ())
                if one.instrument_id != instrument_id and not one.made_up
            ),
            ZERO,
        ),
        fees=sum(
            (
                one.fee
                for one in observation.after
                if (one.account_id, one.instrument_id) == at and not one.made_up
            ),
            ZERO,
        ),
        hedging=observation.hedging,
        half_moves=tuple(
            one for one in observation.half_moves if (one.account_id, one.instrument_id) == at
        ),
    )

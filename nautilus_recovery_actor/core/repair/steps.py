"""
What a repair consists of: the steps that an operator reads, and the operations that a host does.
"""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core.report import RepairStep


class Book(msgspec.Struct, frozen=True):
    """
    An order that nobody sent is filled at `px`: `qty`, signed, on a position of `strategy_id`.

    `position_id` is ``None`` for the one that the engine would choose, `held` is what that holds
    before. What `is_real` was traded, and not reported so: it is booked elsewhere, or the venue
    holds it.
    """

    position_id: str | None
    strategy_id: str
    qty: Decimal
    px: Decimal
    held: Decimal = Decimal(0)
    is_real: bool = False
    # Whether it is closed, or given back, without a trade that anybody reports
    is_untold: bool = False
    # The strategy and the position to which it moves
    goes_to: tuple[str, str | None] | None = None
    # The id of the move that it completes, empty for the one that the step has begun
    completes: str | None = None


class Fill(msgspec.Struct, frozen=True):
    """A trade of the venue is applied to an order of the cache."""

    client_order_id: str
    venue_order_id: str
    trade_id: str


class Infer(msgspec.Struct, frozen=True):
    """An order of the cache is filled by what the venue has filled and reports no trade of."""

    client_order_id: str
    venue_order_id: str
    position_id: str | None
    qty: Decimal
    px: Decimal
    # How much of it is filled before
    filled: Decimal = Decimal(0)


class Update(msgspec.Struct, frozen=True):
    """
    An order has this id at the venue, and these values where they are given.

    It is accepted first if the cache has no id of it.
    """

    client_order_id: str
    venue_order_id: str
    qty: Decimal | None = None
    px: Decimal | None = None
    trigger_px: Decimal | None = None


class End(msgspec.Struct, frozen=True):
    """An order is over."""

    client_order_id: str
    status: Literal["CANCELED", "EXPIRED", "REJECTED"]


class Adopt(msgspec.Struct, frozen=True):
    """The engine is given the venue's report of an order that it lacks, and of its trades."""

    venue_order_id: str
    strategy_id: str
    trade_ids: tuple[str, ...] = ()


Operation: TypeAlias = Book | Fill | Infer | Update | End | Adopt


class Step(msgspec.Struct, frozen=True):
    """
    What is said of a step, and what is done in it, in order.

    One that `is_automatic` waits for nobody's word: it only moves what is real. One that
    `needs_word` waits for one always: somebody has to look at the venue.
    """

    told: RepairStep
    operations: tuple[Operation, ...] = ()
    is_automatic: bool = False
    needs_word: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Its account and instrument."""
        return self.told.account_id, self.told.instrument_id


class Plan(msgspec.Struct, frozen=True):
    """What is to be done, and what cannot be, with the reason."""

    steps: tuple[Step, ...] = ()
    refused: tuple[RepairStep, ...] = ()
    # The accounts and instruments whose past has to be asked for first
    unexplored: frozenset[tuple[str, str]] = frozenset()

    @property
    def complete(self) -> frozenset[tuple[str, str]]:
        """The accounts and instruments where nothing is refused."""
        refused = {(step.account_id, step.instrument_id) for step in self.refused}
        return frozenset({step.place for step in self.steps} - refused)

    @property
    def told(self) -> tuple[RepairStep, ...]:
        """What is said of it."""
        return (*(step.told for step in self.steps), *self.refused)


def planned(steps: Iterable[RepairStep], instrument_id: str = "") -> tuple[RepairStep, ...]:
    """Return the steps that are planned, those of one instrument if it is given."""
    return tuple(
        step
        for step in steps
        if step.state == "planned" and instrument_id in ("", step.instrument_id)
    )


def plan_id(steps: Iterable[RepairStep]) -> str:
    """Return the ID of a plan: another for each difference in what it says."""
    return hashlib.sha256(msgspec.json.encode(list(steps))).hexdigest()[:12]

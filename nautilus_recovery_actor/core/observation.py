"""
What was seen of a recovery, in plain values (long: all that a host hands over).

These structs are filled from events, from mass statuses or from a scan of the cache alike. They
import nothing of NautilusTrader, so that the judgment in `verdict` can be made wherever such
values are available.
"""

from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import Approval
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.staleness import Staleness


# Owners that are not strategies: 1.221 gives its own alignments to the second.
UNCLAIMED_STRATEGIES = frozenset({"EXTERNAL", "INTERNAL-DIFF"})


class VenuePosition(msgspec.Struct, frozen=True, gc=False):
    """A position that the venue reported, `position_id` set for a hedge leg."""

    instrument_id: str
    qty: Decimal
    position_id: str | None = None
    avg_px: Decimal | None = None


class VenueOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that the venue reported; `client_order_id` is the one the engine knows it by."""

    instrument_id: str
    venue_order_id: str
    client_order_id: str | None
    is_open: bool
    status: str
    side: str | None = None
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    px: Decimal | None = None
    trigger_px: Decimal | None = None
    # When the venue accepted it (UNIX ns, the venue's clock)
    ts_accepted: int = 0
    # At what it was filled
    avg_px: Decimal | None = None


class VenueTrade(msgspec.Struct, frozen=True, gc=False):
    """
    A trade that the venue tells and the cache lacks; `is_newer` than all that the cache has there.

    If the cache has its order, `client_order_id`, `strategy_id` and `position_id` are that order's.
    """

    instrument_id: str
    trade_id: str
    venue_order_id: str
    client_order_id: str | None
    strategy_id: str | None
    position_id: str | None
    qty: Decimal
    px: Decimal | None
    is_newer: bool = True
    # The status of its order in the cache
    status: str | None = None


_P = TypeVar("_P", VenuePosition, "CachedPosition")


class VenueReport(msgspec.Struct, frozen=True):
    """One account's mass status, as the venue's adapter reported it."""

    # Who reported
    account_id: str
    venue: str
    # When it was made (UNIX ns, the node's clock)
    ts: int
    # How many of the observation's `events` and `live_fills` preceded it
    seen_events: int = 0
    seen_live_fills: int = 0
    # Whether this is what the adapter made, and not what the engine may have edited since
    is_as_made: bool = True
    # The positions reported
    positions: tuple[VenuePosition, ...] = ()
    # The orders reported, open and closed
    orders: tuple[VenueOrder, ...] = ()
    # The trades reported
    trade_ids: frozenset[str] = frozenset()
    # The number of fill reports
    fills: int = 0
    # What the engine was not given like that
    corrections: tuple[CorrectionMade, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What an account's venue said when the monitor asked it, or the `problem` in its place."""

    account_id: str
    # When it was asked (UNIX ns, the node's clock)
    ts: int
    venue: str = ""
    # How many of the observation's `events` and `live_fills` preceded the answer
    seen_events: int = 0
    seen_live_fills: int = 0
    # The positions reported
    positions: tuple[VenuePosition, ...] = ()
    # The open orders, and those that the cache holds open and the venue does not
    orders: tuple[VenueOrder, ...] = ()
    # The instruments whose past was asked for too: their orders, without those that the cache has
    # just so, and the trades that it lacks
    explored: frozenset[str] = frozenset()
    history: tuple[VenueOrder, ...] = ()
    trades: tuple[VenueTrade, ...] = ()
    problem: str | None = None


class CachedPosition(msgspec.Struct, frozen=True, gc=False):
    """
    A position in the cache; `made_up` if no trade of the venue is in it, `made_up_qty` is how much
    of it is not, signed. A repair has closed `untold_qty` of it, signed, that nobody reports.

    `fee` is what the account paid in the base currency and `qty` does not lack, in that currency.
    """

    account_id: str
    instrument_id: str
    position_id: str
    strategy_id: str
    qty: Decimal
    avg_px: Decimal | None = None
    made_up: bool = False
    fee: Decimal = Decimal(0)
    made_up_qty: Decimal = Decimal(0)
    untold_qty: Decimal = Decimal(0)

    @property
    def key(self) -> tuple[str, str, str]:
        """Where it is."""
        return self.account_id, self.instrument_id, self.position_id


class HalfMove(msgspec.Struct, frozen=True):
    """
    What has left a position, and is not booked where it goes on: `qty`, signed, at `px`.

    That is the position `position_id` of a strategy, ``None`` for the one that the engine chooses.
    """

    move_id: str
    account_id: str
    instrument_id: str
    strategy_id: str
    position_id: str | None
    qty: Decimal
    px: Decimal


class CachedOrder(msgspec.Struct, frozen=True, gc=False):
    """
    An order in the cache; `is_local` if it rests in the node (emulated) and not at the venue.

    `ts_init` is when this run of the node made the order, `ts_last` when it last learned anything
    of it but a fill from the venue, `ts_filled` when it last learned of a fill (UNIX ns). Each is
    zero for what was restored, and for what came from the venue's report.
    """

    account_id: str | None
    instrument_id: str
    client_order_id: str
    venue_order_id: str | None
    status: str
    is_open: bool
    is_inflight: bool
    is_local: bool
    ts_init: int
    ts_last: int
    side: str | None = None
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    px: Decimal | None = None
    trigger_px: Decimal | None = None
    ts_filled: int = 0


class ObservedFill(msgspec.Struct, frozen=True, gc=False):
    """
    A fill as the cache applied it.

    `placed_here` says whether this node placed the order (also in a run before), `is_made_up`
    whether it is known to align a position, `index` its place among the flagged events, or among
    the live fills for one without the flag, `ts_init` when the node learned of it (UNIX ns),
    `position_id` the position in the cache that it changed, `fee` the commission.
    """

    index: int
    account_id: str
    instrument_id: str
    strategy_id: str
    client_order_id: str
    venue_order_id: str
    trade_id: str
    qty: Decimal
    px: Decimal
    ts_event: int
    placed_here: bool
    is_made_up: bool = False
    ts_init: int = 0
    position_id: str | None = None
    fee: Decimal = Decimal(0)
    fee_currency: str | None = None


class Contract(msgspec.Struct, frozen=True, gc=False):
    """What the PnL of an instrument is counted in, and how: `precision` is that of the currency."""

    currency: str
    precision: int
    multiplier: Decimal = Decimal(1)
    is_inverse: bool = False


class AccountState(msgspec.Struct, frozen=True, gc=False):
    """
    What the node knows of an account without asking its venue.

    `is_connected` says whether its execution client is, ``None`` if that is not known, `ts_account`
    when the venue last reported its balances (UNIX ns).
    """

    account_id: str
    is_connected: bool | None = None
    ts_account: int | None = None


class Observation(msgspec.Struct, frozen=True):
    """All that was seen of one epoch: the one argument of every judgment."""

    # Who recovers, and the id of this epoch
    trader_id: str
    recovery_id: str
    # The number of the epoch
    epoch: int
    # What opened it
    trigger: str
    # When it opened (UNIX ns)
    ts_started: int
    # When the last mass status arrived (UNIX ns)
    ts_reconciled: int | None = None
    # How the run before ended
    ts_last_alive: int | None = None
    clean_shutdown: bool | None = None
    # The accounts that must report
    required_accounts: frozenset[str] = frozenset()
    # Those of them whose mass status the engine may have edited before it was seen
    edited_accounts: frozenset[str] = frozenset()
    # If the kernel is known to reconcile at its start
    is_reconciling: bool = True
    # The accounts that the node knows
    accounts: tuple[AccountState, ...] = ()
    # The size increments of the instruments that the node has loaded, of those reported
    instruments: Mapping[str, Decimal] = {}
    # The open positions of the cache when the epoch opened, and now
    before: tuple[CachedPosition, ...] = ()
    after: tuple[CachedPosition, ...] = ()
    # The strategy that is handed what no strategy owns, for each instrument that one claims
    claims: Mapping[str, str] = {}
    # The orders of the cache that are open or in flight now, and those that a venue reported
    orders: tuple[CachedOrder, ...] = ()
    # The orders that are alive, as they may close a position, whoever owns them
    live_orders: tuple[OwnOrder, ...] = ()
    # The positions that are over and to which one of them is tied, at their largest
    closed: tuple[CachedPosition, ...] = ()
    # The positions, of what was asked for in detail, that only a made-up fill closed, newest first
    past: tuple[CachedPosition, ...] = ()
    # What a repair has begun to move, when its node was killed or the engine failed
    half_moves: tuple[HalfMove, ...] = ()
    # The positions of cash accounts that a fill closed that the engine made up
    closed_by_engine: tuple[CachedPosition, ...] = ()
    # The strategies of the node, ``None`` if they are not known, and those that keep legs apart
    strategies: frozenset[str] | None = None
    hedging: frozenset[str] = frozenset()
    # The newest mass status of each account, as its adapter made it
    reports: tuple[VenueReport, ...] = ()
    # What the accounts have answered since, in order, and which of them were asked
    answers: tuple[Answer, ...] = ()
    asked_accounts: frozenset[str] = frozenset()
    # The number of flagged order events, fills among them
    events: int = 0
    # The flagged fills, in the order of their arrival, each once
    fills: tuple[ObservedFill, ...] = ()
    # The trades that no reconciliation brought, in the order of their arrival. At run time the
    # newest of those before the epoch come first
    live_fills: tuple[ObservedFill, ...] = ()
    # How many of the flagged events an earlier epoch has reported
    reported_events: int = 0
    # What the epoch before found; it stands for each account that does not report in this one
    carried: tuple[Discrepancy, ...] = ()
    # What was found when this epoch was checked before
    earlier: tuple[Discrepancy, ...] = ()
    # The accounts for which what was restored is known to be old
    stale: Mapping[str, Staleness] = {}
    # The orders that a run before lost and no strategy has taken
    lost_orders: tuple[LostOrder, ...] = ()
    # The orders that reconciliation ended, in the order in which it first ended them
    ended: tuple[EndedOrder, ...] = ()
    # How the PnL of the instruments filled is counted
    contracts: Mapping[str, Contract] = {}
    # The total balances by account and currency, when the epoch opened and now
    balances_before: Mapping[tuple[str, str], Decimal] = {}
    balances_after: Mapping[tuple[str, str], Decimal] = {}
    # The accounts that were ever seen to report positions, ``None`` if that is not known
    reporting: frozenset[str] | None = None
    # Those whose adapters are known to report no positions
    mute: frozenset[str] = frozenset()
    # The accounts and instruments whose positions were left out of two answers in a row
    twice_missing: frozenset[tuple[str, str]] = frozenset()
    # What was done in this epoch to make the cache equal to the venue
    repairs: tuple[RepairStep, ...] = ()
    # Which steps were tried, and why one failed
    tried: Mapping[Step, str] = {}
    # Whose word they are made on, if they need one
    approval: Approval | None = None
    # The total balances by currency of each cash account, ``None`` if none arrived in this run
    cash_accounts: Mapping[str, Mapping[str, Decimal] | None] = {}
    # The base currencies of the instruments that cash accounts hold, as far as they have one
    base_currencies: Mapping[str, str] = {}


def in_reading_order(observation: Observation) -> Observation:
    """Return the observation with all sorted that has no order of its own."""
    return msgspec.structs.replace(
        observation,
        before=_sorted_positions(observation.before),
        after=_sorted_positions(observation.after),
        orders=tuple(sorted(observation.orders, key=attrgetter("client_order_id"))),
        live_orders=tuple(sorted(observation.live_orders, key=attrgetter("client_order_id"))),
        reports=tuple(
            msgspec.structs.replace(
                report,
                positions=_sorted_positions(report.positions),
                # Closed ones first, so that of two under one client order id the open one counts
                orders=tuple(sorted(report.orders, key=attrgetter("is_open", "venue_order_id"))),
            )
            for report in sorted(observation.reports, key=attrgetter("account_id"))
        ),
    )


def _sorted_positions(positions: tuple[_P, ...]) -> tuple[_P, ...]:
    return tuple(
        sorted(positions, key=lambda p: (p.instrument_id, p.position_id or "", str(p.qty)))
    )

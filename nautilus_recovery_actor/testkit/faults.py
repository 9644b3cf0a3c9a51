"""
What a venue can get wrong when it is asked for its state, and the answers it then gives.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Position


class MassStatusFault(StrEnum):
    """
    What the client's `generate_mass_status` does.

    ``OK`` answers, ``RAISE`` raises, ``HANG`` never returns, ``NONE`` returns ``None``.
    """

    OK = "OK"
    RAISE = "RAISE"
    HANG = "HANG"
    NONE = "NONE"


class HistoryFault(StrEnum):
    """
    What a venue answers to a request for history.

    ``OK`` all that was asked for, ``EMPTY`` nothing, ``SHORT`` the newer half, ``REVERSED`` the
    newest first, ``DUPLICATED`` one of them twice, ``GAP`` all but one in the middle, ``OLD`` the
    older half. ``RAISE`` makes the client raise, ``HANG`` is no answer at all.
    """

    OK = "OK"
    EMPTY = "EMPTY"
    SHORT = "SHORT"
    REVERSED = "REVERSED"
    DUPLICATED = "DUPLICATED"
    GAP = "GAP"
    OLD = "OLD"
    RAISE = "RAISE"
    HANG = "HANG"


class Faults(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """
    The faults of one account, all off by default.

    Parameters
    ----------
    mass_status : MassStatusFault, default ``OK``
        What the client's `generate_mass_status` does.
    mass_status_delay_secs : float, default 0.0
        How long (seconds) the venue takes before it begins to answer a mass status.
    query_errors : bool, default False
        If every query for orders, fills and positions is answered with an error. The
        `generate_mass_status` that clients inherit catches it, and returns ``None``.
    lose_fills_since : int, optional
        A time (UNIX nanoseconds, see `PaperVenue.mark`) since which the venue has lost its
        history: it reports neither the fills made since, nor the orders that they closed or that
        were closed otherwise, nor, when asked for one symbol, a position that went flat.
    hide_fill_reports : bool, default False
        If orders are reported with what was filled, but no fill is.
    duplicate_fill_reports : bool, default False
        If every fill is reported twice.
    phantom_positions : tuple[Position, ...], default ()
        Positions that are reported in addition to the real ones.
    override_positions : dict[str, Decimal], default empty
        Signed quantities reported in place of the real ones, per symbol, or per
        ``"<symbol>:<leg>"`` on a hedging account.
    hide_orders : tuple[str, ...], default ()
        Client or venue order IDs that are left out of all reports, their fills included.
    hide_positions : tuple[str, ...], default ()
        Symbols whose positions are left out of all reports.
    hold_acks : bool, default False
        If orders are received but not answered, so that they stay ``SUBMITTED`` on the node, until
        they are released.
    silent_when_flat : bool, default False
        If a query for one symbol without a position is answered with nothing. By default it is
        answered with one flat report. (A mass status leaves out flat positions anyway.)
    lose_events : bool, default False
        If nothing that happens reaches the trading clients by itself: no fill, no change of an
        order, no balance. They learn of it when they ask.
    silent : bool, default False
        If the venue neither answers nor sends anything, while all connections stay open. What was
        asked meanwhile is answered when this ends.

    """

    mass_status: MassStatusFault = MassStatusFault.OK
    mass_status_delay_secs: float = 0.0
    query_errors: bool = False
    lose_fills_since: int | None = None
    hide_fill_reports: bool = False
    duplicate_fill_reports: bool = False
    phantom_positions: tuple[Position, ...] = ()
    override_positions: dict[str, Decimal] = msgspec.field(default_factory=dict)
    hide_orders: tuple[str, ...] = ()
    hide_positions: tuple[str, ...] = ()
    hold_acks: bool = False
    silent_when_flat: bool = False
    lose_events: bool = False
    silent: bool = False

    def is_lost(self, ts: int) -> bool:
        """Return whether the venue has lost what happened at the given time (UNIX nanoseconds)."""
        return self.lose_fills_since is not None and ts >= self.lose_fills_since


def reported_orders(
    account: Account,
    faults: Faults,
    symbol: str | None = None,
    order_id: str | None = None,
    open_only: bool = False,
    since_ns: int | None = None,
) -> list[Order]:
    """Return the orders the venue reports, oldest first."""
    lost = {f.venue_order_id for f in account.fills if faults.is_lost(f.ts)}
    return [
        order
        for order in account.orders.values()
        if _is_visible(order.venue_order_id, order.client_order_id, faults)
        and order.venue_order_id not in lost
        and (order.state.is_open or not faults.is_lost(order.ts_last))
        and order.state is not OrderState.HELD
        and symbol in (None, order.symbol)
        and order_id in (None, order.client_order_id, order.venue_order_id)
        and (order.state.is_open or not open_only)
        and (order.state.is_open or since_ns is None or order.ts_last >= since_ns)
    ]


def reported_fills(
    account: Account,
    faults: Faults,
    symbol: str | None = None,
    order_id: str | None = None,
    since_ns: int | None = None,
) -> list[Fill]:
    """Return the fills the venue reports, oldest first."""
    if faults.hide_fill_reports:
        return []
    fills = [
        fill
        for fill in account.fills
        if _is_visible(fill.venue_order_id, fill.client_order_id, faults)
        and not faults.is_lost(fill.ts)
        and symbol in (None, fill.symbol)
        and order_id in (None, fill.client_order_id, fill.venue_order_id)
        and (since_ns is None or fill.ts >= since_ns)
    ]
    if faults.duplicate_fill_reports:
        return [fill for fill in fills for _ in range(2)]
    return fills


def reported_positions(
    account: Account, faults: Faults, symbol: str | None = None
) -> list[Position]:
    """Return the positions the venue reports: all that are open, or those of one symbol."""
    held = {(p.symbol, p.leg): p for p in account.positions.values()}
    for key, qty in faults.override_positions.items():
        name, _, leg_name = key.partition(":")
        leg = Leg(leg_name) if leg_name else Leg.NET
        before = held.get((name, leg)) or Position(symbol=name, qty=qty, leg=leg)
        avg_px = before.avg_px or Decimal(0)
        held[name, leg] = Position(
            symbol=name, qty=qty, cost=qty * avg_px, leg=leg, ts_last=before.ts_last
        )
    for phantom in faults.phantom_positions:
        held[phantom.symbol, phantom.leg] = phantom

    positions = [
        p
        for p in held.values()
        if p.symbol not in faults.hide_positions and symbol in (None, p.symbol)
    ]
    reported = [p for p in positions if p.qty]
    if symbol is None or reported:
        return reported

    is_silent = (
        faults.silent_when_flat
        or symbol in faults.hide_positions
        or any(faults.is_lost(p.ts_last) for p in positions)
    )
    return [] if is_silent else [Position(symbol=symbol, qty=Decimal(0))]


def _is_visible(venue_order_id: str, client_order_id: str | None, faults: Faults) -> bool:
    return venue_order_id not in faults.hide_orders and client_order_id not in faults.hide_orders

"""
All that was seen of an epoch, from copies of what the cache held: any thread may put it together.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.host import reading
from nautilus_recovery_actor.host.losses import LostOrders
from nautilus_recovery_actor.host.told import Fill
from nautilus_recovery_actor.host.told import Told
from nautilus_recovery_actor.host.told import observed_fill


class Picture(msgspec.Struct, frozen=True):
    """What the cache held."""

    # The orders that are alive, each with its position, and the others that were reported; ``None``
    # for one that is not there any more
    alive: Sequence[tuple[Any, Any]]
    others: Sequence[Any]
    # The open positions when the epoch opened, and now
    before: Sequence[Any]
    after: Sequence[Any]
    # The positions to which orders are tied that are alive, by their ID
    tied: Mapping[str, Any]
    # The size increments of the instruments of what was reported and is held
    increments: Mapping[str, Decimal]


class About(msgspec.Struct, frozen=True):
    """What is known besides of an epoch and its node."""

    trader_id: str
    recovery_id: str
    recovery: Recovery
    last: Heartbeat | None
    required: frozenset[str]
    accounts: frozenset[str]
    # Those of which venues have told since the start, also if nothing was reported anew
    reported: frozenset[str]
    claims: Mapping[str, str]
    ts_registered: int
    losses: LostOrders
    strategies: frozenset[str]
    reported_events: int


def observation(about: About, picture: Picture, told: Told) -> Observation:
    """Return all that was seen of an epoch so far."""
    recovery, last, ts = about.recovery, about.last, about.ts_registered
    alive = {str(one[0].client_order_id): one for one in picture.alive if one[0]}
    orders = {str(one.client_order_id): one for one in picture.others if one}
    orders |= {name: order for name, (order, _) in alive.items()}
    read = {name: reading.cached_order(order, ts) for name, order in orders.items()}
    reports = tuple(map(told.report, {**recovery.reports, **dict.fromkeys(sorted(about.reported))}))
    return Observation(
        trader_id=about.trader_id,
        recovery_id=about.recovery_id,
        epoch=recovery.epoch,
        trigger=recovery.trigger,
        ts_started=recovery.ts_started,
        ts_reconciled=recovery.ts_reconciled,
        ts_last_alive=last.ts if last else None,
        clean_shutdown=last.is_stopped if last else None,
        required_accounts=about.required,
        accounts=tuple(map(AccountState, sorted(about.accounts))),
        instruments=picture.increments,
        before=tuple(map(reading.cached_position, picture.before)),
        after=tuple(map(reading.cached_position, picture.after)),
        claims=about.claims,
        orders=tuple(read.values()),
        live_orders=tuple(reading.own_order(*tied, ts, read[name]) for name, tied in alive.items()),
        reports=reports,
        lost_orders=about.losses.find(reports, about.strategies, orders),
        closed=reading.closed_positions(picture.tied.get, picture.tied),
        events=len(told.flagged),
        fills=tuple(
            _fill(fill, index, orders.get(fill.client_order_id))
            for index, fill in enumerate(told.flagged)
            if isinstance(fill, Fill)
        ),
        live_fills=told.live_fills,
        reported_events=about.reported_events,
        carried=recovery.carried,
        earlier=recovery.earlier,
    )


def _fill(fill: Fill, index: int, order: Any) -> ObservedFill:
    origin = reading.origin(order)
    return observed_fill(fill, index, origin.tags, placed_here=origin.placed_here)

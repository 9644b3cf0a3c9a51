"""
The open positions of the cache, as they are and as they were.
"""

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.node.observing.accounts import is_cash
from nautilus_recovery_actor.node.observing.fills import REPAIRED
from nautilus_recovery_actor.node.observing.fills import UNTOLD
from nautilus_recovery_actor.node.observing.fills import is_made_up
from nautilus_recovery_actor.node.observing.fills import repeated_fills
from nautilus_recovery_actor.node.observing.fills import signed_qty


# How many closed positions of an instrument are looked at, the newest
_MOST_CLOSED = 20


def cached_positions(cache: CacheFacade) -> tuple[CachedPosition, ...]:
    """Return the open positions of the cache, with what is made up or was paid of them."""
    return tuple(read_position(cache, position) for position in cache.positions_open())


def read_position(cache: CacheFacade, position: Position) -> CachedPosition:
    """Return a position, with what is made up or was paid of it."""
    made_up = [fill for fill in position.events if is_made_up(cache, fill)]
    untold = [one for one in position.events if one.client_order_id.value.startswith(UNTOLD)]
    return msgspec.structs.replace(
        cached_position(position),
        made_up=len(made_up) == len(position.events),
        made_up_qty=sum(map(signed_qty, made_up), Decimal(0)),
        untold_qty=sum(map(signed_qty, untold), Decimal(0)),
        fee=paid_of_base(position) if is_cash(cache, position.account_id) else Decimal(0),
    )


def closed_by_nothing(
    cache: CacheFacade, places: Iterable[tuple[str, str]]
) -> tuple[CachedPosition, ...]:
    """
    Return the positions of these accounts and instruments that no trade closed, but a made-up fill
    or a repair.
    """
    found: list[CachedPosition] = []
    for account_id, instrument_id in sorted(places):
        closed = cache.positions_closed(instrument_id=InstrumentId.from_str(instrument_id))
        own = [one for one in closed if one.account_id.value == account_id]
        for position in sorted(own, key=lambda one: one.ts_closed, reverse=True)[:_MOST_CLOSED]:
            found.append(read_position(cache, position))  # noqa: PERF401  A loop in a loop
    return tuple(one for one in found if one.made_up_qty or one.untold_qty)


def closed_by_engine(cache: CacheFacade, accounts: Container[str]) -> tuple[CachedPosition, ...]:
    """Return what a made-up fill closed on these accounts, where nothing was opened since."""
    open_ = {position.instrument_id for position in cache.positions_open()}
    newest: dict[tuple[str, InstrumentId], Position] = {}
    for position in cache.positions_closed():
        key = (position.account_id.value, position.instrument_id)
        if key[0] in accounts and key[1] not in open_:
            known = newest.get(key)
            if known is None or known.ts_closed <= position.ts_closed:
                newest[key] = position
    return tuple(
        read_position(cache, position)
        for position in newest.values()
        if _is_closed_by_engine(cache, position.last_event)
    )


def _is_closed_by_engine(cache: CacheFacade, fill: OrderFilled) -> bool:
    # What a repair closed was closed on purpose
    return is_made_up(cache, fill) and not fill.client_order_id.value.startswith(REPAIRED)


def cached_position(position: Position) -> CachedPosition:
    """Return a position as it is."""
    return CachedPosition(
        account_id=position.account_id.value,
        instrument_id=position.instrument_id.value,
        position_id=position.id.value,
        strategy_id=position.strategy_id.value,
        qty=position.signed_decimal_qty(),
        avg_px=Decimal(str(position.avg_px_open)),
    )


def paid_of_base(position: Position) -> Decimal:
    """Return the fees that were paid in the base currency and that the quantity does not lack."""
    # 1.231 takes it off the quantity, rounded after each fill, and 1.221 does not
    qty: Decimal = position.signed_decimal_qty()
    for fill in position.events:
        qty -= signed_qty(fill)
        if fill.commission is not None and fill.commission.currency == position.base_currency:
            qty += fill.commission.as_decimal()
    return qty


def positions_before(
    cache: CacheFacade, events: Sequence[OrderEvent], earlier: Iterable[OrderFilled] = ()
) -> tuple[CachedPosition, ...]:
    """Return the open positions as they were before `events`, which the cache has applied."""
    positions = {position.position_id: position for position in cached_positions(cache)}
    repeated = repeated_fills((*earlier, *events))
    for event in events:
        if type(event) is not OrderFilled or event.position_id is None or id(event) in repeated:
            continue
        position = positions.get(event.position_id.value) or CachedPosition(
            account_id=event.account_id.value,
            instrument_id=event.instrument_id.value,
            position_id=event.position_id.value,
            strategy_id=event.strategy_id.value,
            qty=Decimal(0),
        )
        positions[position.position_id] = msgspec.structs.replace(
            position, qty=position.qty - signed_qty(event), avg_px=None
        )
    return tuple(position for position in positions.values() if position.qty != 0)

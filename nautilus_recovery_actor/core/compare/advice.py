"""
What leads out of a difference, by its kind and by what venue and cache say of it.

`tests/node/test_advice.py` follows each to a node that trades.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal

from nautilus_recovery_actor.core.compare.wallets import Wallet
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import VenueOrder


_FORGET = "stop the node, `nautilus-recovery forget {}`, and start"
_ENDS = "the block then ends by itself, or at once with `nautilus-recovery verify`"
_FLATTEN = (
    "close the position at the venue, then `nautilus-recovery verify`: what the cache still holds "
    "then can be repaired, or forgotten"
)
_PLANNED = "A repair is planned: `nautilus-recovery repair`. Or by hand: "
_TEXTS = {
    Kind.INSTRUMENT_NOT_LOADED: "The venue holds {} on an instrument that the node did not load: "
    f"{{}} there, and {_ENDS}; to keep it, load the instrument and restart",
    Kind.HEDGE_LEG_MISMATCH: "The legs of a hedged position differ: if the strategy's "
    'configuration lacks `oms_type="HEDGING"`, or client and account have different position '
    f"modes, correct that first; then {_FLATTEN}",
    Kind.UNCLAIMED_POSITION: "No strategy owns this position: name the instrument in the "
    "`external_order_claims` (2.0: `external_order_instrument_ids`) of a RecoverableStrategy, or "
    "close it with `closing_order`",
    Kind.AVG_PX_MISMATCH: "The quantity matches, but the average open price does not: the PnL of "
    "this position is not the venue's",
    Kind.POSITION_QTY_MISMATCH: f"Cache and venue hold different quantities: {_FLATTEN}",
    Kind.ORDER_NOT_IN_CACHE: "The cache does not know order {}: cancel it at the venue, and "
    f"{_ENDS}",
    Kind.ORDER_NOT_AT_VENUE: "The venue did not report this order, so it protects nothing: if it "
    "is not there, {}, then place it again if it is needed",
    Kind.INFLIGHT_ORDER: "Sent and still unanswered: look for it at the venue; the engine asks for "
    "it, and gives it up if the venue does not know it; the block ends by itself then",
    Kind.ORDER_MISMATCH: "The order at the venue is not what the cache holds: cancel it at the "
    f"venue, and {_ENDS}; then place it again",
}
_LATE = "The cache lacks what was filled after the report: `nautilus-recovery verify` asks again"
_NOT_REPORTED = (
    "The venue did not report this position: if it is flat there, {}; if not, look for errors of "
    "its client: the block ends by itself once the venue reports it"
)
_NOT_HELD = "The venue does not hold {}: check that there, then {}"
_OVER = "The order is over at the venue ({}) and protects nothing: {}, then place what is needed"
_UNMANAGED = f"The order is over in the cache only: cancel it at the venue, and {_ENDS}"
_ASKED_AGAIN = "The venue left this position out once, which proves nothing: it is asked again"
_NEVER_REPORTED = (
    "No answer of this account has had a position in it yet, so that this one is left out proves "
    "nothing: check the venue; if it is flat there, {}; if not, `nautilus-recovery release {}`"
)
_NO_BALANCE = (
    "No balance of this account has arrived since the node started: look for errors of its client; "
    "the block ends by itself once one arrives"
)
_SHORT_OF = "Positions hold {} {} ({}), and the balance is {}: check the venue, then {}"
_CLOSED_BY_ENGINE = (
    "The engine made up a fill of {}, but the balance still covers what it closed: sell at the "
    f"venue what the node no longer holds, and {_ENDS}"
)
_NAMED = 3
_NO_TRADE = (
    "The venue holds the made-up part too, but reported no trade of it: close it from the node "
    "with `closing_order`"
)
_CONTRARY = f"No order closes one of contrary parts alone: {_FLATTEN}"
_SHARED = (
    "Several strategies hold parts of one net position: close all but one from the node, then let "
    "one strategy trade the instrument, or give each its own account"
)
_ONE_OWNER = (
    "Name the instrument in the `external_order_claims` of {}, if it is a RecoverableStrategy, or "
    "close the part of EXTERNAL with `closing_order`"
)
# Of these nothing is named but the one position that they are about
_OF_ONE = frozenset({Kind.UNCLAIMED_POSITION, Kind.AVG_PX_MISMATCH})


def with_plan(advice: str, *, is_planned: bool) -> str:
    """Return an advice that begins with the plan, if there is one."""
    by_hand = advice.removeprefix(_PLANNED)
    return _PLANNED + by_hand if is_planned else by_hand


def parts(kind: Kind, cached: Iterable[CachedPosition]) -> str:
    """Return what the cache holds, if that is more than one position, or made up."""
    held = [position for position in cached if position.qty]
    if kind in _OF_ONE or (len(held) < 2 and not any(_made_up(position) for position in held)):  # noqa: PLR2004
        return ""
    named = (f"{p.qty} of {p.strategy_id} (`{p.position_id}`{_made_up(p)})" for p in held)
    return f"The cache holds {' and '.join(named)}. "


def _made_up(position: CachedPosition) -> str:
    if position.made_up:
        return ", made up"
    return f", {position.made_up_qty} of it made up" if position.made_up_qty else ""


def on_position(
    kind: Kind, position_id: str | None, cached: Sequence[CachedPosition], expected: Decimal
) -> str:
    """Return the advice on positions of one instrument, of which the venue holds `expected`."""
    if kind is Kind.POSITION_NOT_AT_VENUE:
        return _NOT_REPORTED.format(_forget([position_id])) if position_id else _LATE
    if kind is Kind.INSTRUMENT_NOT_LOADED:
        return _TEXTS[kind].format("a position", "close it")
    if kind is Kind.POSITION_QTY_MISMATCH and (gone := _gone(cached, expected)):
        return on_gone(gone)
    return _TEXTS[kind]


def on_gone(gone: Sequence[CachedPosition]) -> str:
    """Return the advice on positions that the venue does not hold."""
    held = " and ".join(f"the {position.qty} of {position.strategy_id}" for position in gone)
    return _NOT_HELD.format(held, _forget(position.position_id for position in gone))


def on_unproven(position: CachedPosition, *, is_asked: bool) -> str:
    """Return the advice on a position that the venue left out, which may answer if `is_asked`."""
    if is_asked:
        return _ASKED_AGAIN
    return _NEVER_REPORTED.format(_forget([position.position_id]), position.instrument_id)


def on_balance(wallet: Wallet, position: CachedPosition) -> str:
    """Return the advice on a position that the balance of its base currency does not prove."""
    if wallet.total is None:
        return _NO_BALANCE
    held = [f"{one.qty} {one.instrument_id}" for one in wallet.positions[:_NAMED]]
    if len(wallet.positions) > _NAMED:
        held.append(f"{len(wallet.positions) - _NAMED} more")
    gone = wallet.surplus or (None if wallet.total else position)
    return _SHORT_OF.format(
        wallet.held,
        wallet.currency,
        ", ".join(held),
        wallet.total,
        _FLATTEN if gone is None else _forget([gone.position_id]),
    )


def on_closing(qty: Decimal) -> str:
    """Return the advice on a fill of a cash account that the engine made up."""
    return _CLOSED_BY_ENGINE.format(qty)


def on_parts(held: Sequence[CachedPosition], expected: Decimal, owners: Collection[str]) -> str:
    """Return the advice on the parts of one net position, of which the venue holds `expected`."""
    quantities = [position.qty for position in held]
    is_made_up = any(position.made_up for position in held)
    if gone := _gone(held, expected):
        return on_gone(gone)
    if min(quantities) < 0 < max(quantities) or (is_made_up and sum(quantities) != expected):
        return _CONTRARY
    if is_made_up:
        return _NO_TRADE
    strategies = set(owners) - {"EXTERNAL"}
    return _SHARED if len(strategies) > 1 else _ONE_OWNER.format(*strategies)


def _gone(held: Sequence[CachedPosition], expected: Decimal) -> Sequence[CachedPosition]:
    # What the venue does not hold: all of it, what is made up, or what nobody owns
    if expected == 0:
        return [position for position in held if position.qty]
    surplus = sum((position.qty for position in held), -expected)
    made_up = [position for position in held if position.made_up]
    if made_up and sum(position.qty for position in made_up) == surplus:
        return made_up
    nobodys = (p for p in held if p.strategy_id in UNCLAIMED_STRATEGIES and p.qty == surplus)
    return [position for position in nobodys if position.qty][:1]


def _forget(position_ids: Iterable[str | None]) -> str:
    return _FORGET.format(" ".join(f"positions:{position_id}" for position_id in position_ids))


def on_order(kind: Kind, venue: VenueOrder | None, known: CachedOrder | None) -> str:
    """Return the advice on an order that the venue has, the cache, or both."""
    if known is None:
        name = venue.venue_order_id if venue else ""
        is_unknown = kind is Kind.ORDER_NOT_IN_CACHE
        return _TEXTS[kind].format(name if is_unknown else f"order {name}", "cancel it")
    forget = _FORGET.format(f"orders:{known.client_order_id}")
    if venue is not None and not venue.is_open:
        return _OVER.format(venue.status, forget)
    if kind is Kind.ORDER_MISMATCH and not (known.is_open or known.is_inflight):
        return _UNMANAGED
    return _TEXTS[kind].format(forget)

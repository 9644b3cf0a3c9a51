"""
What leads out of a difference, by its kind and by what venue and cache say of it.

`tests/node/test_advice.py` follows what can be followed to a start that blocks nothing.
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


_DELETE = "stop the node, delete `{}` from Redis, and start"
_FLATTEN = (
    "close it at the venue, let the node book that, stop it, delete every `positions:` entry of "
    "the instrument from Redis, and start"
)
_TEXTS = {
    Kind.INSTRUMENT_NOT_LOADED: "The venue holds {} on an instrument that the node did not load: "
    "load the instrument, or {} at the venue",
    Kind.HEDGE_LEG_MISMATCH: "The legs of a hedged position differ: if the strategy's "
    'configuration lacks `oms_type="HEDGING"`, or client and account have different position '
    f"modes, correct that first; then {_FLATTEN}",
    Kind.UNCLAIMED_POSITION: "No strategy owns this position: name the instrument in the "
    "`external_order_claims` of a RecoverableStrategy, or close it with `closing_order`",
    Kind.AVG_PX_MISMATCH: "The quantity matches, but the average open price does not: the PnL of "
    "this position is not the venue's",
    Kind.POSITION_NOT_AT_VENUE: "The venue did not report this position: if it is flat there, {}; "
    "if not, restart the node, so that the venue reports again",
    Kind.POSITION_QTY_MISMATCH: "After reconciliation cache and venue hold different quantities: "
    f"check the venue, then {_FLATTEN}",
    Kind.ORDER_NOT_IN_CACHE: "The cache does not know order {}: cancel it at the venue, and "
    "restart the node",
    Kind.ORDER_NOT_AT_VENUE: "The venue did not report this order, so it protects nothing: if it "
    "is not there, {}, then place it again if it is needed",
    Kind.INFLIGHT_ORDER: "Sent before the restart and still unanswered: look for it at the venue; "
    "once the engine has given it up, restart the node",
    Kind.ORDER_MISMATCH: "The order at the venue is not what the cache holds: cancel it at the "
    "venue, {}, and place it again",
}
_LATE = "The cache lacks what was filled after the report: restart the node"
_MADE_UP = "The venue does not hold the {} of {}: check the venue, then {}"
_OVER = "The order is over at the venue ({}) and protects nothing: {}, then place what is needed"
_UNMANAGED = "The order is over in the cache only: cancel it at the venue, and restart the node"
_ASKED_AGAIN = "The venue left this position out once, which proves nothing: it is asked again"
_NEVER_REPORTED = (
    "This account has never reported a position, so no report proves this one: check the venue; if "
    "it is flat there, {}; if not, `nautilus-recovery release {}`"
)
_NO_BALANCE = (
    "No balance of this account has arrived since the node started: check the log for errors of "
    "its client, and restart the node"
)
_SHORT_OF = "Positions hold {} {} ({}), and the balance is {}: check the venue, then {}"
_CLOSED_BY_ENGINE = (
    "The engine made up a fill of {}, but the balance still covers what it closed: check the "
    "venue, sell there what the node no longer holds, and restart the node"
)
_MADE_UP_PARTS = "Made up by the engine: {}. "
_PART = "{} of {} (`{}`)"
_NAMED = 3
_REST = "The venue holds the rest alone: check the venue, then {}"
_FLAT = "The venue is flat: check the venue, then {}"
_NO_TRADE = (
    "The venue holds it too, but reported no trade of it: close it from the node with "
    "`closing_order`"
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


def on_position(
    kind: Kind, position_id: str | None, cached: Sequence[CachedPosition], expected: Decimal
) -> str:
    """Return the advice on positions of one instrument, of which the venue holds `expected`."""
    if kind is Kind.POSITION_NOT_AT_VENUE and position_id is None:
        return _LATE
    surplus = sum((position.qty for position in cached), -expected)
    for position in cached if kind is Kind.POSITION_QTY_MISMATCH else ():
        if position.strategy_id in UNCLAIMED_STRATEGIES and position.qty == surplus:
            delete = _DELETE.format(f"positions:{position.position_id}")
            return _MADE_UP.format(position.qty, position.strategy_id, delete)
    if kind is Kind.INSTRUMENT_NOT_LOADED:
        return _TEXTS[kind].format("a position", "close the position")
    return _TEXTS[kind].format(_DELETE.format(f"positions:{position_id}"))


def on_unproven(position: CachedPosition, *, is_asked: bool) -> str:
    """Return the advice on a position that the venue left out, which may answer if `is_asked`."""
    if is_asked:
        return _ASKED_AGAIN
    return _NEVER_REPORTED.format(_deletion([position]), position.instrument_id)


def on_balance(wallet: Wallet, position: CachedPosition) -> str:
    """Return the advice on a position that the balance of its base currency does not prove."""
    if wallet.total is None:
        return _NO_BALANCE
    parts = [f"{one.qty} {one.instrument_id}" for one in wallet.positions[:_NAMED]]
    if len(wallet.positions) > _NAMED:
        parts.append(f"{len(wallet.positions) - _NAMED} more")
    gone = wallet.surplus or (None if wallet.total else position)
    return _SHORT_OF.format(
        wallet.held,
        wallet.currency,
        ", ".join(parts),
        wallet.total,
        _FLATTEN if gone is None else _deletion([gone]),
    )


def on_closing(qty: Decimal) -> str:
    """Return the advice on a fill of a cash account that the engine made up."""
    return _CLOSED_BY_ENGINE.format(qty)


def on_parts(held: Sequence[CachedPosition], expected: Decimal, owners: Collection[str]) -> str:
    """Return the advice on the parts of one net position, of which the venue holds `expected`."""
    made_up = [position for position in held if position.made_up]
    quantities = [position.qty for position in held]
    strategies = set(owners) - {"EXTERNAL"}
    if expected == 0:
        text = _FLAT.format(_deletion(held))
    elif made_up and expected + sum(position.qty for position in made_up) == sum(quantities):
        text = _REST.format(_deletion(made_up))
    elif min(quantities) < 0 < max(quantities) or (made_up and sum(quantities) != expected):
        text = _CONTRARY
    elif made_up:
        text = _NO_TRADE
    else:
        text = _SHARED if len(strategies) > 1 else _ONE_OWNER.format(*strategies)
    parts = (_PART.format(p.qty, p.strategy_id, p.position_id) for p in made_up)
    return (_MADE_UP_PARTS.format(_joined(parts)) if made_up else "") + text


def _deletion(positions: Iterable[CachedPosition]) -> str:
    keys = _joined(f"`positions:{position.position_id}`" for position in positions)
    return f"stop the node, delete {keys} from Redis, and start"


def _joined(parts: Iterable[str]) -> str:
    return " and ".join(parts)


def on_order(kind: Kind, venue: VenueOrder | None, known: CachedOrder | None) -> str:
    """Return the advice on an order that the venue has, the cache, or both."""
    if known is None:
        name = venue.venue_order_id if venue else ""
        is_unknown = kind is Kind.ORDER_NOT_IN_CACHE
        return _TEXTS[kind].format(name if is_unknown else f"order {name}", "cancel the order")
    delete = _DELETE.format(f"orders:{known.client_order_id}")
    if venue is not None and not venue.is_open:
        return _OVER.format(venue.status, delete)
    if kind is Kind.ORDER_MISMATCH and not (known.is_open or known.is_inflight):
        return _UNMANAGED
    return _TEXTS[kind].format(delete)

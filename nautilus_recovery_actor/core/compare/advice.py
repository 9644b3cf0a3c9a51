"""
What leads out of a difference, by its kind and by what venue and cache say of it.

`tests/node/test_advice.py` follows what can be followed to a start that blocks nothing.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal

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


def on_owners(parts: Mapping[str, Decimal]) -> str:
    """Return the advice on one net position that several own, by what each of them holds."""
    if min(parts.values()) < 0 < max(parts.values()):
        return _CONTRARY
    strategies = parts.keys() - {"EXTERNAL"}
    return _SHARED if len(strategies) > 1 else _ONE_OWNER.format(*strategies)


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

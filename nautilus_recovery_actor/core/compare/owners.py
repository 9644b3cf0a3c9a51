"""
What somebody has to know, whoever owns it (long: three concerns, one look at positions and orders).

Positions that no stop covers, exits that have outlived their positions, and what belongs to a
strategy that the node does not run.
"""

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import covered
from nautilus_recovery_actor.core.protection import is_stop
from nautilus_recovery_actor.core.protection import reduces
from nautilus_recovery_actor.core.protection import unproven_by
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.text import counted


_ZERO = Decimal(0)
_OPEN = frozenset({"ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "PENDING_UPDATE", "EMULATED"})
_NAMED = 3
# Where these stand, a position may be another one than the cache says
_UNSETTLING = frozenset(
    {
        Kind.NO_MASS_STATUS,
        Kind.UNPROVEN_REPORT,
        Kind.POSITION_NOT_AT_VENUE,
        Kind.POSITION_QTY_MISMATCH,
        Kind.HEDGE_LEG_MISMATCH,
        Kind.SPLIT_OWNERSHIP,
    }
)
_NO_STOP = "no stop at the venue"
_UNPROTECTED = "Place a stop, or close the position"
_UNSETTLED = "How large it is is not settled: see {} first"
_ORPHAN = "It has outlived its position and {}: cancel it"
_ABSENT = (
    'Start a strategy with that ID (strategy_id="{}", order_id_tag="{}"), or cancel and close at '
    "the venue"
)


def concerns(
    observation: Observation, differences: Collection[Discrepancy], policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what somebody has to know besides the `differences` between venue and cache."""
    unproven = unproven_by(differences)
    unsettled = {
        (found.account_id, found.instrument_id): found.kind
        for found in differences
        if found.kind in _UNSETTLING and not found.resolved
    }
    positions, orders, increments = (
        observation.after,
        observation.live_orders,
        observation.instruments,
    )
    for found in unprotected(
        positions, orders, policy, unproven, lambda one: increments.get(one, _ZERO)
    ):
        if found is not None:
            kind = unsettled.get((found.account_id, found.instrument_id)) or unsettled.get(
                (found.account_id, "")
            )
            yield found if kind is None else _unsettled(found, kind)
    yield from _orphan_exits(observation, unproven, policy)
    if observation.strategies is not None:
        yield from _absent_strategies(observation, observation.strategies, policy)


# -- POSITIONS WITHOUT A STOP --


def unprotected(
    positions: Iterable[CachedPosition],
    orders: Iterable[OwnOrder],
    policy: Policy,
    unproven: frozenset[str],
    increment: Callable[[str], Decimal],
) -> Iterator[Discrepancy | None]:
    """
    Yield each position that stops do not cover, and ``None`` wherever a host may pause.

    The positions are read before the orders. What is smaller than the `increment` of its instrument
    no order can close.
    """
    sides: dict[tuple[str, str, bool], list[CachedPosition]] = defaultdict(list)
    for position in positions:
        sides[position.account_id, position.instrument_id, position.qty > 0].append(position)
        yield None
    stops: dict[tuple[str, bool], list[OwnOrder]] = defaultdict(list)
    ids: set[str] = set()
    rivals: set[str] = set()
    for order in orders:
        if is_stop(order) and order.client_order_id not in unproven:
            stops[order.instrument_id, order.leaves < 0].append(order)
            ids.add(order.client_order_id)
            rivals |= order.rivals
        yield None
    for (account_id, instrument_id, is_long), held in sides.items():
        side = _Side(account_id, held)
        for order in stops[instrument_id, is_long]:
            is_alone = order.client_order_id not in rivals and ids.isdisjoint(order.rivals)
            side.add(order, is_alone=is_alone)
            yield None
        is_covered = side.is_net_covered()
        for position in held:
            missing = _ZERO if is_covered and _is_net(position) else side.missing(position)
            is_told = missing > 0 and missing >= increment(instrument_id)
            yield _unprotected(position, missing, policy) if is_told else None


_NET = ""


class _Side:
    # The positions of one account on one side of an instrument, and what stops cover of them

    def __init__(self, account_id: str, held: list[CachedPosition]) -> None:
        self._account_id = account_id
        owned: dict[str, list[CachedPosition]] = defaultdict(list)
        for position in held:
            owned[position.strategy_id].append(position)
        self._held = {one.position_id: holding(one) for one in held}
        nets = [one for one in self._held.values() if not one.is_leg]
        self._net, self._net_qty = next(iter(nets), None), sum((one.qty for one in nets), _ZERO)
        # What a stop without a position id is for: the net position of its owner, or his only leg
        self._usual = {
            owner: [one.position_id for one in own if _is_net(one) or len(own) == 1]
            for owner, own in owned.items()
        }
        # By position: the quantity of all stops, and those that cancel one another
        self._covered: dict[str, Decimal] = defaultdict(Decimal)
        self._rivals: dict[str, list[OwnOrder]] = defaultdict(list)

    def add(self, order: OwnOrder, *, is_alone: bool) -> None:
        for key in self._concerned(order):
            if is_alone:
                self._covered[key] += abs(order.leaves)
            else:
                self._rivals[key].append(order)

    def is_net_covered(self) -> bool:
        # The venue holds one position, which all stops reduce, whoever placed them
        return self._by_stops(_NET) >= abs(self._net_qty)

    def missing(self, position: CachedPosition) -> Decimal:
        return max(abs(position.qty) - self._by_stops(position.position_id), _ZERO)

    def _by_stops(self, key: str) -> Decimal:
        return self._covered[key] + covered(self._rivals[key])

    def _concerned(self, order: OwnOrder) -> Iterator[str]:
        if order.account_id not in (None, self._account_id):
            return
        named = self._held.get(order.position_id or _NET)
        if named is None and order.position_id is not None:
            return  # It is for another one
        usual = self._held if len(self._held) == 1 else self._usual.get(order.strategy_id, ())
        for key in usual if named is None else (named.position_id,):
            if reduces(order, self._held[key]):
                yield key
        net = named or self._net
        if net is not None and not net.is_leg and reduces(order, net):
            yield _NET


def _is_net(position: CachedPosition) -> bool:
    # The engine names a net position so; a leg has the venue's name or a number
    return position.position_id == f"{position.instrument_id}-{position.strategy_id}"


def holding(position: CachedPosition) -> Holding:
    """Return a position as its owner holds it."""
    return Holding(
        position_id=position.position_id,
        account_id=position.account_id,
        instrument_id=position.instrument_id,
        qty=position.qty,
        strategy_id=position.strategy_id,
        is_leg=not _is_net(position),
    )


def _unprotected(position: CachedPosition, missing: Decimal, policy: Policy) -> Discrepancy:
    held = abs(position.qty)
    covered = f"stops cover {_number(held - missing)} of {_number(held)}"
    return policy.difference(
        Kind.UNPROTECTED_POSITION,
        position.account_id,
        position.instrument_id,
        position_id=position.position_id,
        venue=_NO_STOP if missing == held else covered,
        cache=f"{_held(position)} {position.instrument_id} of {position.strategy_id}",
        detail=_UNPROTECTED,
    )


def _unsettled(found: Discrepancy, kind: Kind) -> Discrepancy:
    # Whoever placed a stop for a position that is not there would open one
    venue = "no stop known" if found.venue == _NO_STOP else found.venue
    return msgspec.structs.replace(found, venue=venue, detail=_UNSETTLED.format(kind))


# -- EXITS WITHOUT A POSITION --


def _orphan_exits(
    observation: Observation, unproven: frozenset[str], policy: Policy
) -> Iterator[Discrepancy]:
    places = {(p.instrument_id, p.qty > 0, p.account_id) for p in observation.after}
    for report in observation.reports:
        reported = (p for p in report.positions if p.qty)
        places |= {(p.instrument_id, p.qty > 0, report.account_id) for p in reported}
    anywhere = {place[:2] for place in places}
    held = {position.key: position.qty for position in observation.after}
    gone: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for position in (*observation.before, *observation.closed):
        if held.get(position.key, _ZERO) * position.qty <= 0:
            gone[position.instrument_id, position.strategy_id].append(holding(position))
    for order in observation.live_orders:
        place = (order.instrument_id, order.leaves < 0)
        is_held = place in anywhere
        if order.account_id is not None:
            is_held = (*place, order.account_id) in places
        is_told = order.status not in _OPEN or order.client_order_id in unproven
        if is_held or is_told or not _is_exit(order, gone):
            continue
        does = "may reduce the next one" if order.is_reduce_only else "would open a new one"
        side = "SELL" if order.leaves < 0 else "BUY"
        what = f"{side} {_number(abs(order.leaves))} {order.kind} {order.instrument_id}"
        yield policy.difference(
            Kind.ORPHAN_EXIT,
            order.account_id or "",
            order.instrument_id,
            client_order_id=order.client_order_id,
            venue="no position for it",
            cache=f"{what} of {order.strategy_id}",
            detail=_ORPHAN.format(does),
        )


def _is_exit(order: OwnOrder, gone: Mapping[tuple[str, str], list[Holding]]) -> bool:
    if order.is_child and not order.is_parent_over:
        return False  # Its position is yet to come
    if order.is_reduce_only or (order.is_parent_over and order.is_opposite):
        return True
    own = gone.get((order.instrument_id, order.strategy_id), ())
    return any(reduces(order, one) for one in own)


# -- STRATEGIES THAT THE NODE DOES NOT RUN --


def _absent_strategies(
    observation: Observation, strategies: frozenset[str], policy: Policy
) -> Iterator[Discrepancy]:
    present = strategies | UNCLAIMED_STRATEGIES
    positions: dict[tuple[str, str, str], list[CachedPosition]] = defaultdict(list)
    orders: dict[tuple[str, str, str], list[OwnOrder]] = defaultdict(list)
    for position in observation.after:
        if position.strategy_id not in present:
            place = (position.account_id, position.instrument_id, position.strategy_id)
            positions[place].append(position)
    for order in observation.live_orders:
        if order.strategy_id not in present:
            place = (order.account_id or "", order.instrument_id, order.strategy_id)
            orders[place].append(order)
    for place in sorted(positions.keys() | orders.keys()):
        account_id, instrument_id, strategy_id = place
        held, live = positions[place], orders[place]
        parts = [_held(position) for position in held[:_NAMED]]
        if len(held) > _NAMED:
            parts.append(f"{len(held) - _NAMED} more")
        if live:
            parts.append(counted(len(live), "order"))
        name, _, tag = strategy_id.rpartition("-")
        yield policy.difference(
            Kind.ABSENT_STRATEGY,
            account_id,
            instrument_id,
            position_id=held[0].position_id if held else None,
            client_order_id=None if held else min(order.client_order_id for order in live),
            venue="not on this node",
            cache=f"{', '.join(parts)} {instrument_id} of {strategy_id}",
            detail=_ABSENT.format(name, tag),
        )
        for position in held:
            yield policy.difference(
                Kind.UNCLAIMED_POSITION,
                account_id,
                instrument_id,
                position_id=position.position_id,
                cache=f"{position.qty} of {strategy_id}",
                venue="not compared",
                detail="Its strategy is not on this node: see ABSENT_STRATEGY",
            )


def _held(position: CachedPosition) -> str:
    return f"{'LONG' if position.qty > 0 else 'SHORT'} {_number(abs(position.qty))}"


def _number(qty: Decimal) -> str:
    return f"{qty.normalize():f}"

"""
What somebody has to know, whoever owns it: positions that no stop covers, exits that have outlived
their positions, and what belongs to a strategy that the node does not run.
"""

from collections import Counter
from collections import defaultdict
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
from nautilus_recovery_actor.core.protection import is_stop
from nautilus_recovery_actor.core.protection import protection
from nautilus_recovery_actor.core.protection import reduces
from nautilus_recovery_actor.core.report import Discrepancy


_ZERO = Decimal(0)
_OPEN = frozenset({"ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "PENDING_UPDATE", "EMULATED"})
_NAMED = 3
_UNPROTECTED = "Place a stop, or close the position"
_ORPHAN = "It has outlived its position and {}: cancel it"
_ABSENT = (
    'Start a strategy with that ID (strategy_id="{}", order_id_tag="{}"), or cancel and close at '
    "the venue"
)


def concerns(
    observation: Observation, unproven: frozenset[str], policy: Policy
) -> Iterator[Discrepancy]:
    """Yield what somebody has to know; the venue is not known to hold the orders `unproven`."""
    for found in unprotected(
        observation.after, observation.live_orders, policy, unproven, observation.instruments
    ):
        if found is not None:
            yield found
    yield from _orphan_exits(observation, unproven, policy)
    if observation.strategies is not None:
        yield from _absent_strategies(observation, observation.strategies, policy)


# -- POSITIONS WITHOUT A STOP --


def unprotected(
    positions: Iterable[CachedPosition],
    orders: Iterable[OwnOrder],
    policy: Policy,
    unproven: frozenset[str],
    increments: Mapping[str, Decimal],
) -> Iterator[Discrepancy | None]:
    """Yield each position that stops do not cover, and ``None`` wherever a host may pause."""
    sides: dict[tuple[str, str, bool], list[CachedPosition]] = defaultdict(list)
    for position in positions:
        sides[position.account_id, position.instrument_id, position.qty > 0].append(position)
        yield None
    stops: dict[tuple[str, bool], list[OwnOrder]] = defaultdict(list)
    for order in orders:
        if is_stop(order) and order.client_order_id not in unproven:
            stops[order.instrument_id, order.leaves < 0].append(order)
        yield None
    for (account_id, instrument_id, is_long), held in sides.items():
        side = _Side(account_id, held)
        for order in stops[instrument_id, is_long]:
            side.add(order)
            yield None
        is_covered = side.is_net_covered()
        for position in held:
            missing = _ZERO
            if not (is_covered and side.is_net(position)):
                missing = side.unprotected(position)
            yield (
                _unprotected(position, missing, policy)
                if missing > 0 and missing >= increments.get(instrument_id, _ZERO)
                else None
            )


class _Side:
    # The positions of one account on one side of an instrument, and the stops that may cover them

    def __init__(self, account_id: str, held: list[CachedPosition]) -> None:
        self._account_id = account_id
        self._nets = [position for position in held if _is_net(position)]
        self._legs = {position.position_id for position in held if not _is_net(position)}
        self._net_ids = {None, *(position.position_id for position in self._nets)}
        self._owners = Counter(position.strategy_id for position in held)
        # By leg, or by owner
        self._bound: dict[str, list[OwnOrder]] = defaultdict(list)
        self._free: dict[str, list[OwnOrder]] = defaultdict(list)

    def add(self, order: OwnOrder) -> None:
        if order.account_id not in (None, self._account_id):
            return
        if order.position_id in self._legs:
            self._bound[order.position_id or ""].append(order)
        elif order.position_id in self._net_ids:
            self._free[order.strategy_id].append(order)

    def is_net(self, position: CachedPosition) -> bool:
        return position.position_id not in self._legs

    def is_net_covered(self) -> bool:
        # The venue holds one position, which all stops reduce, whoever placed them
        if not self._nets:
            return False
        qty = sum((position.qty for position in self._nets), _ZERO)
        held = msgspec.structs.replace(_holding(self._nets[0]), qty=qty)
        orders = (
            order
            if order.position_id is None
            else msgspec.structs.replace(order, position_id=held.position_id)
            for orders in self._free.values()
            for order in orders
        )
        return not protection(held, orders).unprotected

    def unprotected(self, position: CachedPosition) -> Decimal:
        orders = [*self._bound[position.position_id]]
        if self.is_net(position) or self._owners[position.strategy_id] == 1:
            orders += self._free[position.strategy_id]
        if not self.is_net(position) and self._owners.total() == 1:
            others = self._free.keys() - {position.strategy_id}
            orders += [order for owner in others for order in self._free[owner]]
        return protection(_holding(position), orders).unprotected


def _is_net(position: CachedPosition) -> bool:
    # The engine names a net position so; a leg has the venue's name or a number
    return position.position_id == f"{position.instrument_id}-{position.strategy_id}"


def _holding(position: CachedPosition) -> Holding:
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
        venue="no stop at the venue" if missing == held else covered,
        cache=f"{_held(position)} {position.instrument_id} of {position.strategy_id}",
        detail=_UNPROTECTED,
    )


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
            gone[position.instrument_id, position.strategy_id].append(_holding(position))
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
        if more := len(held) - _NAMED if len(held) > _NAMED else 0:
            parts.append(f"{more} more")
        if live:
            parts.append(f"{len(live)} order{'s' if len(live) > 1 else ''}")
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


def _held(position: CachedPosition) -> str:
    return f"{'LONG' if position.qty > 0 else 'SHORT'} {_number(abs(position.qty))}"


def _number(qty: Decimal) -> str:
    return f"{qty.normalize():f}"

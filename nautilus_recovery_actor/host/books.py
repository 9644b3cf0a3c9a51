"""
The cache of a node of NautilusTrader 2.0, and what the bus tells of its venues, as the way out
through a closed gate reads them.
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from typing import Protocol

from msgspec.structs import replace

from nautilus_recovery_actor.core.compare.owners import holding
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import unproven
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host import reading
from nautilus_recovery_actor.host.way_out import AtVenue


_RIVALS = frozenset({"OCO", "OUO"})


class Evidence(Protocol):
    """What the monitor of a node knows."""

    # When it was registered (UNIX ns)
    ts_registered: int

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""

    def held(self, account_id: str, instrument_id: str) -> Decimal | None:
        """Return what an account holds, ``None`` if it is not known."""


class CacheBooks:
    """The cache of a node, and what its monitor has read on the bus."""

    def __init__(
        self, cache: Any, find: Callable[[str], Any | None], evidence: Evidence | None
    ) -> None:
        self._cache = cache
        self._evidence = evidence
        # Of the newest recovery that completed
        self.report: RecoveryReport | None = None
        self.order = find

    def orders(self, position: Any) -> Iterable[Any]:
        """Return the live orders of the account of a position on its instrument."""
        found = self._cache.orders(instrument_id=position.instrument_id)
        return [
            one
            for one in found
            if not one.is_closed and one.account_id in (None, position.account_id)
        ]

    def position(self, position_id: Any) -> Any | None:
        """Return a position."""
        return self._cache.position(position_id)

    def position_id(self, order: Any) -> Any | None:
        """Return the position that an order is tied to."""
        return self._cache.position_id(order.client_order_id)

    def positions(self, strategy_id: Any, instrument_id: Any = None) -> list[Any]:
        """Return the open positions of a strategy, on an instrument."""
        found = self._cache.positions_open(instrument_id=instrument_id, strategy_id=strategy_id)
        return [one for one in found if one.strategy_id == strategy_id]

    def own_order(self, order: Any) -> OwnOrder:
        """Return an order as it may close a position."""
        ts = self._evidence.ts_registered if self._evidence else 0
        is_child, rivalry = order.parent_order_id is not None, order.contingency_type
        parent = self._cache.order(order.parent_order_id) if is_child else None
        is_rival = rivalry is not None and rivalry.name in _RIVALS
        return replace(
            reading.own_order(order, self.position_id(order), ts),
            is_cancel_rejected=type(order.last_event).__name__ == "OrderCancelRejected",
            parent_filled=None if parent is None else parent.filled_qty.as_decimal(),
            rivals=frozenset(map(str, order.linked_order_ids or ())) if is_rival else frozenset(),
            is_parent_over=is_child and (parent is None or parent.is_closed),
            is_opposite=parent is not None and parent.side != order.side,
        )

    def holding(self, position: Any) -> Holding:
        """Return a position as its owner holds it."""
        beside = self.positions(position.strategy_id, position.instrument_id)
        is_only = [one.side for one in beside].count(position.side) <= 1
        return replace(holding(reading.cached_position(position)), is_only_leg=is_only)

    def is_routed_to(self, position: Any, client_id: Any | None) -> bool:
        """Return whether what is sent by a client reaches the account of a position."""
        if self._evidence is None or len(self._evidence.known()) <= 1:
            return True
        if client_id is None:
            account_id = self._cache.account_id(position.instrument_id.venue)
            return bool(account_id == position.account_id)
        return bool(self._cache.client_id(position.opening_order_id) == client_id)

    def is_flag_binding(self, position: Any) -> bool:
        """Return whether the venue sees to it that a reduce-only order only reduces."""
        return str(position.instrument_class.name) != "SPOT"

    def at_venue(self, position: Any) -> AtVenue | None:
        """Return what the account holds of a position, ``None`` if nothing is known of it."""
        if self._evidence is None:
            return None
        qty = self._evidence.held(str(position.account_id), str(position.instrument_id))
        return None if qty is None else AtVenue(qty)

    def unproven(self) -> frozenset[str]:
        """Return the orders that the venue is not known to hold as the cache does."""
        return frozenset() if self.report is None else unproven(self.report)

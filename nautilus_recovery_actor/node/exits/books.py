"""
The cache, and what is known of venues, as the way out through a closed gate reads them.
"""

from collections.abc import Callable
from collections.abc import Iterable

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import InstrumentClass
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderPendingCancel
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.names import EVIDENCE_ENDPOINT
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.host.way_out import AtVenue
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.exits import holding
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.exits import own_positions
from nautilus_recovery_actor.node.observing.orders import account_of


class CacheBooks:
    """The cache of a node, and the evidence of its monitor."""

    def __init__(self, cache: CacheFacade, msgbus: MessageBus, ts_registered: int) -> None:
        self._cache = cache
        self._msgbus = msgbus
        self._ts_registered = ts_registered

    def order(self, client_order_id: str) -> Order | None:
        """Return an order."""
        return self._cache.order(ClientOrderId(client_order_id))

    def orders(self, position: Position) -> Iterable[Order]:
        """Return the live orders of the account of a position on its instrument."""
        account_id = position.account_id.value
        # Not by status: what was just submitted is in no index of the cache but this
        return (
            order
            for order in self._cache.orders(instrument_id=position.instrument_id)
            if not order.is_closed and account_of(order) in (None, account_id)
        )

    def position(self, position_id: PositionId) -> Position | None:
        """Return a position."""
        return self._cache.position(position_id)

    def position_id(self, order: Order) -> PositionId | None:
        """Return the position that an order is tied to."""
        return self._cache.position_id(order.client_order_id)

    def positions(self, strategy_id: StrategyId, instrument_id: InstrumentId) -> list[Position]:
        """Return the open positions of a strategy on an instrument."""
        return own_positions(self._cache, strategy_id, instrument_id)

    def own_order(self, order: Order) -> OwnOrder:
        """Return an order as it may close a position."""
        return own_order(self._cache, order, self._ts_registered)

    def holding(self, position: Position) -> Holding:
        """Return a position as its owner holds it."""
        return holding(self._cache, position)

    def is_routed_to(self, position: Position, client_id: ClientId | None) -> bool:
        """Return whether what is sent by a client reaches the account of a position."""
        if len(self._cache.accounts()) <= 1:
            return True
        account = self._cache.account_for_venue(position.instrument_id.venue)
        is_usual = account is not None and account.id == position.account_id
        if client_id is None:
            return is_usual  # Where an order without a client goes
        opened_by = self._cache.client_id(position.opening_order_id)
        if opened_by is not None:
            return bool(client_id == opened_by)
        return bool(client_id.value == position.account_id.get_issuer())

    def is_flag_binding(self, position: Position) -> bool:
        """Return whether the venue sees to it that a reduce-only order only reduces."""
        instrument = self._cache.instrument(position.instrument_id)
        return instrument is not None and instrument.instrument_class != InstrumentClass.SPOT

    def at_venue(self, position: Position) -> AtVenue | None:
        """Return what the account holds of a position, ``None`` if nothing is known of it."""
        evidence = self._evidence()
        return None if evidence is None else evidence.at_venue(position)

    def unproven(self) -> frozenset[str]:
        """Return the orders that the venue is not known to hold as the cache does."""
        evidence = self._evidence()
        return frozenset() if evidence is None else evidence.unproven

    def _evidence(self) -> Evidence | None:
        found: list[Evidence] = []
        take: Callable[[Evidence], None] = found.append
        if EVIDENCE_ENDPOINT in self._msgbus.endpoints():
            self._msgbus.send(EVIDENCE_ENDPOINT, take)
        return found[0] if found else None


def is_answer(event: object) -> bool:
    """Return whether that may be a venue's answer to a cancel: whatever else comes of an order."""
    return isinstance(event, OrderEvent) and not isinstance(event, OrderPendingCancel)

"""
The exits of a strategy's positions: which orders reduce them, whether they protect, how to close.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from msgspec.structs import replace
from nautilus_trader.model.enums import InstrumentClass
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderInitialized
from nautilus_trader.model.events import PositionEvent
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import OrderUnpacker
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core import protection
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.names import POSITION_EVENTS
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.protection import Protection
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.unanswered import orphan_exits
from nautilus_recovery_actor.node.observing.exits import holding
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.exits import own_positions
from nautilus_recovery_actor.node.strategy.held import Held


_UNCLAIMED = tuple(StrategyId(name) for name in sorted(UNCLAIMED_STRATEGIES))


class ClosingOrder(NamedTuple):
    """
    An order that closes or reduces a position, and the position ID to submit it with.

    So ``self.submit_order(*self.closing_order(position))`` submits it.
    """

    order: Order
    position_id: PositionId


class Exits:
    """The orders of a strategy that reduce its positions, by what the cache holds now."""

    __slots__ = (
        "_held",
        "_made",
        "_strategy",
        "_topics",
        "_ts_registered",
        "is_claiming",
        "report",
    )

    def __init__(self, strategy: Strategy, held: Held) -> None:
        self._strategy = strategy
        self._held = held
        self._ts_registered = 0
        # Whether the strategy holds more than what is its own
        self.is_claiming = False
        # The orders made for a position that no strategy owns
        self._made: set[ClientOrderId] = set()
        self._topics: tuple[str, ...] = ()
        # Of the newest recovery that completed: it says which orders are not proven
        self.report: RecoveryReport | None = None

    def register(self) -> None:
        """Take the time from which on orders are of this run, and listen to what is claimed."""
        self._ts_registered = self._strategy.clock.timestamp_ns()
        self.is_claiming = bool(self._strategy.external_order_claims)
        if self.is_claiming:
            self._listen()

    def held(self) -> list[Position]:
        """Return the open positions of the strategy, and those that it claims of no strategy."""
        strategy = self._strategy
        held = own_positions(strategy.cache, strategy.id)
        if self.is_claiming:
            held += [
                position
                for owner in _UNCLAIMED
                for position in own_positions(strategy.cache, owner)
                if position.instrument_id in strategy.external_order_claims
            ]
        return sorted(held, key=lambda position: position.id.value)

    def of(self, position: Position) -> list[Order]:
        """Return the orders that would reduce a position, in the order in which they were made."""
        held = holding(self._strategy.cache, position)
        found = [order for order, own in self._orders(position) if protection.reduces(own, held)]
        return sorted(found, key=lambda order: (order.ts_init, order.client_order_id.value))

    def protection(self, position: Position) -> Protection:
        """Return how far its stops protect a position."""
        held = holding(self._strategy.cache, position)
        unproven = frozenset() if self.report is None else protection.unproven(self.report)
        return protection.protection(held, [own for _, own in self._orders(position)], unproven)

    def orphans(self) -> list[Order]:
        """Return the open orders that have outlived their positions, by the newest recovery."""
        cache = self._strategy.cache
        found = [cache.order(ClientOrderId(name)) for name in orphan_exits(self.report)]
        own = self._strategy.id
        return [
            one for one in found if one is not None and one.strategy_id == own and not one.is_closed
        ]

    def closing_order(
        self,
        position: Position,
        quantity: Quantity | Decimal | None,
        *,
        price: Price | None,
        trigger_price: Price | None,
        reduce_only: bool | None,
        ignoring: Iterable[Order],
        fields: dict[str, Any],
    ) -> ClosingOrder:
        """Return an order that can do no more than close a position."""
        strategy = self._strategy
        is_own = position.strategy_id == strategy.id
        if position.is_closed or not (is_own or position.strategy_id in _UNCLAIMED):
            owner = "is closed" if position.is_closed else f"belongs to {position.strategy_id}"
            raise ValueError(f"Cannot close position {position.id} as {strategy.id}: it {owner}")
        instrument = strategy.cache.instrument(position.instrument_id)
        if instrument is None:
            raise ValueError(
                f"Cannot close position {position.id}: {position.instrument_id} is not loaded"
            )
        ignored = {order.client_order_id.value for order in ignoring}
        closed = protection.closable(
            holding(self._strategy.cache, position),
            [own for _, own in self._orders(position) if own.client_order_id not in ignored],
            instrument.size_increment.as_decimal(),
            quantity.as_decimal() if isinstance(quantity, Quantity) else quantity,
        )
        if reduce_only is None:
            reduce_only = instrument.instrument_class != InstrumentClass.SPOT
        fields = fields | {
            "instrument_id": position.instrument_id,
            "order_side": Order.closing_side(position.side),
            "quantity": instrument.make_qty(closed),
            "reduce_only": reduce_only,
        }
        if price is not None:
            fields["price"] = price
        if trigger_price is not None:
            fields["trigger_price"] = trigger_price
        make = {
            (False, False): strategy.order_factory.market,
            (True, False): strategy.order_factory.limit,
            (False, True): strategy.order_factory.stop_market,
            (True, True): strategy.order_factory.stop_limit,
        }[price is not None, trigger_price is not None]
        order = make(**fields)
        return ClosingOrder(order if is_own else self._for_owner(order, position), position.id)

    def _for_owner(self, order: Order, position: Position) -> Order:
        # On a netting account 1.231 denies an order whose position id is not of its own strategy
        values = OrderInitialized.to_dict(order.init_event)
        values["strategy_id"] = position.strategy_id.value
        self._listen()
        self._made.add(order.client_order_id)
        return OrderUnpacker.from_init(OrderInitialized.from_dict(values))

    def _listen(self) -> None:
        # What becomes of an order is published under its owner, which is nobody
        if not self._topics:
            self._topics = tuple(
                f"{events}{owner}"
                for events in (ORDER_EVENTS, POSITION_EVENTS)
                for owner in _UNCLAIMED
            )
            for topic in self._topics:
                self._strategy.msgbus.subscribe(topic, self._pass_on)

    def dispose(self) -> None:
        """Listen no more."""
        for topic in self._topics:
            self._strategy.msgbus.unsubscribe(topic, self._pass_on)
        self._topics = ()

    def _pass_on(self, event: Any) -> None:
        if not isinstance(event, OrderEvent | PositionEvent):
            return  # Whoever writes to a stream from outside names the topic
        is_made = isinstance(event, OrderEvent) and event.client_order_id in self._made
        if is_made or event.instrument_id in self._strategy.external_order_claims:
            self._strategy.handle_event(event)

    def _orders(self, position: Position) -> list[tuple[Order, OwnOrder]]:
        # Not by status: what was just submitted is in no index of the cache but this
        cache, strategy_id = self._strategy.cache, self._strategy.id
        instrument_id, owner = position.instrument_id, position.strategy_id
        orders = cache.orders(instrument_id=instrument_id, strategy_id=owner)
        if owner != strategy_id:
            orders += [
                order
                for order in cache.orders(instrument_id=instrument_id, strategy_id=strategy_id)
                if cache.position_id(order.client_order_id) == position.id
            ]
        found = [
            (order, own_order(cache, order, self._ts_registered))
            for order in orders
            if not order.is_closed
        ]
        return found + self._orders_held(position) if self._held.is_holding else found

    def _orders_held(self, position: Position) -> list[tuple[Order, OwnOrder]]:
        # They are about to be sent, and the cache has none of them
        cache, owner = self._strategy.cache, position.strategy_id
        return [
            (order, replace(own_order(cache, order, self._ts_registered), position_id=name))
            for order, position_id in self._held.orders()
            if order.instrument_id == position.instrument_id
            and (order.strategy_id == owner or position_id == position.id)
            for name in [None if position_id is None else position_id.value]
        ]

"""
The exits of a strategy's positions: which orders reduce them, whether they protect, how to close.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.enums import InstrumentClass
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core import protection
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.observing.orders import account_of


_RIVALS = frozenset({ContingencyType.OCO, ContingencyType.OUO})


class ClosingOrder(NamedTuple):
    """
    An order that closes or reduces a position, and the position id to submit it with.

    So ``self.submit_order(*self.closing_order(position))`` submits it.
    """

    order: Order
    position_id: PositionId


class PositionExits:
    """
    What a strategy asks about the exits of its positions. A part of `RecoverableStrategy`.
    """

    # The strategy that this is a part of
    id: Any
    cache: Any
    order_factory: Any

    __ts_registered = 0
    __unproven: frozenset[str] = frozenset()

    def is_protected(self, position: Position) -> bool:
        """
        Return whether stops close exactly all of an open position, should the price turn.

        Parameters
        ----------
        position : Position
            An open position of this strategy.

        Returns
        -------
        bool
            True if stop orders of this strategy that rest cover the whole quantity and could open
            nothing on the other side. A take-profit protects nothing.

        Notes
        -----
        A stop is a stop-market, stop-limit or trailing-stop order of the side that reduces. It
        rests if it was accepted by the venue, or waits in the node's own emulator: not while it is
        in flight, being cancelled or held back for its parent, nor once it is triggered, nor if the
        last recovery found it not to be at the venue what the cache takes it for. On a
        hedged account it has the position id of the leg, or may only reduce and there is no other
        leg of that side. Stops that cancel one another count once. Stops larger than the position
        are no protection unless they may only reduce: they would open the other side.

        """
        return self.__protection(position).is_whole

    def unprotected_quantity(self, position: Position) -> Quantity:
        """
        Return how much of an open position no stop covers, by the rules of `is_protected`.

        Parameters
        ----------
        position : Position
            An open position of this strategy.

        Returns
        -------
        Quantity
            Zero also where the stops are too large.

        """
        unprotected = self.__protection(position).unprotected
        return Quantity(unprotected, position.size_precision)

    def closing_order(
        self,
        position: Position,
        quantity: Quantity | Decimal | None = None,
        *,
        price: Price | None = None,
        trigger_price: Price | None = None,
        reduce_only: bool | None = None,
        ignoring: Iterable[Order] = (),
        **fields: Any,
    ) -> ClosingOrder:
        """
        Return an order that closes or reduces a position, and can do no more than that.

        Parameters
        ----------
        position : Position
            An open position of this strategy.
        quantity : Quantity or Decimal, optional
            The quantity to close, by default all that no other order closes.
        price : Price, optional
            The price of a limit order, by default none: a market order.
        trigger_price : Price, optional
            The trigger price of a stop order.
        reduce_only : bool, optional
            If the order may only reduce, by default unless the instrument is traded spot, where
            there is no such thing.
        ignoring : Iterable[Order], default ()
            Closing orders that do not count, because they are about to be cancelled, or will be
            when this one is filled.
        **fields : Any
            More for the order factory, such as `tags` or `time_in_force`.

        Returns
        -------
        ClosingOrder
            To be submitted with its position id, so that it closes that one also where an account
            holds several.

        Raises
        ------
        ValueError
            If the position is closed or another strategy's, if its instrument is not loaded, or if
            this order, with the closing orders that are open or in flight, would exceed it.

        """
        if position.is_closed or position.strategy_id != self.id:
            owner = "is closed" if position.is_closed else f"belongs to {position.strategy_id}"
            raise ValueError(f"Cannot close position {position.id} as {self.id}: it {owner}")
        instrument = self.cache.instrument(position.instrument_id)
        if instrument is None:
            raise ValueError(
                f"Cannot close position {position.id}: {position.instrument_id} is not loaded",
            )
        ignored = {order.client_order_id.value for order in ignoring}
        closed = protection.closable(
            self.__holding(position),
            [own for _, own in self.__orders(position) if own.client_order_id not in ignored],
            instrument.size_increment.as_decimal(),
            quantity.as_decimal() if isinstance(quantity, Quantity) else quantity,
        )
        if reduce_only is None:
            reduce_only = instrument.instrument_class != InstrumentClass.SPOT
        fields |= {
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
            (False, False): self.order_factory.market,
            (True, False): self.order_factory.limit,
            (False, True): self.order_factory.stop_market,
            (True, True): self.order_factory.stop_limit,
        }[price is not None, trigger_price is not None]
        return ClosingOrder(make(**fields), position.id)

    def _exit_orders(self, position: Position) -> list[Order]:
        holding = self.__holding(position)
        found = [
            order for order, own in self.__orders(position) if protection.reduces(own, holding)
        ]
        return sorted(found, key=lambda order: (order.ts_init, order.client_order_id.value))

    def _begin_exits(self, ts_registered: int) -> None:
        self.__ts_registered = ts_registered

    def _take_unproven(self, report: RecoveryReport) -> None:
        self.__unproven = protection.unproven(report)

    def __protection(self, position: Position) -> protection.Protection:
        return protection.protection(
            self.__holding(position),
            [own for _, own in self.__orders(position)],
            self.__unproven,
        )

    def __holding(self, position: Position) -> Holding:
        # The engine names a net position so; a leg has the venue's name or a number
        net_id = f"{position.instrument_id}-{position.strategy_id}"
        beside = self.cache.positions_open(
            instrument_id=position.instrument_id,
            strategy_id=position.strategy_id,
            side=position.side,
        )
        return Holding(
            position_id=position.id.value,
            account_id=position.account_id.value,
            instrument_id=position.instrument_id.value,
            qty=position.signed_decimal_qty(),
            is_leg=position.id.value != net_id,
            is_only_leg=all(
                other.id == position.id or other.account_id != position.account_id
                for other in beside
            ),
        )

    def __orders(self, position: Position) -> list[tuple[Order, OwnOrder]]:
        # Not by status: what was just submitted is in no index of the cache but this
        orders = self.cache.orders(
            instrument_id=position.instrument_id,
            strategy_id=position.strategy_id,
        )
        return [(order, self.__own_order(order)) for order in orders if not order.is_closed]

    def __own_order(self, order: Order) -> OwnOrder:
        position_id = self.cache.position_id(order.client_order_id)
        is_child = order.parent_order_id is not None
        parent = self.cache.order(order.parent_order_id) if is_child else None
        leaves = order.leaves_qty.as_decimal()
        return OwnOrder(
            client_order_id=order.client_order_id.value,
            leaves=leaves if order.side == OrderSide.BUY else -leaves,
            status=OrderStatus(order.status).name,
            kind=OrderType(order.order_type).name,
            is_reduce_only=order.is_reduce_only,
            is_triggered=bool(getattr(order, "is_triggered", False)) or order.filled_qty > 0,
            is_dormant=order.is_quote_quantity
            or (
                getattr(order, "activation_price", None) is not None
                and not getattr(order, "is_activated", False)
            ),
            is_new=order.ts_init >= self.__ts_registered,
            account_id=account_of(order),
            position_id=None if position_id is None else position_id.value,
            parent_filled=None if parent is None else parent.filled_qty.as_decimal(),
            is_child=is_child,
            rivals=frozenset(linked.value for linked in order.linked_order_ids or ())
            if order.contingency_type in _RIVALS
            else frozenset(),
        )

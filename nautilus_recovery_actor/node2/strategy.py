"""
The strategy on NautilusTrader 2.0: all that has to be overridden (long: it is one class).
"""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any
from typing import Self

from nautilus_trader.model import OrderSide
from nautilus_trader.trading import Strategy

from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.host.callbacks import FIRST
from nautilus_recovery_actor.host.callbacks import after
from nautilus_recovery_actor.host.consumer import Consumer
from nautilus_recovery_actor.host.messages import RecoveryComplete
from nautilus_recovery_actor.host.messages import RecoveryFailed
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.node2 import native


class RecoverableStrategy(Strategy):
    """
    Base class for strategies that do not trade before a recovery has been verified, as on
    NautilusTrader 1.x, with the hooks of that class.

    Raises
    ------
    ValueError
        If the configuration has `manage_stop`: nothing in Python can hold back what that sends.

    """

    def __new__(cls, config: Any = None, *_: Any, **__: Any) -> Self:  # noqa: D102  As NautilusTrader has it
        if getattr(config, "manage_stop", False):
            raise ValueError(
                "`manage_stop=True` sends orders past every gate on NautilusTrader 2.0: set it to "
                "False, and call `market_exit()` yourself"
            )
        made: Self = super().__new__(cls, config)
        return made

    def __init__(self, config: Any = None, *_: Any, **__: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _come_first(cls)

    def __getattr__(self, name: str) -> Any:
        # Made when it is asked for: a subclass need not call `__init__`, and has no ID before
        if name != "_consumer":
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        consumer = self.__dict__["_consumer"] = Consumer(self, native)
        return consumer

    # -- WHAT OTHERS READ --

    @property
    def gate(self) -> RecoveryGate:
        """Whether it may trade."""
        gate: RecoveryGate = self._consumer.following.gate
        return gate

    @property
    def unresolved_orders(self) -> list[Any]:
        """The orders submitted before the newest recovery began whose answer is not known."""
        orders: list[Any] = self._consumer.unresolved()
        return orders

    @property
    def lost_orders(self) -> tuple[LostOrder, ...]:
        """The orders that were sent and never stored, as the newest recovery reported them."""
        orders: tuple[LostOrder, ...] = self._consumer.lost()
        return orders

    def indicators_initialized(self) -> bool:
        """Return whether all indicators are initialized, those of the warm-up included."""
        indicators = [*self.registered_indicators, *self._consumer.hooks.warmup.indicators]
        return bool(indicators) and all(indicator.initialized for indicator in indicators)

    # -- THE HOOKS --

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """Called when a recovery has completed, before trading is enabled."""

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """Called when a recovery has failed."""

    def on_position_recovered(self, position: Any, exit_orders: list[Any]) -> None:
        """Called for each open position of the strategy, with the orders that would close it."""

    def on_orphan_exits(self, orders: list[Any]) -> None:
        """Called if there are any, with the exits that have outlived their positions."""

    def on_orders_unresolved(self, orders: list[Any]) -> None:
        """Called if there are any, with the submits that are unanswered."""

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        """Called if there are any, with the orders of this strategy that the cache lost."""

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        """Called once, for the data without which the strategy must not trade."""
        return ()

    def on_trading_enabled(self) -> None:
        """Called when the strategy may trade, and when an operator has released an instrument."""

    def checkpoint(self) -> None:
        """Store what `on_save` returns: what is submitted next waits until it is stored."""
        self._consumer.checkpoint()

    # -- ORDERS --

    def submit_order(
        self, order: Any, position_id: Any = None, client_id: Any = None, params: Any = None
    ) -> None:
        """Send an order, if it may be sent."""
        send = partial(super().submit_order, order, position_id, client_id, params)
        self._submit([order], position_id, client_id, send)

    def submit_order_list(
        self, order_list: Any, position_id: Any = None, client_id: Any = None, params: Any = None
    ) -> None:
        """Send orders, if all of them may be sent."""
        orders = list(getattr(order_list, "orders", order_list))
        send = partial(super().submit_order_list, order_list, position_id, client_id, params)
        self._submit(orders, position_id, client_id, send)

    def _submit(
        self, orders: list[Any], position_id: Any, client_id: Any, send: Callable[[], None]
    ) -> None:
        def ask() -> None:
            if self._is_open(orders):
                send()
            else:
                self._consumer.denial.submit(orders, position_id, client_id, send)

        refuse = partial(self._consumer.denial.refuse, orders, position_id, client_id, send)
        self._consumer.follow()
        self._consumer.when_stored(orders, ask, refuse)

    def modify_order(
        self,
        client_order_id: Any,
        quantity: Any = None,
        price: Any = None,
        trigger_price: Any = None,
        client_id: Any = None,
        params: Any = None,
    ) -> None:
        """Change an order, if new ones may be sent or an exit gets no larger and no looser."""
        order, changes = self._found(client_order_id), (quantity, price, trigger_price)
        send = partial(super().modify_order, _id(client_order_id), *changes, client_id, params)
        if order is None or self._is_open([order]):
            send()
        else:
            self._consumer.denial.modify(order, *changes, send)

    def modify_orders(self, updates: Any = (), client_id: Any = None, params: Any = None) -> None:
        """Change orders, each as `modify_order` does unless new ones may be sent for all."""
        if self._is_open([order for one in updates if (order := self._found(one[0]))]):
            super().modify_orders(updates, client_id, params)
            return
        for client_order_id, quantity, price, trigger_price in updates:
            changes = (quantity, price, trigger_price)
            self.modify_order(client_order_id, *changes, client_id, params)

    def cancel_order(self, client_order_id: Any, client_id: Any = None, params: Any = None) -> None:
        """Cancel an order, unless the gate is closed and its position would be left naked."""
        if not self._consumer.withdraw([_id(client_order_id)]):
            return
        order = self._found(client_order_id)
        if order is None or self._is_open([order]):
            super().cancel_order(_id(client_order_id), client_id, params)
        else:
            self._consumer.denial.cancel([order], self._canceled_by(client_id, params))

    def cancel_orders(
        self, client_order_ids: Any, client_id: Any = None, params: Any = None
    ) -> None:
        """Cancel orders, except those without which a position would be left naked."""
        if not (ids := self._consumer.withdraw(map(_id, client_order_ids))):
            return
        orders = [order for one in ids if (order := self._found(one))]
        if self._is_open(orders):
            super().cancel_orders(ids, client_id, params)
        else:
            self._consumer.denial.cancel(orders, self._canceled_by(client_id, params))

    def cancel_all_orders(
        self,
        instrument_id: Any,
        order_side: Any = None,
        client_id: Any = None,
        strategy_only: bool = True,
        params: Any = None,
    ) -> None:
        """Cancel all orders of an instrument; past a closed gate those of this strategy alone."""
        self._consumer.follow()
        self._consumer.give_up(
            lambda order: (
                order.instrument_id == instrument_id
                and self._consumer.is_of_side(order, order_side)
            )
        )
        cancel_all = partial(super().cancel_all_orders, instrument_id, order_side, client_id)
        if self.gate.is_open_for(instrument_id):
            cancel_all(strategy_only, params)
            return
        send_all, send = partial(cancel_all, True, params), self._canceled_by(client_id, params)
        self._consumer.denial.cancel_all(instrument_id, order_side, send_all, send)

    def _canceled_by(self, client_id: Any, params: Any) -> Callable[[list[Any]], None]:
        cancel = super().cancel_order

        def send(orders: list[Any]) -> None:
            for order in orders:
                cancel(order.client_order_id, client_id, params)

        return send

    # -- WAYS OUT, WHICH 2.0 SENDS PAST `submit_order` --

    def close_position(
        self,
        position: Any,
        client_id: Any = None,
        tags: Any = None,
        time_in_force: Any = None,
        reduce_only: Any = None,
        quote_quantity: Any = None,
        params: Any = None,
    ) -> None:
        """Close a position: natively, or past a closed gate by an order that may only reduce."""
        self._consumer.follow()
        if self.gate.is_open_for(position.instrument_id):
            given = (client_id, tags, time_in_force, reduce_only, quote_quantity, params)
            super().close_position(position, *given)
            return
        position = self.cache.position(position.id) or position  # That of a strategy is a copy
        if position.is_open:
            order = self.order_factory.market(
                instrument_id=position.instrument_id,
                order_side=OrderSide.SELL if position.is_long else OrderSide.BUY,
                quantity=position.quantity,
                time_in_force=time_in_force,
                reduce_only=reduce_only is not False,
                tags=tags,
            )
            self.submit_order(order, position.id, client_id, params)

    def close_all_positions(
        self, instrument_id: Any, position_side: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Close the positions on an instrument, as `close_position` does."""
        self._consumer.follow()
        if self.gate.is_open_for(instrument_id):
            super().close_all_positions(instrument_id, position_side, *args, **kwargs)
            return
        for position in self._consumer.held(instrument_id):
            if position_side is None or position_side.name in (
                "NO_POSITION_SIDE",
                position.side.name,
            ):
                self.close_position(position, *args, **kwargs)

    def market_exit(self) -> None:
        """Cancel and close all; past a closed gate only where nothing is left naked."""
        self._consumer.follow()
        if self.gate.is_unrestricted:
            super().market_exit()
            return
        self.on_market_exit()
        own = (*self.cache.orders(strategy_id=self.strategy_id), *self._consumer.held())
        for instrument_id in dict.fromkeys(one.instrument_id for one in own if not one.is_closed):
            self.cancel_all_orders(instrument_id)
            self.close_all_positions(instrument_id)
        self.post_market_exit()

    # -- WHAT IS ASKED ABOUT --

    def _is_open(self, orders: list[Any]) -> bool:
        self._consumer.follow()
        return all(self.gate.is_open_for(order.instrument_id) for order in orders)

    def _found(self, order: Any) -> Any | None:
        # Of the cache: an object that a strategy has kept stays as it was
        return self.cache.order(_id(order))


def _id(order: Any) -> Any:
    return getattr(order, "client_order_id", order)  # On 1.x these methods take an order


def _come_first(kind: type) -> None:
    # 2.0 calls nothing of a strategy but its callbacks, wherever they are defined
    for name, first in FIRST.items():
        if not hasattr(call := getattr(kind, name), "comes_after"):
            setattr(kind, name, after(first, call))


_come_first(RecoverableStrategy)

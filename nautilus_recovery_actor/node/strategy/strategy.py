"""
A strategy that cannot trade before its node has recovered (long: public docstrings).
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import OrderList
from nautilus_trader.model.position import Position
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.node.config import RecoverableStrategyConfig
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.checkpoints import Checkpoints
from nautilus_recovery_actor.node.strategy.consumer import Consumer
from nautilus_recovery_actor.node.strategy.denial import Denial
from nautilus_recovery_actor.node.strategy.exits import ClosingOrder
from nautilus_recovery_actor.node.strategy.exits import Exits
from nautilus_recovery_actor.node.strategy.held import Held
from nautilus_recovery_actor.node.strategy.held import Submit
from nautilus_recovery_actor.node.strategy.order_numbers import orders_numbered_before_on_start
from nautilus_recovery_actor.node.strategy.unanswered import UnansweredOrders


# Found once: this call is on the path of every order
_submit_order = Strategy.submit_order


class RecoverableStrategy(Strategy):
    """
    A strategy whose orders are denied until the recovery of its node has completed.

    Subclass it instead of `Strategy`; nothing else has to change, and `on_start` need not call
    `super().on_start()`. While `gate` is closed for an instrument, `submit_order` and
    `submit_order_list` are answered with a native `OrderDenied`, `modify_order` with an
    `OrderModifyRejected`, both with a reason that starts with ``RECOVERY_``. Exits pass: orders
    that can only reduce a position, so that `close_position`, `close_all_positions` and
    `market_exit` still end flat, and changes that make an exit no larger and no looser. Cancels
    pass, unless a position that could not be closed would be left naked. In a backtest the gate is
    open.

    The gate believes only the `RecoveryMonitorActor` of its own node, whichever of the two is added
    first. What comes on the topics of its messages, from an external stream too, does not move it.

    Parameters
    ----------
    config : StrategyConfig, optional
        The configuration.

    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config or RecoverableStrategyConfig())
        following = Following[RecoveryMessage](self.__now)
        self.__gate = following.gate
        self.__denial = Denial(self, following)
        self.__held = Held(self, following, self.__denial)
        self.__checkpoints = Checkpoints(self, self.__held)
        self.__exits = Exits(self, self.__held)
        self.__unanswered = UnansweredOrders(self)
        self.__consumer = Consumer(
            self, following, self.__checkpoints, self.__exits, self.__unanswered
        )

    @property
    def gate(self) -> RecoveryGate:
        """
        Whether this strategy may trade, and why not.
        """
        return self.__gate

    def __now(self) -> int:
        # The clock that a strategy has before it is registered is another one
        ts: int = self.clock.timestamp_ns()
        return ts

    # -- HOOKS --

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """
        Override to learn the result of a recovery, before trading is enabled.

        Parameters
        ----------
        event : RecoveryComplete
            The result.

        """

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """
        Override to learn that a recovery failed. Trading stays disabled.

        Parameters
        ----------
        event : RecoveryFailed
            The reason.

        """

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Override to take over an open position, before trading is enabled.

        Called for each of `held_positions`.

        Parameters
        ----------
        position : Position
            The position.
        exit_orders : list[Order]
            The orders of its owner that would reduce it: open, in flight, emulated, or held
            back by a partially filled parent. On a hedged account, those of its leg.

        """

    def on_orphan_exits(self, orders: list[Order]) -> None:
        """
        Override to cancel exits that have outlived their positions, before trading is enabled.

        Called if there are any, after `on_position_recovered`. Cancels pass a closed gate.

        Parameters
        ----------
        orders : list[Order]
            The open orders of this strategy that could only reduce a position which is no longer
            there: a stop whose take-profit was filled, for example. One that is not reduce-only
            would open a new position.

        """

    def on_orders_unresolved(self, orders: list[Order]) -> None:
        """
        Override to learn which submits are unanswered, before trading is enabled.

        Called if there are any, after `on_orphan_exits`. Any of them may be at the venue:
        sending one again may duplicate it.

        Parameters
        ----------
        orders : list[Order]
            See `unresolved_orders`.

        """

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        """
        Override to learn which orders of this strategy the cache lost, before trading is enabled.

        Called if there are any, after `on_orders_unresolved`, in every recovery until this has
        returned and a checkpoint was written right after it: what `on_save` returns has to contain
        what was made of them. A kill in between means that an order is named again.

        Parameters
        ----------
        orders : tuple[LostOrder, ...]
            See `lost_orders`.

        """

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        """
        Override to declare the data without which this strategy must not trade.

        Called once, after the hooks of the first recovery (in a backtest at each start). The data
        is requested, checked and applied to its indicators, and passed to `on_historical_data`;
        then trading is enabled.
        """
        return ()

    def on_trading_enabled(self) -> None:
        """
        Override to begin trading: the gate is open from here on, until it closes again.

        Called once for each recovery that completes, so also after each new epoch at run time; and
        again whenever an operator has released an instrument that was blocked. What is already
        there must not be sent again.
        """

    # -- REGISTRATION AND START --

    def register(
        self,
        trader_id: TraderId,
        portfolio: PortfolioFacade,
        msgbus: MessageBus,
        cache: CacheFacade,
        clock: Clock,
    ) -> None:
        """
        Register with a trader, and listen for recoveries from now on.

        System method (not intended to be called by user code).
        """
        super().register(trader_id, portfolio, msgbus, cache, clock)
        self.__checkpoints.register()
        self.__exits.register()
        self.__denial.register()
        self.__consumer.register()

    def start(self) -> None:
        """
        Restore the state, start the strategy, and ask the monitor for its newest message.

        System method (not intended to be called by user code).
        """
        self.__denial.begin()
        if self.__consumer.hooks.is_backtest:
            super().start()
            self.__denial.catch_up()
            self.__consumer.hooks.warm_up_backtest()
            return
        self.__consumer.join()
        self.__checkpoints.restore(super().load)
        with orders_numbered_before_on_start(self):
            super().start()
        self.__checkpoints.arm()
        self.__denial.catch_up()
        self.__consumer.hooks.catch_up()

    def resume(self) -> None:
        """
        Resume the strategy, and catch up on what was published while it was stopped.

        System method (not intended to be called by user code).
        """
        super().resume()
        self.__checkpoints.arm()
        self.__denial.catch_up()
        self.__consumer.hooks.catch_up()

    def _stop(self) -> None:
        # Not `stop`: a strategy that exits the market first stops later, without calling that
        super()._stop()
        self.__denial.after_stop()
        self.__checkpoints.disarm()
        self.__checkpoints.write()

    def dispose(self) -> None:
        """
        Dispose of the strategy.

        System method (not intended to be called by user code).
        """
        self.__held.dispose()
        self.__denial.dispose()  # While the strategy can hear what is answered
        super().dispose()
        self.__checkpoints.disarm()
        self.__exits.dispose()
        self.__consumer.dispose()

    def indicators_initialized(self) -> bool:
        """
        Return whether all indicators are initialized, those of the warm-up included.
        """
        indicators = [*self.registered_indicators, *self.__consumer.hooks.warmup.indicators]
        return bool(indicators) and all(indicator.initialized for indicator in indicators)

    # -- STATE --

    def checkpoint(self) -> None:
        """
        Write what `on_save` returns, so that it survives a kill before anything is sent after it.

        Call it when something has changed that must not be lost, from any thread; it does not
        block. If nothing has changed, nothing is written. If the state cannot be kept, an error
        is logged, and the last checkpoint stays. In a backtest this does nothing.

        The monitor's own connection writes it, past the buffer of the cache. What this strategy
        submits from here on is held, in order, until the server has answered, and then sent if the
        gate is still open. Changes and cancels pass, except behind a submit of their instrument
        that is held; an order that is canceled while it is held is denied, unless it is a market
        order. An order that is held is not in the cache yet.

        If the server has not answered within `checkpoint_timeout_secs`, what can only reduce a
        position is sent all the same. All other orders are denied, and so are those after them,
        with a reason that starts with ``RECOVERY_CHECKPOINT_NOT_STORED``, until it has. The newest
        state is tried again meanwhile.

        Where the cache has no database nothing survives a kill, and nothing is held.
        """
        self.__checkpoints.ask()

    def save(self) -> dict[str, bytes]:
        """
        Return the state for NautilusTrader's own `save_state`, and write it to a checkpoint too.

        System method (not intended to be called by user code).
        """
        return self.__checkpoints.save(super().save)

    def load(self, state: dict[str, bytes]) -> None:
        """
        Take the state that NautilusTrader's own `save_state` stored.

        Before the first start it is only kept, and loaded at the start unless a checkpoint is
        newer, so that `on_load` is called once.

        System method (not intended to be called by user code).
        """
        if not self.__checkpoints.put_off(state):
            super().load(state)

    # -- POSITIONS AND THEIR EXITS --

    def held_positions(self) -> list[Position]:
        """
        Return the open positions that are in the hands of this strategy, by position ID.

        Its own, and those that the cache holds under ``EXTERNAL`` (on 1.221 also
        ``INTERNAL-DIFF``) on the instruments of its `external_order_claims`. NautilusTrader looks
        at the claims only when it creates an order: what was stored before stays ``EXTERNAL``'s.
        """
        return self.__exits.held()

    def is_protected(self, position: Position) -> bool:
        """
        Return whether stops would close exactly the whole of an open position.

        Parameters
        ----------
        position : Position
            An open position: see `held_positions`.

        Returns
        -------
        bool
            True if resting stop orders of its owner cover the whole quantity and could not open
            a position on the other side. A take-profit does not protect.

        Notes
        -----
        A stop is a stop-market, stop-limit or trailing-stop order of the side that reduces. It
        rests if it was accepted by the venue, or waits in the node's own emulator: not while it is
        in flight, being canceled or held back for its parent, nor once it is triggered, nor if the
        last recovery found that it differs at the venue. On a hedged account it has the position ID
        of the leg, or is reduce-only and there is no other leg on that side. Stops that cancel one
        another count once. Stops larger than the position do not protect unless they are
        reduce-only: they would open the other side.

        """
        return self.__exits.protection(position).is_whole

    def unprotected_quantity(self, position: Position) -> Quantity:
        """
        Return how much of an open position no stop covers, by the rules of `is_protected`.

        Parameters
        ----------
        position : Position
            An open position: see `held_positions`.

        Returns
        -------
        Quantity
            Also zero if the stops are too large.

        """
        unprotected = self.__exits.protection(position).unprotected
        return Quantity(unprotected, position.size_precision)

    def exit_orders(self, position: Position) -> list[Order]:
        """
        Return the orders that would reduce an open position, as `on_position_recovered` gets them.

        Parameters
        ----------
        position : Position
            An open position that this strategy holds, see `held_positions`.

        Returns
        -------
        list[Order]
            In the order in which they were made.

        """
        return self.__exits.of(position)

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
        Return an order that closes or reduces a position, and cannot do more than that.

        Parameters
        ----------
        position : Position
            An open position of this strategy, or one that the cache holds under ``EXTERNAL`` or
            ``INTERNAL-DIFF``: the order that closes it is its owner's too, and what becomes of the
            order is passed to this strategy.
        quantity : Quantity or Decimal, optional
            The quantity to close, by default everything that no other order closes.
        price : Price, optional
            The price of a limit order, by default none: a market order.
        trigger_price : Price, optional
            The trigger price of a stop order.
        reduce_only : bool, optional
            If the order is reduce-only, by default unless the instrument is spot, where that does
            not exist.
        ignoring : Iterable[Order], default ()
            Closing orders that do not count, because they are about to be canceled, or will be
            when this one is filled.
        **fields : Any
            More arguments of the order factory, such as `tags` or `time_in_force`.

        Returns
        -------
        ClosingOrder
            To be submitted with its position ID, so that it closes that position even if an account
            holds several.

        Raises
        ------
        ValueError
            If the position is closed or another strategy's, if its instrument is not loaded, or if
            this order, with the closing orders that are open or in flight, would exceed it.

        """
        return self.__exits.closing_order(
            position,
            quantity,
            price=price,
            trigger_price=trigger_price,
            reduce_only=reduce_only,
            ignoring=ignoring,
            fields=fields,
        )

    # -- UNANSWERED ORDERS --

    @property
    def unresolved_orders(self) -> list[Order]:
        """
        The orders that this strategy submitted before the newest recovery began, and that may or
        may not have reached the venue.

        An order leaves the list when the venue, or the engine's own check, answers.
        """
        return self.__unanswered.unresolved

    @property
    def lost_orders(self) -> tuple[LostOrder, ...]:
        """
        The orders of this strategy that were sent and never stored, as the newest recovery reported
        them: those that it found at the venue, and those of earlier ones that were not taken since.
        The engine takes them for external orders.
        """
        return self.__unanswered.lost

    # -- ORDERS --

    def submit_order(
        self,
        order: Order,
        position_id: PositionId | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Submit the order, or deny it while the gate is closed for its instrument, unless it can only
        reduce a position.

        See `Strategy.submit_order` for the parameters.
        """
        if self.__held.is_holding:
            args = (order, position_id, client_id, params)
            ask, send = partial(self.__submit, *args), partial(_submit_order, self, *args)
            self.__held.submit(Submit([order], position_id, client_id, ask, send))
            return
        gate = self.__gate
        if gate.is_unrestricted or gate.is_open_for(order.instrument_id):
            _submit_order(self, order, position_id, client_id, params)
            return
        self.__submit(order, position_id, client_id, params)

    def __submit(
        self,
        order: Order,
        position_id: PositionId | None,
        client_id: ClientId | None,
        params: dict[str, Any] | None,
    ) -> None:
        send = partial(_submit_order, self, order, position_id, client_id, params)
        if self.__gate.is_open_for(order.instrument_id):
            send()
        else:
            self.__denial.submit([order], position_id, client_id, send)

    def submit_order_list(
        self,
        order_list: OrderList,
        position_id: PositionId | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Submit the order list, or deny it as a whole while the gate is closed for one of its orders
        that is not an exit.

        See `Strategy.submit_order_list` for the parameters.
        """
        orders = order_list.orders

        def send() -> None:
            Strategy.submit_order_list(self, order_list, position_id, client_id, params)

        def ask() -> None:
            if all(self.gate.is_open_for(order.instrument_id) for order in orders):
                send()
            else:
                self.__denial.submit(orders, position_id, client_id, send)

        if self.__held.is_holding:
            self.__held.submit(Submit(orders, position_id, client_id, ask, send))
        else:
            ask()

    def modify_order(
        self,
        order: Order,
        quantity: Quantity | None = None,
        price: Price | None = None,
        trigger_price: Price | None = None,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Modify the order, or reject the change while the gate is closed for its instrument, unless
        it makes an exit no larger and no looser.

        See `Strategy.modify_order` for the parameters.
        """

        def send() -> None:
            Strategy.modify_order(self, order, quantity, price, trigger_price, client_id, params)

        def ask() -> None:
            if self.gate.is_open_for(order.instrument_id):
                send()
            else:
                self.__denial.modify(order, quantity, price, trigger_price, send)

        if self.__held.is_holding:
            self.__held.follow([order.instrument_id], ask)
        else:
            ask()

    def cancel_order(
        self, order: Order, client_id: ClientId | None = None, params: dict[str, Any] | None = None
    ) -> None:
        """
        Cancel the order, unless the gate is closed and its position would be left naked.

        See `Strategy.cancel_order` for the parameters.
        """

        def ask() -> None:
            if self.gate.is_open_for(order.instrument_id):
                Strategy.cancel_order(self, order, client_id, params)
            else:
                self.__denial.cancel([order], self.__canceled_by(client_id, params))

        if not self.__held.is_holding:
            ask()
        elif not self.__held.give_up([order]):
            self.__held.follow([order.instrument_id], ask)

    def cancel_orders(
        self,
        orders: list[Order],
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Cancel the orders, except those without which a position would be left naked.

        See `Strategy.cancel_orders` for the parameters.
        """

        def send(passing: list[Order]) -> None:
            Strategy.cancel_orders(self, passing, client_id, params)

        def ask(orders: list[Order] = orders) -> None:
            if all(self.gate.is_open_for(order.instrument_id) for order in orders):
                send(orders)
            else:
                self.__denial.cancel(orders, send)

        if not self.__held.is_holding:
            ask()
            return
        given_up = self.__held.give_up(orders)
        if rest := [order for order in orders if order not in given_up]:
            self.__held.follow((order.instrument_id for order in rest), partial(ask, rest))

    def cancel_all_orders(
        self,
        instrument_id: InstrumentId,
        order_side: OrderSide = OrderSide.NO_ORDER_SIDE,
        client_id: ClientId | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        """
        Cancel all orders, except those without which a position would be left naked.

        See `Strategy.cancel_all_orders` for the parameters.
        """

        def send_all() -> None:
            Strategy.cancel_all_orders(self, instrument_id, order_side, client_id, params)

        def ask() -> None:
            if self.gate.is_open_for(instrument_id):
                send_all()
            else:
                send = self.__canceled_by(client_id, params)
                self.__denial.cancel_all(instrument_id, order_side, send_all, send)

        if self.__held.is_holding:
            self.__held.give_up_all(instrument_id, order_side)
            self.__held.follow([instrument_id], ask)
        else:
            ask()

    def __canceled_by(
        self, client_id: ClientId | None, params: dict[str, Any] | None
    ) -> Callable[[list[Order]], None]:
        def send(orders: list[Order]) -> None:
            for order in orders:
                Strategy.cancel_order(self, order, client_id, params)

        return send

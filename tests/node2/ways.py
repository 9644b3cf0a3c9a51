"""
What a strategy does on a blocked instrument, and with its checkpoints.
"""

import os
import signal
from typing import Any

from nautilus_trader.model import OrderSide
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity

from nautilus_recovery_actor.testkit import emit


def ways(trial: Any) -> dict[str, Any]:  # noqa: C901  Small classes, one for each way
    """
    Return the strategies, by what they do once their recovery has completed with a position.
    """

    class Seller(trial):
        def sell(self, qty: str, *, reduce_only: bool) -> None:
            order = self.order_factory.limit(
                instrument_id=self.instrument,
                order_side=OrderSide.SELL,
                quantity=Quantity.from_str(qty),
                price=Price.from_str("99.00"),
                reduce_only=reduce_only,
            )
            self.submit_order(order)

    class Way(Seller):
        def on_trading_enabled(self) -> None:
            if self.cache.positions_open():
                self.leave()
                emit("left")
            else:
                super().on_trading_enabled()

        def on_order_initialized(self, event: Any) -> None:
            if event.order_side == OrderSide.SELL:
                emit("exit", reduce_only=event.reduce_only, qty=str(event.quantity))

        def on_order_canceled(self, event: Any) -> None:
            emit("canceled")

        def on_position_closed(self, event: Any) -> None:
            emit("closed")

    class Closing(Way):
        def leave(self) -> None:
            self.close_position(self.cache.positions_open()[0])

    class ClosingAll(Way):
        def leave(self) -> None:
            self.close_all_positions(self.instrument)

    class Exiting(Way):
        def leave(self) -> None:
            self.market_exit()

    class Reducing(Way):
        def leave(self) -> None:
            self.sell("1.000", reduce_only=True)

    class Selling(Way):
        def leave(self) -> None:
            self.sell("1.000", reduce_only=False)

    class Overselling(Way):
        def leave(self) -> None:
            self.sell("1.500", reduce_only=False)
            self.sell("1.500", reduce_only=True)

    class Stopped(Seller):
        """Protects what it holds by a stop that is not reduce-only, and says what is answered."""

        def on_start(self) -> None:
            super().on_start()
            if (stop := self.stop()) is not None:
                self.early(stop)

        def early(self, stop: Any) -> None:
            pass

        def on_trading_enabled(self) -> None:
            emit("enabled")
            if self.cache.positions_open():
                self.uncover(self.stop())
                emit("left")
            elif not self.cache.orders():
                self.submit_order(self.limit("1.000", "101.00"))

        def on_position_opened(self, event: Any) -> None:
            stop = self.order_factory.stop_market(
                instrument_id=self.instrument,
                order_side=OrderSide.SELL,
                quantity=Quantity.from_str("1.000"),
                trigger_price=Price.from_str("50.00"),
            )
            self.submit_order(stop, position_id=event.position_id)

        def stop(self) -> Any:
            return next(iter(self.cache.orders_open(side=OrderSide.SELL)), None)

        def on_order_cancel_rejected(self, event: Any) -> None:
            emit("kept", reason=event.reason)

        def on_order_modify_rejected(self, event: Any) -> None:
            emit("unchanged", reason=event.reason)

        def on_order_canceled(self, event: Any) -> None:
            emit("canceled", client_order_id=str(event.client_order_id))

    class Uncovering(Stopped):
        def uncover(self, stop: Any) -> None:
            self.cancel_order(stop.client_order_id)

    class UncoveringSome(Stopped):
        def uncover(self, stop: Any) -> None:
            self.cancel_orders([stop])

    class UncoveringAll(Stopped):
        def uncover(self, stop: Any) -> None:
            self.cancel_all_orders(self.instrument)

    class Loosening(Stopped):
        def uncover(self, stop: Any) -> None:
            self.modify_order(stop.client_order_id, trigger_price=Price.from_str("40.00"))

    class Replacing(Stopped):
        def uncover(self, stop: Any) -> None:
            self.cancel_order(stop)
            self.close_position(self.cache.positions_open()[0])

    class Leaving(Stopped):
        def uncover(self, stop: Any) -> None:
            self.market_exit()

    class Resting(Stopped):
        def on_position_opened(self, event: Any) -> None:
            super().on_position_opened(event)
            self.submit_order(self.limit("2.000", "90.00"))

    class Swapping(Stopped):
        def uncover(self, stop: Any) -> None:
            self.cancel_order(stop)
            self.sell("1.000", reduce_only=False)

        def on_position_closed(self, event: Any) -> None:
            emit("closed")

    class Taking(Stopped):
        """Takes its profit, and cancels the stop that a run before has left."""

        def on_position_opened(self, event: Any) -> None:
            super().on_position_opened(event)
            order = self.order_factory.limit(
                instrument_id=self.instrument,
                order_side=OrderSide.SELL,
                quantity=Quantity.from_str("1.000"),
                price=Price.from_str("150.00"),
            )
            self.submit_order(order)

        def on_position_closed(self, event: Any) -> None:
            emit("closed")

        def on_orphan_exits(self, orders: list[Any]) -> None:
            emit("orphans", orders=[str(one.order_type.name) for one in orders])
            for order in orders:
                self.cancel_order(order)

    class Stopping(Stopped):
        """Leaves when it is stopped."""

        def uncover(self, stop: Any) -> None:
            pass

        def on_stop(self) -> None:
            self.cancel_all_orders(self.instrument)
            self.close_all_positions(self.instrument)

    class Hanging(trial):
        """Sends an order that nobody answers."""

        def on_order_submitted(self, event: Any) -> None:
            emit("submitted", client_order_id=str(event.client_order_id))

        def on_orders_unresolved(self, orders: list[Any]) -> None:
            emit("unresolved", orders=[str(one.client_order_id) for one in orders])

    class Losing(trial):
        """Hears what was lost, and remembers it."""

        def on_orders_lost(self, orders: tuple[Any, ...]) -> None:
            self.filled = len(orders) + 70
            emit("lost", orders=[f"{one.client_order_id} {one.qty}" for one in orders])

    class Refusing(Losing):
        def on_orders_lost(self, orders: tuple[Any, ...]) -> None:
            super().on_orders_lost(orders)
            raise ValueError("not now")

    class Early(Uncovering):
        def early(self, stop: Any) -> None:
            self.uncover(stop)

    class Saving(trial):
        """Sends nothing before what it knows of it is stored."""

        def on_trading_enabled(self) -> None:
            self.filled = 41
            self.checkpoint()
            super().on_trading_enabled()

    class Quoting(trial):
        """Leaves one limit order, and holds nothing."""

        def on_trading_enabled(self) -> None:
            emit("enabled")
            px = "81.00" if self.cache.orders_open() else "90.00"
            self.submit_order(self.limit("2.000", px))

    class Withdrawing(trial):
        """Cancels what waits for a checkpoint."""

        def on_save(self) -> dict[str, bytes]:
            self.saves = getattr(self, "saves", 0) + 1  # What is the same is not written again
            return {"filled": str(self.saves).encode()}

        def on_trading_enabled(self) -> None:
            os.kill(int(os.environ["SERVER_PID"]), signal.SIGSTOP)  # So that it is not stored yet
            for withdraw in (
                self.cancel_order,
                lambda order: self.cancel_orders([order]),
                lambda order: self.cancel_all_orders(order.instrument_id),
            ):
                self.checkpoint()
                self.submit_order(order := self.limit("2.000", "90.00"))
                withdraw(order)
            emit("withdrawn")
            os.kill(int(os.environ["SERVER_PID"]), signal.SIGCONT)
            self.submit_order(self.limit("1.000", "80.00"))

    class Unstored(Way):
        """Leaves by an order that is not reduce-only, while no checkpoint can be stored."""

        def leave(self) -> None:
            os.kill(int(os.environ["SERVER_PID"]), signal.SIGSTOP)
            self.checkpoint()
            self.submit_order(self.limit("1.000", "80.00"))
            self.sell("1.000", reduce_only=False)

    class Keeping(Way):
        """Closes a position as it was before a part of it was closed."""

        def leave(self) -> None:
            (self.kept,) = self.cache.positions_open()
            self.sell("0.400", reduce_only=True)

        def on_position_changed(self, event: Any) -> None:
            self.close_position(self.kept)

    class Raising(trial):
        """Raises at each order that is denied."""

        def on_order_denied(self, event: Any) -> None:
            super().on_order_denied(event)
            raise ValueError("not that one")

    exits = (Closing, ClosingAll, Exiting, Reducing, Selling, Overselling)
    cancels = (Stopped, Uncovering, UncoveringSome, UncoveringAll, Loosening, Replacing, Leaving)
    more = (Resting, Swapping, Taking, Stopping, Hanging, Losing, Refusing, Early, Saving)
    last = (Quoting, Withdrawing, Unstored, Keeping, Raising)
    return {one.__name__: one for one in (*exits, *cancels, *more, *last)}

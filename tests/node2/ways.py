"""
What a strategy does on a blocked instrument, and with its checkpoints.
"""

from typing import Any

from nautilus_trader.model import OrderSide
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity

from nautilus_recovery_actor.testkit import emit


def ways(trial: Any) -> dict[str, Any]:  # noqa: C901  Small classes, one for each way
    """
    Return the strategies, by what they do once their recovery has completed with a position.
    """

    class Way(trial):
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

        def sell(self, qty: str, *, reduce_only: bool) -> None:
            order = self.order_factory.limit(
                instrument_id=self.instrument,
                order_side=OrderSide.SELL,
                quantity=Quantity.from_str(qty),
                price=Price.from_str("99.00"),
                reduce_only=reduce_only,
            )
            self.submit_order(order)

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

    class Saving(trial):
        """Sends nothing before what it knows of it is stored."""

        def on_trading_enabled(self) -> None:
            self.filled = 41
            self.checkpoint()
            super().on_trading_enabled()

    return {
        one.__name__: one
        for one in (Closing, ClosingAll, Exiting, Reducing, Selling, Overselling, Saving)
    }

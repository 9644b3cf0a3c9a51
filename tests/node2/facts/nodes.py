"""
Nodes that show a fact, each run in a process of its own.
"""

import threading
from typing import Any
from typing import Self

from nautilus_trader.common import DataActor
from nautilus_trader.common import DataActorConfig
from nautilus_trader.model import ActorId
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import OrderSide
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity
from nautilus_trader.trading import Strategy

from nautilus_recovery_actor.testkit import emit
from tests.node2.node import builder
from tests.node2.node import strategy_config
from tests.node2.trial import INSTRUMENT


class Eye(DataActor):
    """Emits when it is called, and what the cache holds then."""

    def __new__(cls) -> Self:
        return super().__new__(cls, DataActorConfig(actor_id=ActorId("EYE-001")))

    def on_alert(self, _: Any) -> None:
        self.seen("alert")

    def on_start(self) -> None:
        self.seen("actor started")
        self.subscribe_topic("topic.*", lambda message: emit("heard", message=message))
        self.publish_message("topic.one", {"any": "object"})
        emit("published")
        self.publish_signal("RECOVERYMARK", "1")

    def seen(self, where: str) -> None:
        emit(
            "seen",
            where=where,
            thread=threading.current_thread().name,
            positions=[str(one.signed_qty) for one in self.cache.positions_open()],
            orders=len(self.cache.orders_open()),
        )

    def on_order_filled(self, event: Any) -> None:
        emit("an event of a strategy reached an actor")

    def on_order_event(self, event: Any) -> None:
        emit("an event of a strategy reached an actor")


class Sender(Strategy):
    """Sends a limit order which fills, and whatever `then` does with it."""

    def on_start(self) -> None:
        emit("seen", where="strategy started", thread=threading.current_thread().name)
        self.instrument = InstrumentId.from_str(INSTRUMENT)
        if not self.cache.positions_open():
            self.submit_order(self.limit("1.000", "101.00"))
            self.submit_order(self.limit("2.000", "90.00"))

    def limit(self, qty: str, px: str) -> Any:
        return self.order_factory.limit(
            instrument_id=self.instrument,
            order_side=OrderSide.BUY,
            quantity=Quantity.from_str(qty),
            price=Price.from_str(px),
        )

    def on_order_accepted(self, event: Any) -> None:
        emit("accepted", client_order_id=str(event.client_order_id))

    def on_position_opened(self, event: Any) -> None:
        emit("filled")
        self.then()

    def then(self) -> None:
        """Do what is to be seen."""


class Overriding(Sender):
    """Closes its position, and emits whether that went through its own `submit_order`."""

    def submit_order(self, order: Any, *args: Any, **kwargs: Any) -> None:
        if order.side == OrderSide.SELL:
            emit("an exit came by")
        super().submit_order(order, *args, **kwargs)

    def on_order_initialized(self, event: Any) -> None:
        if event.order_side == OrderSide.SELL:
            emit("exit", reduce_only=event.reduce_only)


class Closing(Overriding):
    def then(self) -> None:
        self.close_position(self.cache.positions_open()[0])


class ClosingAll(Overriding):
    def then(self) -> None:
        self.close_all_positions(self.instrument)


class Exiting(Overriding):
    def then(self) -> None:
        self.market_exit()


class Failing(Eye):
    def on_start(self) -> None:
        raise ValueError("as it was meant to")


class Touching(Sender):
    """Touches itself from another thread."""

    def then(self) -> None:
        def touch() -> None:
            self.clock.timestamp_ns()
            emit("touched")

        thread = threading.Thread(target=touch)
        thread.start()
        thread.join()


_STRATEGIES = {one.__name__: one for one in (Sender, Closing, ClosingAll, Exiting, Touching)}


def run(
    venue_port: int,
    redis_port: int,
    trader_id: str = "TWO-001",
    *,
    strategy: str = "Sender",
    fails: bool = False,
) -> None:
    """Run a node without our monitor."""
    node = builder(venue_port, redis_port, trader_id).build()
    eye = Failing() if fails else Eye()
    node.add_actor(eye)
    eye.clock.set_time_alert_ns("ALERT", eye.clock.timestamp_ns() + 1, eye.on_alert)
    try:
        eye.clock.set_time(eye.clock.timestamp_ns())
    except Exception as e:
        emit("clock", error=type(e).__name__)
    node.add_strategy(_STRATEGIES[strategy](strategy_config()))
    node.run()

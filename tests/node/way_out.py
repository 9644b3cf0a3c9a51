"""
What the tests of the way out share: positions with their stops, gates that close, and an end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.identifiers import OrderListId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import StopMarketOrder
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.host.held_back import HeldBack
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.scenes_exits import leg_id


SYMBOL = ETH.symbol.value
_MOVING = ("INITIALIZED", "SUBMITTED", "PENDING_CANCEL", "PENDING_UPDATE", "RELEASED")


class Acts:
    """
    What a strategy of either kind does in these tests, on a position of two.
    """

    flag = True
    leg: PositionId | None = None

    def enter(self: Any, side: str = "BUY", qty: str = "2") -> Order:
        """Open a position."""
        quantity = paper_instrument(SYMBOL).make_qty(qty)
        order = self.order_factory.market(ETH, OrderSide[side], quantity)
        self.submit_order(order, self.leg)
        return order

    def protect(self: Any, side: str = "SELL", px: str = "1900", qty: str = "2") -> Order:
        """Place a stop."""
        instrument = paper_instrument(SYMBOL)
        order = self.order_factory.stop_market(
            ETH,
            OrderSide[side],
            instrument.make_qty(qty),
            instrument.make_price(px),
            reduce_only=self.flag,
        )
        self.submit_order(order, self.leg)
        return order

    def take_profit(self: Any, side: str = "SELL", px: str = "2100", qty: str = "2") -> Order:
        """Place a limit order that closes."""
        instrument = paper_instrument(SYMBOL)
        order = self.order_factory.limit(
            ETH,
            OrderSide[side],
            instrument.make_qty(qty),
            instrument.make_price(px),
            reduce_only=self.flag,
        )
        self.submit_order(order, self.leg)
        return order

    def oco(self: Any) -> tuple[Order, Order]:
        """Return a stop and a take-profit that cancel one another."""
        instrument = paper_instrument(SYMBOL)
        ids = [self.order_factory.generate_client_order_id() for _ in range(2)]
        common = {
            "trader_id": self.trader_id,
            "strategy_id": self.id,
            "instrument_id": ETH,
            "order_side": OrderSide.SELL,
            "quantity": instrument.make_qty(2),
            "time_in_force": TimeInForce.GTC,
            "ts_init": self.clock.timestamp_ns(),
            "reduce_only": self.flag,
            "contingency_type": ContingencyType.OCO,
            "order_list_id": OrderListId("L-1"),
        }
        stop = StopMarketOrder(
            client_order_id=ids[0],
            linked_order_ids=[ids[1]],
            init_id=UUID4(),
            trigger_price=instrument.make_price(1900),
            trigger_type=TriggerType.DEFAULT,
            **common,
        )
        far = LimitOrder(
            client_order_id=ids[1],
            linked_order_ids=[ids[0]],
            init_id=UUID4(),
            price=instrument.make_price(2100),
            **common,
        )
        return stop, far

    @property
    def held(self: Any) -> Position | None:
        """The position, while it is open."""
        return next(iter(self.cache.positions_open(strategy_id=self.id)), None)

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_event(self: Any, event: Any) -> None:
        self.heard.append(event)

    def told(self: Any, kind: type) -> list[Any]:
        """Return the events of a kind that it heard."""
        return [event for event in self.heard if isinstance(event, kind)]


class PlainActs(Acts, Strategy):
    """
    One that knows nothing of recoveries.
    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config or StrategyConfig(strategy_id="ACTS", order_id_tag="001"))
        self.heard: list[Any] = []


class RecoverableActs(Acts, RecoverableStrategy):
    """
    One with a gate.
    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        config = config or RecoverableStrategyConfig(strategy_id="ACTS", order_id_tag="001")
        super().__init__(config)
        self.heard: list[Any] = []


class End(NamedTuple):
    """How a run ended at the venue."""

    qty: Decimal
    covered: Decimal

    @property
    def is_naked(self) -> bool:
        return abs(self.qty) > self.covered


def end_of(venue: PaperVenue, account_id: str = "PAPER-001") -> End:
    """
    Return the net position, and how much of it stops at the venue would close.
    """
    state = venue.state(account_id)
    qty = sum((position.qty for position in state.positions), Decimal(0))
    stops = (
        order.leaves_qty
        for order in state.orders
        if order.state.is_open and order.is_stop and order.side.sign * qty < 0
    )
    return End(qty, sum(stops, Decimal(0)))


def is_quiet(node: TradingNode) -> bool:
    """
    Return whether nothing is on its way any more.
    """
    kernel = node.kernel
    queued = (kernel.risk_engine.cmd_qsize(), kernel.exec_engine.cmd_qsize())
    moving = [
        order
        for order in kernel.cache.orders()
        if order.status_string() in _MOVING and not order.is_closed
    ]
    exiting = [s for s in kernel.trader.strategies() if getattr(s, "is_exiting", bool)()]
    # An exit that waits for a cancel is in no cache yet, and a report may come between the two
    heard = (one.handler for one in kernel.msgbus.subscriptions())
    held_back = [one for one in heard if isinstance(getattr(one, "__self__", None), HeldBack)]
    return not (any(queued) or kernel.exec_engine.evt_qsize() or moving or exiting or held_back)


async def quiet(node: Watched) -> None:
    """
    Wait until everything that was sent is answered, and nothing followed.
    """
    while True:
        await node.run.until(lambda: is_quiet(node.node))
        for _ in range(50):
            await asyncio.sleep(0)
        if is_quiet(node.node):
            return


@asynccontextmanager
async def acting(
    venue: PaperVenue,
    strategy: Strategy,
    *,
    has_monitor: bool = True,
    halt: bool = False,
    monitor: dict[str, Any] | None = None,
    clients: dict[str, Any] | None = None,
    more: tuple[Strategy, ...] = (),
    beside: Any = None,
    has_data: bool = False,
) -> AsyncIterator[Watched]:
    """
    Run a node with a strategy that has been enabled, if there is somebody to do so.
    """
    first = venue.exec_config(symbols=(SYMBOL,), **(clients or {}))
    config = paper_node_config(
        [first, *([beside] if beside is not None else [])],
        [venue.data_config(symbols=(SYMBOL,))] if has_data else [],
    )
    node = paper_node(config)
    actor = RecoveryMonitorActor(monitor_config(**(monitor or {})))
    if has_monitor:
        node.trader.add_actor(actor)
    for one in (strategy, *more):
        node.trader.add_strategy(one)
    if halt:
        halt_until_recovered(node)
    found = Watched(node, actor)
    async with running(node) as run:
        found.run = run
        if has_monitor:
            await found.result()
        yield found


def legs(account_id: str = "PAPER-001") -> tuple[PositionId, PositionId]:
    """
    Return the IDs of the legs of a hedged account.
    """
    return PositionId(leg_id(account_id, "LONG")), PositionId(leg_id(account_id, "SHORT"))


def canceled_rejections(strategy: Any) -> list[str]:
    """
    Return why cancels were rejected.
    """
    return [event.reason for event in strategy.told(OrderCancelRejected)]

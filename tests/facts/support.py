"""
What the tests of NautilusTrader's own behaviour share. Nothing here is of the recovery monitor.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import nautilus_trader
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import StrategyConfig
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running


ETH = InstrumentId.from_str("ETHUSDT-PERP.PAPER")

VERSION = tuple(int(part) for part in nautilus_trader.__version__.split(".")[:2])

# What tells the generations of the engine apart
EDITS_MASS_STATUS = hasattr(LiveExecutionEngine, "_deduplicate_mass_status_orders")
ADJUSTS_FILLS = hasattr(LiveExecutionEngine, "_adjust_mass_status_fills")
REPAIRS_HEDGE_LEGS = hasattr(LiveExecutionEngine, "_reconcile_missing_hedge_position")
# Who owns what the engine makes up at run time and nobody claims
MADE_UP_OWNER = "EXTERNAL" if ADJUSTS_FILLS else "INTERNAL-DIFF"
REUSES_CACHED_ORDERS = hasattr(LiveExecutionEngine, "_find_matching_cached_order")


class Witness(Actor):
    """
    An actor that subscribes when it is registered, and keeps what it hears in order.
    """

    def __init__(self, *topics: str) -> None:
        super().__init__()
        self._topics = topics
        self.heard: list[tuple[str, Any]] = []

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        for topic in self._topics:
            msgbus.subscribe(topic, partial(self._hear, topic))

    def _hear(self, topic: str, message: Any) -> None:
        self.heard.append((topic, message))

    def on(self, topic: str) -> list[Any]:
        """
        Return what was heard on a topic.
        """
        return [message for heard_on, message in self.heard if heard_on == topic]

    @property
    def order_events(self) -> list[Any]:
        return self.on("events.order.*")

    @property
    def mass_statuses(self) -> list[ExecutionMassStatus]:
        return [m for m in self.on("reports.execution.*") if isinstance(m, ExecutionMassStatus)]


def witness() -> Witness:
    """
    Return a witness of all that a reconciliation publishes.
    """
    return Witness("events.order.*", "events.fills.*", "events.position.*", "reports.execution.*")


class Trader(Strategy):
    """
    A plain strategy that trades when it is told to, and keeps the order events it is handed.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(
            StrategyConfig(
                **{
                    "strategy_id": "TRADER",
                    "order_id_tag": "001",
                    "use_uuid_client_order_ids": True,
                    **config,
                }
            )
        )
        self.events: list[Any] = []

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_order_event(self, event: Any) -> None:
        self.events.append(event)

    def market(self, qty: str = "2", side: OrderSide = OrderSide.BUY) -> Order:
        """
        Return a market order.
        """
        instrument = paper_instrument(ETH.symbol.value)
        return self.order_factory.market(ETH, side, instrument.make_qty(qty))

    def limit(
        self, px: str = "1500", qty: str = "1", side: OrderSide = OrderSide.BUY, **fields: Any
    ) -> Order:
        """
        Return a limit order, by default one that rests.
        """
        instrument = paper_instrument(ETH.symbol.value)
        return self.order_factory.limit(
            ETH, side, instrument.make_qty(qty), instrument.make_price(px), **fields
        )


def eventually(condition: Callable[[], object], timeout_secs: float = 60.0) -> None:
    """
    Wait until a condition outside this process is true.
    """
    deadline = time.monotonic() + timeout_secs
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_secs} s"
        time.sleep(0.005)


def node_at(
    venue: PaperVenueControl,
    *components: Actor,
    valkey: EmbeddedValkey | None = None,
    symbols: tuple[str, ...] = ("ETHUSDT-PERP",),
    client: dict[str, Any] | None = None,
    has_data: bool = False,
    **fields: Any,
) -> TradingNode:
    """
    Return a node on the venue with the given actors and strategies.
    """
    node = paper_node(
        paper_node_config(
            [venue.exec_config(symbols=symbols, **(client or {}))],
            [venue.data_config(symbols=symbols)] if has_data else [],
            database=valkey.database_config() if valkey else None,
            **fields,
        )
    )
    for component in components:
        if isinstance(component, Strategy):
            node.trader.add_strategy(component)
        else:
            node.trader.add_actor(component)
    return node


@asynccontextmanager
async def trading(
    venue: PaperVenueControl, *components: Actor, **fields: Any
) -> AsyncIterator[NodeRun]:
    """
    Run a node on the venue until the block ends; it begins when the trader runs.
    """
    async with running(node_at(venue, *components, **fields)) as run:
        yield run


def witnessed_start(venue: PaperVenueControl) -> Witness:
    """
    Run a node on the venue until its trader runs, and return who heard its reconciliation.
    """
    seen = witness()

    async def scenario() -> None:
        async with trading(venue, seen):
            pass

    asyncio.run(scenario())
    return seen


async def leave_behind(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, *wanted: str
) -> list[str]:
    """
    Run a node that leaves what a restart will restore, and return its client order IDs.

    ``"LONG"`` buys 2 at the market, ``"CLOSE"`` sells them, ``"BID"`` leaves 1 resting at 1500.
    """
    trader = Trader()
    orders: dict[str, Callable[[], Order]] = {
        "LONG": trader.market,
        "CLOSE": partial(trader.market, side=OrderSide.SELL),
        "BID": trader.limit,
    }
    placed: list[Order] = []
    async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
        for name in wanted:
            placed.append(orders[name]())
            trader.submit_order(placed[-1])
            await run.until(lambda: placed[-1].status_string() in ("FILLED", "ACCEPTED"))
    return [order.client_order_id.value for order in placed]

"""
A strategy that does what a test says, and nodes that carry it, in process and out of it.
"""

import asyncio
import functools
import os
import select
from collections.abc import Callable
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.core.message import Event
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


SYMBOL = "ETHUSDT-PERP"
INSTRUMENT_ID = InstrumentId.from_str("ETHUSDT-PERP.PAPER")


def wait_until_ended(pid: int, timeout_secs: float = 30.0) -> None:
    """
    Wait until a process that is nobody's child here has ended.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([pidfd], [], [], timeout_secs)[0]:
            raise AssertionError(f"process {pid} is alive after {timeout_secs} s")
    finally:
        os.close(pidfd)


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """
    Run a test that is a coroutine on an event loop of its own.
    """

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Probe(Strategy):
    """
    Sends the orders a test asks for, and keeps every event.
    """

    def __init__(self, opens_position: bool = False, **config: Any) -> None:
        super().__init__(StrategyConfig(strategy_id="PROBE-000", **config))
        self.opens_position = opens_position
        self.events: list[Event] = []

    def on_start(self) -> None:
        emit(
            "probe_started",
            net_qty=self.net_qty(),
            orders={o.client_order_id.value: o.status_string() for o in self.cache.orders()},
        )
        if self.opens_position:
            self.send_market("BUY", 1)
            self.send_stop("SELL", 1, 1900)

    def on_stop(self) -> None:
        pass

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        emit(type(event).__name__)

    def net_qty(self, instrument_id: InstrumentId = INSTRUMENT_ID) -> Decimal:
        positions = self.cache.positions_open(instrument_id=instrument_id)
        return sum((p.signed_decimal_qty() for p in positions), Decimal(0))

    def send_market(self, side: str, qty: int | str, **kwargs: Any) -> Order:
        return self._send(
            self.order_factory.market(INSTRUMENT_ID, OrderSide[side], self._qty(qty), **kwargs)
        )

    def send_limit(self, side: str, qty: int | str, px: int | str, **kwargs: Any) -> Order:
        instrument = self.cache.instrument(INSTRUMENT_ID)
        return self._send(
            self.order_factory.limit(
                INSTRUMENT_ID, OrderSide[side], self._qty(qty), instrument.make_price(px), **kwargs
            )
        )

    def send_stop(self, side: str, qty: int | str, px: int | str, **kwargs: Any) -> Order:
        instrument = self.cache.instrument(INSTRUMENT_ID)
        return self._send(
            self.order_factory.stop_market(
                INSTRUMENT_ID,
                OrderSide[side],
                self._qty(qty),
                instrument.make_price(px),
                reduce_only=True,
                **kwargs,
            )
        )

    def names(self, *events: type) -> list[str]:
        return [type(e).__name__ for e in self.events if not events or isinstance(e, events)]

    def _qty(self, qty: int | str) -> Any:
        return self.cache.instrument(INSTRUMENT_ID).make_qty(Decimal(qty))

    def _send(self, order: Order) -> Order:
        self.submit_order(order)
        return order


def probe_node(config: TradingNodeConfig, **probe: Any) -> tuple[TradingNode, Probe]:
    """
    Return a node with a probe on it.
    """
    node = paper_node(config)
    strategy = Probe(**probe)
    node.trader.add_strategy(strategy)
    return node, strategy


def child_node(port: int, valkey_port: int, opens_position: bool, trader_id: str) -> TradingNode:
    """
    Return the node of a `NodeProcess`.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
        trader_id=trader_id,
        database=DatabaseConfig(host="127.0.0.1", port=valkey_port),
        log_level="INFO",
    )
    return probe_node(config, opens_position=opens_position)[0]


async def broken_node() -> TradingNode:
    """
    Fail like a node that cannot be built.
    """
    raise RuntimeError("no such instrument")

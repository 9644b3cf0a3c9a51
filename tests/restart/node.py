"""
The node of the matrix, run by a `NodeProcess`: NautilusTrader's own Binance client at the fake of
the venue, with our monitor or without it.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import nautilus_trader
from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance import BinanceDataClientConfig
from nautilus_trader.adapters.binance import BinanceExecClientConfig
from nautilus_trader.adapters.binance import BinanceLiveDataClientFactory
from nautilus_trader.adapters.binance import BinanceLiveExecClientFactory
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LiveRiskEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import emit
from tests.restart.cells import CELLS
from tests.restart.cells import Plan
from tests.restart.cells import Step
from tests.restart.state import state


_POLL_SECS = 0.01
_MONITOR: dict[str, Any] = {
    "settle_ms": 50,
    "verify_timeout_secs": 1.0,
    "startup_timeout_secs": 20.0,
    "query_retries": 2,
}
_IS_1_221 = nautilus_trader.__version__ == "1.221.0"
# On 1.221 a buffered write leaves only with the next one: see `recovery_cache_config`
_BUFFERED = {"buffer_interval_ms": None} if _IS_1_221 else {}


def node(*, sets_up: bool = False, **arguments: Any) -> TradingNode:
    """Return a node that sets up the cells, or else emits what it came back with."""
    trading_node, monitor = build(**arguments)
    cells = [cell for cell in CELLS if cell.symbol in arguments["symbols"]] if sets_up else []
    task = asyncio.create_task(_drive(trading_node, monitor, cells))
    task.add_done_callback(emit_failure)
    return trading_node


def build(
    venue_port: int,
    database: dict[str, Any],
    trader_id: str,
    *,
    monitored: bool,
    claimed: bool | list[str],
    symbols: list[str],
    log_level: str = "ERROR",
    cells: Sequence[Plan] = CELLS,
    settings: dict[str, Any] | None = None,
) -> tuple[TradingNode, RecoveryMonitorActor | None]:
    """
    Return a node with a strategy for each symbol, and its monitor if it has one, with these
    settings. Strategies claim external orders: all, none, or those of the symbols named.
    """
    config = node_config(venue_port, DatabaseConfig(**database), trader_id, log_level)
    trading_node = TradingNode(config, loop=asyncio.get_running_loop())
    # Without a data client no instrument would come into the cache
    trading_node.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    trading_node.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    monitor = None
    if monitored:
        monitor = RecoveryMonitorActor(RecoveryMonitorConfig(**{**_MONITOR, **(settings or {})}))
    if monitor is not None:
        trading_node.trader.add_actor(monitor)
    kind = RecoverableStrategy if monitored else Strategy
    for cell in cells:
        if cell.symbol in symbols:
            is_claimed = claimed if isinstance(claimed, bool) else cell.symbol in claimed
            trading_node.trader.add_strategy(kind(_strategy_config(cell, claimed=is_claimed)))
    trading_node.build()
    return trading_node, monitor


def _strategy_config(cell: Plan, *, claimed: bool) -> StrategyConfig:
    name, _, tag = cell.strategy_id.partition("-")
    claims = [InstrumentId.from_str(cell.instrument_id)] if claimed else None
    return StrategyConfig(strategy_id=name, order_id_tag=tag, external_order_claims=claims)


def node_config(
    venue_port: int, database: DatabaseConfig, trader_id: str, log_level: str
) -> TradingNodeConfig:
    """Return the configuration of a node at the fake of the venue."""
    address = f"127.0.0.1:{venue_port}"
    streams: dict[str, Any] = {} if _IS_1_221 else {"base_url_ws_stream": f"ws://{address}"}
    venue: dict[str, Any] = {
        "api_key": "key",
        "api_secret": "secret",
        "account_type": BinanceAccountType.USDT_FUTURES,
        "base_url_http": f"http://{address}",
        "base_url_ws": f"ws://{address}",
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    return TradingNodeConfig(
        trader_id=trader_id,
        cache=recovery_cache_config(database=database, **_BUFFERED),
        exec_engine=recovery_exec_engine_config(),
        risk_engine=LiveRiskEngineConfig(max_order_submit_rate="1000/00:00:01"),
        data_clients={"BINANCE": BinanceDataClientConfig(**venue)},
        exec_clients={"BINANCE": BinanceExecClientConfig(**venue, **streams)},
        logging=LoggingConfig(log_level=log_level, log_colors=False),
        timeout_connection=20.0,
        timeout_reconciliation=20.0,
        timeout_portfolio=5.0,
        timeout_disconnection=5.0,
        timeout_post_stop=0.1,
        timeout_shutdown=1.0,
    )


# -- WHAT THE NODE DOES --


async def _drive(
    trading_node: TradingNode, monitor: RecoveryMonitorActor | None, cells: Sequence[Plan]
) -> None:
    await come_back(trading_node, monitor)
    emit("state", client_ids=await set_up(trading_node, cells), **state(trading_node, monitor))


async def come_back(trading_node: TradingNode, monitor: RecoveryMonitorActor | None) -> None:
    """Wait until the trader runs, or until the monitor's word has reached every strategy."""
    trader = trading_node.trader
    if monitor is None:
        await until(lambda: trader.is_running)
        return
    await until(lambda: monitor.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED))
    if monitor.phase is RecoveryPhase.COMPLETE:
        await until(lambda: all(strategy.gate.is_open for strategy in trader.strategies()))


async def set_up(trading_node: TradingNode, cells: Iterable[Plan]) -> dict[str, dict[str, str]]:
    """Send the orders of the cells, and return their client order IDs by symbol and name."""
    strategies = {str(one.id): one for one in trading_node.trader.strategies()}
    sent = await asyncio.gather(*(_set_up(strategies[cell.strategy_id], cell) for cell in cells))
    return {cell.symbol: ids for cell, ids in zip(cells, sent, strict=True)}


async def _set_up(strategy: Strategy, cell: Plan) -> dict[str, str]:
    ids = {}
    for step in cell.steps:
        order = _order(strategy, cell, step)
        strategy.submit_order(order)
        ids[step.name] = str(order.client_order_id)
        is_market = step.price is None and step.trigger is None
        await until(partial(getattr, order, "is_closed" if is_market else "is_open"))
    return ids


def _order(strategy: Strategy, cell: Plan, step: Step) -> Order:
    fields: dict[str, Any] = {
        "instrument_id": InstrumentId.from_str(cell.instrument_id),
        "order_side": OrderSide[step.side],
        "quantity": Quantity.from_str(f"{Decimal(step.qty):.3f}"),
        "reduce_only": step.reduce_only,
    }
    if step.trigger is not None:
        trigger = Price.from_str(step.trigger)
        return strategy.order_factory.stop_market(trigger_price=trigger, **fields)
    if step.price is not None:
        return strategy.order_factory.limit(price=Price.from_str(step.price), **fields)
    return strategy.order_factory.market(**fields)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what NautilusTrader announces to nobody."""
    async with asyncio.timeout(25.0):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECS)


def emit_failure(task: "asyncio.Task[None]") -> None:
    """Emit why what the node does has failed."""
    if not task.cancelled() and task.exception() is not None:
        emit("state", failure=repr(task.exception()))

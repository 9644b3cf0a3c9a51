"""
The node of the matrix, run by a `NodeProcess`: NautilusTrader's own Binance client at the fake of
the venue, with our monitor or without it.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import nautilus_trader
from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance import BinanceDataClientConfig
from nautilus_trader.adapters.binance import BinanceExecClientConfig
from nautilus_trader.adapters.binance import BinanceLiveDataClientFactory
from nautilus_trader.adapters.binance import BinanceLiveExecClientFactory
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import order_status_to_str
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
from tests.restart.cells import Cell
from tests.restart.cells import Step


_POLL_SECS = 0.01
_IS_1_221 = nautilus_trader.__version__ == "1.221.0"
# On 1.221 a buffered write leaves only with the next one: see `recovery_cache_config`
_BUFFERED = {"buffer_interval_ms": None} if _IS_1_221 else {}


def node(
    venue_port: int,
    redis_port: int,
    *,
    monitored: bool,
    claimed: bool,
    sets_up: bool = False,
    symbols: list[str] | None = None,
    log_level: str = "ERROR",
) -> TradingNode:
    """Return a node that sets up the cells, or else reports what it came back with."""
    cells = [cell for cell in CELLS if symbols is None or cell.symbol in symbols]
    trading_node = TradingNode(
        _config(venue_port, redis_port, log_level), loop=asyncio.get_running_loop()
    )
    # Without a data client no instrument would come into the cache
    trading_node.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    trading_node.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    monitor = None
    if monitored:
        monitor = RecoveryMonitorActor(
            RecoveryMonitorConfig(settle_ms=100, verify_timeout_secs=5.0, startup_timeout_secs=20.0)
        )
        trading_node.trader.add_actor(monitor)
    for cell in cells:
        kind = RecoverableStrategy if monitored else Strategy
        name, _, tag = cell.strategy_id.partition("-")
        config = StrategyConfig(
            strategy_id=name,
            order_id_tag=tag,
            external_order_claims=[instrument_of(cell)] if claimed else None,
        )
        trading_node.trader.add_strategy(kind(config))
    trading_node.build()
    trading_node.kernel.msgbus.subscribe("reports.execution.*", _emit_mass_status)
    task = asyncio.create_task(_drive(trading_node, monitor, cells if sets_up else []))
    task.add_done_callback(_emit_failure)
    return trading_node


def instrument_of(cell: Cell) -> InstrumentId:
    """Return the instrument of a cell, as the adapter spells it."""
    return InstrumentId.from_str(f"{cell.symbol}-PERP.BINANCE")


def _config(venue_port: int, redis_port: int, log_level: str) -> TradingNodeConfig:
    address = f"127.0.0.1:{venue_port}"
    streams = {} if _IS_1_221 else {"base_url_ws_stream": f"ws://{address}"}
    venue: dict[str, Any] = {
        "api_key": "key",
        "api_secret": "secret",
        "account_type": BinanceAccountType.USDT_FUTURES,
        "base_url_http": f"http://{address}",
        "base_url_ws": f"ws://{address}",
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    return TradingNodeConfig(
        trader_id="TESTER-001",
        cache=recovery_cache_config(
            database=DatabaseConfig(host="127.0.0.1", port=redis_port), **_BUFFERED
        ),
        exec_engine=recovery_exec_engine_config(),
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
    trading_node: TradingNode, monitor: RecoveryMonitorActor | None, cells: list[Cell]
) -> None:
    await _until(lambda: trading_node.trader.is_running)
    if monitor is not None:
        await _until(lambda: monitor.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED))
    if cells:
        strategies = {str(strategy.id): strategy for strategy in trading_node.trader.strategies()}
        sent = await asyncio.gather(
            *(_set_up(strategies[cell.strategy_id], cell) for cell in cells)
        )
        emit("ready", orders={cell.symbol: ids for cell, ids in zip(cells, sent, strict=True)})
    await asyncio.sleep(0.2)
    emit("state", **_state(trading_node, monitor))


async def _set_up(strategy: Strategy, cell: Cell) -> dict[str, str]:
    ids = {}
    for step in cell.steps:
        order = _order(strategy, cell, step)
        strategy.submit_order(order)
        ids[step.name] = str(order.client_order_id)
        is_market = step.price is None and step.trigger is None
        await _until(lambda order=order: order.is_closed if is_market else order.is_open)
    return ids


def _order(strategy: Strategy, cell: Cell, step: Step) -> Order:
    fields: dict[str, Any] = {
        "instrument_id": instrument_of(cell),
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


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(25.0):
        while not condition():
            await asyncio.sleep(_POLL_SECS)


# -- WHAT IT REPORTS --


def _state(trading_node: TradingNode, monitor: RecoveryMonitorActor | None) -> dict[str, Any]:
    cache, report = trading_node.cache, None if monitor is None else monitor.report
    return {
        "is_trading": trading_node.trader.is_running,
        "positions": [
            {
                "id": str(position.id),
                "symbol": str(position.instrument_id.symbol),
                "strategy": str(position.strategy_id),
                "qty": str(position.signed_decimal_qty()),
                "avg_px": str(position.avg_px_open),
                "realized": str(position.realized_pnl),
            }
            for position in cache.positions_open()
        ],
        "orders": [_order_state(order) for order in cache.orders()],
        "gates": {
            str(strategy.id): strategy.gate.reason(_instrument_id(strategy))
            for strategy in trading_node.trader.strategies()
            if isinstance(strategy, RecoverableStrategy)
        },
        "outcome": report and (report.outcome or report.failure),
        "message": report and report.message,
        "discrepancies": [] if report is None else list(report.discrepancies),
    }


def _order_state(order: Order) -> dict[str, Any]:
    return {
        "client_id": str(order.client_order_id),
        "venue_id": str(order.venue_order_id),
        "symbol": str(order.instrument_id.symbol),
        "strategy": str(order.strategy_id),
        "status": order_status_to_str(order.status),
        "is_open": order.is_open,
        "qty": str(order.quantity),
        "filled": str(order.filled_qty),
        "tags": order.tags,
    }


def _instrument_id(strategy: Strategy) -> InstrumentId:
    base = str(strategy.id).partition("-")[2]
    return InstrumentId.from_str(f"{base}USDT-PERP.BINANCE")


def _emit_mass_status(mass_status: object) -> None:
    if isinstance(mass_status, ExecutionMassStatus):
        emit(
            "mass_status",
            orders=[repr(report) for report in mass_status.order_reports.values()],
            fills=[repr(r) for reports in mass_status.fill_reports.values() for r in reports],
            positions=[
                repr(r) for reports in mass_status.position_reports.values() for r in reports
            ],
        )


def _emit_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        emit("failed", error=repr(task.exception()))

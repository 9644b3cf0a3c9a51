"""
The node of the OKX restarts, run by a `NodeProcess`: NautilusTrader's own OKX client at the fake of
the venue, with our monitor or without it.
"""

import asyncio
import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import nautilus_trader
from nautilus_trader.adapters.okx import OKXDataClientConfig
from nautilus_trader.adapters.okx import OKXExecClientConfig
from nautilus_trader.adapters.okx import OKXLiveDataClientFactory
from nautilus_trader.adapters.okx import OKXLiveExecClientFactory
from nautilus_trader.adapters.okx.factories import get_cached_okx_http_client
from nautilus_trader.adapters.okx.factories import get_cached_okx_instrument_provider
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.core import nautilus_pyo3
from nautilus_trader.core.nautilus_pyo3 import OKXInstrumentType
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import order_status_to_str
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import emit


_POLL_SECS = 0.005
_MONITOR: dict[str, Any] = {
    "settle_ms": 100,
    "verify_timeout_secs": 1.0,
    "query_timeout_secs": 2.0,
    "query_retries": 2,
}
_IS_1_221 = nautilus_trader.__version__ == "1.221.0"
# On 1.221 a buffered write leaves only with the next one: see `recovery_cache_config`
_BUFFERED = {"buffer_interval_ms": None} if _IS_1_221 else {}

# What each strategy sends before its node goes away: signed market orders, then a stop
PLANS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "BTC-USDT-SWAP": (("1", "0.5"), "90.00"),
    "ETH-USDT-SWAP": (("-2",), None),
    "SOL-USDT-SWAP": (("1", "-1"), None),
    "BTC-USDT": (("1",), None),
    "BTC-USDC": ((), None),
}


def node(
    venue_port: int, redis_port: int, *, sets_up: bool = False, **arguments: Any
) -> TradingNode:
    """Return a node whose strategies trade as planned, or else one that comes back."""
    trading_node, monitor, strategies = build(venue_port, redis_port, **arguments)
    task = asyncio.create_task(_drive(trading_node, monitor, strategies, sets_up=sets_up))
    task.add_done_callback(_emit_failure)
    return trading_node


def build(
    venue_port: int,
    redis_port: int,
    *,
    instruments: list[str],
    monitored: bool,
    claimed: bool = False,
    reports_wallet: bool = False,
    log_level: str = "ERROR",
    settings: dict[str, Any] | None = None,
) -> tuple[TradingNode, RecoveryMonitorActor | None, dict[str, Strategy]]:
    """Return a node with its monitor, if it has one, with these settings, and its strategies."""
    # The clients that a node before it left in this process are of no use
    get_cached_okx_http_client.cache_clear()
    get_cached_okx_instrument_provider.cache_clear()
    trading_node = TradingNode(
        _config(venue_port, redis_port, instruments, log_level, reports_wallet=reports_wallet),
        loop=asyncio.get_running_loop(),
    )
    # Without a data client no instrument would come into the cache
    trading_node.add_data_client_factory("OKX", OKXLiveDataClientFactory)
    trading_node.add_exec_client_factory("OKX", OKXLiveExecClientFactory)
    monitor = None
    if monitored:
        monitor = RecoveryMonitorActor(RecoveryMonitorConfig(**{**_MONITOR, **(settings or {})}))
        trading_node.trader.add_actor(monitor)
    strategies = {}
    for number, name in enumerate(instruments):
        config = StrategyConfig(
            strategy_id="Plan",
            order_id_tag=f"{number:03}",
            external_order_claims=[instrument_id(name)] if claimed else None,
            use_hyphens_in_client_order_ids=False,  # The venue refuses them
        )
        strategies[name] = _Recoverable(config) if monitored else Strategy(config)
        trading_node.trader.add_strategy(strategies[name])
    trading_node.build()
    return trading_node, monitor, strategies


class _Recoverable(RecoverableStrategy):
    """Knows when its recovery has ended."""

    has_ended = False

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        self.has_ended = True

    def on_trading_enabled(self) -> None:
        self.has_ended = True


def _config(
    venue_port: int,
    redis_port: int,
    instruments: list[str],
    log_level: str,
    *,
    reports_wallet: bool,
) -> TradingNodeConfig:
    kinds = {name.endswith("-SWAP") for name in instruments}
    types = {True: OKXInstrumentType.SWAP, False: OKXInstrumentType.SPOT}
    streams = f"ws://127.0.0.1:{venue_port}/ws/v5"
    if _IS_1_221:
        _set_what_1_221_cannot_be_told(f"{streams}/business")
    client: dict[str, Any] = {
        "api_key": "key",
        "api_secret": "secret",
        "api_passphrase": "passphrase",
        "instrument_types": tuple(types[kind] for kind in sorted(kinds)),
        "base_url_http": f"http://127.0.0.1:{venue_port}",
        "instrument_provider": InstrumentProviderConfig(load_all=True),
        "max_retries": 1,
        "retry_delay_initial_ms": 1,
        "retry_delay_max_ms": 2,
    }
    public, private = f"{streams}/public", f"{streams}/private"
    return TradingNodeConfig(
        trader_id="TESTER-001",
        cache=recovery_cache_config(
            database=DatabaseConfig(host="127.0.0.1", port=redis_port), **_BUFFERED
        ),
        exec_engine=recovery_exec_engine_config(),
        data_clients={"OKX": OKXDataClientConfig(**client, base_url_ws=public)},
        exec_clients={
            "OKX": OKXExecClientConfig(
                **client, base_url_ws=private, use_spot_cash_position_reports=reports_wallet
            )
        },
        logging=LoggingConfig(log_level=log_level, log_colors=False),
        timeout_connection=20.0,
        timeout_reconciliation=20.0,
        timeout_portfolio=5.0,
        timeout_disconnection=5.0,
        timeout_post_stop=0.1,
        timeout_shutdown=1.0,
    )


def _set_what_1_221_cannot_be_told(business_url: str) -> None:
    # Its client takes the keys of its streams and one of their addresses from nowhere else
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        os.environ[f"OKX_API_{name}"] = name.lower()
    nautilus_pyo3.get_okx_ws_url_business = lambda is_demo: business_url


# -- WHAT THE NODE DOES --


async def _drive(
    trading_node: TradingNode,
    monitor: RecoveryMonitorActor | None,
    strategies: dict[str, Strategy],
    *,
    sets_up: bool,
) -> None:
    await come_back(trading_node, strategies)
    if sets_up:
        parts = (_set_up(strategy, name) for name, strategy in strategies.items())
        await asyncio.gather(*parts)
        # Stored after all that was stored before it
        trading_node.cache.add("ready", b"1")
    report = None if monitor is None else monitor.report
    emit("state", **_state(trading_node, strategies), report=report)


async def come_back(trading_node: TradingNode, strategies: dict[str, Strategy]) -> None:
    """Wait until the trader runs, and until each recovery has ended for every strategy."""
    await _until(lambda: trading_node.trader.is_running)
    ours = [each for each in strategies.values() if isinstance(each, _Recoverable)]
    await _until(lambda: all(strategy.has_ended for strategy in ours))


async def _set_up(strategy: Strategy, name: str) -> None:
    quantities, trigger = PLANS[name]
    for qty in quantities:
        order = _order(strategy, name, Decimal(qty))
        strategy.submit_order(order)
        await _until(partial(getattr, order, "is_closed"))
    if trigger is not None:
        stop = _order(strategy, name, -sum(map(Decimal, quantities), Decimal(0)), trigger)
        strategy.submit_order(stop)
        await _until(lambda: stop.is_open)


def _order(strategy: Strategy, name: str, qty: Decimal, trigger: str | None = None) -> Order:
    fields: dict[str, Any] = {
        "instrument_id": instrument_id(name),
        "order_side": OrderSide.BUY if qty > 0 else OrderSide.SELL,
        "quantity": Quantity.from_str(f"{abs(qty):.3f}"),
    }
    if trigger is None:
        return strategy.order_factory.market(**fields)
    return strategy.order_factory.stop_market(
        trigger_price=Price.from_str(trigger), reduce_only=True, **fields
    )


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(25.0):
        while not condition():  # noqa: ASYNC110 (nothing of the node signals it)
            await asyncio.sleep(_POLL_SECS)


# -- WHAT IT REPORTS --


def _state(trading_node: TradingNode, strategies: dict[str, Strategy]) -> dict[str, Any]:
    cache = trading_node.cache
    return {
        "positions": [
            {
                "instrument": str(position.instrument_id.symbol),
                "strategy": str(position.strategy_id),
                "qty": str(position.signed_decimal_qty()),
            }
            for position in cache.positions_open()
        ],
        "orders": [
            {
                "client_id": str(order.client_order_id),
                "venue_id": str(order.venue_order_id),
                "instrument": str(order.instrument_id.symbol),
                "strategy": str(order.strategy_id),
                "status": order_status_to_str(order.status),
                "is_open": order.is_open,
                "tags": order.tags,
            }
            for order in cache.orders()
        ],
        "gates": {
            str(strategy.id): strategy.gate.reason(instrument_id(name))
            for name, strategy in strategies.items()
            if isinstance(strategy, RecoverableStrategy)
        },
    }


def instrument_id(name: str) -> InstrumentId:
    """Return the instrument of a name of the venue."""
    return InstrumentId.from_str(f"{name}.OKX")


def _emit_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        emit("failed", error=repr(task.exception()))

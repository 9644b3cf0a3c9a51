"""
What a node holds, as plain values.
"""

from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import order_status_to_str
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryMonitorActor


def state(trading_node: TradingNode, monitor: RecoveryMonitorActor | None) -> dict[str, Any]:
    """Return what the cache holds, what the gates say, and the report of the monitor."""
    cache, trader = trading_node.cache, trading_node.trader
    return {
        "is_trading": trader.is_running,
        "positions": [_position(position) for position in cache.positions()],
        "orders": [_order(order) for order in cache.orders()],
        "gates": {
            str(strategy.id): _gate(strategy)
            for strategy in trader.strategies()
            if isinstance(strategy, RecoverableStrategy)
        },
        "report": None if monitor is None else msgspec.to_builtins(monitor.report),
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "id": str(position.id),
        "symbol": _symbol(position),
        "strategy": str(position.strategy_id),
        "is_open": position.is_open,
        "qty": str(position.signed_decimal_qty()),
        "avg_px": position.avg_px_open,
        "pnl": str(position.realized_pnl.as_decimal()) if position.realized_pnl else "0",
        "fees": str(sum((fee.as_decimal() for fee in position.commissions()), Decimal(0))),
        "events": position.event_count,
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "client_id": str(order.client_order_id),
        "venue_id": str(order.venue_order_id),
        "symbol": _symbol(order),
        "strategy": str(order.strategy_id),
        "status": order_status_to_str(order.status),
        "is_open": order.is_open,
        "filled": str(order.filled_qty),
        "events": order.event_count,
    }


def _symbol(thing: Order | Position) -> str:
    return str(thing.instrument_id.symbol).removesuffix("-PERP")


def _gate(strategy: RecoverableStrategy) -> str | None:
    base = str(strategy.id).partition("-")[2]
    return strategy.gate.reason(f"{base}USDT-PERP.BINANCE")

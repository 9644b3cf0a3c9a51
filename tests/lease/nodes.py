"""
Nodes that send an order whenever a timer is due, in processes of their own.
"""

import time
from datetime import timedelta
from typing import Any

from nautilus_trader.common.component import TimeEvent
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderSubmitted
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.node.support import ETH
from tests.node.support import Orders


TICK = timedelta(milliseconds=100)
MONITOR: dict[str, Any] = {
    "settle_ms": 50,
    "startup_timeout_secs": 20.0,
    "verify_timeout_secs": 3.0,
    # What the one that was stopped has sent, and not stored, may be more than a claim can book
    "repair": "auto",
}


class Ticking(Orders):
    """
    Buys a little at each tick, which no closed gate lets pass, and tells what becomes of it.
    """

    def on_start(self: Any) -> None:
        self.clock.set_timer("TICK", TICK, callback=self.on_tick)

    def on_stop(self: Any) -> None:
        pass

    def on_tick(self: Any, _: TimeEvent) -> None:
        self.submit_order(self.market("0.002"))

    def on_order_submitted(self: Any, _: OrderSubmitted) -> None:
        emit("sent", at=time.monotonic())

    def on_order_denied(self: Any, event: OrderDenied) -> None:
        emit("denied", at=time.monotonic(), reason=event.reason)


class Recovering(Ticking, RecoverableStrategy):
    """
    Ticks on a gate of its own.
    """


class Plain(Ticking, Strategy):
    """
    Ticks before the engine's gate.
    """


def tell(_: object, event: RecoveryComplete | RecoveryFailed, **__: Any) -> None:
    failure = event.report.failure
    emit("ended", failure=failure, message=event.report.message, at=time.monotonic())


def ticking(
    port: int, database: dict[str, Any], *, is_plain: bool = False, **monitor: Any
) -> TradingNode:
    """
    Return a node that ticks.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))],
        trader_id="TWINS-001",
        database=DatabaseConfig(**database),
        log_level="WARNING",
    )
    signals.recovery_completed.connect(tell)
    signals.recovery_failed.connect(tell)
    node = paper_node(config)
    monitor = {**MONITOR, "heartbeat_secs": 0.5, **monitor}
    node.trader.add_actor(RecoveryMonitorActor(RecoveryMonitorConfig(**monitor)))
    claims = [ETH]  # What the one that stopped could not store is booked on the other
    if is_plain:
        node.trader.add_strategy(Plain(StrategyConfig(external_order_claims=claims)))
    else:
        strategy = RecoverableStrategyConfig(external_order_claims=claims)
        node.trader.add_strategy(Recovering(strategy))
    if is_plain:
        halt_until_recovered(node)
    return node

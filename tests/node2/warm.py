"""
A node of 2.0 whose strategy needs bars before it trades.
"""

from typing import Any

from nautilus_trader.trading import StrategyConfig

from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import add_recovery_monitor
from nautilus_recovery_actor import run_node
from nautilus_recovery_actor.testkit import emit
from tests.node2.node import builder
from tests.node2.node import database
from tests.node2.node import strategy_config
from tests.node2.trial import warmed


class Config(StrategyConfig):
    """What is not the default."""

    warmup_timeout_secs = 3.0
    warmup_retry_secs = 0.2


def watched(kind: Any) -> Any:
    """
    Return a strategy that says whenever its gate has another reason.
    """

    class Watched(kind):
        def on_start(self) -> None:
            self.reason = ""
            super().on_start()
            self.clock.set_timer_ns("WATCH", 20_000_000, callback=self.watch)

        def watch(self, _: Any) -> None:
            if (reason := self.gate.reason() or "open") != self.reason:
                self.reason = reason
                emit("gate", reason=reason)

    return Watched


def run(
    venue_port: int,
    redis_port: int,
    trader_id: str = "TWO-001",
    *,
    is_wrong: bool = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Run a node with such a strategy until it is stopped."""
    node = builder(venue_port, redis_port, trader_id).build()
    fields = {"verify_timeout_secs": 1.0, "heartbeat_secs": 0.5, **(settings or {})}
    add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port), **fields))
    node.add_strategy(
        watched(warmed(needs=["no bars"] if is_wrong else None))(strategy_config(Config))
    )
    run_node(node)

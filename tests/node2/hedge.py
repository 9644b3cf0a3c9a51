"""
A strategy that holds both legs of one instrument, where the account is in hedge mode.
"""

from typing import Any

from nautilus_trader.model import InstrumentId
from nautilus_trader.model import OmsType
from nautilus_trader.model import OrderSide
from nautilus_trader.model import PositionId
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity
from nautilus_trader.trading import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import add_recovery_monitor
from nautilus_recovery_actor import run_node
from nautilus_recovery_actor.testkit import emit
from tests.node2.node import builder
from tests.node2.node import database
from tests.node2.node import strategy_config
from tests.node2.trial import INSTRUMENT


LONG, SHORT = PositionId(f"{INSTRUMENT}-LONG"), PositionId(f"{INSTRUMENT}-SHORT")


def hedged(base: Any, *, is_resting: bool) -> Any:  # noqa: C901  It is one class
    """
    Return the strategy on a base, which may be NautilusTrader's own.
    """

    class Hedged(base):
        """Holds LONG 1 and SHORT 2, and leaves LONG once its recovery has completed with both."""

        def on_start(self) -> None:
            if base is Strategy:
                self.on_trading_enabled()

        def on_trading_enabled(self) -> None:
            held = self.cache.positions_open()
            emit("enabled", positions=sorted(f"{one.id} {one.signed_qty}" for one in held))
            if not held:
                self.submit_order(self.limit(OrderSide.BUY, "1.000", "101.00"), LONG)
                self.submit_order(self.limit(OrderSide.SELL, "2.000", "99.00"), SHORT)
                if is_resting:
                    self.submit_order(self.limit(OrderSide.BUY, "0.500", "90.00"), LONG)
            elif base is not Strategy and not self.gate.is_unrestricted:
                # At the venue that would open or add to the other leg
                self.submit_order(self.limit(OrderSide.SELL, "1.000", "99.00"), LONG)
                self.close_position(self.cache.position(LONG))

        def limit(self, side: OrderSide, qty: str, px: str) -> Any:
            return self.order_factory.limit(
                instrument_id=InstrumentId.from_str(INSTRUMENT),
                order_side=side,
                quantity=Quantity.from_str(qty),
                price=Price.from_str(px),
            )

        def on_recovery_complete(self, event: Any) -> None:
            found = event.report.discrepancies
            blocking = sorted(str(one.position_id) for one in found if one.is_blocking)
            fills = sorted(f"{one.origin} {one.qty}" for one in event.report.fills)
            emit("complete", outcome=str(event.outcome), blocking=blocking, fills=fills)

        def on_order_accepted(self, event: Any) -> None:
            emit("accepted", client_order_id=str(event.client_order_id))

        def on_order_filled(self, event: Any) -> None:
            emit("filled", position_id=str(event.position_id), side=event.order_side.name)

        def on_order_denied(self, event: Any) -> None:
            emit("denied", reason=event.reason)

    return Hedged


def run(
    venue_port: int, redis_port: int, *, is_monitored: bool = True, is_resting: bool = False
) -> None:
    """Run a node with that strategy until it is stopped."""
    node = builder(venue_port, redis_port, "TWO-001").build()
    if is_monitored:
        add_recovery_monitor(node, RecoveryMonitorConfig(database=database(redis_port)))
    base: Any = RecoverableStrategy if is_monitored else Strategy
    kind = hedged(base, is_resting=is_resting)
    node.add_strategy(kind(strategy_config(oms_type=OmsType.HEDGING)))
    try:
        if is_monitored:
            run_node(node)
        else:
            node.run()
    finally:
        held = node.cache.positions_open()
        emit("held", positions=sorted(f"{one.id} {one.signed_qty}" for one in held))

"""
A node of NautilusTrader 1.x with the real Binance adapter, run by a `NodeProcess`: it trades at the
stand-in for the venue and leaves a position, its stop and a bid behind; or it comes back.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.testkit import emit
from tests.restart import node as restart
from tests.restart.cells import Step
from tests.restart.state import state


SYMBOL = "ETHUSDT"
INSTRUMENT_ID = f"{SYMBOL}-PERP.BINANCE"
STRATEGY_ID = "Leaver-001"


@dataclass(frozen=True)
class Leaver:
    """What the strategy does."""

    name: str = "leaver"
    symbol: str = SYMBOL
    instrument_id: str = INSTRUMENT_ID
    strategy_id: str = STRATEGY_ID
    steps: tuple[Step, ...] = (
        Step("entry", "BUY", "2"),
        Step("stop", "SELL", "2", trigger="90.00", reduce_only=True),
        Step("bid", "BUY", "1", price="80.00"),
    )


def node(*, trades: bool, **arguments: Any) -> TradingNode:
    """Return the node. It says what it holds when it has traded, or has come back."""
    trading_node, _ = restart.build(
        monitored=False, claimed=False, symbols=[SYMBOL], cells=[Leaver()], **arguments
    )
    task = asyncio.create_task(_drive(trading_node, [Leaver()] if trades else []))
    task.add_done_callback(restart.emit_failure)
    return trading_node


async def _drive(trading_node: TradingNode, cells: list[Leaver]) -> None:
    await restart.come_back(trading_node, None)
    sent = await restart.set_up(trading_node, cells)
    emit("state", client_ids=sent.get(SYMBOL, {}), **state(trading_node, None))

"""
The node that gets into wrong states, run by a `NodeProcess` or in the process of a test.
"""

import asyncio
from typing import Any

from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import emit
from tests.repair.dying import die_after
from tests.repair.states import STATES
from tests.restart import node as restart
from tests.restart.state import state


def node(*, sets_up: bool = False, **arguments: Any) -> TradingNode:
    """Return a node that emits what it came back with, or what it has set up."""
    trading_node, monitor = build(**arguments)
    plans = [one for one in STATES if one.symbol in arguments["symbols"]] if sets_up else []

    async def drive() -> None:
        await restart.come_back(trading_node, monitor)
        client_ids = await restart.set_up(trading_node, plans)
        emit("state", client_ids=client_ids, **state(trading_node, monitor))

    task = asyncio.create_task(drive())
    task.add_done_callback(restart.emit_failure)
    return trading_node


def killed(*, after: int, is_stored: bool, **arguments: Any) -> TradingNode:
    """
    Return a node that kills itself after so many operations of repairs, with all of it in Redis or
    at once, and that emits `repaired` if there are not so many.
    """
    trading_node, monitor = build(**arguments)
    assert monitor is not None
    die_after(after, is_stored=is_stored)

    async def drive() -> None:
        await restart.come_back(trading_node, monitor)
        await restart.until(lambda: monitor.report.outcome is RecoveryOutcome.ADJUSTED)
        emit("repaired")

    task = asyncio.create_task(drive())
    task.add_done_callback(restart.emit_failure)
    return trading_node


def build(**arguments: Any) -> tuple[TradingNode, RecoveryMonitorActor | None]:
    """Return a node with a strategy for each state, and its monitor if it has one."""
    return restart.build(**arguments, cells=STATES)

"""
The strategy of the tutorial, as its page prints it, in a backtest, killed, and stopped.
"""

import ast
import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import pytest
from nautilus_trader.model.enums import OrderSide

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import running
from tests.examples import tutorial
from tests.examples.tutorial import SYMBOL


HELD = [3, 4]  # The events of a resting stop, and of an entry that was filled


@asynccontextmanager
async def trading(
    venue: PaperVenue, valkey: EmbeddedValkey, **fields: Any
) -> AsyncIterator[tuple[Any, NodeRun]]:
    async with running(made := tutorial.node(venue.port, valkey.url, **fields)) as run:
        (strategy,) = made.trader.strategies()
        yield strategy, run


def kill_when(venue: PaperVenue, valkey: EmbeddedValkey, events: list[int]) -> None:
    """
    Run the node until its orders have so many events in Redis, and kill it.
    """
    target = "tests.examples.tutorial:node"
    with NodeProcess(target, port=venue.port, url=valkey.url) as process:
        process.wait_for("started")

        def is_stored(client: Any) -> bool:
            orders = client.keys("trader-LIVE-001:orders:*")
            return sorted(map(client.llen, orders)) == events

        valkey.wait_for(is_stored, timeout_secs=60.0)
        process.kill()


def test_every_piece_of_the_steps_is_used() -> None:
    """The first is a module, each other one the methods of its class, and none is there twice."""
    top, *methods = tutorial.pieces()
    assert "class MyStrategy(RecoverableStrategy)" in top
    names = [
        node.name
        for piece in methods
        for node in ast.parse(piece).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(names) == len(set(names))
    assert {"on_stop", "on_orders_unresolved", "on_orders_lost", "on_position_closed"} <= set(names)
    strategy = tutorial.module().MyStrategy
    assert all(callable(getattr(strategy, name)) for name in names)


def test_it_trades_in_a_backtest_and_ends_flat() -> None:
    """Nothing there closes its gate, stops are filled, and its end leaves nothing."""
    # A process of its own: after a backtest, live accounts of that venue count fills themselves
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        result = processes.submit(tutorial.backtest_result).result()
    assert result["entries"] > 10
    assert result["stops"] > 10
    assert (result["open"], result["orders_open"]) == ([], 0)


@pytest.mark.long
@pytest.mark.parametrize("ends_flat", [False, True])
def test_after_a_kill_it_goes_on_with_what_it_had(
    venue: PaperVenue, valkey: EmbeddedValkey, ends_flat: bool
) -> None:
    """State and stop are there, nothing is sent twice, and its end is as it says."""
    kill_when(venue, valkey, HELD)
    sent = venue.submitted()
    (held,) = venue.state().positions

    async def after() -> None:
        async with trading(venue, valkey, ends_flat=ends_flat) as (strategy, run):
            assert strategy.side == (OrderSide.BUY if held.qty > 0 else OrderSide.SELL)
            await run.until(lambda: strategy.gate.is_open, timeout_secs=60.0)
            (position,) = strategy.held_positions()
            assert strategy.is_protected(position)
            assert strategy.fast.initialized

    asyncio.run(after())
    assert venue.submitted()[:2] == sent
    left = {position.symbol: position.qty for position in venue.state().positions if position.qty}
    assert left == ({} if ends_flat else {SYMBOL: held.qty})
    assert bool([o for o in venue.state().orders if o.state.is_open]) != ends_flat


@pytest.mark.long
def test_an_entry_that_was_never_answered_is_waited_for(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It is busy until the venue has answered, and sends no other entry meanwhile."""
    venue.set_faults(hold_acks=True)
    kill_when(venue, valkey, [2])
    sent = venue.submitted()
    venue.set_faults()

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            await run.until(lambda: strategy.unresolved_orders, timeout_secs=60.0)
            assert strategy.is_busy()
            venue.release()
            await run.until(strategy.held_positions)
            venue.push_mass_status()
            await run.until(lambda: strategy.gate.is_open, timeout_secs=60.0)
            (position,) = strategy.held_positions()
            await run.until(lambda: strategy.is_protected(position), timeout_secs=60.0)

    asyncio.run(after())
    entries = [order for order in venue.state().orders if not order.reduce_only]
    assert [order.client_order_id for order in entries] == sent


@pytest.mark.long
def test_an_entry_that_redis_has_lost_counts_as_sent(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its side is taken from the order at the venue, and the position is protected."""
    kill_when(venue, valkey, HELD)
    sent = venue.submitted()
    (held,) = venue.state().positions
    valkey.flush()

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            await run.until(lambda: strategy.lost_orders, timeout_secs=60.0)
            await run.until(lambda: strategy.gate.is_open, timeout_secs=60.0)
            assert strategy.side == (OrderSide.BUY if held.qty > 0 else OrderSide.SELL)
            (position,) = strategy.held_positions()
            assert strategy.is_protected(position)

    asyncio.run(after())
    assert venue.submitted() == sent


@pytest.mark.long
def test_when_its_stop_was_filled_while_it_was_dead_its_state_is_over(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The reconciled fill closes the position: the side is cleared, and that is stored."""
    kill_when(venue, valkey, HELD)
    (held,) = venue.state().positions
    venue.set_price(SYMBOL, 2003 - Decimal(60) * (1 if held.qty > 0 else -1))
    assert not [position for position in venue.state().positions if position.qty]

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            await run.until(lambda: strategy.gate.is_open, timeout_secs=60.0)
            entries = [o for o in strategy.cache.orders() if not o.is_reduce_only]
            assert strategy.side is None or len(entries) > 1  # It may trade again at once

    asyncio.run(after())

"""
The complete example trades the same in a backtest and live, and goes on where it was killed.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.enums import OrderSide

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import running


EXAMPLES = Path(__file__).parents[2] / "examples"
SYMBOL = "ETHUSDT-PERP"
BRACKET_EVENTS = [3, 3, 4]  # Two exits accepted, the entry filled besides


@pytest.fixture(autouse=True)
def examples_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        paper.open_account()
        paper.set_price(SYMBOL, 2003)
        yield paper


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        server.flush()
        yield server


@asynccontextmanager
async def trading(venue: PaperVenue, valkey: EmbeddedValkey) -> AsyncIterator[tuple[Any, NodeRun]]:
    """
    Run the node of the example, and give its strategy.
    """
    from ema_cross import node

    from tests.examples.nodes import WIDE

    async with running(made := node(venue.port, valkey, **WIDE)) as run:
        (strategy,) = made.trader.strategies()
        yield strategy, run


def kill_when(
    venue: PaperVenue, valkey: EmbeddedValkey, events: list[int], target: str = "ema_node"
) -> None:
    """
    Run the node until the orders of a bracket have so many events in Redis, and kill it.
    """
    with NodeProcess(f"tests.examples.nodes:{target}", port=venue.port, url=valkey.url) as process:
        process.wait_for("started")

        def is_stored(client: Any) -> bool:
            orders = client.keys("trader-LIVE-001:orders:*")
            return sorted(map(client.llen, orders)) == events

        valkey.wait_for(is_stored, timeout_secs=60.0)
        process.kill()


async def next_cross(strategy: Any, run: NodeRun) -> None:
    """
    Wait until the strategy has dealt with another cross: the paper venue has one in a few seconds.
    """
    side = strategy.side
    await run.until(lambda: strategy.side != side, timeout_secs=60.0)


def test_the_backtest_trades_and_leaves_nothing_unprotected() -> None:
    """Each cross is one bracket, the result is the same each time, and what is held has a stop."""
    from tests.examples.nodes import backtest_result

    # A process of its own: after a backtest, live accounts of that venue count fills themselves
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        result = processes.submit(backtest_result).result()
    assert result == {
        "orders": 3 * 33,
        "filled": {"MARKET": 33, "STOP_MARKET": 16, "LIMIT": 16},
        "is_protected": True,
    }


@pytest.mark.long
def test_it_runs_at_the_paper_venue_and_stops_on_a_signal() -> None:
    """The command of the README trades, and SIGTERM ends it with code 0."""
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / "ema_cross.py"), "paper"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if "PositionClosed" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, "".join(told)
    log = "".join(told)
    assert log.index("Trading is enabled") < log.index("OrderInitialized")
    assert "[ERROR]" not in log


def test_after_a_kill_it_has_its_position_and_bracket_and_sends_no_other(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Averages warmed up, the last cross restored, the position protected, and no order more."""
    kill_when(venue, valkey, BRACKET_EVENTS)
    sent = venue.submitted()
    (held,) = venue.state().positions
    side = OrderSide.BUY if held.qty > 0 else OrderSide.SELL

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            assert strategy.side == side  # Restored before the start
            assert strategy.gate.reason().startswith("RECOVERY_")
            await run.until(lambda: strategy.gate.is_open, timeout_secs=60.0)
            assert strategy.fast.initialized
            assert strategy.slow.initialized
            (position,) = strategy.cache.positions_open()
            assert position.signed_decimal_qty() == held.qty
            assert strategy.is_protected(position)
            exits = strategy.exit_orders(position)
            assert {order.client_order_id.value for order in exits} == set(sent[1:])
            await next_cross(strategy, run)
            assert strategy.is_protected(position)

    asyncio.run(after())
    assert venue.submitted() == sent
    assert len(sent) == 3


def test_a_stop_that_was_cancelled_while_it_was_dead_is_made_up_for(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The position gets one stop for all of it, in place of the target that was left."""
    kill_when(venue, valkey, BRACKET_EVENTS)
    _, stop, target = venue.submitted()
    venue.cancel(stop)

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            (position,) = strategy.cache.positions_open()
            await run.until(lambda: strategy.is_protected(position), timeout_secs=60.0)
            await asyncio.to_thread(venue.wait_for_order, target, "CANCELED")

    asyncio.run(after())
    *_, new = venue.submitted()
    (order,) = (order for order in venue.state().orders if order.client_order_id == new)
    (held,) = venue.state().positions
    assert (order.kind, order.qty, order.reduce_only) == ("STOP_MARKET", abs(held.qty), True)
    assert order.trigger_px == 2003 + (-50 if held.qty > 0 else 50)
    assert len(venue.submitted()) == 4


@pytest.mark.parametrize(("qty", "avg_px"), [(1, 2100), (-1, 1900)])
def test_a_naked_position_beyond_its_stop_is_closed(
    venue: PaperVenue, valkey: EmbeddedValkey, qty: int, avg_px: int
) -> None:
    """A stop that the price has passed already would be refused: the position goes at once."""
    venue.set_position(SYMBOL, qty, avg_px)

    async def after() -> None:
        async with trading(venue, valkey):
            await asyncio.to_thread(venue.wait_for_position, SYMBOL, 0, timeout_secs=60.0)

    asyncio.run(after())
    (closing,) = venue.state().orders
    assert (closing.kind, closing.qty, closing.reduce_only) == ("MARKET", Decimal(1), True)


@pytest.mark.long
def test_a_bracket_that_was_never_answered_is_not_sent_again(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its instrument is blocked until the venue answers, and then the bracket is taken up."""
    venue.set_faults(hold_acks=True)
    kill_when(venue, valkey, [2, 2, 2])
    sent = venue.submitted()
    venue.set_faults()

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            instrument_id = strategy.config.instrument_id
            await run.until(lambda: strategy.unresolved_orders, timeout_secs=60.0)
            assert not strategy.gate.is_open_for(instrument_id)
            venue.release()
            await run.until(strategy.cache.positions_open)
            venue.push_mass_status()
            await run.until(lambda: strategy.gate.is_open_for(instrument_id), timeout_secs=60.0)
            (position,) = strategy.cache.positions_open()
            assert strategy.is_protected(position)
            await next_cross(strategy, run)

    asyncio.run(after())
    # While it is not proven, its stop may be replaced: there is one entry, as before
    assert venue.submitted()[:3] == sent
    assert len([order for order in venue.state().orders if not order.reduce_only]) == 1


@pytest.mark.long
def test_a_bracket_that_was_never_sent_is_no_reason_to_wait(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its cross is over, and the next one is traded."""
    kill_when(venue, valkey, [1, 1, 1], "ema_node_that_sends_nothing")
    assert venue.submitted() == []

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            await run.until(lambda: strategy.unresolved_orders, timeout_secs=60.0)
            side = strategy.side
            await asyncio.to_thread(venue.wait_for_order, None, "ACCEPTED", timeout_secs=60.0)
            assert strategy.side != side

    asyncio.run(after())
    assert len(venue.submitted()) == 3


@pytest.mark.long
def test_when_redis_was_lost_the_bracket_at_the_venue_is_taken_up(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The orders are known as its own, the cross as traded, and the position is protected."""
    kill_when(venue, valkey, BRACKET_EVENTS)
    sent = venue.submitted()
    (held,) = venue.state().positions
    valkey.flush()

    async def after() -> None:
        async with trading(venue, valkey) as (strategy, run):
            await run.until(lambda: strategy.lost_orders, timeout_secs=60.0)
            assert {lost.client_order_id for lost in strategy.lost_orders} == set(sent)
            assert strategy.side == (OrderSide.BUY if held.qty > 0 else OrderSide.SELL)
            (position,) = strategy.cache.positions_open()
            assert strategy.is_protected(position)
            await next_cross(strategy, run)

    asyncio.run(after())
    assert venue.submitted() == sent


def test_an_exit_without_a_position_is_cancelled(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """What is left of a bracket when nothing is held is neither kept nor waited for."""
    left = venue.place(SYMBOL, "SELL", 1, "LIMIT", px=2100, reduce_only=True).venue_order_id

    async def after() -> None:
        async with trading(venue, valkey):
            await asyncio.to_thread(venue.wait_for_order, left, "CANCELED", timeout_secs=60.0)

    asyncio.run(after())

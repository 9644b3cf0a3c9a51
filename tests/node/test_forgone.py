"""
A node whose lease another one has taken: it neither trades nor writes over what that one keeps.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderDenied

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.node.way_out import PlainActs


LEASE = "trader-TESTER-001:recovery:lease"
BEAT = "trader-TESTER-001:general:recovery:heartbeat"


def take(valkey: EmbeddedValkey) -> None:
    """
    Take the lease as another node would.
    """
    with valkey.client() as client:
        fence = int(client.hget(LEASE, "fence") or 0)
        client.hset(LEASE, mapping={"token": "other", "fence": fence + 1, "host": "elsewhere"})


def stands(venue: PaperVenue) -> tuple[int, list[int]]:
    """
    Return how many orders rest at the venue, and what it holds.
    """
    state = venue.state()
    resting = sum(order.state.is_open for order in state.orders)
    return resting, [int(position.qty) for position in state.positions]


async def fenced(node: Watched, valkey: EmbeddedValkey) -> RecoveryFailed:
    take(valkey)
    await node.run.until(lambda: isinstance(node.messages[-1], RecoveryFailed))
    failed = node.messages[-1]
    assert isinstance(failed, RecoveryFailed)
    return failed


def test_nothing_of_it_reaches_the_venue_not_even_when_it_stops(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What it holds is the other node's to close, and so are the stops."""

    class Leaving(Recorder):
        def on_stop(self) -> None:
            self.cancel_all_orders(ETH)
            self.close_all_positions(ETH)

    strategy = Leaving()

    async def scenario() -> None:
        async with watched(
            venue, valkey, strategy, monitor=monitor_config(heartbeat_secs=0.1)
        ) as node:
            await node.result()
            strategy.submit_order(strategy.market())
            strategy.submit_order(stop := strategy.stop_loss("1900.00"))
            await node.run.until(lambda: stop.is_open and strategy.portfolio.is_net_long(ETH))
            failed = await fenced(node, valkey)
            assert failed.reason is FailureReason.ANOTHER_NODE
            strategy.close_all_positions(ETH)
            strategy.cancel_order(stop)
            await node.run.until(lambda: strategy.denied)
            assert strategy.denied[0].reason.startswith("RECOVERY_FAILED: ANOTHER_NODE")
            assert stop.is_open

    asyncio.run(scenario())
    assert stands(venue) == (1, [2])


def test_it_writes_no_heartbeat_over_that_of_the_other_one(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Whoever looks sees the node that trades."""

    async def scenario() -> None:
        async with watched(venue, valkey, monitor=monitor_config(heartbeat_secs=0.05)) as node:
            await node.result()
            await fenced(node, valkey)
            with valkey.client() as client:
                client.set(BEAT, "the other one's")
                beats = node.monitor._heartbeats
                written: list[Any] = []
                write = beats.write

                def noted(*args: Any, **kwargs: Any) -> None:
                    written.append(args)
                    write(*args, **kwargs)

                beats.write = noted  # type: ignore[method-assign]
                await node.run.until(lambda: len(written) > 3)
        with valkey.client() as client:
            assert client.get(BEAT) == b"the other one's"

    asyncio.run(scenario())


@pytest.mark.parametrize("is_first", [True, False])
def test_a_plain_strategy_on_a_guarded_node_does_not_reach_it_either(
    venue: PaperVenue, valkey: EmbeddedValkey, is_first: bool
) -> None:
    """Whichever of guard and monitor was there first."""
    strategy = PlainActs(StrategyConfig(strategy_id="PLAIN", order_id_tag="001"))

    async def scenario() -> None:
        config = paper_node_config(
            [venue.exec_config(symbols=("ETHUSDT-PERP",))],
            database=valkey.database_config(),
            trader_id="TESTER-001",
        )
        node = paper_node(config)
        monitor = RecoveryMonitorActor(monitor_config(heartbeat_secs=0.1))
        if is_first:
            node.trader.add_actor(monitor)
        halt_until_recovered(node)
        if not is_first:
            node.trader.add_actor(monitor)
        node.trader.add_strategy(strategy)
        async with running(node) as run:
            await run.until(lambda: monitor.report.outcome is not None)
            strategy.enter()
            strategy.protect()
            await run.until(lambda: stands(venue) == (1, [2]))
            take(valkey)
            await run.until(lambda: monitor.report.failure is FailureReason.ANOTHER_NODE)
            strategy.cancel_all_orders(ETH)
            strategy.close_all_positions(ETH)
            await run.until(
                lambda: strategy.told(OrderDenied) and strategy.told(OrderCancelRejected)
            )

    asyncio.run(scenario())
    assert stands(venue) == (1, [2])

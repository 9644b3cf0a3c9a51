"""
A strategy is told of its lost orders until it has taken them, and of nothing that is not lost.
"""

import asyncio
import threading
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor import LostOrder
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.reconnects import reconnect
from tests.node.support import ETH
from tests.node.support import Orders
from tests.node.support import Plain
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.node.test_order_ids import Unaccounted
from tests.node.test_order_ids import kill_sender


pytestmark = pytest.mark.sampled(1)


KEPT = "trader-TESTER-001:general:recovery"
SENDER: dict[str, Any] = {"strategy_id": "Sender"}


class Hanging(Orders, RecoverableStrategy):
    """
    Never returns from the hook.
    """

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        emit("told", orders=[lost.client_order_id for lost in orders])
        threading.Event().wait()


class Purging(Orders, RecoverableStrategy):
    """
    Fills orders, and purges them as a node does that runs for months.
    """

    def __init__(self, config: StrategyConfig, fills: int) -> None:
        super().__init__(config)
        self._left = fills

    def on_trading_enabled(self) -> None:
        self.submit_order(self.market("0.100"))

    def on_order_filled(self, _: Any) -> None:
        self._left -= 1
        if self._left:
            self.submit_order(self.market("0.100"))
        else:
            self.clock.set_time_alert_ns("purge", self.clock.timestamp_ns(), self._purge)

    def _purge(self, _: Any) -> None:
        self.cache.purge_closed_orders(self.clock.timestamp_ns() + 10**12, 0, True)
        emit("purged")


def node(
    port: int, redis_port: int, kind: str, monitor: dict[str, Any], **fields: Any
) -> TradingNode:
    """
    Return a node that is to be killed.
    """
    made = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))],
            database=DatabaseConfig(host="127.0.0.1", port=redis_port),
            buffer_interval_ms=None,
        )
    )
    made.trader.add_actor(RecoveryMonitorActor(monitor_config(**monitor)))
    strategy = {"Hanging": Hanging, "Purging": Purging}[kind]
    made.trader.add_strategy(strategy(RecoverableStrategyConfig(**SENDER), **fields))
    return made


def process(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    kind: str,
    monitor: dict[str, Any] | None = None,
    **fields: Any,
) -> NodeProcess:
    return NodeProcess(
        "tests.node.test_lost:node",
        port=venue.port,
        redis_port=valkey.port,
        kind=kind,
        monitor=monitor or {},
        **fields,
    )


def wait_until_stored(valkey: EmbeddedValkey, client_order_ids: set[str]) -> None:
    keys = [f"trader-TESTER-001:orders:{each}" for each in client_order_ids]
    valkey.wait_for(lambda client: all(client.llen(key) > 1 for key in keys))


def ids(orders: tuple[LostOrder, ...]) -> set[str]:
    return {lost.client_order_id for lost in orders}


def sent_by(venue: PaperVenue, valkey: EmbeddedValkey) -> set[str]:
    """
    Kill a node that has sent two orders, of which the cache has written nothing.
    """
    return {order.client_order_id for order in kill_sender(venue, valkey).values()}


async def told(venue: PaperVenue, valkey: EmbeddedValkey, **fields: Any) -> set[str]:
    """
    Return what a start of the node tells its strategy.
    """
    strategy = Unaccounted(**fields)
    async with watched(venue, valkey, strategy) as node:
        event = await node.result()
        assert set().union(*map(ids, strategy.lost)) == ids(event.report.lost_orders)
        return ids(event.report.lost_orders)


def entry(client: Any, name: str) -> Any:
    """
    Return what the monitor keeps under a name.
    """
    return msgspec.json.decode(client.get(f"{KEPT}:{name}") or b"null")


def pending(client: Any) -> set[str]:
    return {lost["client_order_id"] for lost in entry(client, "lost") or ()}


def is_alive_after(client: Any, client_order_ids: set[str]) -> bool:
    """
    Return whether the heartbeat is newer than orders, by more than the second of their ids.
    """
    heartbeat = entry(client, "heartbeat") or {"ts": 0}
    return all(heartbeat["ts"] / 1e9 > (made_at(each) or 0) + 1 for each in client_order_ids)


@pytest.mark.parametrize("claims", [[], [ETH]])
def test_a_kill_in_the_hook_loses_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey, claims: list[Any]
) -> None:
    """The orders are in the cache by then, and the strategy's state knows nothing of them."""
    lost = sent_by(venue, valkey)
    with process(venue, valkey, "Hanging") as killed:
        killed.wait_for("told")
        wait_until_stored(valkey, lost)
        valkey.wait_for(lambda client: pending(client) == lost)
        killed.kill()
    assert asyncio.run(told(venue, valkey, external_order_claims=claims)) == lost
    assert asyncio.run(told(venue, valkey, external_order_claims=claims)) == set()


@pytest.mark.long
def test_a_kill_before_the_recovery_has_completed_loses_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The heartbeats of that run come after the lost orders, and do not vouch for them."""
    lost = sent_by(venue, valkey)
    monitor = {"settle_ms": 60_000, "verify_timeout_secs": 90.0, "heartbeat_secs": 0.1}
    with process(venue, valkey, "Hanging", monitor) as killed:
        wait_until_stored(valkey, lost)
        valkey.wait_for(lambda client: is_alive_after(client, lost))
        killed.kill()
    assert asyncio.run(told(venue, valkey)) == lost


def test_who_raises_in_the_hook_is_told_again(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """At the next epoch of the same run, and at the next start."""
    lost = sent_by(venue, valkey)

    class Raising(Unaccounted):
        raises = True

        def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
            super().on_orders_lost(orders)
            if self.raises:
                raise RuntimeError("not now")

    async def raising() -> None:
        async with watched(venue, valkey, strategy := Raising()) as node:
            await node.result()
            assert "RECOVERY_HOOK_RAISED" in (strategy.gate.reason() or "")
            await reconnect(node, venue)
            assert list(map(ids, strategy.lost)) == [lost, lost]

    async def taking() -> None:
        async with watched(venue, valkey, strategy := Raising()) as node:
            await node.result()
            strategy.raises = False
            await reconnect(node, venue)
            await reconnect(node, venue)
            # By then it has taken them
            assert list(map(ids, strategy.lost)) == [lost, lost]
            assert strategy.lost_orders == ()
            assert strategy.gate.is_open

    asyncio.run(raising())
    asyncio.run(taking())
    assert asyncio.run(told(venue, valkey)) == set()


def test_a_state_that_cannot_be_stored_takes_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """After a kill the strategy would know nothing of what it was told."""
    lost = sent_by(venue, valkey)

    class Unsaved(Unaccounted):
        def on_save(self) -> dict[str, bytes]:
            raise RuntimeError("not now")

    async def unsaved() -> None:
        async with watched(venue, valkey, strategy := Unsaved()) as node:
            await node.result()
            assert list(map(ids, strategy.lost)) == [lost]
            assert strategy.gate.is_open

    asyncio.run(unsaved())
    assert asyncio.run(told(venue, valkey)) == lost


@pytest.mark.long
def test_a_strategy_that_is_not_on_the_node_finds_its_orders_when_it_is_back(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """They are in each report meanwhile, as they are then."""
    lost = sent_by(venue, valkey)
    with process(venue, valkey, "Hanging") as killed:
        killed.wait_for("told")
        valkey.wait_for(lambda client: pending(client) == lost)
        killed.kill()

    async def without() -> None:
        async with watched(venue, valkey) as node:
            found = (await node.result()).report.lost_orders
            assert ids(found) == lost
            assert {one.status for one in found} == {"ACCEPTED", "FILLED"}
            (bid,) = (one for one in found if one.status == "ACCEPTED")
            venue.cancel(bid.client_order_id)
            order = node.node.cache.order(ClientOrderId(bid.client_order_id))
            await node.run.until(lambda: order.is_closed)
            await reconnect(node, venue)
            found = node.terminals[-1].report.lost_orders
            assert {one.status for one in found} == {"CANCELED", "FILLED"}

    asyncio.run(without())
    assert asyncio.run(told(venue, valkey)) == lost


def test_a_strategy_that_is_not_recoverable_is_reported_once(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It has no hook, so there is nobody to take them."""
    lost = sent_by(venue, valkey)

    async def run() -> set[str]:
        async with watched(venue, valkey, Plain(StrategyConfig(**SENDER))) as node:
            found = ids((await node.result()).report.lost_orders)
            await reconnect(node, venue)
            assert node.terminals[-1].report.lost_orders == ()
            return found

    assert asyncio.run(run()) == lost
    assert asyncio.run(run()) == set()


@pytest.mark.parametrize("is_killed", [False, True])
def test_orders_that_were_purged_are_not_lost(
    venue: PaperVenue, valkey: EmbeddedValkey, is_killed: bool
) -> None:
    """Nor made anew from the venue's history: the position that is left has their trades."""
    with process(venue, valkey, "Purging", fills=20) as run:
        run.wait_for("purged")
        valkey.wait_for(lambda client: not client.keys("trader-TESTER-001:orders:*"))
        if is_killed:
            run.kill()
        else:
            run.stop()

    async def after() -> None:
        strategy = Unaccounted(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy) as node:
            event = await node.result()
            assert node.node.cache.orders(strategy_id=strategy.id) == []
            assert event.outcome is RecoveryOutcome.CLEAN
            (held,) = node.node.cache.positions_open()
            assert len(held.trade_ids) == 20
            assert event.report.lost_orders == ()
            await reconnect(node, venue)
            assert node.terminals[-1].report.lost_orders == ()
            assert strategy.lost == []

    asyncio.run(after())


def test_orders_that_were_purged_before_there_was_a_monitor_are_not_lost(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What the cache still holds says that the orders made before it were stored."""

    async def trade(run: NodeRun, strategy: Plain, quantity: str) -> None:
        strategy.submit_order(order := strategy.market(quantity))
        await run.until(lambda: order.is_closed)

    async def before() -> None:
        config = paper_node_config(
            [venue.exec_config(symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))],
            trader_id="TESTER-001",
            database=valkey.database_config(),
        )
        node = paper_node(config)
        node.trader.add_strategy(strategy := Plain(StrategyConfig(**SENDER)))
        async with running(node) as run:
            for quantity in ("2.000", "1.000"):
                await trade(run, strategy, quantity)
                strategy.close_all_positions(ETH)
                await run.until(lambda: not node.cache.positions_open())
            await trade(run, strategy, "2.000")
            node.cache.purge_closed_orders(node.kernel.clock.timestamp_ns() + 10**12, 0, True)

    asyncio.run(before())
    assert asyncio.run(told(venue, valkey)) == set()


@pytest.mark.long
def test_all_orders_are_lost_when_the_database_was_flushed(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Under a running node too: its heartbeat is back at once, and vouches for nothing."""
    with process(venue, valkey, "Purging", {"heartbeat_secs": 0.1}, fills=3) as killed:
        killed.wait_for("purged")
        valkey.wait_for(lambda client: not client.keys("trader-TESTER-001:orders:*"))
        with valkey.client() as client:
            client.flushall()
        sent = set(venue.submitted())
        valkey.wait_for(lambda client: is_alive_after(client, sent))
        killed.kill()
    assert len(sent) == 3
    assert asyncio.run(told(venue, valkey)) == sent
    with valkey.client() as client:
        client.flushall()
    assert asyncio.run(told(venue, valkey)) == sent

"""
What a restart finds: orders and positions that changed while the node was away.
"""

import asyncio
import time
from typing import Any

import pytest
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Orders
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import differences
from tests.node.support import monitor_config
from tests.node.support import watched


class Opener(Orders, RecoverableStrategy):
    """
    Opens LONG 2 with a stop below when it may trade for the first time.
    """

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_trading_enabled(self) -> None:
        if not self.cache.positions_open():
            self.submit_order(self.market())
            self.submit_order(self.stop_loss("1900.00"))


def opener_node(port: int, redis_port: int) -> TradingNode:
    """
    Return the node that the process to be killed runs.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))],
        database=DatabaseConfig(host="127.0.0.1", port=redis_port),
    )
    node = paper_node(config)
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    node.trader.add_strategy(Opener())
    node.kernel.msgbus.subscribe(
        RecoveryComplete.topic(), lambda event: emit("complete", epoch=event.epoch)
    )
    return node


def run_and_kill(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """
    Run a node until it holds LONG 2 and a stop, all of it stored, and kill it.
    """
    with NodeProcess(
        "tests.node.test_restart:opener_node", port=venue.port, redis_port=valkey.port
    ) as process:
        process.wait_for("complete")
        venue.wait_for_fill()
        venue.wait_for_order(None, "ACCEPTED")
        wait_until_stored(valkey)
        process.kill()


def wait_until_stored(valkey: EmbeddedValkey) -> None:
    """
    Wait until the cache has written the fill and the accepted stop.
    """
    client: Any = valkey.client()
    deadline = time.monotonic() + 10
    while True:
        keys = [key.decode() for key in client.keys("trader-TESTER-001:orders:*")]
        events = sorted(client.llen(key) for key in keys)
        # Initialized, submitted, accepted, and filled for the market order
        is_complete = len(events) == 2 and events >= [3, 3] and sum(events) >= 7
        if is_complete and client.keys("trader-TESTER-001:positions:*"):
            return
        assert time.monotonic() < deadline, f"not stored: {dict(zip(keys, events, strict=False))}"
        time.sleep(0.005)


def kinds(event: RecoveryComplete) -> list[DiscrepancyKind]:
    # Nobody runs on these nodes who could own anything
    unowned = DiscrepancyKind.UNCLAIMED_POSITION
    return [found.kind for found in differences(event) if found.kind is not unowned]


def test_a_stop_filled_while_the_node_was_dead_is_a_real_fill(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """After kill -9 the venue's fill of a known order is applied, counted as VENUE, and proven."""
    run_and_kill(venue, valkey)
    venue.set_price("ETHUSDT-PERP", 1890)
    venue.wait_for_position("ETHUSDT-PERP", 0)

    async def after() -> None:
        async with watched(venue, valkey, strategy := Recorder()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.epoch == 2
            assert event.report.clean_shutdown is False
            assert event.report.ts_last_alive is not None
            assert event.report.ts_last_alive < event.report.ts_started
            assert event.report.fill_counts == {FillOrigin.VENUE: 1}
            (fill,) = event.report.fills
            assert fill.qty == -2
            assert fill.strategy_id == "Opener-000"
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after) == (2, 0)
            assert change.qty_venue in (None, 0)
            assert strategy.gate.is_open

    asyncio.run(after())


def test_a_position_that_the_venue_no_longer_has_is_degraded(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The venue lost the fills: NautilusTrader believes in LONG 2, the monitor blocks it."""
    run_and_kill(venue, valkey)
    mark = venue.mark()
    venue.set_price("ETHUSDT-PERP", 1890)
    venue.wait_for_position("ETHUSDT-PERP", 0)
    venue.set_faults(lose_fills_since=mark)

    async def after() -> None:
        async with watched(venue, valkey, strategy := Recorder()) as node:
            event = await node.result()
            assert node.run.is_trading  # Natively a success
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert set(kinds(event)) == {
                DiscrepancyKind.POSITION_NOT_AT_VENUE,
                DiscrepancyKind.ORDER_NOT_AT_VENUE,
            }
            assert event.blocked_instruments == {ETH.value}
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after, change.qty_venue) == (2, 2, None)

            strategy.submit_order(order := strategy.market())
            assert order.status_string() == "DENIED"
            assert strategy.denied[0].reason.startswith("RECOVERY_BLOCKED")
            strategy.submit_order(other := strategy.market(instrument_id=BTC))
            await node.run.until(lambda: other.is_closed)
            assert other.status_string() == "FILLED"
            assert other.client_order_id.value in venue.submitted()
            assert order.client_order_id.value not in venue.submitted()

    asyncio.run(after())


def test_an_order_that_the_venue_no_longer_has_is_degraded(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A stop that rests in the cache and nowhere else protects nothing: it blocks."""
    run_and_kill(venue, valkey)
    (stop,) = venue.wait_for_order(None, "ACCEPTED")
    venue.set_faults(hide_orders=(stop.venue_order_id,))

    async def after() -> None:
        async with watched(venue, valkey) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert kinds(event) == [DiscrepancyKind.ORDER_NOT_AT_VENUE]
            assert event.blocked_instruments == {ETH.value}

    asyncio.run(after())


def test_after_kill_9_an_unchanged_venue_is_clean(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What was stored before the kill and still stands at the venue is no difference."""
    run_and_kill(venue, valkey)

    async def after() -> None:
        async with watched(venue, valkey) as node:
            event = await node.result()
            assert kinds(event) == []
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.report.clean_shutdown is False

    asyncio.run(after())


def test_an_order_cancelled_at_the_venue_while_away_is_adjusted(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """An order that ended without a fill is a change of the cache."""
    run_and_kill(venue, valkey)
    (stop,) = venue.wait_for_order(None, "ACCEPTED")
    venue.cancel(stop.venue_order_id)

    async def after() -> None:
        async with watched(venue, valkey) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.report.fill_counts == {}
            assert kinds(event) == []

    asyncio.run(after())


def test_epochs_and_reports_are_kept_across_restarts_and_do_not_grow(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The epoch grows with each start, and Redis holds at most `history_size` reports."""
    epochs = []

    async def start() -> None:
        async with watched(venue, valkey, monitor=monitor_config(history_size=2)) as node:
            event = await node.result()
            epochs.append(event.epoch)
            assert [r.epoch for r in node.monitor.history()] == epochs[-2:]

    for _ in range(4):
        asyncio.run(start())
    assert epochs == [1, 2, 3, 4]
    client: Any = valkey.client()
    keys = sorted(key.decode() for key in client.keys("*recovery*"))
    assert keys == [
        "trader-TESTER-001:general:recovery:epoch",
        "trader-TESTER-001:general:recovery:heartbeat",
        "trader-TESTER-001:general:recovery:history:0",
        "trader-TESTER-001:general:recovery:history:1",
        "trader-TESTER-001:general:recovery:lost",
        "trader-TESTER-001:recovery:fence",
    ]


@pytest.mark.parametrize("entry", [b"\xff\x00damaged", b"[]", b'{"epoch":"seven"}', b""])
def test_a_damaged_history_entry_stops_no_recovery(
    venue: PaperVenue, valkey: EmbeddedValkey, entry: bytes
) -> None:
    """An entry that cannot be decoded is passed over, and the recovery goes on."""
    prefix = "trader-TESTER-001:general:recovery"
    valkey.client().set(f"{prefix}:history:7", entry)
    valkey.client().set(f"{prefix}:heartbeat", entry)
    valkey.client().set(f"{prefix}:epoch", b"41")

    async def start() -> None:
        async with watched(venue, valkey) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.epoch == 42
            assert event.report.ts_last_alive is None
            assert [r.epoch for r in node.monitor.history()] == [42]

    asyncio.run(start())


def test_of_two_venues_one_that_fails_keeps_the_whole_node_from_trading(venue: PaperVenue) -> None:
    """The kernel starts nothing when one venue fails, and the report names the silent one."""
    with PaperVenue("OTHER-001", prefix="OTHER") as other:
        other.open_account()
        other.set_faults(mass_status=MassStatusFault.RAISE)
        config = paper_node_config(
            [
                venue.exec_config(symbols=("ETHUSDT-PERP",)),
                other.exec_config(symbols=("ETHUSDT-PERP",), venue="OTHER"),
            ]
        )

        async def start() -> None:
            node = paper_node(config)
            node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
            node.trader.add_strategy(strategy := Recorder())
            found = Watched(node, monitor)
            async with running(node, wait=False) as run:
                found.run = run
                event = await found.result()
                assert event.reason is FailureReason.RECONCILIATION_FAILED
                silent = [d.account_id for d in differences(event)]
                assert silent == ["OTHER-001"]
                assert not strategy.gate.is_open

        asyncio.run(start())
        other.set_faults()

        async def again() -> None:
            node = paper_node(config)
            node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
            found = Watched(node, monitor)
            async with running(node) as run:
                found.run = run
                event = await found.result()
                assert event.outcome is RecoveryOutcome.CLEAN
                assert [a.account_id for a in event.report.accounts] == ["OTHER-001", "PAPER-001"]

        asyncio.run(again())


def test_stale_entries_that_are_deleted_from_redis_are_stale_no_more(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What the README tells an operator to do about a position that the venue does not have."""
    run_and_kill(venue, valkey)
    mark = venue.mark()
    venue.set_price("ETHUSDT-PERP", 1890)
    venue.wait_for_position("ETHUSDT-PERP", 0)
    venue.set_faults(lose_fills_since=mark)
    stale: list[str] = []

    async def before() -> None:
        async with watched(venue, valkey) as node:
            event = await node.result()
            stale.extend(f"positions:{d.position_id}" for d in differences(event) if d.position_id)
            stale.extend(
                f"orders:{d.client_order_id}" for d in differences(event) if d.client_order_id
            )

    asyncio.run(before())
    assert valkey.client().delete(*(f"trader-TESTER-001:{key}" for key in stale)) == 2

    async def after() -> None:
        async with watched(venue, valkey, strategy := Recorder()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open_for(ETH)
            assert node.node.cache.check_integrity()

    asyncio.run(after())

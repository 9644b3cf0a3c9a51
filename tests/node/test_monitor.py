"""
What becomes of the monitor's own errors, of reconnects, and of what leaves the node.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.objects import Money

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.evidence import reports
from nautilus_recovery_actor.node.monitor import incoming
from nautilus_recovery_actor.node.observing import intake
from nautilus_recovery_actor.node.observing import observation
from nautilus_recovery_actor.node.observing import reading
from nautilus_recovery_actor.node.observing.fills import repeated_fills
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import differences
from tests.node.support import monitor_config
from tests.node.support import other_mass_status
from tests.node.support import position_report
from tests.node.support import watched


def raises(*_: Any, **__: Any) -> Any:
    raise RuntimeError("injected")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (verdict, "judge"),
        (verdict, "origins"),
        (intake, "cached_positions"),
        (reading, "read_position"),
        (internals, "missing_at_registration"),
        (reports, "venue_position"),
        (observation, "Reading"),
        (observation, "observed_fills"),
        (incoming, "reads"),
        (RecoveryJournal, "begin"),
        (RecoveryJournal, "last_epoch"),
    ],
)
def test_what_raises_inside_the_monitor_is_told_and_takes_nothing_down(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """An error of the monitor's own is RecoveryFailed(INTERNAL_ERROR); the node runs, closed."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            monkeypatch.setattr(owner, name, raises)
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert "injected" in event.message
            assert node.run.is_trading
            assert not strategy.gate.is_open
            assert len(node.terminals) == 1

    async def from_the_start() -> None:
        monkeypatch.setattr(owner, name, raises)
        async with watched(venue, None, Recorder()) as node:
            event = await node.result()
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert node.run.is_trading
            assert len(node.terminals) == 1

    if name in ("judge", "Reading"):
        asyncio.run(scenario())
    monkeypatch.undo()
    asyncio.run(from_the_start())


class Unappendable(list[Any]):
    def append(self, _: Any) -> None:
        raise RuntimeError("injected")


@pytest.mark.parametrize(
    ("owner", "name"),
    [(incoming, "reads"), (observation, "Reading"), (verdict, "judge"), (RecoveryJournal, "begin")],
)
def test_what_raises_at_a_reconnect_closes_the_gate(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """A gate that is open under an older epoch does not stay open on an error of a newer one."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            monkeypatch.setattr(owner, name, raises)
            venue.push_mass_status()
            event = await node.result(2)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert event.epoch == 2
            assert not strategy.gate.is_open
            assert node.run.is_trading
            assert [m.epoch for m in node.messages] == [1, 1, 2, 2]

    asyncio.run(scenario())


def test_what_raises_on_an_event_at_run_time_closes_the_gate(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that could not be judged may have been a made-up fill."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            monkeypatch.setattr(intake, "made_up_fills", raises)
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", position_report("3.000"))
            event = await node.result(2)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_an_error_on_an_order_event_reaches_no_engine(venue: PaperVenue) -> None:
    """A handler that raised would break the reconciliation that published the event."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)

    async def scenario() -> None:
        async with watched(venue, wait=False) as node:
            node.monitor._intake.flagged = Unappendable()
            event = await node.result()
            assert event.reason is FailureReason.INTERNAL_ERROR
            await node.run.started()
            assert node.run.is_trading
            assert node.node.cache.positions_open_count() == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["record", "beat"])
def test_a_history_that_cannot_be_written_changes_no_result(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The result is published whether or not it can be kept."""
    monkeypatch.setattr(RecoveryJournal, name, raises)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_signals_tell_the_recovery_and_one_that_raises_harms_nothing(venue: PaperVenue) -> None:
    """Every receiver is called, whatever another one raises."""
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)
    venue.place("ETHUSDT-PERP", "BUY", 1)
    sent: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def receiver(_: Any, **values: Any) -> None:
            sent.append(f"{name} {','.join(values)}")

        return receiver

    started, completed = note("started"), note("completed")
    fill, discrepancy = note("fill"), note("discrepancy")

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED

    with (
        signals.recovery_started.connected_to(raises),
        signals.recovery_started.connected_to(started),
        signals.recovery_completed.connected_to(completed),
        signals.fill_reconciled.connected_to(fill),
        signals.discrepancy_found.connected_to(discrepancy),
    ):
        asyncio.run(scenario())
    assert sent[0] == "started event"
    assert sent[1] == "completed event"
    assert sent.count("fill fill") == 1
    # The unknown position, the unclaimed one, and that this one has no stop
    assert sent.count("discrepancy discrepancy") == 3


def test_a_reconnect_closes_the_gate_until_it_is_verified(venue: PaperVenue) -> None:
    """A mass status at run time is a new epoch: started, verified, completed."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=monitor_config(settle_ms=200)) as node:
            await node.result()
            venue.push_mass_status()
            await node.run.until(lambda: not strategy.gate.is_open)
            assert node.monitor.phase is RecoveryPhase.RECONCILING
            assert (strategy.gate.reason() or "").startswith("RECOVERY_IN_PROGRESS")
            event = await node.result(2)
            assert event.report.trigger == "mass_status"
            assert event.outcome is RecoveryOutcome.CLEAN
            assert [m.epoch for m in node.messages] == [1, 1, 2, 2]
            assert strategy.gate.is_open
            assert strategy.told == ["start", *["complete", "enabled"] * 2]

    asyncio.run(scenario())


def test_what_changed_before_a_reconnect_is_in_its_report(venue: PaperVenue) -> None:
    """The events that a mass status at run time brings belong to the epoch that it opens."""

    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 1, 1900)

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            venue.set_position("ETHUSDT-PERP", 3, 1900)
            venue.push_mass_status()
            event = await node.result(2)
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after, change.qty_venue) == (1, 3, 3)

    asyncio.run(scenario())


def test_what_was_blocked_on_an_account_stays_blocked_when_another_one_reconnects(
    venue: PaperVenue,
) -> None:
    """A result about one account proves nothing about another."""
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)

    async def scenario() -> None:
        async with watched(venue) as node:
            first = await node.result()
            node.node.kernel.msgbus.publish("reports.execution.OTHER", other_mass_status())
            event = await node.result(2)
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert event.blocked_instruments == first.blocked_instruments

    asyncio.run(scenario())


@pytest.mark.parametrize("is_reported", [False, True])
def test_a_mass_status_that_a_fill_overtook_proves_nothing_it_was_aligned_to(
    venue: PaperVenue, is_reported: bool
) -> None:
    """The engine aligns a newer position to an older report; without that, nothing is wrong."""
    venue.open_account()
    if is_reported:
        venue.set_position("ETHUSDT-PERP", 1, 1900)
    strategy = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            engine = node.node.kernel.exec_engine
            client = engine._clients[ClientId("PAPER")]
            # Of its own, so that nobody is warned that it is about to report
            status = await type(client).generate_mass_status(client)
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_mass_status", status)
            event = await node.result(2)
            if is_reported:  # LONG 3 at the venue, LONG 1 in the report and now in the cache
                assert strategy.portfolio.net_position(ETH) == 1
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert event.blocked_instruments == {ETH.value}
            else:
                assert strategy.portfolio.net_position(ETH) == 2
                assert differences(event) == []

    asyncio.run(scenario())


def test_a_reconnect_does_nothing_where_the_configuration_says_so(venue: PaperVenue) -> None:
    """`reopen_on_mass_status=False` leaves the gate open on a mass status at run time."""
    strategy = Recorder()
    config = monitor_config(reopen_on_mass_status=False)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            seen: list[object] = []
            node.node.kernel.msgbus.subscribe("reports.execution.*", seen.append)
            node.node.kernel.msgbus.subscribe("reports.execution.PAPER", seen.append)
            venue.push_mass_status()
            await node.run.until(lambda: seen)
            assert strategy.gate.is_open
            assert node.monitor.epoch == 1

    asyncio.run(scenario())


def test_fill_reports_in_normal_trading_close_no_gate(venue: PaperVenue) -> None:
    """An adapter that sends fill reports makes flagged fills all day long."""
    strategy = Recorder()

    async def scenario() -> None:
        clients = {"live_fill_reports": True}
        async with watched(venue, None, strategy, clients=clients) as node:
            await node.result()
            for _ in range(3):
                # A strategy may tag its orders as it likes
                strategy.submit_order(order := strategy.market(tags=["RECONCILIATION"]))
                await node.run.until(lambda order=order: order.is_closed)  # type: ignore[misc]
            assert strategy.portfolio.net_position(ETH) == 6
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())


@pytest.mark.parametrize("is_claimed", [False, True])
@pytest.mark.parametrize("is_true", [False, True])
def test_a_made_up_fill_at_run_time_closes_the_gate_until_the_venue_has_answered_twice(
    venue: PaperVenue, is_true: bool, is_claimed: bool
) -> None:
    """The engine aligned a position with a fill that never was: the venue is asked."""
    claims = [ETH] if is_claimed else None
    strategy = Recorder(StrategyConfig(external_order_claims=claims, order_id_tag="1"))

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            if is_true:
                venue.set_position("ETHUSDT-PERP", 3, 1900)
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", position_report("3.000"))
            await node.run.until(lambda: node.monitor.epoch == 2)
            assert not strategy.gate.is_open
            event = await node.result(2)
            assert event.report.trigger == "synthetic_fill"
            assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}
            (account,) = event.report.accounts
            # What differs is looked into once more
            assert (account.answers, account.ts_report) == (2 if is_true else 3, None)
            if is_true:
                assert event.outcome is RecoveryOutcome.ADJUSTED
                assert event.blocked_instruments == frozenset()
            else:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert event.blocked_instruments == {ETH.value}
            assert strategy.gate.is_open_for(ETH) == is_true

    asyncio.run(scenario())


def test_a_made_up_fill_blocks_its_instrument_also_in_an_epoch_of_another_account(
    venue: PaperVenue,
) -> None:
    """What another account's report has opened proves nothing of this one."""
    strategy = Recorder()

    async def scenario() -> None:
        config = monitor_config(settle_ms=300)
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.publish("reports.execution.OTHER", other_mass_status())
            assert node.monitor.epoch == 2
            bus.send("ExecEngine.reconcile_execution_report", position_report("3.000"))
            event = await node.result(2)
            assert event.report.trigger == "mass_status"
            assert event.blocked_instruments == {ETH.value}
            assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}

    asyncio.run(scenario())


def test_a_made_up_fill_does_nothing_where_the_configuration_says_so(venue: PaperVenue) -> None:
    """`reopen_on_synthetic_fill=False` leaves the gate open."""
    config = monitor_config(reopen_on_synthetic_fill=False)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder(), monitor=config) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", position_report("3.000"))
            await node.run.until(lambda: strategy.portfolio.is_net_long(ETH))
            await node.run.until(lambda: not node.monitor._intake.flagged)
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_an_order_placed_elsewhere_at_run_time_closes_no_gate(venue: PaperVenue) -> None:
    """A trade made by hand comes with the venue's own order report."""

    async def scenario() -> None:
        clients = {"live_fill_reports": True}
        async with watched(venue, None, strategy := Recorder(), clients=clients) as node:
            await node.result()
            venue.place("ETHUSDT-PERP", "BUY", 1)
            await node.run.until(lambda: strategy.portfolio.is_net_long(ETH))
            await node.run.until(lambda: not node.monitor._intake.flagged)
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_a_fill_report_of_an_own_order_closes_no_gate_whatever_its_tags(venue: PaperVenue) -> None:
    """A strategy may tag its orders as the engine tags those that it makes up."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00", tags=["RECONCILIATION"]))
            await node.run.until(lambda: order.is_open)
            fill = FillReport(
                account_id=order.account_id,
                instrument_id=ETH,
                venue_order_id=order.venue_order_id,
                trade_id=TradeId("T-1"),
                order_side=order.side,
                last_qty=order.quantity,
                last_px=order.price,
                commission=Money(0, USDT),
                liquidity_side=LiquiditySide.MAKER,
                report_id=UUID4(),
                ts_event=1,
                ts_init=1,
            )
            node.node.kernel.msgbus.send("ExecEngine.reconcile_execution_report", fill)
            assert order.is_closed
            await node.run.until(lambda: not node.monitor._intake.flagged)
            assert node.monitor.epoch == 1
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_the_messages_reach_an_external_redis_stream(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A node with a message bus database streams the recovery to whoever reads it."""
    bus = MessageBusConfig(
        database=valkey.database_config(),
        encoding="json",
        streams_prefix="stream",
        use_trader_prefix=False,
        use_trader_id=False,
        stream_per_topic=False,
        buffer_interval_ms=10,
    )

    async def scenario() -> None:
        async with watched(venue, None, message_bus=bus) as node:
            event = await node.result()
            client: Any = valkey.client()

            def streamed() -> list[dict[str, Any]]:
                return [
                    json.loads(fields[b"payload"])
                    for key in client.keys("*stream*")
                    for _, fields in client.xrange(key)
                    if fields[b"topic"].startswith(b"data.Recovery")
                ]

            await node.run.until(lambda: len(streamed()) == 2)
            started, completed = streamed()
            assert started["type"] == RecoveryStarted.__name__
            assert RecoveryComplete.from_dict(completed).report == event.report

    asyncio.run(scenario())


NODE_BY_CONFIGURATION_ALONE = """
import sys
from nautilus_trader.config import ImportableActorConfig, LoggingConfig, MessageBusConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.common.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode

bus = MessageBusConfig(
    database=DatabaseConfig(host="127.0.0.1", port=int(sys.argv[1])),
    encoding="json", streams_prefix="stream", stream_per_topic=False,
    use_trader_prefix=False, use_trader_id=False,
)
monitor = ImportableActorConfig(
    actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
    config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
    config={"settle_ms": 1},
)
assert "nautilus_recovery_actor" not in sys.modules
node = TradingNode(config=TradingNodeConfig(
    trader_id="TESTER-001", message_bus=bus, actors=[monitor],
    logging=LoggingConfig(log_level="WARNING", log_colors=False), timeout_post_stop=0.0,
))
node.build()

def stop(event):
    node.kernel.loop.call_later(0.2, node.stop)

node.kernel.msgbus.subscribe("data.RecoveryComplete*", stop)
node.run()
node.dispose()
"""


def test_a_node_that_names_the_monitor_in_its_configuration_alone_streams_it_too(
    valkey: EmbeddedValkey,
) -> None:
    """Such a node imports the package after its bus has taken the types that it streams."""
    ran = subprocess.run(
        [sys.executable, "-c", NODE_BY_CONFIGURATION_ALONE, str(valkey.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    client: Any = valkey.client()
    streamed = [
        (fields[b"topic"].decode(), json.loads(fields[b"payload"]))
        for key in client.keys("*stream*")
        for _, fields in client.xrange(key)
        if fields[b"topic"].startswith(b"recovery.")
    ]
    assert [topic for topic, _ in streamed] == [
        "recovery.RecoveryStarted",
        "recovery.RecoveryComplete",
    ]
    event = RecoveryComplete.from_dict(streamed[1][1])
    assert event.outcome is RecoveryOutcome.CLEAN
    assert "import nautilus_recovery_actor before the node is created" in ran.stdout


def test_failure_can_stop_the_node(venue: PaperVenue) -> None:
    """With `on_failure="shutdown"` a node whose trader never started stops."""
    venue.open_account()
    venue.set_faults(query_errors=True)
    config = monitor_config(on_failure="shutdown")

    async def scenario() -> None:
        async with watched(venue, monitor=config, wait=False) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            await node.run.until(lambda: not node.node.is_running())

    asyncio.run(scenario())


def test_a_trade_that_is_told_again_at_a_reconnect_counts_once(venue: PaperVenue) -> None:
    """The engine publishes a fill also if the order holds its trade already."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            fill = order.last_event
            values = OrderFilled.to_dict(fill)
            again = OrderFilled.from_dict(
                {**values, "ts_init": fill.ts_init + 1, "reconciliation": True}
            )
            other = OrderFilled.from_dict({**values, "client_order_id": "O-OTHER"})
            assert repeated_fills([other, again, fill]) == {id(again)}

            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            status = await client.generate_mass_status()
            bus = node.node.kernel.msgbus
            bus.publish(f"events.order.{strategy.id}", again)
            bus.send("ExecEngine.reconcile_execution_mass_status", status)
            event = await node.result(2)
            assert differences(event) == []
            assert event.report.fill_counts == {}
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after) == (2, 2)

    asyncio.run(scenario())

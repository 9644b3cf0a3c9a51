"""
What users read in the log of their node, in a process of its own: a process logs at one level.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.outsiders import Outsider
from tests.node.outsiders import garbled
from tests.node.outsiders import listening
from tests.node.outsiders import messages
from tests.node.outsiders import wire
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.node.test_halt import halted


COMMAND_ENDPOINT = "RecoveryMonitor.command"
MONITOR = "TESTER-001.RecoveryMonitorActor"
STRATEGY = "TESTER-001.Recorder"
HALT = "TESTER-001.RecoveryHalt"
NOTHING_MADE_UP = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)

Scenario = Callable[[Any], Coroutine[Any, Any, None]]


def run(scenario: str, port: int) -> None:
    """
    Run a scenario of this module, in the child.
    """
    venue = PaperVenueControl(port)
    asyncio.run(globals()[scenario](venue))
    venue.close()


def log_of(scenario: Scenario, venue: PaperVenue) -> str:
    """
    Return what the node of a scenario logs.
    """
    child = f"from tests.node import test_logs; test_logs.run({scenario.__name__!r}, {venue.port})"
    ran = subprocess.run(
        [sys.executable, "-c", child],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr  # Where the errors are


def lines(log: str, level: str, component: str) -> list[str]:
    mark = f"[{level}] {component}: "
    return [line.partition(mark)[2] for line in log.splitlines() if mark in line]


async def an_emulated_order_at_a_reconnect(venue: Any) -> None:
    strategy = Recorder()
    data = [venue.data_config(symbols=("ETHUSDT-PERP",))]
    async with halted(venue, strategy, data_clients=data, log_level="INFO") as node:
        await node.result()
        order = strategy.order_factory.stop_market(
            ETH,
            OrderSide.BUY,
            paper_instrument("ETHUSDT-PERP").make_qty(1),
            paper_instrument("ETHUSDT-PERP").make_price(3_000),
            emulation_trigger=TriggerType.BID_ASK,
            client_order_id=ClientOrderId("O-EMULATED"),
        )
        strategy.submit_order(order)
        await node.run.until(lambda: order.status_string() == "EMULATED")
        venue.push_mass_status()
        await node.result(2)


def test_who_reads_the_log_knows_which_orders_no_recovery_holds_back(venue: PaperVenue) -> None:
    """What rests in the node itself is named at each recovery and at each halt."""
    log = log_of(an_emulated_order_at_a_reconnect, venue)
    (told,) = [line for line in lines(log, "WARN", MONITOR) if "O-EMULATED" in line]
    assert told.startswith("Emulated orders rest in the node and are sent when triggered")
    halts = lines(log, "WARN", HALT)
    assert halts[:2] == [
        "Only exits pass the risk engine: RECOVERY_PENDING: no recovery has completed yet",
        "Only exits pass the risk engine: RECOVERY_IN_PROGRESS: recovery epoch 2 has not completed",
    ]
    (emulated,) = halts[2:]
    assert emulated == (
        "Emulated orders are still sent when they trigger (O-EMULATED): "
        "cancel those that must not be"
    )
    assert lines(log, "INFO", HALT) == [
        f"The risk engine is ACTIVE again: recovery epoch {epoch} allows trading"
        for epoch in (1, 2)
    ]


async def a_release_and_its_end(venue: Any) -> None:
    strategy = Recorder()
    config = monitor_config(verify_timeout_secs=1.2)
    fields: dict[str, Any] = {"exec_engine": NOTHING_MADE_UP, "log_level": "INFO"}
    async with watched(venue, None, strategy, monitor=config, **fields) as node:
        await node.result()
        bus = node.node.kernel.msgbus
        bus.send(COMMAND_ENDPOINT, command("release", BTC.value))
        bus.send(COMMAND_ENDPOINT, command("release", ETH.value, secs=0.3))
        await node.run.until(lambda: not strategy.gate.is_open_for(ETH))
        await node.run.until(lambda: len(node.messages) == 4)
        venue.push_mass_status()
        await node.result(2)


def test_a_release_its_end_and_a_refusal_are_logged_with_who_and_why(venue: PaperVenue) -> None:
    """So is that a difference is checked again, once in each recovery."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    log = log_of(a_release_and_its_end, venue)
    asked = "release by ann@desk (checked at the venue's screen)"
    done = [line for line in lines(log, "WARN", MONITOR) if line.startswith(("Rel", "Bl"))]
    assert done == [
        f"Released {ETH} for 0.005 min: {asked}",
        f"Blocked {ETH} again: the release expired",
    ]
    assert f"Refused to {asked}: {BTC} is not blocked, now blocked: {ETH}" in lines(
        log, "ERROR", MONITOR
    )
    rechecks = [line for line in lines(log, "WARN", MONITOR) if "checking again" in line]
    assert rechecks == [
        f"Recovery epoch {epoch}: 1 blocking difference, checking again for 1.2 s"
        for epoch in (1, 2)
    ]
    changes = [line for line in lines(log, "WARN", STRATEGY) if "An operator" in line]
    assert changes == [
        "An operator changed what is blocked, now blocked: none",
        f"An operator changed what is blocked, now blocked: {ETH}",
    ]


async def an_order_in_shadow_mode(venue: Any) -> None:
    strategy = Recorder()
    config = monitor_config(shadow=True)
    fields: dict[str, Any] = {"exec_engine": NOTHING_MADE_UP, "log_level": "INFO"}
    async with watched(venue, None, strategy, monitor=config, **fields) as node:
        await node.result()
        quantity = paper_instrument("ETHUSDT-PERP").make_qty(1)
        order = strategy.order_factory.market(
            ETH, OrderSide.BUY, quantity, client_order_id=ClientOrderId("O-SHADOW")
        )
        strategy.submit_order(order)
        await node.run.until(lambda: order.is_closed)


def test_an_order_that_shadow_mode_lets_pass_is_logged_with_the_reason(venue: PaperVenue) -> None:
    """Who tries the plugin reads which orders it would have denied."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    (told,) = [
        line
        for line in lines(log_of(an_order_in_shadow_mode, venue), "WARN", STRATEGY)
        if "O-SHADOW" in line
    ]
    assert told.startswith(f"Shadow mode lets O-SHADOW pass: RECOVERY_BLOCKED: {ETH} differs")


async def a_client_that_is_lost(venue: Any) -> None:
    config = monitor_config(heartbeat_secs=0.05, storm_epochs=0)
    async with watched(venue, monitor=config, log_level="INFO") as node:
        await node.result()
        node.node.kernel.exec_engine._clients[ClientId("PAPER")].disconnect()
        await node.result(2)


def test_a_client_that_is_lost_and_a_storm_are_logged(venue: PaperVenue) -> None:
    """The log says what was lost, and how trading is resumed once it is too often."""
    log = log_of(a_client_that_is_lost, venue)
    assert "The client of PAPER-001 is disconnected: its cached state is going stale" in lines(
        log, "WARN", MONITOR
    )
    (storm,) = [line for line in lines(log, "ERROR", MONITOR) if "More than 0" in line]
    assert "RECONCILIATION_FAILED" in storm
    assert "`nautilus-recovery resume`" in storm


async def a_state_that_is_overruled(venue: Any) -> None:
    venue.set_faults(query_errors=True)
    async with halted(venue, wait=False, log_level="INFO") as node:
        await node.result()
        node.node.kernel.risk_engine.set_trading_state(TradingState.ACTIVE)


@pytest.mark.long
def test_who_is_overruled_reads_why(venue: PaperVenue) -> None:
    """A trading state that is set under a failed recovery is taken back, with the failure."""
    (told,) = lines(log_of(a_state_that_is_overruled, venue), "ERROR", HALT)
    assert told.startswith(
        "REDUCING again (the trading state was set to ACTIVE): "
        "RECOVERY_FAILED: RECONCILIATION_FAILED: "
    )


async def halts_that_last(venue: Any) -> None:
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))], log_level="INFO")
    node = paper_node(config)
    halt_until_recovered(node)
    async with running(node):
        pass

    node = paper_node(config)
    node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
    node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
    halt_until_recovered(node)
    async with running(node) as run:
        await run.until(lambda: monitor.phase is RecoveryPhase.COMPLETE)

    fields: dict[str, Any] = {"exec_engine": NOTHING_MADE_UP, "log_level": "INFO"}
    async with halted(venue, **fields) as found:
        await found.result()
        found.node.kernel.risk_engine.set_trading_state(TradingState.ACTIVE)


@pytest.mark.long
def test_a_halt_that_lasts_says_what_it_waits_for(venue: PaperVenue) -> None:
    """For a monitor, for who halted it before, or for the instruments that stay blocked."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    log = log_of(halts_that_last, venue)
    (missing,) = [line for line in lines(log, "WARN", HALT) if "no RecoveryMonitorActor" in line]
    assert missing.startswith("The node has no RecoveryMonitorActor yet: it stays halted until")
    stays = "The risk engine stays HALTED, as somebody else has set it"
    assert lines(log, "WARN", HALT).count(stays) == 1
    (overruled,) = lines(log, "ERROR", HALT)
    assert overruled == (
        "REDUCING again (the trading state was set to ACTIVE): "
        f"RECOVERY_BLOCKED: {ETH} since recovery epoch 1"
    )


async def a_command_before_the_start(venue: Any) -> None:
    config = paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))])
    node = paper_node(config)
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    node.kernel.msgbus.send(COMMAND_ENDPOINT, command("resume"))
    async with running(node):
        pass


@pytest.mark.long
def test_a_command_that_comes_too_early_is_refused_in_the_log(venue: PaperVenue) -> None:
    """There is no history yet in which it could be answered."""
    errors = lines(log_of(a_command_before_the_start, venue), "ERROR", MONITOR)
    assert errors[0].startswith("Refused ")
    assert errors[0].endswith(": the node has not started")


async def a_venue_that_answers_with_errors(venue: Any) -> None:
    config = monitor_config(query_retries=0)
    async with watched(venue, None, monitor=config, log_level="WARN") as node:
        await node.result()
        venue.set_faults(query_errors=True)
        venue.push_mass_status()
        await node.result(2)


@pytest.mark.long
def test_why_an_account_is_not_proven_is_logged(venue: PaperVenue) -> None:
    """Each question with what came of it, and then what that means."""
    log = log_of(a_venue_that_answers_with_errors, venue)
    warnings, errors = lines(log, "WARN", MONITOR), lines(log, "ERROR", MONITOR)
    for question in ("its mass status", "positions", "open orders"):
        (line,) = {line for line in warnings if f"was asked for {question}" in line}
        assert line.startswith(f"PAPER was asked for {question} (1 of 1): ")
        assert "queries are set to fail" in line
    (line,) = {line for line in errors if line.startswith("PAPER gave no mass status: ")}
    assert "queries are set to fail" in line
    assert any(line.startswith("Recovery epoch 2 NOT_RECONCILED: ") for line in errors)


async def a_flood_from_outside(venue: Any) -> None:
    strategy, trader_id = Recorder(), "TESTER-001"
    with EmbeddedValkey() as valkey:
        outsider = Outsider(valkey, "outside")
        async with listening(venue, outsider, strategy, log_level="INFO") as node:
            await node.result()
            await outsider.all_read(node)
            for one in messages(trader_id):
                outsider.send(*[(one.topic(), wire(one))] * 100)
            for values in garbled(trader_id):
                outsider.send((f"data.{values['type']}*", values))
            await outsider.all_read(node)


@pytest.mark.long
def test_a_flood_from_outside_is_a_line_of_the_log(venue: PaperVenue) -> None:
    """One for what is damaged; of all else there is nothing to say."""
    log = log_of(a_flood_from_outside, venue)
    written = [line for line in log.splitlines() if "from outside" in line or "Refused" in line]
    (damaged,) = (line.partition("] ")[2] for line in written)
    assert damaged.startswith("TESTER-001.RecoveryMessages: A RecoveryStarted from outside is")

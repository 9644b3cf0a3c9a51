"""
What the monitor asks the venues while a node trades, and what follows from the answers.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import position_report
from tests.node.support import watched
from tests.scenes import SYMBOL


INTERVAL_SECS = 0.3
PROOF = "QueryPositions"


def proving(**fields: Any) -> RecoveryMonitorConfig:
    values = {
        "prove_interval_secs": INTERVAL_SECS,
        "query_retries": 1,
        "query_timeout_secs": 1.0,
        "verify_timeout_secs": 1.0,
        "heartbeat_secs": 0.2,
    }
    return monitor_config(**{**values, **fields})


def held(node: Watched) -> list[tuple[str, Decimal]]:
    return sorted(
        (position.strategy_id.value, position.signed_decimal_qty())
        for position in node.node.cache.positions_open(instrument_id=ETH)
    )


def ts_proven(node: Watched) -> int:
    return node.monitor._decisions.recovery.proving.ts_proven or 0


async def proven_again(node: Watched, count: int = 1) -> None:
    """
    Wait until a proof has held.
    """
    for _ in range(count):
        last = ts_proven(node)
        await node.run.until(lambda last=last: ts_proven(node) > last)  # type: ignore[misc]


async def long_and_stopped(node: Watched, venue: PaperVenue, strategy: Recorder) -> str:
    """
    Have the strategy hold LONG 2 and a stop, and return the stop's client order id.
    """
    strategy.submit_order(order := strategy.market("2.000"))
    await node.run.until(lambda: order.is_closed)
    strategy.submit_order(stop := strategy.stop_loss("1500.00"))
    await node.run.until(lambda: stop.is_open)
    return str(stop.client_order_id)


# -- ONE THAT HOLDS --


def test_a_proof_that_holds_leaves_no_trace_but_its_time(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """No epoch, no message, and the heartbeat has it."""
    strategy = Recorder()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        async with watched(venue, valkey, strategy, monitor=proving()) as node:
            await node.result()
            await long_and_stopped(node, venue, strategy)
            sent = len(node.messages)
            await proven_again(node, 3)
            assert len(node.messages) == sent
            assert strategy.gate.is_open
            beat = node.monitor._journal.heartbeat()
            assert isinstance(beat, Heartbeat)
            assert beat.ts_proven is not None
            assert beat.prove_interval_secs == INTERVAL_SECS

    asyncio.run(scenario())


def test_proofs_while_the_strategy_trades_open_nothing(venue: PaperVenue) -> None:
    """Orders that fill, rest and are canceled all the time, by whole answers or between two."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        config = proving(prove_interval_secs=0.05)
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            trading = asyncio.create_task(trade(node, strategy))
            await proven_again(node, 20)
            assert not trading.done()
            trading.cancel()
            assert len(node.terminals) == 1, [m.report for m in node.terminals]
            await proven_again(node, 2)
            assert len(node.terminals) == 1

    asyncio.run(scenario())


async def trade(node: Watched, strategy: Recorder) -> None:
    while True:
        strategy.submit_order(order := strategy.market("1.000"))
        strategy.submit_order(resting := strategy.limit("1000.00"))
        await node.run.until(lambda: order.is_closed and resting.is_open)
        strategy.cancel_order(resting)
        strategy.close_all_positions(ETH)
        await asyncio.sleep(0.04)  # The engine takes a hundred orders a second


def test_without_an_interval_nothing_is_asked(venue: PaperVenue) -> None:
    """Once the recovery has ended."""

    async def scenario() -> None:
        async with watched(venue, monitor=proving(prove_interval_secs=None)) as node:
            await node.result()
            asked = len(venue.commands(PROOF))
            assert node.monitor._decisions.recovery.wake_at is None
            await asyncio.sleep(3 * INTERVAL_SECS)
            assert len(venue.commands(PROOF)) == asked

    asyncio.run(scenario())


# -- ONE THAT DOES NOT --


def missed_fill(venue: PaperVenue, stop: str) -> None:
    venue.fill(stop, px=1500)


def traded_by_hand(venue: PaperVenue, stop: str) -> None:
    venue.place(SYMBOL, "SELL", 1)


def liquidated(venue: PaperVenue, stop: str) -> None:
    venue.cancel(stop)
    venue.place(SYMBOL, "SELL", 2, reduce_only=True)


def closed_by_hand(venue: PaperVenue, stop: str) -> None:
    venue.cancel(stop)
    venue.place(SYMBOL, "SELL", 2)


def canceled_by_hand(venue: PaperVenue, stop: str) -> None:
    venue.cancel(stop)


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (missed_fill, []),
        (traded_by_hand, [("TRADER-001", Decimal(1))]),
        (closed_by_hand, []),
        (canceled_by_hand, [("TRADER-001", Decimal(2))]),
    ],
)
def test_what_nobody_reports_is_found_in_time(
    venue: PaperVenue, drift: Callable[[PaperVenue, str], None], expected: list[tuple[str, Decimal]]
) -> None:
    """The gate closes, the engine gets a mass status, and the gate opens on what is proven."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        async with watched(venue, None, strategy, monitor=proving()) as node:
            await node.result()
            stop = await long_and_stopped(node, venue, strategy)
            await proven_again(node)
            venue.set_faults(lose_events=True)
            drift(venue, stop)
            await node.run.until(lambda: not strategy.gate.is_open, INTERVAL_SECS + 5)
            assert not await may_trade(node, venue, strategy)
            venue.set_faults()
            event = await node.result(2)
            assert event.report.trigger == "proof"
            assert event.outcome is RecoveryOutcome.ADJUSTED, event.report
            assert event.report.accounts[0].ts_report is not None
            assert event.report.accounts[0].ts_proof is not None
            assert held(node) == expected
            assert strategy.gate.is_open_for(ETH)
            sent = len(node.messages)
            await proven_again(node, 2)
            assert len(node.messages) == sent

    asyncio.run(scenario())


def test_what_the_engine_cannot_book_stays_blocked(venue: PaperVenue) -> None:
    """A liquidation may reduce only, and 1.231 books no such fill beside a position."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        async with watched(venue, None, strategy, monitor=proving()) as node:
            await node.result()
            stop = await long_and_stopped(node, venue, strategy)
            await proven_again(node)
            venue.set_faults(lose_events=True)
            liquidated(venue, stop)
            await node.run.until(lambda: not strategy.gate.is_open, INTERVAL_SECS + 5)
            venue.set_faults()
            event = await node.result(2)
            assert event.report.trigger == "proof"
            is_flat = sum(qty for _, qty in held(node)) == 0
            is_open = strategy.gate.is_open_for(ETH)
            assert is_flat or not is_open
            assert await may_trade(node, venue, strategy) is is_open

    asyncio.run(scenario())


# -- BLOCKS --


def test_a_block_ends_when_it_is_proven_away(venue: PaperVenue) -> None:
    """And the strategy is told; one that stands opens no epochs."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        async with watched(venue, None, strategy, monitor=proving()) as node:
            await node.result()
            stop = await long_and_stopped(node, venue, strategy)
            venue.set_faults(hide_orders=(stop,))
            event = await node.result(2)
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert kinds(event) == {Kind.ORDER_NOT_AT_VENUE}
            assert not await may_trade(node, venue, strategy)
            sent = len(node.messages)
            await proven_again(node, 3)
            assert len(node.messages) == sent  # It stands, and nothing more is said of it
            strategy.told.clear()
            venue.set_faults()
            event = await node.result(3, INTERVAL_SECS + 10)
            assert event.report.trigger == "proof"
            assert event.blocked_instruments == set()
            await node.run.until(lambda: "enabled" in strategy.told)
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_an_order_event_on_a_blocked_instrument_brings_the_proof_forward(venue: PaperVenue) -> None:
    """Long before the interval is over."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        config = proving(prove_interval_secs=600.0)
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            stop = await long_and_stopped(node, venue, strategy)
            venue.set_faults(hide_orders=(stop,))
            venue.push_mass_status()
            event = await node.result(2)
            assert event.blocked_instruments == {str(ETH)}
            venue.set_faults()
            venue.cancel(stop)
            event = await node.result(3, 15)
            assert event.report.trigger == "proof"
            assert event.blocked_instruments == set()

    asyncio.run(scenario())


def test_what_the_engine_has_made_up_blocks_until_a_proof_holds(venue: PaperVenue) -> None:
    """No mass status has to come."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=proving()) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_report", position_report("3.000"))
            event = await node.result(2)
            assert event.report.trigger == "synthetic_fill"
            assert event.blocked_instruments == {str(ETH)}
            sent = len(node.messages)
            await proven_again(node, 3)
            assert len(node.messages) == sent
            venue.set_position(SYMBOL, 3, 1900)
            event = await node.result(3)
            assert event.report.trigger == "proof"
            assert event.blocked_instruments == set()
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


# -- VENUES THAT DO NOT ANSWER --


def test_a_venue_that_answers_errors_closes_the_gate_and_opens_it_when_it_answers(
    venue: PaperVenue,
) -> None:
    """After `query_timeout_secs` for each attempt; nobody has to resume it."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=proving(query_retries=0)) as node:
            await node.result()
            await proven_again(node)
            venue.set_faults(query_errors=True)
            await node.run.until(lambda: not strategy.gate.is_open)
            event = await node.result(2)
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.NOT_RECONCILED
            assert event.report.trigger == "proof"
            sent = len(node.messages)
            await asyncio.sleep(3 * INTERVAL_SECS)
            assert len(node.messages) == sent
            venue.set_faults()
            event = await node.result(3)
            assert event.report.trigger == "proof"
            assert event.outcome is RecoveryOutcome.CLEAN, event
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_a_venue_that_answers_again_in_time_closes_nothing(venue: PaperVenue) -> None:
    """And the proofs go on."""

    async def scenario() -> None:
        config = proving(query_retries=0, query_timeout_secs=60.0)
        async with watched(venue, monitor=config) as node:
            await node.result()
            venue.set_faults(query_errors=True)
            await node.run.until(lambda: node.monitor._decisions.recovery.proving.failing)
            venue.set_faults()
            await proven_again(node, 2)
            assert len(node.messages) == 2
            assert not node.monitor._decisions.recovery.proving.failing

    asyncio.run(scenario())


def test_a_node_comes_back_by_itself_from_a_long_disconnect(venue: PaperVenue) -> None:
    """Which ends in a failure, and in an epoch of its own once the venue answers."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=proving()) as node:
            await node.result()
            venue.refuse_connections()
            venue.drop_connections()
            event = await node.result(2)
            assert event.reason is FailureReason.NOT_RECONCILED
            assert not strategy.gate.is_open
            venue.refuse_connections(refuse=False)
            await node.run.until(lambda: strategy.gate.is_open)
            assert node.terminals[-1].outcome is RecoveryOutcome.CLEAN
            started = [m for m in node.messages if isinstance(m, RecoveryStarted)]
            assert len(started) == len(node.terminals)

    asyncio.run(scenario())


# -- AN OPERATOR ASKS --


async def verified(node: Watched, valkey: EmbeddedValkey) -> CommandAnswer:
    """
    Let an operator ask for a proof, and return what he is answered.
    """
    given = command("verify")
    node.node.kernel.msgbus.send(COMMAND_ENDPOINT, given)
    await node.run.until(lambda: any(a.command_id == given.command_id for a in node.answers))
    return node.answers[-1]


@pytest.mark.parametrize("interval_secs", [None, 600.0])
def test_an_operator_may_ask_at_any_time(
    venue: PaperVenue, valkey: EmbeddedValkey, interval_secs: float | None
) -> None:
    """The answer is given when the proof is made, and says what came of it."""
    strategy = heir()

    async def scenario() -> None:
        venue.set_price(SYMBOL, 2000)
        config = proving(prove_interval_secs=interval_secs)
        async with watched(venue, valkey, strategy, monitor=config) as node:
            await node.result()
            stop = await long_and_stopped(node, venue, strategy)
            said = await verified(node, valkey)
            text = "Proven: 1 instrument of 1 account agree with the venue"
            assert (said.is_accepted, said.text) == (True, text)
            venue.set_faults(hide_orders=(stop,))
            said = await verified(node, valkey)
            assert not said.is_accepted
            assert said.text.startswith("Recovery epoch 2 ended DEGRADED")
            said = await verified(node, valkey)
            assert not said.is_accepted
            assert "ORDER_NOT_AT_VENUE" in said.text
            assert node.monitor.epoch == 2
            venue.set_faults()
            said = await verified(node, valkey)
            assert (said.is_accepted, node.monitor.epoch) == (True, 3)
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())

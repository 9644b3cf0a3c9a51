"""
Several venues, several owners, reconnects and emulated orders, with the monitor on the node.
"""

import asyncio

import pytest
from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import running
from tests import scenes
from tests import scenes_live
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import differences
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched


TRADER_ID = "TESTER-001"
SOON = monitor_config(verify_timeout_secs=0.5)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (MassStatusFault.RAISE, FailureReason.RECONCILIATION_FAILED),
        (MassStatusFault.HANG, FailureReason.TIMEOUT),
    ],
)
def test_one_of_two_venues_is_named_and_the_next_start_is_adjusted(
    venue: PaperVenue, fault: MassStatusFault, reason: FailureReason
) -> None:
    """No gate opens for the venue that is well either; once both answer, all may trade."""
    venue.open_account()
    venue.place(scenes.SYMBOL, "BUY", 2)

    async def scenario() -> None:
        with scenes_live.other_venue(venue) as other:
            other.set_faults(mass_status=fault)
            monitor = RecoveryMonitorActor(
                monitor_config(startup_timeout_secs=1.0, query_retries=0)
            )
            node = scenes_live.node_on_both(venue, other, monitor, strategy := Recorder())
            found = Watched(node, monitor)
            async with running(node, wait=False) as run:
                found.run = run
                event = await found.result()
                assert isinstance(event, RecoveryFailed)
                assert event.reason is reason
                silent = {
                    d.account_id
                    for d in differences(event)
                    if d.kind is DiscrepancyKind.NO_MASS_STATUS
                }
                assert other.account_id in silent
                assert not strategy.gate.is_open_for(ETH)
                assert not run.is_trading

            other.set_faults()
            monitor = RecoveryMonitorActor(monitor_config())
            node = scenes_live.node_on_both(venue, other, monitor, strategy := Recorder())
            found = Watched(node, monitor)
            async with running(node) as run:
                found.run = run
                event = await found.result()
                assert event.outcome is RecoveryOutcome.ADJUSTED
                assert [a.account_id for a in event.report.accounts] == ["OTHER-001", "PAPER-001"]
                assert await may_trade(found, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("at_venue", "outcome", "found"),
    [
        pytest.param(2, RecoveryOutcome.CLEAN, set(), id="the same"),
        pytest.param(5, RecoveryOutcome.ADJUSTED, set(), id="changed"),
        pytest.param(
            0, RecoveryOutcome.DEGRADED, {DiscrepancyKind.POSITION_NOT_AT_VENUE}, id="flat"
        ),
    ],
)
def test_a_reconnect_closes_the_gate_and_opens_it_on_what_is_proven(
    venue: PaperVenue, at_venue: int, outcome: RecoveryOutcome, found: set[DiscrepancyKind]
) -> None:
    """The same position or one that could be aligned may be traded, one that is gone may not."""
    strategy = heir(external_order_claims=[ETH])

    async def scenario() -> None:
        config = monitor_config(settle_ms=200, verify_timeout_secs=0.5)
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            assert await may_trade(node, venue, strategy)
            venue.set_position(scenes.SYMBOL, at_venue, 2000)
            venue.drop_connections()
            await node.run.until(lambda: not strategy.gate.is_open)
            assert not await may_trade(node, venue, strategy)
            event = await node.result(2)
            assert event.report.trigger == "mass_status"
            assert event.outcome is outcome
            assert kinds(event) == found
            assert strategy.gate.is_open_for(ETH) == (not found)
            assert strategy.gate.is_open_for(BTC)
            assert await may_trade(node, venue, strategy) == (not found)

    asyncio.run(scenario())


def test_a_storm_of_reconnects_ends_in_a_failure_that_stays(venue: PaperVenue) -> None:
    """Ten in a row prove nothing any more: the gate stays closed until an operator acts."""

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder()) as node:
            await node.result()
            for epoch in range(2, 12):
                venue.drop_connections()
                await node.run.until(lambda: node.monitor.epoch == epoch or is_over(node))  # noqa: B023
                await node.run.until(lambda: len(node.terminals) == node.monitor.epoch)
                if is_over(node):
                    break
            assert is_over(node)
            epoch = node.monitor.epoch
            seen: list[object] = []
            node.node.kernel.msgbus.subscribe("reports.execution.*", seen.append)
            node.node.kernel.msgbus.subscribe("reports.execution.PAPER", seen.append)
            venue.push_mass_status()
            await node.run.until(lambda: seen)
            assert node.monitor.epoch == epoch
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def is_over(node: Watched) -> bool:
    return bool(node.terminals) and isinstance(node.terminals[-1], RecoveryFailed)


def test_a_reconnect_that_is_answered_with_errors_is_judged_at_the_next_that_is_not(
    venue: PaperVenue,
) -> None:
    """Nothing can be proven before the venue answers, and then the difference is found."""
    strategy = heir()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=SOON) as node:
            await node.result()
            assert await may_trade(node, venue, strategy)
            venue.set_faults(query_errors=True)
            queries = len(venue.commands("QueryPositions"))
            venue.set_position(scenes.SYMBOL, 0)
            venue.drop_connections()
            await node.run.until(lambda: len(venue.commands("QueryPositions")) > queries)
            venue.set_faults()
            venue.drop_connections()
            await node.run.until(lambda: not strategy.gate.is_open)
            await node.run.until(lambda: len(node.terminals) == node.monitor.epoch > 1)
            event = node.terminals[-1]
            assert kinds(event) == {DiscrepancyKind.POSITION_NOT_AT_VENUE}
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_a_position_of_a_strategy_and_of_nobody_is_blocked(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """One net position with two owners: whoever closes his part leaves the rest."""

    async def scenario() -> None:
        await scenes_live.long_and_a_trade_by_hand(venue, valkey, TRADER_ID)
        async with watched(venue, valkey, strategy := heir(), monitor=SOON) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert kinds(event) == {
                DiscrepancyKind.SPLIT_OWNERSHIP,
                DiscrepancyKind.UNCLAIMED_POSITION,
            }
            assert event.report.fill_counts == {FillOrigin.EXTERNAL: 1}
            assert event.blocked_instruments == {ETH.value}
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_reduced", [False, True])
def test_two_strategies_on_one_net_position_are_blocked(
    venue: PaperVenue, valkey: EmbeddedValkey, is_reduced: bool
) -> None:
    """The venue knows one position, and cannot say whose part of it is gone."""

    async def scenario() -> None:
        await scenes_live.two_strategies_on_one_position(venue, valkey, TRADER_ID)
        if is_reduced:
            venue.set_position(scenes.SYMBOL, 1, 2000)
        strategies = (heir(), Recorder(StrategyConfig(**scenes.OTHER)))
        async with watched(venue, valkey, *strategies, monitor=SOON) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            wanted = {DiscrepancyKind.SPLIT_OWNERSHIP}
            if is_reduced:
                wanted.add(DiscrepancyKind.UNCLAIMED_POSITION)
            assert kinds(event) == wanted
            for strategy in strategies:
                assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_an_emulated_stop_is_released_before_the_result_and_makes_no_difference(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The emulator asks no gate: the stop is sent, and what it filled is no discrepancy."""

    async def scenario() -> None:
        stop = await scenes_live.emulated_stop_passed(venue, valkey, TRADER_ID)
        strategy = heir()
        async with watched(
            venue,
            valkey,
            strategy,
            monitor=monitor_config(settle_ms=1_000),
            symbols=(scenes.SYMBOL,),
            data_clients=[venue.data_config(symbols=(scenes.SYMBOL,))],
        ) as node:
            await node.run.until(lambda: strategy.portfolio.is_flat(ETH))
            assert venue.submitted()[-1] == stop
            assert not node.terminals
            assert not strategy.gate.is_open
            event = await node.result()
            assert kinds(event) == set()
            assert event.blocked_instruments == frozenset()
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())

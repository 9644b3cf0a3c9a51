"""
The restarts that natively succeed with a wrong picture, with the monitor on the node.
"""

import asyncio
from typing import Any

import pytest

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.node.support import ETH
from tests.node.support import differences
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched


TRADER_ID = "TESTER-001"
SOON = monitor_config(verify_timeout_secs=0.5)
# What the engine makes of a report that nobody corrects
UNCORRECTED = monitor_config(verify_timeout_secs=0.5, corrections="none")


@pytest.mark.parametrize("monitor", [SOON, UNCORRECTED], ids=["corrected", "natively"])
def test_a_position_whose_history_is_cut_short_is_kept_or_blocked(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: RecoveryMonitorConfig
) -> None:
    """Where the engine flattens a LONG 2 that the venue reports, nothing of it may trade."""

    is_wrong = ADJUSTS_FILLS and monitor is UNCORRECTED

    async def scenario() -> None:
        await scenes.long_after_a_forgotten_short(venue, valkey, TRADER_ID)
        strategy = heir(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy, monitor=monitor) as node:
            event = await node.result()
            if is_wrong:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert kinds(event) == {DiscrepancyKind.POSITION_QTY_MISMATCH}
                assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}
                (change,) = event.report.positions
                assert (change.qty_before, change.qty_after, change.qty_venue) == (2, 0, 2)
            else:
                assert event.outcome is RecoveryOutcome.CLEAN
            assert event.blocked_instruments == ({ETH.value} if is_wrong else set())
            assert await may_trade(node, venue, strategy) is not is_wrong

    asyncio.run(scenario())


@pytest.mark.parametrize("monitor", [SOON, UNCORRECTED], ids=["corrected", "natively"])
@pytest.mark.parametrize("is_claimed", [False, True])
def test_a_quiet_restart_where_every_fill_is_reported_twice_is_quiet_or_blocked(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: RecoveryMonitorConfig, is_claimed: bool
) -> None:
    """The cache nets to nothing, and to two owners where nobody claims the opposite fill."""

    is_wrong = ADJUSTS_FILLS and monitor is UNCORRECTED

    async def scenario() -> None:
        await scenes.long_with_every_fill_reported_twice(venue, valkey, TRADER_ID)
        strategy = heir(external_order_claims=[ETH] if is_claimed else None)
        async with watched(venue, valkey, strategy, monitor=monitor) as node:
            event = await node.result()
            if is_wrong:
                assert event.outcome is RecoveryOutcome.DEGRADED
                wanted = {DiscrepancyKind.POSITION_QTY_MISMATCH}
                if not is_claimed:
                    wanted |= {DiscrepancyKind.SPLIT_OWNERSHIP, DiscrepancyKind.UNCLAIMED_POSITION}
                assert kinds(event) == wanted
            else:
                assert event.outcome is RecoveryOutcome.CLEAN
            assert event.blocked_instruments == ({ETH.value} if is_wrong else set())
            assert await may_trade(node, venue, strategy) is not is_wrong

    asyncio.run(scenario())


def test_equal_and_opposite_hedge_legs_are_not_flat(venue: PaperVenue) -> None:
    """Legs that a strategy nets are blocked; on 1.221 the start fails, and that is told."""
    client = scenes.hedged(venue)
    strategy = heir(external_order_claims=[ETH], oms_type="NETTING")

    async def scenario() -> None:
        async with watched(venue, None, strategy, clients=client, monitor=SOON, wait=False) as node:
            event = await node.result()
            if REPAIRS_HEDGE_LEGS:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert kinds(event) == {DiscrepancyKind.HEDGE_LEG_MISMATCH}
                legs = [str(d.position_id).rpartition("-")[2] for d in differences(event)]
                assert legs == ["LONG", "SHORT"]
                assert event.blocked_instruments == {ETH.value}
            else:
                assert isinstance(event, RecoveryFailed)
                assert event.reason is FailureReason.RECONCILIATION_FAILED
            assert not strategy.gate.is_open_for(ETH)
            assert strategy.portfolio.is_flat(ETH)
            strategy.submit_order(strategy.market())
            assert venue.submitted(client["account_id"]) == []

    asyncio.run(scenario())


def test_a_hedge_leg_that_grew_while_away_is_adjusted_or_fails_the_start(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What the engine repairs is proven leg by leg; what it gives up is a failure."""
    client = scenes.hedged(venue)
    account_id = client["account_id"]

    async def scenario() -> None:
        async with watched(venue, valkey, clients=client) as node:
            await node.result()
        venue.set_position(scenes.SYMBOL, -3, 2000, leg="SHORT", account_id=account_id)
        strategy = heir()
        async with watched(venue, valkey, strategy, clients=client, wait=False) as node:
            event = await node.result()
            if REPAIRS_HEDGE_LEGS:
                assert event.outcome is RecoveryOutcome.ADJUSTED
                legs = {
                    (change.qty_before, change.qty_after, change.qty_venue)
                    for change in event.report.positions
                }
                assert legs == {(2, 2, 2), (-2, -3, -3)}
            else:
                assert event.reason is FailureReason.RECONCILIATION_FAILED
            assert strategy.gate.is_open == REPAIRS_HEDGE_LEGS

    asyncio.run(scenario())


@pytest.mark.parametrize("monitor", [SOON, UNCORRECTED], ids=["corrected", "natively"])
def test_a_bid_that_the_cache_dropped_is_found(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: RecoveryMonitorConfig
) -> None:
    """It rests at the venue, where the cache does not know it."""

    is_wrong = ADJUSTS_FILLS and monitor is UNCORRECTED

    async def scenario() -> None:
        bid = await scenes.bid_placed_by_hand_behind_a_broken_history(venue, valkey, TRADER_ID)
        strategy = heir()
        async with watched(venue, valkey, strategy, monitor=monitor) as node:
            event = await node.result()
            if is_wrong:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert DiscrepancyKind.ORDER_NOT_IN_CACHE in kinds(event)
                assert bid in {d.client_order_id for d in differences(event)}
            else:
                assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.blocked_instruments == ({ETH.value} if is_wrong else set())
            assert await may_trade(node, venue, strategy) is not is_wrong

    asyncio.run(scenario())


def test_each_of_fourteen_bids_that_the_cache_dropped_is_found(venue: PaperVenue) -> None:
    """After kill -9 without a database, all 14 rest at the venue and none is in the cache."""
    scenes.fourteen_bids_killed_behind_a_broken_history(venue, None, TRADER_ID)
    bids = {order.client_order_id for order in venue.wait_for_order(None, "ACCEPTED", count=14)}

    async def scenario() -> None:
        strategy = heir()
        async with watched(venue, None, strategy, monitor=SOON) as node:
            event = await node.result()
            unknown = {
                d.client_order_id
                for d in differences(event)
                if d.kind is DiscrepancyKind.ORDER_NOT_IN_CACHE
            }
            assert unknown == (bids if ADJUSTS_FILLS else set())
            if not ADJUSTS_FILLS:  # It books what it makes up under another owner
                assert kinds(event) >= {DiscrepancyKind.SPLIT_OWNERSHIP}
            assert not strategy.gate.is_open_for(ETH)
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize("monitor", [SOON, UNCORRECTED], ids=["corrected", "natively"])
def test_a_bid_that_was_filled_meanwhile_and_stayed_open_is_filled_or_blocked(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: RecoveryMonitorConfig
) -> None:
    """The engine dropped what the venue said of it, and made the position up."""
    scenes.fourteen_bids_killed_behind_a_broken_history(venue, valkey, TRADER_ID)
    filled = str(venue.wait_for_order(None, "ACCEPTED")[0].client_order_id)
    venue.fill(filled)

    is_wrong = ADJUSTS_FILLS and monitor is UNCORRECTED

    async def scenario() -> None:
        strategy = heir()
        async with watched(venue, valkey, strategy, monitor=monitor) as node:
            event = await node.result()
            if is_wrong:
                assert event.outcome is RecoveryOutcome.DEGRADED
                assert filled in {d.client_order_id for d in differences(event)}
            else:
                assert event.outcome is RecoveryOutcome.ADJUSTED
                assert event.report.fill_counts == {FillOrigin.VENUE: 1}
            assert event.blocked_instruments == ({ETH.value} if is_wrong else set())
            assert await may_trade(node, venue, strategy) is not is_wrong

    asyncio.run(scenario())


def test_an_order_filled_before_its_answer_came_is_a_real_fill(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Sent, killed, filled: what the venue reports of it is applied and proven."""
    scenes.killed_before_the_answer(venue, valkey, TRADER_ID)
    venue.release()

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := heir()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.report.fill_counts == {FillOrigin.VENUE: 1}
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_an_order_whose_outcome_is_unknown_holds_its_instrument(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Whether the order is at the venue nobody can say, so nothing is sent beside it."""
    order_id = scenes.killed_before_the_answer(venue, valkey, TRADER_ID)

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := heir(), monitor=SOON) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            (found,) = differences(event)
            assert found.kind is DiscrepancyKind.INFLIGHT_ORDER
            assert found.client_order_id == order_id
            assert event.blocked_instruments == {ETH.value}
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """
    Return what grows with each judgement.
    """
    judgements: list[object] = []
    judge = verdict.judge

    def kept(*args: Any, **kwargs: Any) -> Any:
        judgements.append(judge(*args, **kwargs))
        return judgements[-1]

    monkeypatch.setattr(verdict, "judge", kept)
    return judgements


@pytest.mark.parametrize("is_asked", [False, True])
def test_the_answer_to_an_order_in_flight_opens_the_gate(
    venue: PaperVenue, valkey: EmbeddedValkey, judged: list[object], is_asked: bool
) -> None:
    """The result waits for the venue to answer by itself, or to the engine's question."""
    order_id = scenes.killed_before_the_answer(venue, valkey, TRADER_ID)
    fields: dict[str, Any] = {"exec_engine": scenes.PATIENT} if is_asked else {}
    if is_asked:
        venue.release()
        venue.set_faults(hide_orders=(order_id,), hide_positions=(scenes.SYMBOL,))

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := heir(), **fields) as node:
            await node.run.until(lambda: judged)
            assert not strategy.gate.is_open_for(ETH)
            assert not await may_trade(node, venue, strategy)
            if is_asked:
                venue.set_faults()
            else:
                venue.release()
            event = await node.result()
            assert strategy.portfolio.net_position(ETH) == 2
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.blocked_instruments == frozenset()
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())

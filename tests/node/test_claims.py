"""
What no strategy owns: how a node closes it, and how a strategy is handed it.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.node.support import ETH
from tests.node.support import Plain
from tests.node.support import Recorder
from tests.node.support import differences
from tests.node.support import differing
from tests.node.support import kinds
from tests.node.support import watched
from tests.scenes import SYMBOL


class Keeper(Recorder):
    """
    Keeps what becomes of its orders, whose IDs tell whose they are.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(StrategyConfig(strategy_id="TRADER", order_id_tag="001", **fields))
        self.order_events: list[str] = []

    def on_order_event(self, event: Any) -> None:
        self.order_events.append(type(event).__name__)


def claiming() -> Keeper:
    """
    Return a strategy that claims the instrument.
    """
    return Keeper(external_order_claims=[ETH])


async def take_up(venue: PaperVenue, valkey: EmbeddedValkey | None) -> None:
    """
    Let a node that claims nothing take up what the venue holds.
    """
    async with watched(venue, valkey, Keeper()) as node:
        event = await node.result()
        assert kinds(event) == {DiscrepancyKind.UNCLAIMED_POSITION}


@pytest.mark.parametrize("reduce_only", [None, False])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_position_of_nobody_is_closed_by_a_closing_order(
    venue: PaperVenue, valkey: EmbeddedValkey, side: str, reduce_only: bool | None
) -> None:
    """Flat in the cache and at the venue, the PnL booked once, and nothing left over."""
    trader = Keeper()

    async def scenario() -> None:
        await take_up(venue, valkey)
        venue.set_price(SYMBOL, 2100)
        async with watched(venue, valkey, trader) as node:
            await node.result()
            (position,) = node.node.cache.positions_open()
            closing = trader.closing_order(position, reduce_only=reduce_only)
            trader.submit_order(*closing)
            await node.run.until(lambda: position.is_closed)
            gain = 200 if side == "BUY" else -200
            assert position.realized_pnl.as_decimal() == gain
            assert trader.order_events == [
                "OrderInitialized",
                "OrderSubmitted",
                "OrderAccepted",
                "OrderFilled",
            ]
            venue.push_mass_status()
            event = await node.result(2)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert differing(event.report) == []
            with pytest.raises(ValueError, match="is closed"):
                trader.closing_order(position)
        async with watched(venue, valkey, Keeper()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert differing(event.report) == []
            assert node.node.cache.positions_open() == []
            (position,) = node.node.cache.positions()
            assert position.realized_pnl.as_decimal() == gain

    venue.place(SYMBOL, side, 2)
    asyncio.run(scenario())
    assert [position.qty for position in venue.state().positions if position.qty] == []


def test_a_position_of_nobody_is_closed_once(venue: PaperVenue) -> None:
    """What already closes it counts, and what the venue refuses is passed on."""
    trader = Keeper()
    venue.place(SYMBOL, "BUY", 2)

    async def scenario() -> None:
        async with watched(venue, None, trader) as node:
            await node.result()
            (position,) = node.node.cache.positions_open()
            stop, position_id = trader.closing_order(
                position, Decimal("1.5"), trigger_price=Price.from_str("1900.00")
            )
            trader.submit_order(stop, position_id)
            await node.run.until(lambda: stop.status == OrderStatus.ACCEPTED)
            assert trader.unprotected_quantity(position) == Decimal("0.5")
            assert trader.closing_order(position).order.quantity == Decimal("0.5")
            venue.cancel(stop.client_order_id.value)
            await node.run.until(lambda: "OrderCanceled" in trader.order_events)
            assert trader.closing_order(position).order.quantity == 2

    asyncio.run(scenario())


def test_a_stop_for_a_position_of_nobody_outlives_a_restart(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It is no lost order, and whoever claims the instrument then is handed it."""
    venue.place(SYMBOL, "BUY", 2)
    trader, heir = Keeper(), claiming()

    async def scenario() -> None:
        async with watched(venue, valkey, trader) as node:
            await node.result()
            (position,) = node.node.cache.positions_open()
            px = Price.from_str("1900.00")
            stop, position_id = trader.closing_order(position, trigger_price=px)
            trader.submit_order(stop, position_id)
            await node.run.until(lambda: stop.status == OrderStatus.ACCEPTED)
        async with watched(venue, valkey, heir) as node:
            report = (await node.result()).report
            assert report.lost_orders == ()
            assert differing(report) == []
            ((held, exits),) = heir.recovered
            assert [order.client_order_id for order in exits] == [stop.client_order_id]
            assert heir.is_protected(held)

    asyncio.run(scenario())


def test_the_position_of_another_strategy_is_not_closed(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """That is for its owner to do."""
    other = Recorder(StrategyConfig(**scenes.OTHER))

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, "TESTER-001", "+2")
        async with watched(venue, valkey, other) as node:
            await node.result()
            (position,) = node.node.cache.positions_open()
            with pytest.raises(ValueError, match="belongs to TRADER-001"):
                other.closing_order(position)
            assert other.held_positions() == []

    asyncio.run(scenario())


def test_a_claim_after_the_position_was_stored_hands_it_over(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """With its stop, so that it is known to be protected, and nothing is left to be told."""
    venue.place(SYMBOL, "BUY", 2)
    venue.place(SYMBOL, "SELL", 2, "STOP_MARKET", trigger_px=1900, reduce_only=True)
    trader = claiming()

    async def scenario() -> None:
        await take_up(venue, valkey)
        async with watched(venue, valkey, trader) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert differing(event.report) == []
            await node.run.until(lambda: "enabled" in trader.told)
            ((position, (stop,)),) = trader.recovered
            assert position.strategy_id.value == "EXTERNAL"
            assert trader.held_positions() == [position]
            assert trader.is_protected(position)
            assert trader.unprotected_quantity(position) == 0
            trader.cancel_order(stop)
            await node.run.until(lambda: stop.is_closed)
            assert not trader.is_protected(position)
            trader.submit_order(*trader.closing_order(position))
            await node.run.until(lambda: position.is_closed)
            assert trader.held_positions() == []
        async with watched(venue, valkey, claiming()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert differing(event.report) == []

    asyncio.run(scenario())
    assert [position.qty for position in venue.state().positions if position.qty] == []


def test_the_stop_that_was_handed_over_is_heard_of_when_it_fills(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Order and position events of what it claims reach the strategy, as of its own."""
    venue.place(SYMBOL, "BUY", 2)
    venue.place(SYMBOL, "SELL", 2, "STOP_MARKET", trigger_px=1900, reduce_only=True)
    trader = claiming()
    closed: list[Position] = []
    trader.on_position_closed = closed.append

    async def scenario() -> None:
        await take_up(venue, valkey)
        async with watched(venue, valkey, trader) as node:
            await node.result()
            venue.set_price(SYMBOL, 1890)
            await node.run.until(lambda: bool(closed))
            assert trader.order_events[-1] == "OrderFilled"

    asyncio.run(scenario())


def test_a_strategy_that_is_not_recoverable_is_handed_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """So its claim leaves the position nobody's, and that is told."""
    venue.place(SYMBOL, "BUY", 2)
    plain = Plain(StrategyConfig(**scenes.TRADER, external_order_claims=[ETH]))

    async def scenario() -> None:
        await take_up(venue, valkey)
        async with watched(venue, valkey, plain) as node:
            assert kinds(await node.result()) == {DiscrepancyKind.UNCLAIMED_POSITION}

    asyncio.run(scenario())


def test_what_comes_after_the_claim_is_the_strategys_own(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A position partly stored before and partly claimed is held, and closed, in two parts."""
    venue.place(SYMBOL, "BUY", 2)
    trader = claiming()
    closing: list[Order] = []

    async def scenario() -> None:
        await take_up(venue, valkey)
        venue.place(SYMBOL, "BUY", 1)
        async with watched(venue, valkey, trader) as node:
            event = await node.result()
            assert differing(event.report) == []
            held = {p.strategy_id.value: p.signed_decimal_qty() for p in trader.held_positions()}
            assert held == {"EXTERNAL": 2, "TRADER-001": 1}
            await node.run.until(lambda: "enabled" in trader.told)
            for position in trader.held_positions():
                order, position_id = trader.closing_order(position)
                closing.append(order)
                trader.submit_order(order, position_id)
            await node.run.until(lambda: not trader.held_positions())
        assert [order.filled_qty.as_decimal() for order in closing] == [2, 1]
        async with watched(venue, valkey, claiming()) as node:
            assert (await node.result()).outcome is RecoveryOutcome.CLEAN

    asyncio.run(scenario())


def test_a_close_by_hand_after_the_claim_is_booked_on_what_it_closed(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """NautilusTrader books it under the claimant, beside what it closed: no order undoes that."""
    claimant = claiming()
    venue.place(SYMBOL, "BUY", 2)

    async def scenario() -> None:
        await take_up(venue, valkey)
        venue.place(SYMBOL, "SELL", 1)
        async with watched(venue, valkey, claimant) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert all(found.resolved for found in differences(event))
            assert [(step.kind, step.state) for step in event.report.repairs] == [
                ("merge", "proven"),
                ("hand_over", "planned"),  # It waits for a word
            ]
            (held,) = node.node.cache.positions_open()
            assert (held.strategy_id.value, held.signed_decimal_qty()) == ("EXTERNAL", 1)
            assert claimant.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_a_close_by_hand_of_what_was_claimed_closes_the_gate_at_run_time(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its fill comes without a flag, under the claimant: the venue is asked all the same."""
    venue.place(SYMBOL, "BUY", 2)
    claimant = claiming()

    async def scenario() -> None:
        await take_up(venue, valkey)
        async with watched(venue, valkey, claimant) as node:
            assert (await node.result()).blocked_instruments == set()
            venue.place(SYMBOL, "SELL", 1)
            await node.run.until(lambda: node.monitor.epoch == 3)
            assert not claimant.gate.is_open
            event = await node.result(2)
            assert event.report.trigger == "proof"
            assert event.outcome is RecoveryOutcome.ADJUSTED
            (held,) = node.node.cache.positions_open()
            assert (held.strategy_id.value, held.signed_decimal_qty()) == ("EXTERNAL", 1)

    asyncio.run(scenario())

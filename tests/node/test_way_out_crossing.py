"""
Exits at a closed gate that cross one another, what is on its way, and what others hold.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from tests.node.support import ETH
from tests.node.support import command
from tests.node.test_way_out import SHORT_CHECK
from tests.node.test_way_out import TWO
from tests.node.test_way_out import ZERO
from tests.node.test_way_out import blocked
from tests.node.test_way_out import cancels_and_closes
from tests.node.test_way_out import exiting
from tests.node.test_way_out import halted
from tests.node.test_way_out import recoverable
from tests.node.test_way_out import unreported
from tests.node.way_out import SYMBOL
from tests.node.way_out import PlainActs
from tests.node.way_out import acting
from tests.node.way_out import canceled_rejections
from tests.node.way_out import end_of
from tests.node.way_out import legs
from tests.node.way_out import quiet


BOTH = pytest.mark.parametrize("is_recoverable", [True, False], ids=["gate", "halt"])


def either(is_recoverable: bool, *, flag: bool, **fields: Any) -> Any:
    """Return a strategy with a gate, or one for a node that is halted."""
    if is_recoverable:
        return recoverable(flag=flag, **fields)
    return exiting(PlainActs, StrategyConfig, flag=flag, **fields)


@BOTH
def test_a_cancel_that_the_gate_held_back_is_no_word_of_the_venue(
    venue: PaperVenue, is_recoverable: bool
) -> None:
    """The stop that the report lacks may rest there: another close would make two."""
    strategy = either(is_recoverable, flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=not is_recoverable) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            await (blocked if is_recoverable else halted)(node, venue, strategy)
            strategy.close_position(strategy.held, reduce_only=False)
            await quiet(node)
            strategy.cancel_order(stop)
            await quiet(node)
            assert len(canceled_rejections(strategy)) == 1
            strategy.close_position(strategy.held, reduce_only=False)
            await quiet(node)
            assert len(strategy.told(OrderDenied)) == 2
            venue.set_price(SYMBOL, 1890)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


@BOTH
def test_what_has_waited_is_judged_again_at_a_gate_that_is_open_by_then(
    venue: PaperVenue, is_recoverable: bool
) -> None:
    """The stop is filled before its cancel arrives, and the close would open the other side."""
    strategy = either(is_recoverable, flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=not is_recoverable) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            await (blocked if is_recoverable else halted)(node, venue, strategy)
            cancels_and_closes(strategy)
            release = command("release", instrument_id=str(ETH))
            node.node.kernel.msgbus.send("RecoveryMonitor.command", release)
            venue.set_price(SYMBOL, 1890)
            await quiet(node)
            assert strategy.told(OrderDenied)[-1].reason.startswith("RECOVERY_CANCELED")
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


@BOTH
def test_a_close_waits_for_the_cancel_of_an_emulated_stop(
    venue: PaperVenue, is_recoverable: bool
) -> None:
    """Its status does not say that it is being canceled."""
    strategy = either(is_recoverable, flag=False)
    instrument = paper_instrument(SYMBOL)

    async def scenario() -> None:
        async with acting(
            venue, strategy, monitor=SHORT_CHECK, halt=not is_recoverable, has_data=True
        ) as node:
            strategy.enter()
            await quiet(node)
            stop = strategy.order_factory.stop_market(
                ETH,
                OrderSide.SELL,
                instrument.make_qty(2),
                instrument.make_price(1900),
                emulation_trigger=TriggerType.BID_ASK,
            )
            strategy.submit_order(stop)
            await node.run.until(lambda: stop.status_string() == "EMULATED")
            if is_recoverable:
                strategy.gate.close("TEST")
            else:
                await unproven_order(node, venue)
            cancels_and_closes(strategy)
            await node.run.until(lambda: strategy.held is None)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


async def unproven_order(node: Any, venue: PaperVenue) -> None:
    """Block the instrument by an order that the node does not learn of."""
    venue.set_faults(hide_positions=())
    placed = venue.place(SYMBOL, "BUY", 1, "LIMIT", 1000)
    await node.run.until(node.node.cache.orders_open)
    venue.set_faults(hide_orders=(placed.venue_order_id,))
    venue.push_mass_status()
    await node.result(2)


def test_the_stop_of_another_strategy_protects_no_position_but_its_own(venue: PaperVenue) -> None:
    """Where both share one net position that is not proven."""
    first, second = recoverable(flag=False), recoverable(flag=False, tag="002")

    async def scenario() -> None:
        async with acting(venue, first, monitor=SHORT_CHECK, more=(second,)) as node:
            await node.run.until(lambda: second.gate.is_open)
            for strategy in (first, second):
                strategy.enter()
            await quiet(node)
            stops = [strategy.protect() for strategy in (first, second)]
            await quiet(node)
            await unreported(node, venue, first)
            cancels_and_closes(first)
            await quiet(node)
            assert [stop.status_string() for stop in stops] == ["ACCEPTED", "ACCEPTED"]
        assert end_of(venue) == (2 * TWO, 2 * TWO)

    asyncio.run(scenario())


@BOTH
@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_a_take_profit_that_rests_keeps_the_stop_of_a_close_that_is_denied(
    venue: PaperVenue, is_recoverable: bool, flag: bool
) -> None:
    """The close and the take-profit could both be filled, so the close is denied first."""
    strategy = either(is_recoverable, flag=flag)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=not is_recoverable) as node:
            strategy.enter()
            await quiet(node)
            stop = strategy.protect()
            strategy.take_profit(qty="1")
            await quiet(node)
            await (blocked if is_recoverable else halted)(node, venue, strategy)
            strategy.cancel_order(stop)
            strategy.close_position(strategy.held, reduce_only=False)
            await quiet(node)
            assert len(strategy.told(OrderDenied)) == 1
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


def test_a_halted_state_that_somebody_wants_is_bypassed_by_nothing(hedging: PaperVenue) -> None:
    """Not even by the exit of a leg that REDUCING would misjudge."""
    long, short = legs()
    strategy = exiting(PlainActs, StrategyConfig, flag=True)
    clients = {"oms_type": "HEDGING"}

    async def scenario() -> None:
        async with acting(
            hedging, strategy, monitor=SHORT_CHECK, clients=clients, halt=True
        ) as node:
            for leg, side, qty in ((long, "BUY", "2"), (short, "SELL", "1")):
                strategy.leg = leg
                strategy.enter(side, qty)
                await quiet(node)
            strategy.leg = long
            strategy.protect()
            await quiet(node)
            await halted(node, hedging, strategy)
            node.node.kernel.risk_engine.set_trading_state(TradingState.HALTED)
            position = node.node.cache.position(short)
            strategy.close_position(position)
            await quiet(node)
            assert strategy.told(OrderDenied)[-1].reason == "TradingState.HALTED"
            assert position.is_open

    asyncio.run(scenario())


def test_an_exit_that_names_the_client_of_another_account_is_denied(venue: PaperVenue) -> None:
    """It would open a position there; one that goes where its position is held passes."""
    strategy = recoverable()
    other = venue.exec_config(account_id="OTHER-001", symbols=(SYMBOL,), is_venue_client=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, beside=other) as node:
            strategy.enter()
            await quiet(node)
            strategy.gate.close("TEST")
            strategy.close_position(strategy.held, client_id=ClientId("OTHER"))
            await quiet(node)
            assert len(strategy.told(OrderDenied)) == 1
            strategy.close_position(strategy.held)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)
        assert venue.submitted("OTHER-001") == []

    asyncio.run(scenario())


def test_what_waits_is_answered_when_its_strategy_is_disposed_of(venue: PaperVenue) -> None:
    """Nobody would send it any more."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            strategy.gate.close("TEST")
            cancels_and_closes(strategy)
            strategy.stop()
            strategy.dispose()
            (denied,) = strategy.told(OrderDenied)
            assert denied.reason.startswith("RECOVERY_CANCELED")
            await quiet(node)
        assert end_of(venue).qty == Decimal(2)

    asyncio.run(scenario())

"""
What a strategy can and cannot do while the gate is closed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.identifiers import OrderListId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import OrderList

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import gates
from tests.node.support import monitor_config
from tests.node.support import say
from tests.node.support import watched


def begin_epoch(node: Watched, epoch: int = 99) -> None:
    """
    Close every gate, as the beginning of another recovery does.
    """
    trader_id = node.node.trader_id.value
    report = RecoveryReport(trader_id, "R", epoch, "mass_status")
    message = RecoveryStarted(trader_id, "R", epoch, report, 1, 1)
    say(node, message)


@asynccontextmanager
async def holding(venue: PaperVenue, strategy: Recorder) -> AsyncIterator[tuple[Watched, Order]]:
    """
    Run a strategy that holds LONG 2 with a resting stop, its gate closed by a new recovery.
    """
    async with watched(venue, None, strategy) as node:
        await node.result()
        strategy.submit_order(strategy.market())
        strategy.submit_order(stop := strategy.stop_loss("1900.00"))
        await node.run.until(lambda: stop.is_open and strategy.portfolio.is_net_long(ETH))
        begin_epoch(node)
        assert not strategy.gate.is_open
        yield node, stop


def test_an_order_submitted_in_on_start_is_denied_and_the_strategy_hears_of_it(
    venue: PaperVenue,
) -> None:
    """A strategy drops its own events while it starts; the denial comes when it runs."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, wait=False) as node:
            node.node.trader.add_strategy(strategy)
            strategy.on_start_orders = [order := strategy.market()]
            await node.result()
            assert order.status_string() == "DENIED"
            assert [event.client_order_id for event in strategy.denied] == [order.client_order_id]
            assert strategy.denied[0].reason.startswith("RECOVERY_")
            assert node.node.cache.order(order.client_order_id) is order
            assert venue.submitted() == []

    asyncio.run(scenario())


def test_a_denied_order_is_native_to_whoever_listens(venue: PaperVenue) -> None:
    """The bus carries OrderInitialized and OrderDenied, the cache holds the closed order."""
    strategy = Recorder()
    heard: list[str] = []

    async def scenario() -> None:
        async with holding(venue, strategy) as (node, _):
            before = venue.submitted()
            node.node.kernel.msgbus.subscribe(
                f"events.order.{strategy.id}", lambda event: heard.append(type(event).__name__)
            )
            strategy.submit_order(order := strategy.limit("1500.00"))
            assert heard == ["OrderInitialized", "OrderDenied"]
            assert order.is_closed
            assert order in node.node.cache.orders_closed(strategy_id=strategy.id)
            assert strategy.denied[0].reason.startswith("RECOVERY_IN_PROGRESS")
            assert venue.submitted() == before

    asyncio.run(scenario())


def test_a_denied_order_submitted_again_is_refused_without_an_error(venue: PaperVenue) -> None:
    """An order has one denial; the strategy that repeats itself is not broken by it."""
    strategy = Recorder()

    async def scenario() -> None:
        async with holding(venue, strategy):
            before = venue.submitted()
            order = strategy.limit("1500.00")
            strategy.submit_order(order)
            strategy.submit_order(order)
            assert len(strategy.denied) == 1
            assert venue.submitted() == before

    asyncio.run(scenario())


def test_a_strategy_cannot_put_another_gate_in_place_of_its_own() -> None:
    """An attribute of the user's own by that name is an error at once, not an open door."""
    with pytest.raises(AttributeError, match="gate"):
        Recorder().gate = None  # type: ignore[misc, assignment]


def test_an_order_list_is_denied_as_a_whole(venue: PaperVenue) -> None:
    """One closed instrument in a list denies every order of the list."""
    strategy = Recorder()

    async def scenario() -> None:
        async with holding(venue, strategy):
            before = venue.submitted()
            orders = [strategy.limit("1500.00"), strategy.limit("1400.00", instrument_id=ETH)]
            strategy.submit_order_list(OrderList(OrderListId("L-1"), orders))
            assert [order.status_string() for order in orders] == ["DENIED", "DENIED"]
            assert len(strategy.denied) == 2
            assert venue.submitted() == before

    asyncio.run(scenario())


def test_one_blocked_instrument_denies_a_list_that_holds_an_open_one(venue: PaperVenue) -> None:
    """The orders of a list belong together: none goes without the others."""
    strategy = Recorder()
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    engine = LiveExecEngineConfig(generate_missing_orders=False)

    async def scenario() -> None:
        async with watched(venue, None, strategy, exec_engine=engine) as node:
            await node.result()
            assert strategy.gate.is_open_for(BTC)
            orders = [
                strategy.limit("40000.00", instrument_id=BTC),
                strategy.limit("1500.00", instrument_id=ETH),
            ]
            try:
                order_list = OrderList(OrderListId("L-1"), orders)
            except ValueError:
                pytest.skip("This NautilusTrader has order lists of one instrument only")
            strategy.submit_order_list(order_list)
            assert [order.status_string() for order in orders] == ["DENIED", "DENIED"]
            assert {event.reason.split(":")[0] for event in strategy.denied} == {"RECOVERY_BLOCKED"}
            assert venue.submitted() == []

    asyncio.run(scenario())


def test_a_change_that_loosens_is_rejected_and_leaves_the_order_as_it_was(
    venue: PaperVenue,
) -> None:
    """An open order cannot be denied: it is answered as the risk engine answers, and stays open."""
    strategy = Recorder()

    async def scenario() -> None:
        async with holding(venue, strategy) as (node, stop):
            price = stop.trigger_price
            strategy.modify_order(stop, trigger_price=type(price)(1850, 2))
            await node.run.until(lambda: strategy.rejected)
            assert strategy.rejected[0].reason.startswith("RECOVERY_IN_PROGRESS")
            assert stop.status_string() == "ACCEPTED"
            assert stop.trigger_price == price
            assert venue.commands("modify") == []

    asyncio.run(scenario())


def test_cancels_pass_a_closed_gate(venue: PaperVenue) -> None:
    """Taking risk away is never held back."""
    strategy = Recorder()

    async def scenario() -> None:
        async with holding(venue, strategy) as (node, stop):
            strategy.cancel_order(stop)
            await node.run.until(lambda: stop.is_closed)
            assert stop.status_string() == "CANCELED"

    asyncio.run(scenario())


class LateJoiner(Recorder):
    """
    A recoverable strategy that is added while the node trades.
    """


def test_a_strategy_that_joins_after_the_recovery_is_told_of_it(venue: PaperVenue) -> None:
    """A late joiner asks the monitor, and gets its hooks and its open gate."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            trader = node.node.trader
            trader._has_controller = True  # What adding a controller to the node sets
            trader.add_strategy(strategy := LateJoiner())
            assert not strategy.gate.is_open
            strategy.on_start_orders = [early := strategy.market()]
            strategy.start()
            assert early.status_string() == "DENIED"  # Its hooks had not been called
            assert len(strategy.denied) == 1
            assert strategy.told == ["start", "complete", "enabled"]
            assert strategy.gate.is_open
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            assert order.status_string() == "FILLED"

    asyncio.run(scenario())


def test_a_strategy_that_is_disposed_hears_no_more(venue: PaperVenue) -> None:
    """What a controller takes away is let go of, by the monitor and by the bus."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            trader = node.node.trader
            trader._has_controller = True
            trader.add_strategy(strategy := LateJoiner())
            strategy.start()
            trader.stop_strategy(strategy.id)
            trader.remove_strategy(strategy.id)
            strategy.dispose()
            begin_epoch(node)
            venue.push_mass_status()
            await node.result(2)
            assert strategy.gate.epoch == 1
            assert gates(node)._gates == {}

    asyncio.run(scenario())


def test_a_strategy_added_before_the_monitor_is_served_the_same(venue: PaperVenue) -> None:
    """The order in which monitor and strategy are added does not matter."""

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        node.trader.add_strategy(strategy := Recorder())
        node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
        found = Watched(node, monitor)
        async with running(node) as run:
            found.run = run
            await found.result()
            assert strategy.told == ["start", "complete", "enabled"]

    asyncio.run(scenario())


def test_without_a_monitor_the_gate_stays_closed(
    venue: PaperVenue, capfd: pytest.CaptureFixture[str]
) -> None:
    """A node without a monitor does not trade, and says why in one line."""

    async def scenario() -> None:
        node = paper_node(paper_node_config([venue.exec_config(symbols=("ETHUSDT-PERP",))]))
        node.trader.add_strategy(strategy := Recorder())
        async with running(node):
            strategy.submit_order(order := strategy.market())
            assert order.status_string() == "DENIED"
            assert strategy.denied[0].reason.startswith("RECOVERY_NO_MONITOR")
            assert venue.submitted() == []

    asyncio.run(scenario())


def test_a_second_monitor_is_refused(venue: PaperVenue) -> None:
    """Two monitors would publish two results, so the second is refused in one line."""

    async def scenario() -> None:
        async with watched(venue) as node:
            second = RecoveryMonitorActor(monitor_config(component_id="SECOND"))
            node.node.trader._has_controller = True
            with pytest.raises(RuntimeError, match="a recovery monitor: remove all but one") as e:
                node.node.trader.add_actor(second)
            assert "\n" not in str(e.value)
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN

    asyncio.run(scenario())


@pytest.mark.parametrize("trader_id", ["TESTER-001", "ELSE-001"])
def test_messages_on_the_topics_change_nothing(venue: PaperVenue, trader_id: str) -> None:
    """They are for information: an external stream can bring the recoveries of other nodes."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            report = RecoveryReport(trader_id, "R", 7, "startup")
            foreign = RecoveryStarted(trader_id, "R", 7, report, 1, 1)
            node.node.kernel.msgbus.publish(RecoveryStarted.topic(), foreign)
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_a_result_that_is_delivered_twice_is_followed_once(venue: PaperVenue) -> None:
    """Delivery is at least once, hooks are exactly once per epoch."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            event = await node.result()
            say(node, event)
            assert strategy.told == ["start", "complete", "enabled"]
            begin_epoch(node)
            say(node, event)
            assert not strategy.gate.is_open

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "hook", ["on_recovery_complete", "on_position_recovered", "on_trading_enabled"]
)
def test_a_hook_that_raises_keeps_the_gate_closed(venue: PaperVenue, hook: str) -> None:
    """A strategy that could not take up its state does not trade; the others do."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    broken = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))
    sound = Recorder(StrategyConfig(order_id_tag="2"))

    def raises(*_: Any) -> None:
        raise RuntimeError("no state")

    setattr(broken, hook, raises)

    async def scenario() -> None:
        async with watched(venue, None, broken, sound) as node:
            await node.result()
            assert not broken.gate.is_open
            assert "no state" in (broken.gate.reason() or "")
            assert sound.gate.is_open

    asyncio.run(scenario())


def test_a_plain_listener_that_raises_keeps_the_news_from_no_gate(venue: PaperVenue) -> None:
    """The bus stops at a subscriber that raises, so gates are served before."""
    strategy = Recorder()

    def raises(_: object) -> None:
        raise RuntimeError("a listener of the user's")

    async def scenario() -> None:
        async with watched(venue, wait=False) as node:
            node.node.kernel.msgbus.subscribe(RecoveryComplete.topic(), raises)
            node.node.trader.add_strategy(strategy)
            await node.result()
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_in_shadow_mode_nothing_is_blocked_and_everything_told(venue: PaperVenue) -> None:
    """Shadow mode denies no order, and signals each one that would have been denied."""
    strategy = Recorder()
    would_be: list[str] = []

    def note(_: Any, order: Order, reason: str) -> None:
        would_be.append(f"{order.client_order_id} {reason}")

    async def scenario() -> None:
        config = monitor_config(shadow=True)
        async with watched(venue, None, monitor=config, wait=False) as node:
            node.node.trader.add_strategy(strategy)
            strategy.on_start_orders = [order := strategy.market(instrument_id=BTC)]
            event = await node.result()
            assert event.report.shadow
            await node.run.until(lambda: order.is_closed)
            assert order.status_string() == "FILLED"
            assert [entry.split()[0] for entry in would_be] == [order.client_order_id.value]

    with signals.order_denied.connected_to(note):
        asyncio.run(scenario())


def has_price(order: Order, price: Price) -> bool:
    return bool(order.price == price)


def test_in_shadow_mode_an_order_is_told_once_however_often_it_is_modified(
    venue: PaperVenue,
) -> None:
    """What would have been denied is a list of orders, not of commands."""
    strategy = Recorder()
    would_be: list[Any] = []
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)

    def note(_: Any, order: Order, reason: str) -> None:
        would_be.append((order.client_order_id, reason.partition(":")[0]))

    async def scenario() -> None:
        config = monitor_config(shadow=True)
        engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
        async with watched(venue, None, strategy, monitor=config, exec_engine=engine) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.is_open)
            for price in (Price.from_str("1501.00"), Price.from_str("1502.00")):
                strategy.modify_order(order, price=price)
                await node.run.until(partial(has_price, order, price))
            assert would_be == [(order.client_order_id, "RECOVERY_BLOCKED")]

    with signals.order_denied.connected_to(note):
        asyncio.run(scenario())


def test_a_late_message_of_an_older_epoch_in_shadow_mode_lets_no_order_pass(
    venue: PaperVenue,
) -> None:
    """A run in shadow mode that is over allows nothing to the one that is not."""
    strategy = Recorder()

    async def scenario() -> None:
        async with holding(venue, strategy) as (node, _):
            before = venue.submitted()
            trader_id = node.node.trader_id.value
            report = RecoveryReport(
                trader_id, "R", 1, "startup", RecoveryOutcome.CLEAN, shadow=True
            )
            late = RecoveryComplete(trader_id, "R", 1, report, 1, 1)
            say(node, late)
            strategy.submit_order(order := strategy.market())
            assert order.status_string() == "DENIED"
            assert venue.submitted() == before

    asyncio.run(scenario())


def test_signals_follow_the_gate(venue: PaperVenue) -> None:
    """Opening, closing and denying are sent as signals."""
    strategy = Recorder()
    sent: list[str] = []

    def opened(*_: Any, **__: Any) -> None:
        sent.append("opened")

    def closed(*_: Any, **__: Any) -> None:
        sent.append("closed")

    def denied(*_: Any, **__: Any) -> None:
        sent.append("denied")

    async def scenario() -> None:
        async with holding(venue, strategy) as (_, stop):
            strategy.submit_order(order := strategy.market())
            strategy.submit_order(order)  # An error: nothing is denied twice
            strategy.modify_order(stop, trigger_price=Price.from_str("1800.00"))
            assert sent == ["opened", "closed", "denied", "denied"]

    with (
        signals.gate_opened.connected_to(opened),
        signals.gate_closed.connected_to(closed),
        signals.order_denied.connected_to(denied),
    ):
        asyncio.run(scenario())


@pytest.mark.parametrize("hook", ["on_recovery_complete", "on_position_recovered"])
def test_a_strategy_that_stops_itself_in_a_hook_is_not_enabled_before_it_is_resumed(
    venue: PaperVenue, hook: str
) -> None:
    """Who does not like what was recovered stops, and is told all of it again later."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 1, 1900)
    strategy = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))
    original = getattr(strategy, hook)
    stops = [True]

    def stop_once(*args: Any) -> None:
        original(*args)
        if stops:
            stops.pop()
            strategy.stop()

    setattr(strategy, hook, stop_once)

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            assert "enabled" not in strategy.told
            assert not strategy.gate.is_open
            strategy.resume()
            assert strategy.told[-3:] == ["complete", "position", "enabled"]
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_who_stops_in_a_failure_in_shadow_mode_is_enabled_when_it_is_resumed() -> None:
    """What stopped is enabled by nobody, in whatever mode."""
    strategy = Recorder()
    original = strategy.on_recovery_failed
    stops = [True]

    def stop_once(event: RecoveryFailed) -> None:
        original(event)
        if stops:
            stops.pop()
            strategy.stop()

    strategy.on_recovery_failed = stop_once  # type: ignore[method-assign]

    async def scenario() -> None:
        engine = LiveExecEngineConfig(reconciliation=False)
        config = monitor_config(shadow=True)
        async with watched(None, None, strategy, monitor=config, exec_engine=engine) as node:
            await node.result()
            assert strategy.told == ["start", "failed"]
            strategy.resume()
            assert strategy.told == ["start", "failed", "failed", "enabled"]

    asyncio.run(scenario())

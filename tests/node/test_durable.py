"""
What is submitted after `checkpoint()` leaves once the server has that, and not before.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import LostOrder
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.node.test_checkpoints import stored
from tests.node.test_order_ids import kill_sender


class Saver(Recorder):
    """
    Keeps one number.
    """

    number = 0

    def on_save(self) -> dict[str, bytes]:
        return {"number": str(self.number).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        self.number = int(state["number"])

    def remember(self) -> None:
        """
        Make a checkpoint of something new.
        """
        self.number += 1
        self.checkpoint()


def saver(**fields: Any) -> Saver:
    defaults = {"strategy_id": "Keeper", "checkpoint_secs": None, "checkpoint_timeout_secs": 60.0}
    return Saver(RecoverableStrategyConfig(**{**defaults, **fields}))


@contextmanager
def paused(valkey: EmbeddedValkey) -> Iterator[None]:
    """
    Keep a server from answering whatever writes.
    """
    client: Any = valkey.client()
    client.client_pause(120_000, all=False)
    try:
        yield
    finally:
        client.client_unpause()
        client.close()


async def accepted(node: Watched, *orders: Order) -> None:
    await node.run.until(lambda: all(order.is_open or order.is_closed for order in orders))


def ids(*orders: Order) -> list[str]:
    return [order.client_order_id.value for order in orders]


def test_orders_after_a_checkpoint_leave_in_their_order_once_the_server_has_it(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Those of another strategy do not wait, and there is nothing to say."""

    async def scenario() -> None:
        strategy, other = saver(), Recorder(StrategyConfig(strategy_id="Other"))
        async with watched(venue, valkey, strategy, other) as node:
            await node.result()
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(first := strategy.limit("1900.00"))
                bracket = strategy.order_factory.bracket(
                    ETH,
                    OrderSide.BUY,
                    first.quantity,
                    entry_trigger_price=None,
                    tp_price=strategy.limit("2900.00").price,
                    sl_trigger_price=strategy.limit("1000.00").price,
                )
                strategy.submit_order_list(bracket)
                strategy.submit_order(last := strategy.limit("1901.00"))
                other.submit_order(quick := other.limit("1800.00"))
                await accepted(node, quick)
                assert venue.submitted() == ids(quick)
                assert first.status_string() == last.status_string() == "INITIALIZED"
                assert stored(valkey) == []
            await accepted(node, first, last)
            assert venue.submitted()[:3] == ids(quick, first, bracket.orders[0])
            assert venue.submitted()[-1] == last.client_order_id.value
            assert stored(valkey) == [(1, b"1")]
            assert strategy.denied == []
            strategy.submit_order(free := strategy.limit("1902.00"))
            assert node.node.cache.order_exists(free.client_order_id)  # At once

    asyncio.run(scenario())


def test_a_checkpoint_on_the_way_already_is_waited_for_and_one_that_is_stored_is_not(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Whoever wrote it: an interval, or a call before."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            strategy.remember()
            await node.run.until(lambda: stored(valkey) == [(1, b"1")])
            await node.run.until(lambda: not holds(strategy))
            with paused(valkey):
                strategy.checkpoint()
                strategy.submit_order(first := strategy.limit("1900.00"))
                assert node.node.cache.order_exists(first.client_order_id)
                strategy.remember()
                strategy.checkpoint()
                strategy.submit_order(second := strategy.limit("1901.00"))
                assert not node.node.cache.order_exists(second.client_order_id)
            await accepted(node, first, second)

    asyncio.run(scenario())


def holds(strategy: Saver) -> bool:
    found: bool = strategy._RecoverableStrategy__held.is_holding
    return found


def waits(strategy: Saver) -> bool:
    return bool(strategy._RecoverableStrategy__checkpoints._when_stored)


def test_what_is_written_at_an_interval_holds_no_order(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A server that stalls must not stop trading every few seconds."""

    class Changing(Saver):
        def on_save(self) -> dict[str, bytes]:
            self.number += 1
            return super().on_save()

    async def scenario() -> None:
        config = RecoverableStrategyConfig(strategy_id="Keeper", checkpoint_secs=0.01)
        async with watched(venue, valkey, strategy := Changing(config)) as node:
            await node.result()
            with paused(valkey):
                before = strategy.number
                await node.run.until(lambda: strategy.number > before + 3)
                strategy.submit_order(order := strategy.limit("1900.00"))
                await accepted(node, order)
                assert venue.submitted() == ids(order)

    asyncio.run(scenario())


def test_without_an_answer_in_time_only_exits_are_sent_until_there_is_one(
    venue: PaperVenue, valkey: EmbeddedValkey, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reason says so, the log says it once, and the newest state is stored in the end."""

    async def scenario() -> None:
        strategy = saver(checkpoint_timeout_secs=0.1)
        async with watched(venue, valkey, strategy) as node:
            await node.result()
            strategy.submit_order(entry := strategy.market())
            await node.run.until(lambda: strategy.portfolio.is_net_long(ETH))
            (position,) = strategy.held_positions()
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(more := strategy.market())
                stop = strategy.closing_order(position, trigger_price=strategy.limit("1000").price)
                strategy.submit_order(*stop)
                with pytest.raises(ValueError, match="is being closed by"):
                    strategy.closing_order(position, trigger_price=strategy.limit("1000").price)
                await accepted(node, more, stop.order)
                strategy.submit_order(again := strategy.market())
                assert again.status_string() == "DENIED"  # It does not wait once more
                strategy.remember()
                strategy.submit_order(later := strategy.market())
                assert later.status_string() == "INITIALIZED"
                await accepted(node, later)
            assert [event.client_order_id for event in strategy.denied] == [
                order.client_order_id for order in (more, again, later)
            ]
            for event in strategy.denied:
                assert event.reason.startswith("RECOVERY_CHECKPOINT_NOT_STORED: ")
            assert venue.submitted() == ids(entry, stop.order)
            await node.run.until(lambda: not holds(strategy))
            assert stored(valkey)[-1] == (2, b"2")
            strategy.submit_order(last := strategy.market("0.100"))
            await accepted(node, last)
            assert venue.submitted()[-1:] == ids(last)

    asyncio.run(scenario())
    assert capfd.readouterr().err.count("No checkpoint was stored within 0.1 s (") == 1


def test_a_cancel_of_what_is_held_denies_it_and_other_commands_keep_their_order(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A market order is not given up: natively it would have been filled by then."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            resting = [strategy.limit("1900.00"), strategy.limit("500.00", instrument_id=BTC)]
            for order in resting:
                strategy.submit_order(order)
            await accepted(node, *resting)
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(one := strategy.limit("1901.00"))
                strategy.submit_order(two := strategy.limit("1902.00"))
                strategy.submit_order(three := strategy.limit("1903.00"))
                strategy.submit_order(market := strategy.market("0.100"))
                strategy.cancel_order(one)
                strategy.cancel_orders([two, market])
                assert one.status_string() == two.status_string() == "DENIED"
                strategy.modify_order(three, price=strategy.limit("1899.00").price)
                strategy.cancel_order(resting[1])  # Nothing of its instrument is held
                await node.run.until(lambda: resting[1].is_closed)
                strategy.cancel_order(resting[0])  # Behind what may replace it
                assert resting[0].is_open
                assert not resting[0].is_pending_cancel
            await node.run.until(lambda: resting[0].is_closed)
            assert [event.reason.partition(":")[0] for event in strategy.denied] == [
                "RECOVERY_CANCELED"
            ] * 2
            assert venue.submitted()[2:] == ids(three, market)
            await node.run.until(lambda: str(three.price) == "1899.00")
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(four := strategy.limit("1904.00"))
                strategy.cancel_all_orders(ETH)
                assert four.status_string() == "DENIED"
                await node.run.until(lambda: three.is_closed)

    asyncio.run(scenario())


@pytest.mark.skipif(
    not hasattr(Strategy, "market_exit"), reason="This NautilusTrader has no market exit"
)
def test_a_market_exit_waits_for_nothing(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """It would be repeated until the cache has its orders."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            strategy.submit_order(strategy.market())
            await node.run.until(lambda: strategy.portfolio.is_net_long(ETH))
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(entry := strategy.market())
                market_exit: Any = strategy
                market_exit.market_exit()
                await node.run.until(lambda: strategy.portfolio.is_flat(ETH))
                assert len(venue.submitted()) == 2
                assert entry.status_string() == "INITIALIZED"

    asyncio.run(scenario())


def test_time_in_which_the_loop_was_blocked_does_not_count(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The answer may be there by then, and has not been looked at."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver(checkpoint_timeout_secs=0.2)) as node:
            await node.result()
            strategy.remember()
            strategy.submit_order(order := strategy.limit("1900.00"))
            await asyncio.sleep(0)
            time.sleep(0.5)  # noqa: ASYNC251 (a strategy that computes)
            await accepted(node, order)
            assert order.is_open

    asyncio.run(scenario())


def test_what_is_held_is_denied_when_the_strategy_is_disposed_of(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It would never be sent."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(order := strategy.market())
                node.node.trader.stop()
                strategy.dispose()
                assert order.status_string() == "DENIED"

    asyncio.run(scenario())


def test_in_shadow_mode_nothing_is_held(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """It observes, and blocks nothing."""

    async def scenario() -> None:
        monitor = monitor_config(shadow=True)
        async with watched(venue, valkey, strategy := saver(), monitor=monitor) as node:
            await node.result()
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(order := strategy.limit("1900.00"))
                await accepted(node, order)

    asyncio.run(scenario())


def test_a_gate_that_closes_meanwhile_denies_what_was_held(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It is asked at the moment of sending, with its own reason."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            with paused(valkey):
                strategy.remember()
                strategy.submit_order(order := strategy.market())
                strategy.gate.close("BY_A_TEST")
                assert order.status_string() == "INITIALIZED"
            await accepted(node, order)
            assert [event.reason for event in strategy.denied] == ["RECOVERY_BY_A_TEST"]

    asyncio.run(scenario())


def test_what_a_timers_thread_submits_after_its_checkpoint_is_held_too(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The checkpoint is made on the loop's thread, and the order must not overtake it."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            order = strategy.market()

            def ring() -> None:
                strategy.remember()
                strategy.submit_order(order)

            with paused(valkey):
                timer = threading.Thread(target=ring)
                timer.start()
                timer.join()  # The loop comes to nothing meanwhile
                assert strategy.number == 1
                assert stored(valkey) == []
                assert not node.node.cache.order_exists(order.client_order_id)
            await accepted(node, order)
            assert stored(valkey) == [(1, b"1")]

    asyncio.run(scenario())


def test_many_checkpoints_in_a_row_let_the_orders_between_them_pass(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """An order waits for the checkpoint before it, and not for those after it."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := saver()) as node:
            await node.result()
            orders = []
            for _ in range(20):
                strategy.remember()
                strategy.submit_order(order := strategy.limit("1900.00"))
                orders.append(order)
                await asyncio.sleep(0)
            while not orders[0].is_open:
                strategy.remember()
                await asyncio.sleep(0)
            await accepted(node, *orders)
            assert venue.submitted() == ids(*orders)
            assert strategy.denied == []

    asyncio.run(scenario())


def test_lost_orders_are_taken_once_that_is_stored(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Until the server has the checkpoint after the hook they are named in every recovery."""
    kill_sender(venue, valkey)

    class Taker(Saver):
        calls = 0
        pauses: ExitStack

        def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
            self.calls += 1
            self.number += 1
            if self.calls == 1:
                self.pauses.enter_context(paused(valkey))

    async def scenario() -> None:
        strategy = Taker(RecoverableStrategyConfig(strategy_id="Sender", checkpoint_secs=None))
        with ExitStack() as strategy.pauses:
            async with watched(venue, valkey, strategy) as node:
                await node.result(1)
                venue.push_mass_status()
                await node.result(2)
                assert strategy.calls == 2
                strategy.pauses.close()
                await node.run.until(lambda: not waits(strategy))
                venue.push_mass_status()
                await node.result(3)
                assert strategy.calls == 2

    asyncio.run(scenario())

"""
What comes live, a new epoch or a kill while a strategy warms up and after it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import PriceType

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import TicksNeeded
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import HistoryFault
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import paper_quotes
from tests.node.support import ETH
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import say
from tests.node.warm import INSTRUMENT
from tests.node.warm import Warmed
from tests.node.warm import average
from tests.node.warm import bar_after
from tests.node.warm import last_bar
from tests.node.warm import warming


def test_live_bars_during_the_warm_up_are_neither_lost_nor_applied_twice(venue: PaperVenue) -> None:
    """One that the history holds is not applied again, the newer one is, after the history."""
    strategy = Warmed()
    venue.set_history(HistoryFault.EMPTY)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: "empty" in (strategy.gate.reason() or ""))
            engine = node.node.kernel.data_engine
            old = last_bar(strategy)
            engine.process(old)
            engine.process(new := bar_after(old))
            await node.run.until(lambda: len(strategy.bars) == 2)
            assert strategy.ema.count == 0
            assert strategy.initialized_at_bar == [False, False]

            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.bars == [old, new]
            assert new.ts_event not in [bar.ts_event for bar in strategy.history]
            assert strategy.ema.value == average([*strategy.history, new])

            engine.process(new)
            engine.process(newer := bar_after(new, px="2600.00"))
            await node.run.until(lambda: len(strategy.bars) == 4)
            assert strategy.ema.value == average([*strategy.history, new, newer])
            assert strategy.initialized_at_bar[-1]

    asyncio.run(scenario())


def test_a_gap_between_history_and_live_bars_is_a_gap(venue: PaperVenue) -> None:
    """The bar between the last of history and the first live one was never seen."""
    strategy = Warmed()
    venue.set_history(HistoryFault.EMPTY)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: "empty" in (strategy.gate.reason() or ""))
            node.node.kernel.data_engine.process(bar_after(last_bar(strategy), intervals=2))
            await node.run.until(lambda: strategy.bars)
            venue.set_history()
            await node.run.until(lambda: "gap: no data between" in (strategy.gate.reason() or ""))
            assert strategy.ema.count == 0

    asyncio.run(scenario())


def test_a_reconnect_without_a_gap_needs_no_second_warm_up(venue: PaperVenue) -> None:
    """Live bars kept the indicators whole: the new epoch goes on with them."""
    strategy = Warmed()

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: strategy.gate.is_open)
            before = len(strategy.history)
            venue.set_history(HistoryFault.HANG)
            venue.push_mass_status()
            await node.result(2)
            await node.run.until(lambda: strategy.told.count("enabled") == 2)
            assert strategy.gate.is_open
            assert len(strategy.history) == before
            assert strategy.told.count("needs") == 1

    asyncio.run(scenario())


def test_a_reconnect_after_a_gap_warms_up_again_from_nothing(venue: PaperVenue) -> None:
    """The indicators missed a bar, so they are reset and filled again before the gate opens."""
    strategy = Warmed()

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: strategy.gate.is_open)
            strategy.history.clear()
            node.node.kernel.data_engine.process(bar_after(last_bar(strategy), intervals=2))
            await node.run.until(lambda: strategy.bars)
            assert strategy.gate.is_open

            venue.push_mass_status()
            await node.result(2)
            await node.run.until(lambda: strategy.told.count("enabled") == 2)
            assert len(strategy.history) >= 20
            assert strategy.ema.value == average(strategy.history)

    asyncio.run(scenario())


def test_a_newer_epoch_ends_the_warm_up_of_the_older(venue: PaperVenue) -> None:
    """An answer for the older epoch opens nothing; the newer one enables trading, once."""
    strategy = Warmed()
    venue.set_history(HistoryFault.HANG)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.result()
            await node.run.until(lambda: "WARMUP" in (strategy.gate.reason() or ""))
            venue.push_mass_status()
            await node.run.until(lambda: strategy.gate.epoch == 2)
            assert str(strategy.gate.reason()).startswith("RECOVERY_IN_PROGRESS")
            venue.set_history()
            await node.result(2)
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.told.count("complete") == 2
            assert strategy.told.count("enabled") == 1

    asyncio.run(scenario())


def test_a_failure_ends_the_warm_up(venue: PaperVenue) -> None:
    """What is answered after it opens nothing: the reason stays that of the failure."""
    strategy = Warmed()
    venue.set_history(delay_secs=0.3)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            complete = await node.result()
            engine = node.node.kernel.data_engine
            await node.run.until(lambda: engine.request_count == 1)
            failed = RecoveryFailed(
                complete.trader_id,
                complete.recovery_id,
                complete.epoch,
                msgspec.structs.replace(
                    complete.report, outcome=None, failure=FailureReason.TIMEOUT, message="too late"
                ),
                1,
                1,
            )
            say(node, failed)
            assert str(strategy.gate.reason()).startswith("RECOVERY_FAILED: TIMEOUT")
            responses = engine.response_count
            await node.run.until(lambda: engine.response_count > responses)
            assert str(strategy.gate.reason()).startswith("RECOVERY_FAILED: TIMEOUT")
            assert strategy.history == []
            assert strategy.told == ["start", "complete", "needs", "failed"]

    asyncio.run(scenario())


def test_what_an_operator_releases_during_the_warm_up_is_open_after_it(venue: PaperVenue) -> None:
    """A release opens no gate that waits for its warm-up, and is not lost."""
    strategy = Warmed()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    venue.set_history(HistoryFault.EMPTY)
    engine = LiveExecEngineConfig(generate_missing_orders=False)

    async def scenario() -> None:
        async with warming(venue, strategy, exec_engine=engine) as node:
            await node.result()
            await node.run.until(lambda: "empty" in (strategy.gate.reason() or ""))
            release = command("release", ETH.value)
            node.node.kernel.msgbus.send("RecoveryMonitor.command", release)
            await node.run.until(
                lambda: any(isinstance(m, RecoveryOverridden) for m in node.messages)
            )
            assert not strategy.gate.is_open_for(ETH)
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert strategy.gate.is_open_for(ETH)
            assert strategy.gate.blocked == frozenset()

    asyncio.run(scenario())


def test_bars_of_a_second_go_from_history_to_live_without_a_seam(venue: PaperVenue) -> None:
    """With live bars coming all along, the average is at each bar that of the whole series."""
    strategy = Warmed()
    bar_type = BarType.from_str(f"{ETH}-1-SECOND-LAST-EXTERNAL")
    need = BarsNeeded(bar_type=bar_type, count=20, indicators=(strategy.ema,))
    strategy.warmup_needs = lambda: [need]  # type: ignore[method-assign]
    values: list[tuple[bool, int, float]] = []
    strategy.on_start = lambda: strategy.subscribe_bars(bar_type)  # type: ignore[method-assign]
    strategy.on_bar = lambda bar: values.append(  # type: ignore[method-assign]
        (strategy.gate.is_open, bar.ts_event, strategy.ema.value)
    )
    venue.set_history(delay_secs=1.2)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: sum(is_open for is_open, _, _ in values) == 2)
            assert not values[0][0]  # At least one bar came before the history
            first = strategy.history[0].ts_event
            for _, ts, value in values[-2:]:
                assert value == average(paper_bars(INSTRUMENT, bar_type, first, ts))

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["quotes", "trades"])
def test_ticks_warm_up_as_bars_do(venue: PaperVenue, kind: Any) -> None:
    """Ticks are checked and applied; a live one of the same time is told apart."""
    strategy = Warmed()
    ema = ExponentialMovingAverage(20, PriceType.MID if kind == "quotes" else PriceType.LAST)
    strategy.warmup_needs = lambda: [  # type: ignore[method-assign]
        TicksNeeded(
            instrument_id=ETH,
            kind=kind,
            span=timedelta(seconds=40),
            count=30,
            max_gap=timedelta(seconds=1),
            indicators=(ema,),
        )
    ]
    venue.set_history(HistoryFault.GAP)

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.run.until(lambda: f"{kind} of {ETH}: gap" in (strategy.gate.reason() or ""))
            venue.set_history()
            await node.run.until(lambda: strategy.gate.is_open)
            assert ema.count == len(strategy.history) >= 30
            assert ema.initialized

            live = strategy.history[-1]
            if isinstance(live, QuoteTick):
                other = paper_quotes(INSTRUMENT, live.ts_event, live.ts_event)[0]
                price = INSTRUMENT.make_price("2500.00")
                other = QuoteTick(
                    ETH, price, price, live.bid_size, live.ask_size, live.ts_event, live.ts_init
                )
                before = ema.count
                node.node.kernel.data_engine.process(live)
                node.node.kernel.data_engine.process(other)
                await node.run.until(lambda: ema.count > before)
                assert ema.count == before + 1

    asyncio.run(scenario())


def killed_node(port: int, redis_port: int) -> TradingNode:
    """
    Return a node, for a process of its own, that warms up before it buys.
    """

    class Buying(Warmed):
        def warmup_needs(self) -> Sequence[WarmupNeed]:
            self.submit_order(self.market("1.000"))
            emit("warming", reason=self.denied[0].reason)
            return super().warmup_needs()

        def on_trading_enabled(self) -> None:
            emit("enabled", value=self.ema.value, expected=average(self.history))
            self.submit_order(self.market("1.000"))

    symbols = ("ETHUSDT-PERP",)
    node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=symbols)],
            [PaperVenueDataClientConfig(port=port, symbols=symbols)],
            database=DatabaseConfig(host="127.0.0.1", port=redis_port),
        )
    )
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    node.trader.add_strategy(Buying(use_uuid_client_order_ids=True))
    return node


def test_a_node_killed_in_its_warm_up_has_sent_no_order_and_warms_up_again(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """After kill -9 nothing is left of the warm-up: the next start does all of it."""
    target = "tests.node.test_warmup_live:killed_node"
    venue.set_history(HistoryFault.HANG)
    with NodeProcess(target, port=venue.port, redis_port=valkey.port) as process:
        assert process.wait_for("warming")["reason"].startswith("RECOVERY_")
        process.kill()
    assert venue.submitted() == []

    venue.set_history()
    with NodeProcess(target, port=venue.port, redis_port=valkey.port) as process:
        enabled = process.wait_for("enabled")
        assert enabled["value"] == enabled["expected"] > 0
        venue.wait_for_position("ETHUSDT-PERP", 1)
    assert len(venue.submitted()) == 1

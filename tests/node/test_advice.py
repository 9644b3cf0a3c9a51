"""
The advice that goes with each kind of difference leads out when it is followed as it is written.
"""

import asyncio
import re
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import Discrepancy
from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import differing
from tests.node.support import heir
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"
CLAIMS: dict[str, Any] = {"external_order_claims": [ETH]}
HEDGING: dict[str, Any] = {"clients": {"oms_type": "HEDGING"}}
# An engine that leaves differences as they are, and one that passes over what others placed
IDLE = LiveExecEngineConfig(reconciliation_startup_delay_secs=0.001, generate_missing_orders=False)
BLIND = LiveExecEngineConfig(
    reconciliation_startup_delay_secs=0.001, filter_unclaimed_external_orders=True
)
# What the engine makes of a report that nobody corrects
UNCORRECTED = monitor_config(corrections="none")
Act = Callable[[Watched], Awaitable[None]]
Scene = Callable[[PaperVenue, EmbeddedValkey], Awaitable[Any]]
only_where_fills_are_adjusted = pytest.mark.skipif(
    not ADJUSTS_FILLS, reason="this engine reconciles it"
)


async def start(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    act: Act | None = None,
    *strategies: Recorder,
    **fields: Any,
) -> RecoveryReport:
    """
    Start the node, let something be done once its recovery is over, and return the newest report.
    """
    async with watched(venue, valkey, *(strategies or (heir(),)), **fields) as node:
        await node.result()
        if act is not None:
            await act(node)
        report: RecoveryReport = node.terminals[-1].report
        return report


def found(report: RecoveryReport, kind: Kind) -> Discrepancy:
    """
    Return the difference of a kind that there is.
    """
    return next(one for one in report.discrepancies if one.kind is kind)


def delete(valkey: EmbeddedValkey, advised: Discrepancy) -> None:
    """
    Delete from Redis what the advice names.
    """
    (key,) = re.findall(r"`((?:orders|positions):[^`]+)`", advised.detail)
    assert valkey.client().delete(f"trader-{TRADER_ID}:{key}") == 1


async def flatten(
    venue: PaperVenue, valkey: EmbeddedValkey, advised: Discrepancy, **fields: Any
) -> None:
    """
    Close at the venue, let the node book that, and delete the positions from Redis.
    """
    assert "close it at the venue, let the node book that, stop it, delete every" in advised.detail
    for held in venue.state().positions:
        if held.qty:
            venue.place(SYMBOL, "SELL" if held.qty > 0 else "BUY", abs(held.qty), leg=held.leg)
    await start(venue, valkey, **fields)
    keys = valkey.client().keys(f"trader-{TRADER_ID}:positions:*{ETH}*")
    assert valkey.client().delete(*keys) == len(keys)


def is_free(report: RecoveryReport) -> bool:
    """
    Return whether nothing is blocked any more.
    """
    return report.outcome is not None and not report.blocked_instruments


# -- POSITIONS -------------------------------------------------------------------------------------


async def closed_unseen(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    await start(venue, valkey)  # An account that reports positions
    closing = venue.place(SYMBOL, "SELL", 2)
    venue.set_faults(hide_orders=(closing.venue_order_id,), silent_when_flat=True)


def test_a_position_that_is_flat_at_the_venue_is_deleted(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its own entry alone: with its order the venue's history would bring it back."""

    async def scenario() -> None:
        await closed_unseen(venue, valkey)
        report = await start(venue, valkey)
        assert report.blocked_instruments == (ETH.value,)
        delete(valkey, found(report, Kind.POSITION_NOT_AT_VENUE))
        for _ in range(2):
            report = await start(venue, valkey)
            assert is_free(report)
            assert differing(report) == []

    asyncio.run(scenario())


def test_a_position_that_was_left_out_is_reported_at_the_next_start(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Where the venue is not flat, a restart asks it again."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        await start(venue, valkey)
        venue.set_faults(hide_positions=(SYMBOL,))
        advised = found(await start(venue, valkey), Kind.POSITION_NOT_AT_VENUE)
        assert "if not, restart the node" in advised.detail
        venue.set_faults()
        assert is_free(await start(venue, valkey))

    asyncio.run(scenario())


@only_where_fills_are_adjusted
@pytest.mark.parametrize(
    "scene", [scenes.long_with_every_fill_reported_twice, scenes.long_after_a_forgotten_short]
)
def test_a_part_that_was_made_up_is_deleted(
    venue: PaperVenue, valkey: EmbeddedValkey, scene: Callable[..., Awaitable[None]]
) -> None:
    """What the cache holds of nobody, and the venue does not, is one entry."""

    async def scenario() -> None:
        await scene(venue, valkey, TRADER_ID)
        report = await start(venue, valkey, monitor=UNCORRECTED)
        advised = found(report, Kind.POSITION_QTY_MISMATCH)
        assert advised.detail.startswith("The venue does not hold the -2.000 of EXTERNAL")
        delete(valkey, advised)
        for _ in range(2):
            assert differing(await start(venue, valkey)) == []

    asyncio.run(scenario())


async def grown_unseen(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    venue.set_position(SYMBOL, 3, 2000)


async def history_twice(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.long_with_every_fill_reported_twice(venue, valkey, TRADER_ID)


async def contrary_parts(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    venue.place(SYMBOL, "SELL", 1)


@pytest.mark.parametrize(
    ("scene", "kind", "claims"),
    [
        (
            (history_twice, Kind.POSITION_QTY_MISMATCH, CLAIMS)
            if ADJUSTS_FILLS
            else (grown_unseen, Kind.POSITION_QTY_MISMATCH, {})
        ),
        (contrary_parts, Kind.SPLIT_OWNERSHIP, {}),
    ],
)
def test_what_no_single_entry_corrects_is_closed_at_the_venue_and_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, scene: Scene, kind: Kind, claims: dict[str, Any]
) -> None:
    """Once the venue is flat, a cache without positions equals it, and stays so."""

    async def scenario() -> None:
        await scene(venue, valkey)
        fields: dict[str, Any] = {"exec_engine": IDLE, "monitor": UNCORRECTED}
        report = await start(venue, valkey, None, heir(**claims), **fields)
        assert report.blocked_instruments == (ETH.value,)
        await flatten(venue, valkey, found(report, kind), **fields)
        for _ in range(2):
            report = await start(venue, valkey, None, heir(**claims))
            assert is_free(report)
            assert differing(report) == []

    asyncio.run(scenario())


@pytest.fixture
def hedging() -> Iterator[PaperVenue]:
    with PaperVenue(oms="HEDGING") as paper:
        paper.set_price(SYMBOL, 2000)
        yield paper


def test_a_leg_that_differs_is_closed_at_the_venue_and_forgotten(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """As for a net position, where client and account have the same position mode."""
    reports: list[RecoveryReport] = []

    async def grow(node: Watched) -> None:
        hedging.set_position(SYMBOL, 3, 2000, leg="LONG")
        hedging.push_mass_status()
        reports.append((await node.result(2)).report)

    async def scenario() -> None:
        await scenes.leave_trades(hedging, valkey, TRADER_ID, "+2", client={"oms_type": "HEDGING"})
        fields: dict[str, Any] = {"exec_engine": IDLE, **HEDGING}
        await start(hedging, valkey, grow, exec_engine=IDLE, **HEDGING)
        (report,) = reports
        await flatten(hedging, valkey, found(report, Kind.HEDGE_LEG_MISMATCH), **fields)
        assert is_free(await start(hedging, valkey, **HEDGING))

    asyncio.run(scenario())


@pytest.mark.skipif(not REPAIRS_HEDGE_LEGS, reason="this version fails on a leg that it lacks")
def test_legs_that_a_strategy_netted_are_free_once_it_keeps_them_apart(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its `oms_type` is the cause, so without that flattening alone does not last."""

    def trader(oms_type: str) -> Recorder:
        return heir(oms_type=oms_type, **CLAIMS)

    async def scenario() -> None:
        hedging.set_position(SYMBOL, 2, 2000, leg="LONG")
        report = await start(hedging, valkey, None, trader("NETTING"), **HEDGING)
        advised = found(report, Kind.HEDGE_LEG_MISMATCH)
        assert 'lacks `oms_type="HEDGING"`' in advised.detail
        await flatten(hedging, valkey, advised, **HEDGING)
        for oms_type, is_free_now in (("NETTING", False), ("HEDGING", True)):
            hedging.set_position(SYMBOL, 3, 2000, leg="LONG")
            report = await start(hedging, valkey, None, trader(oms_type), **HEDGING)
            assert is_free(report) == is_free_now
            if not is_free_now:
                await flatten(hedging, valkey, advised, **HEDGING)
        assert is_free(await start(hedging, valkey, None, trader("HEDGING"), **HEDGING))

    asyncio.run(scenario())


# -- OWNERS ----------------------------------------------------------------------------------------


async def shared_with_nobody(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    venue.place(SYMBOL, "BUY", 1)


def test_a_part_of_nobody_is_claimed(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """The strategy that claims the instrument is handed both parts, and nothing is blocked."""
    trader = heir(**CLAIMS)

    async def scenario() -> None:
        await shared_with_nobody(venue, valkey)
        advised = found(await start(venue, valkey), Kind.SPLIT_OWNERSHIP)
        assert "`external_order_claims` of TRADER-001" in advised.detail
        report = await start(venue, valkey, None, trader)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())
    held = sorted((p.strategy_id.value, p.signed_decimal_qty()) for p, _ in trader.recovered)
    assert held == [("EXTERNAL", 1), ("TRADER-001", 2)]


def closing(position: Callable[[Watched], Position], strategy: Recorder) -> Act:
    """
    Return what closes a position from the node, on an instrument that an operator releases.
    """

    async def act(node: Watched) -> None:
        node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", ETH.value))
        strategy.submit_order(*strategy.closing_order(closed := position(node)))
        await node.run.until(lambda: closed.is_closed)

    return act


def test_a_part_of_nobody_is_closed_from_the_node(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What is left is the strategy's alone."""
    trader = heir()

    def part(node: Watched) -> Position:
        (held,) = (p for p in node.node.cache.positions_open() if p.strategy_id != trader.id)
        return held

    async def scenario() -> None:
        await shared_with_nobody(venue, valkey)
        report = await start(venue, valkey, closing(part, trader), trader)
        assert (
            "close the part of EXTERNAL with `closing_order`"
            in found(report, Kind.SPLIT_OWNERSHIP).detail
        )
        report = await start(venue, valkey)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())


def test_all_parts_but_one_are_closed_from_the_node(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Each strategy can close its own part of what both hold on one side."""
    first, second = (Recorder(StrategyConfig(**scenes.OTHER)) for _ in range(2))

    async def share(node: Watched) -> None:
        first.submit_order(order := first.market("1.000"))
        await node.run.until(lambda: order.is_closed)

    def part(_: Watched) -> Position:
        (held,) = second.held_positions()
        return held

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        await start(venue, valkey, share, heir(), first)
        report = await start(venue, valkey, closing(part, second), heir(), second)
        assert "close all but one from the node" in found(report, Kind.SPLIT_OWNERSHIP).detail
        report = await start(venue, valkey)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())


# -- ORDERS ----------------------------------------------------------------------------------------


def test_an_order_that_is_gone_at_the_venue_is_deleted(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Then the position is what it was, and the order can be placed again."""

    async def scenario() -> None:
        _, bid = await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        venue.set_faults(lose_fills_since=venue.mark())
        venue.cancel(bid)
        delete(valkey, found(await start(venue, valkey), Kind.ORDER_NOT_AT_VENUE))
        report = await start(venue, valkey)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())


def test_an_order_that_the_cache_does_not_know_is_canceled_at_the_venue(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """And then the next report lacks it."""

    async def scenario() -> None:
        venue.place(SYMBOL, "BUY", 1, "LIMIT", 1500)
        report = await start(venue, valkey, exec_engine=BLIND)
        assert "cancel it at the venue" in found(report, Kind.ORDER_NOT_IN_CACHE).detail
        venue.cancel()
        assert is_free(await start(venue, valkey, exec_engine=BLIND))

    asyncio.run(scenario())


@only_where_fills_are_adjusted
@pytest.mark.parametrize("ending", ["CANCELED", "FILLED", "ACCEPTED"])
def test_an_order_whose_news_the_engine_dropped_is_over_at_the_venue_and_deleted(
    venue: PaperVenue, valkey: EmbeddedValkey, ending: str
) -> None:
    """One that still rests there is canceled first."""

    async def scenario() -> None:
        *_, lost, bid = await scenes.leave_trades(
            venue, valkey, TRADER_ID, *scenes.BROKEN_HISTORY, "@1500"
        )
        venue.set_faults(hide_orders=(lost,))
        if ending == "CANCELED":
            venue.cancel(bid)
        else:
            venue.fill(bid, None if ending == "FILLED" else "0.4")
        report = await start(venue, valkey, None, heir(**CLAIMS), monitor=UNCORRECTED)
        advised = found(report, Kind.ORDER_MISMATCH)
        if ending == "ACCEPTED":
            assert "cancel it at the venue, stop the node, delete" in advised.detail
            venue.cancel(bid)
        else:
            assert f"is over at the venue ({ending})" in advised.detail
        delete(valkey, advised)
        for _ in range(2):
            report = await start(venue, valkey, None, heir(**CLAIMS), monitor=UNCORRECTED)
            assert is_free(report)
            assert differing(report) == []

    asyncio.run(scenario())


def test_an_order_that_the_engine_gave_up_is_canceled_at_the_venue(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It was accepted after all, and the cache calls it rejected."""

    async def give_up(node: Watched) -> None:
        venue.set_faults(hold_acks=True)
        trader.submit_order(order := trader.limit("1500"))
        await node.run.until(lambda: order.is_closed)

    trader = heir()

    async def scenario() -> None:
        await start(venue, valkey, give_up, trader, exec_engine=scenes.IMPATIENT)
        venue.set_faults()
        venue.release()
        advised = found(await start(venue, valkey), Kind.ORDER_MISMATCH)
        assert "cancel it at the venue, and restart" in advised.detail
        venue.cancel()
        report = await start(venue, valkey)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())


def test_an_order_in_flight_that_the_engine_gives_up_blocks_no_more(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The venue never got it, and says so when the engine asks."""
    sent = scenes.killed_before_the_answer(venue, valkey, TRADER_ID)

    async def give_up(node: Watched) -> None:
        (order,) = (o for o in node.node.cache.orders() if o.client_order_id.value == sent)
        await node.run.until(lambda: order.is_closed)

    async def scenario() -> None:
        advised = found(await start(venue, valkey), Kind.INFLIGHT_ORDER)
        assert "once the engine has given it up, restart" in advised.detail
        await start(venue, valkey, give_up, exec_engine=scenes.IMPATIENT)
        report = await start(venue, valkey)
        assert is_free(report)
        assert differing(report) == []

    asyncio.run(scenario())


# -- WHAT THE NODE LACKS ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_loaded", [True, False])
@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
def test_an_instrument_is_loaded_or_nothing_is_left_on_it(
    venue: PaperVenue, valkey: EmbeddedValkey, kind: str, *, is_loaded: bool
) -> None:
    """Either way out of it is one."""
    symbols: dict[str, Any] = {"symbols": ("BTCUSDT-PERP",)}

    async def scenario() -> None:
        venue.place(SYMBOL, "BUY", 1, kind, None if kind == "MARKET" else 1500)
        advised = found(await start(venue, valkey, **symbols), Kind.INSTRUMENT_NOT_LOADED)
        assert "load the instrument, or c" in advised.detail
        if is_loaded:
            assert is_free(await start(venue, valkey))
            return
        if kind == "MARKET":
            venue.place(SYMBOL, "SELL", 1)
        venue.cancel()
        assert is_free(await start(venue, valkey, **symbols))

    asyncio.run(scenario())

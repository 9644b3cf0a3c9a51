"""
The advice that goes with each kind of difference leads out when it is followed as it is written,
with the commands that it names, to a node that trades.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.node.answers import Script
from tests.node.runbook import TRADER_ID
from tests.node.runbook import close_at
from tests.node.runbook import commands
from tests.node.runbook import follow
from tests.node.runbook import found
from tests.node.runbook import operated
from tests.node.runbook import to_node
from tests.node.runbook import verified
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import differing
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes import SYMBOL


CLAIMS: dict[str, Any] = {"external_order_claims": [ETH]}
HEDGING: dict[str, Any] = {"clients": {"oms_type": "HEDGING"}}
# An engine that leaves differences as they are, and one that passes over what others placed
IDLE = LiveExecEngineConfig(reconciliation_startup_delay_secs=0.001, generate_missing_orders=False)
BLIND = LiveExecEngineConfig(
    reconciliation_startup_delay_secs=0.001, filter_unclaimed_external_orders=True
)
# What the engine makes of a report that nobody corrects
UNCORRECTED = monitor_config(corrections="none")
# One that asks often, and soon gives up
ASKING = monitor_config(
    prove_interval_secs=0.3, query_retries=1, query_timeout_secs=1.0, verify_timeout_secs=2.0
)
Act = Callable[[Watched], Awaitable[None]]
Scene = Callable[[PaperVenue, EmbeddedValkey], Awaitable[Any]]
only_where_fills_are_adjusted = pytest.mark.skipif(
    not ADJUSTS_FILLS, reason="this engine reconciles it"
)
by_either_way = pytest.mark.parametrize("is_by_hand", [False, True], ids=["repair", "by hand"])


@pytest.fixture(autouse=True)
def operator(valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Name the trader and the server to whoever runs a command.
    """
    monkeypatch.setenv("RECOVERY_TRADER", TRADER_ID)
    monkeypatch.setenv("REDIS_URL", valkey.url)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """
    What the client answers in place of the venue.
    """
    return Script(monkeypatch)


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
    async with operated(venue, valkey, *(strategies or (heir(),)), **fields) as node:
        await node.result()
        if act is not None:
            await act(node)
        report: RecoveryReport = node.terminals[-1].report
        return report


def is_free(report: RecoveryReport) -> bool:
    """
    Return whether nothing is blocked any more.
    """
    return report.outcome is not None and not report.blocked_instruments


async def is_well(
    venue: PaperVenue, valkey: EmbeddedValkey, claims: dict[str, Any] | None = None, **fields: Any
) -> bool:
    """
    Return whether nothing differs at the next start.
    """
    report = await start(venue, valkey, None, heir(**(claims or {})), **fields)
    return is_free(report) and not [one for one in differing(report) if not one.resolved]


# -- POSITIONS -------------------------------------------------------------------------------------


async def closed_unseen(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    await start(venue, valkey)  # An account that reports positions
    closing = venue.place(SYMBOL, "SELL", 2)
    venue.set_faults(hide_orders=(closing.venue_order_id,), silent_when_flat=True)


@by_either_way
def test_a_position_that_is_flat_at_the_venue_is_closed_or_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, *, is_by_hand: bool
) -> None:
    """Its own entry alone: with its order the venue's history would bring it back."""

    async def scenario() -> None:
        await closed_unseen(venue, valkey)
        done = await follow(venue, valkey, is_by_hand=is_by_hand)
        assert done == (["forget"] if is_by_hand else ["repair"])
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


def test_a_position_that_was_left_out_is_free_once_it_is_reported(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Where the venue is not flat, it is asked again, and the node goes on."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        await start(venue, valkey)
        venue.set_faults(hide_positions=(SYMBOL,))
        async with operated(venue, valkey, strategy := heir()) as node:
            advised = found((await node.result()).report, Kind.POSITION_NOT_AT_VENUE)
            assert "the block ends by itself once the venue reports it" in advised.detail
            venue.set_faults()
            assert await to_node("verify") == 0
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


async def history_twice(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.long_with_every_fill_reported_twice(venue, valkey, TRADER_ID)


async def forgotten_short(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.long_after_a_forgotten_short(venue, valkey, TRADER_ID)


@only_where_fills_are_adjusted
@by_either_way
@pytest.mark.parametrize("scene", [history_twice, forgotten_short])
def test_a_part_that_was_made_up_is_closed_or_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, scene: Scene, *, is_by_hand: bool
) -> None:
    """What the cache holds of nobody, and the venue does not, is one entry, and is named."""

    async def scenario() -> None:
        await scene(venue, valkey)
        if is_by_hand:
            report = await start(venue, valkey, monitor=UNCORRECTED)
            assert (
                "The cache holds -2.000 of EXTERNAL (`ETHUSDT-PERP.PAPER-EXTERNAL`, made up) and "
                "2.000 of TRADER-001 (`ETHUSDT-PERP.PAPER-TRADER-001`). The venue does not hold "
                "the -2.000 of EXTERNAL: check that there, then stop the node"
            ) in found(report, Kind.POSITION_QTY_MISMATCH).detail
        first = {"monitor": UNCORRECTED}
        done = await follow(venue, valkey, is_by_hand=is_by_hand, first=first)
        assert done == (["forget"] if is_by_hand else ["repair"])
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


async def grown_unseen(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    venue.set_position(SYMBOL, 3, 2000)


async def contrary_parts(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    venue.place(SYMBOL, "SELL", 1)


@by_either_way
@pytest.mark.parametrize(
    ("scene", "claims", "steps"),
    [
        (history_twice, CLAIMS, ["repair"])
        if ADJUSTS_FILLS
        else (grown_unseen, {}, ["close", "repair"]),
        (contrary_parts, {}, ["repair"]),
    ],
)
def test_what_no_single_entry_corrects_is_repaired_or_closed_at_the_venue(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    scene: Scene,
    claims: dict[str, Any],
    steps: list[str],
    *,
    is_by_hand: bool,
) -> None:
    """Once the venue is flat, a cache without positions equals it, and stays so."""

    async def scenario() -> None:
        await scene(venue, valkey)
        first = {"exec_engine": IDLE, "monitor": UNCORRECTED}
        done = await follow(venue, valkey, is_by_hand=is_by_hand, first=first, claims=claims)
        assert [*dict.fromkeys(done)] == (["close", "forget"] if is_by_hand else steps)
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


@by_either_way
def test_a_leg_that_differs_is_repaired_or_closed_at_the_venue(
    hedging: PaperVenue, valkey: EmbeddedValkey, *, is_by_hand: bool
) -> None:
    """As for a net position, where client and account have the same position mode."""

    async def grow(node: Watched) -> None:
        hedging.set_position(SYMBOL, 3, 2000, leg="LONG")
        assert found(await verified(node)).kind is Kind.HEDGE_LEG_MISMATCH

    async def scenario() -> None:
        await scenes.leave_trades(hedging, valkey, TRADER_ID, "+2", client={"oms_type": "HEDGING"})
        fields: dict[str, Any] = {"act": grow, "first": {"exec_engine": IDLE}, **HEDGING}
        done = await follow(hedging, valkey, is_by_hand=is_by_hand, **fields)
        assert [*dict.fromkeys(done)] == (["close", "forget"] if is_by_hand else ["repair"])
        assert await is_well(hedging, valkey, **HEDGING)

    asyncio.run(scenario())


@pytest.mark.skipif(not REPAIRS_HEDGE_LEGS, reason="this version fails on a leg that it lacks")
def test_legs_that_a_strategy_netted_are_free_once_it_keeps_them_apart(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its `oms_type` is the cause, so without that flattening alone does not last."""

    async def start_as(oms_type: str, qty: int) -> RecoveryReport:
        hedging.set_position(SYMBOL, qty, 2000, leg="LONG")
        return await start(hedging, valkey, None, heir(oms_type=oms_type, **CLAIMS), **HEDGING)

    async def flatten(oms_type: str) -> None:
        claims = {"oms_type": oms_type, **CLAIMS}
        done = await follow(hedging, valkey, is_by_hand=True, claims=claims, **HEDGING)
        assert done[0] == "close"

    async def scenario() -> None:
        advised = found(await start_as("NETTING", 2), Kind.HEDGE_LEG_MISMATCH)
        assert 'lacks `oms_type="HEDGING"`' in advised.detail
        await flatten("NETTING")
        assert not is_free(await start_as("NETTING", 3))
        await flatten("HEDGING")
        assert is_free(await start_as("HEDGING", 3))
        assert is_free(await start_as("HEDGING", 3))

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
        async with watched(venue, valkey, trader) as node:
            report = (await node.result()).report
            assert is_free(report)
            assert differing(report) == []
            held = sorted(
                (p.strategy_id.value, p.signed_decimal_qty()) for p, _ in trader.recovered
            )
            assert held == [("EXTERNAL", 1), ("TRADER-001", 2)]
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def closing(position: Callable[[Watched], Position], strategy: Recorder) -> Act:
    """
    Return what closes a position from the node, and waits until the block has ended by itself.
    """

    async def act(node: Watched) -> None:
        strategy.submit_order(*strategy.closing_order(closed := position(node)))
        await node.run.until(lambda: closed.is_closed)
        await node.run.until(lambda: is_free(node.terminals[-1].report))
        await node.run.until(lambda: strategy.gate.is_open_for(ETH))

    return act


@pytest.mark.parametrize("is_made_up", [False, True])
def test_a_part_of_nobody_is_closed_from_the_node(
    venue: PaperVenue, valkey: EmbeddedValkey, *, is_made_up: bool
) -> None:
    """What is left is the strategy's alone."""
    trader = heir()

    def part(node: Watched) -> Position:
        (held,) = (p for p in node.node.cache.positions_open() if p.strategy_id != trader.id)
        return held

    async def scenario() -> None:
        await (grown_unseen if is_made_up else shared_with_nobody)(venue, valkey)
        async with operated(venue, valkey, trader) as node:
            advised = found((await node.result()).report, Kind.SPLIT_OWNERSHIP)
            assert "with `closing_order`" in advised.detail
            assert advised.detail.startswith("The cache holds 1.000 of ")
            assert (", made up)" in advised.detail) == is_made_up
            await closing(part, trader)(node)
            assert await may_trade(node, venue, trader)
        assert await is_well(venue, valkey)

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
        async with operated(venue, valkey, trader := heir(), second) as node:
            advised = found((await node.result()).report, Kind.SPLIT_OWNERSHIP)
            assert "close all but one from the node" in advised.detail
            await closing(part, second)(node)
            assert await may_trade(node, venue, trader)
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


# -- ORDERS ----------------------------------------------------------------------------------------


@by_either_way
def test_an_order_that_is_gone_at_the_venue_is_ended_or_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, *, is_by_hand: bool
) -> None:
    """Then the position is what it was, and the order can be placed again."""

    async def scenario() -> None:
        _, bid = await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        venue.set_faults(lose_fills_since=venue.mark())
        venue.cancel(bid)
        done = await follow(venue, valkey, is_by_hand=is_by_hand)
        assert done == (["forget"] if is_by_hand else ["repair"])
        venue.set_faults()
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


def test_an_order_that_the_cache_does_not_know_is_canceled_at_the_venue(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """And then the block ends, while the node runs."""

    async def scenario() -> None:
        venue.place(SYMBOL, "BUY", 1, "LIMIT", 1500)
        done = await follow(venue, valkey, is_by_hand=True, first={"exec_engine": BLIND})
        assert done == ["cancel"]

    asyncio.run(scenario())


@only_where_fills_are_adjusted
@by_either_way
@pytest.mark.parametrize("ending", ["CANCELED", "FILLED", "ACCEPTED"])
def test_an_order_whose_news_the_engine_dropped_is_brought_up_to_date_or_forgotten(
    venue: PaperVenue, valkey: EmbeddedValkey, ending: str, *, is_by_hand: bool
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
        fields: dict[str, Any] = {"claims": CLAIMS, "monitor": UNCORRECTED}
        done = await follow(venue, valkey, is_by_hand=is_by_hand, **fields)
        by_hand = ["cancel"] if ending == "ACCEPTED" else ["forget"]
        assert done == (by_hand if is_by_hand else ["repair"])
        for _ in range(2):
            if is_by_hand:
                assert await is_well(venue, valkey, **fields)
            else:  # The average price of a history that is incomplete is not the venue's
                assert is_free(await start(venue, valkey, None, heir(**CLAIMS)))

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
        assert await follow(venue, valkey) == ["cancel"]
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


def test_an_order_in_flight_that_the_engine_gives_up_blocks_no_more(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The venue never got it, and says so when the engine asks: the block ends by itself."""
    scenes.killed_before_the_answer(venue, valkey, TRADER_ID)
    slow = LiveExecEngineConfig(
        reconciliation_startup_delay_secs=0.001,
        inflight_check_interval_ms=100,
        inflight_check_threshold_ms=1500,
        inflight_check_retries=1,
    )

    async def scenario() -> None:
        async with operated(venue, valkey, trader := heir(), exec_engine=slow) as node:
            advised = found((await node.result()).report, Kind.INFLIGHT_ORDER)
            assert "the block ends by itself then" in advised.detail
            await node.run.until(lambda: trader.gate.is_open_for(ETH))
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


# -- VENUES THAT DO NOT ANSWER ---------------------------------------------------------------------


def test_a_venue_that_never_answers_alike_blocks_until_it_does(
    venue: PaperVenue, valkey: EmbeddedValkey, script: Script
) -> None:
    """And then the block ends, while the node runs."""

    script.answers["positions"] = ["empty", "well"] * 9

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        async with operated(venue, valkey, trader := heir(), monitor=ASKING) as node:
            advised = found((await node.result()).report, Kind.UNPROVEN_REPORT)
            assert "the block ends by itself once it answers alike" in advised.detail
            script.answers.clear()
            assert ["verify"] in commands(advised)
            assert is_free(await verified(node))
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def test_an_account_that_stops_answering_goes_on_once_it_answers(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Nobody has to resume it."""

    async def scenario() -> None:
        async with operated(venue, valkey, trader := heir(), monitor=ASKING) as node:
            await node.result()
            venue.refuse_connections()
            venue.drop_connections()
            advised = found((await node.result(2)).report, Kind.UNPROVEN_REPORT)
            assert "trading goes on once it answers" in advised.detail
            venue.refuse_connections(refuse=False)
            await node.run.until(lambda: trader.gate.is_open)
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def test_a_start_without_a_mass_status_is_repeated(
    venue: PaperVenue, valkey: EmbeddedValkey, script: Script
) -> None:
    """NautilusTrader has not started the trader, so nothing can go on by itself."""
    script.answers["mass status"] = ["raise always"]

    async def scenario() -> None:
        async with operated(venue, valkey, heir(), monitor=ASKING, wait=False) as node:
            advised = found((await node.result()).report, Kind.NO_MASS_STATUS)
            assert "where the trader did not start, after a restart" in advised.detail
        script.answers.clear()
        async with watched(venue, valkey, trader := heir()) as node:
            await node.result()
            assert await may_trade(node, venue, trader)

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
        async with operated(venue, valkey, **symbols) as node:
            advised = found((await node.result()).report, Kind.INSTRUMENT_NOT_LOADED)
            assert "load the instrument and restart" in advised.detail
            if not is_loaded:
                assert ["verify"] in commands(advised)
                close_at(venue)
                venue.cancel()
                assert is_free(await verified(node))
                return
        async with watched(venue, valkey, trader := heir()) as node:
            assert is_free((await node.result()).report)
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())

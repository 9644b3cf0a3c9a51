"""
Positions that the engine made up, beside others and against them.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import Discrepancy
from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.node.observing.positions import cached_positions
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.node.runbook import follow
from tests.node.runbook import forget
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import differing
from tests.node.support import heir
from tests.node.support import watched
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"
CLAIMS: dict[str, Any] = {"external_order_claims": [ETH]}
ENGINE = "EXTERNAL" if ADJUSTS_FILLS else "INTERNAL-DIFF"
Act = Callable[[Watched], Awaitable[None]]


@pytest.fixture(autouse=True)
def operator(valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Name the trader and the server to whoever runs a command.
    """
    monkeypatch.setenv("RECOVERY_TRADER", TRADER_ID)
    monkeypatch.setenv("REDIS_URL", valkey.url)


async def start(
    venue: PaperVenue, valkey: EmbeddedValkey, strategy: Recorder, act: Act | None = None
) -> tuple[RecoveryReport, dict[str, bool]]:
    """
    Start the node, and return the report and which positions are made up.
    """
    async with watched(venue, valkey, strategy) as node:
        report: RecoveryReport = (await node.result()).report
        made_up = {one.position_id: one.made_up for one in cached_positions(node.node.cache)}
        if act is not None:
            await act(node)
        return report, made_up


def split(report: RecoveryReport) -> Discrepancy:
    """
    Return what is said of the parts.
    """
    return next(one for one in report.discrepancies if one.kind is Kind.SPLIT_OWNERSHIP)


async def is_well(venue: PaperVenue, valkey: EmbeddedValkey, **claims: Any) -> bool:
    """
    Return whether nothing differs at the next two starts.
    """
    reports = [(await start(venue, valkey, heir(**claims)))[0] for _ in range(2)]
    return all(r.outcome and not r.blocked_instruments and not differing(r) for r in reports)


@pytest.mark.parametrize("claims", [{}, CLAIMS], ids=["unclaimed", "claimed"])
def test_a_position_that_the_engine_opened_is_known_as_that_after_a_restart(
    venue: PaperVenue, valkey: EmbeddedValkey, claims: dict[str, Any]
) -> None:
    """By its orders and trades as they are stored, tagged or not, and by nothing else."""
    owner = "TRADER-001" if claims else ENGINE

    async def scenario() -> None:
        venue.set_position(SYMBOL, 2, 2000)
        for _ in range(2):
            report, made_up = await start(venue, valkey, heir(**claims))
            assert made_up == {f"{ETH}-{owner}": True}
            # It is all that there is
            assert report.blocked_instruments == ()

    asyncio.run(scenario())


@pytest.mark.parametrize("claims", [{}, CLAIMS], ids=["unclaimed", "claimed"])
def test_what_was_traded_is_not_made_up(
    venue: PaperVenue, valkey: EmbeddedValkey, claims: dict[str, Any]
) -> None:
    """By a strategy, by hand, or in part: what the engine adds to a position makes none."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.place(SYMBOL, "BUY", 1)
        owners = ["TRADER-001"] if claims else ["EXTERNAL", "TRADER-001"]
        expected = {f"{ETH}-{owner}": False for owner in owners}
        assert (await start(venue, valkey, heir(**claims)))[1] == expected
        if claims:
            venue.set_position(SYMBOL, 4, 2000)
        for _ in range(2):
            assert (await start(venue, valkey, heir(**claims)))[1] == expected

    asyncio.run(scenario())


def test_a_made_up_part_on_the_same_side_blocks_and_is_closed_from_the_node(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Nobody is handed what nobody traded, also not by a claim."""

    async def close(node: Watched) -> None:
        node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("release", ETH.value))
        trader.submit_order(*trader.closing_order(part := held(node, ENGINE)))
        await node.run.until(lambda: part.is_closed)

    trader = heir(**CLAIMS)

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.set_position(SYMBOL, 3, 2000)
        await start(venue, valkey, heir())
        report, made_up = await start(venue, valkey, trader, close)
        assert report.blocked_instruments == (ETH.value,)
        assert made_up == {f"{ETH}-{ENGINE}": True, f"{ETH}-TRADER-001": False}
        detail = split(report).detail
        assert f"1.000 of {ENGINE} (`{ETH}-{ENGINE}`, made up)" in detail
        assert "close it from the node with `closing_order`" in detail
        assert await is_well(venue, valkey)
        (position,) = (one for one in venue.state().positions if one.qty)
        assert position.qty == 2

    asyncio.run(scenario())


def test_a_made_up_part_against_another_blocks_though_they_net_to_the_venues(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Half was sold unseen. Closed at the venue and forgotten, both parts are gone."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.set_position(SYMBOL, 1, 2000)
        report, _ = await start(venue, valkey, heir())
        assert report.blocked_instruments == (ETH.value,)
        detail = split(report).detail
        assert f"-1.000 of {ENGINE} (`{ETH}-{ENGINE}`, made up)" in detail
        done = await follow(venue, valkey, is_by_hand=True)
        assert done[0] == "close"  # What is left then may be booked by itself
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


def test_a_pair_of_nobodys_is_forgotten_where_the_venue_is_flat(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its strategy is gone, and the engine made up what closed its position."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        closing = venue.place(SYMBOL, "SELL", 2)
        venue.set_faults(hide_orders=(closing.venue_order_id,))
        for _ in range(2):
            report, _ = await start(venue, valkey, Recorder(StrategyConfig(**scenes.OTHER)))
            assert report.blocked_instruments == (ETH.value,)
        forget(split(report))
        kept = valkey.client().keys(f"trader-{TRADER_ID}:positions:*{ETH}*")
        assert kept == []
        assert await is_well(venue, valkey)

    asyncio.run(scenario())


def held(node: Watched, owner: str) -> Position:
    """
    Return the only open position of an owner.
    """
    (position,) = (p for p in node.node.cache.positions_open() if p.strategy_id.value == owner)
    return position

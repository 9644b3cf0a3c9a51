"""
What somebody sees at 3 a.m., and does by the first table of `docs/operating.md`: it ends with a
node that trades.
"""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.node.runbook import TRADER_ID
from tests.node.runbook import command
from tests.node.runbook import operated
from tests.node.runbook import to_node
from tests.node.support import BTC
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.scenes import SYMBOL


OPEN, CLOSED, FAILED, UNKNOWN = range(4)
POSITION = f"trader-{TRADER_ID}:positions:{ETH}-TRADER-001"
# One that writes often how it is, asks often, and soon gives up
MONITOR = monitor_config(
    heartbeat_secs=0.1, prove_interval_secs=0.3, query_retries=1, query_timeout_secs=1.0
)


@pytest.fixture(autouse=True)
def operator(valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Name the trader and the server to whoever runs a command.
    """
    monkeypatch.setenv("RECOVERY_TRADER", TRADER_ID)
    monkeypatch.setenv("REDIS_URL", valkey.url)


async def sees(status: int) -> None:
    """
    Wait until the status is the one that was waited for.
    """
    deadline = time.monotonic() + 10
    while (seen := await to_node("status")) != status:
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.05)


async def reads(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """
    Return what a command says that is content.
    """
    capsys.readouterr()
    assert await to_node(*arguments) == 0
    return capsys.readouterr().out


def test_a_status_of_0_or_1_or_2_needs_nothing_but_patience(
    venue: PaperVenue, valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clean; a recovery that takes its time; a venue that does not answer; and adjusted."""

    async def scenario() -> None:
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            await node.result()
            assert "CLEAN" in await reads(capsys, "status")
            trader.submit_order(bid := trader.limit("1500"))
            await node.run.until(lambda: bid.is_open)
            venue.set_faults(mass_status_delay_secs=0.8)
            venue.push_mass_status()
            await sees(CLOSED)
            await sees(OPEN)
            venue.set_faults(query_errors=True)
            await sees(FAILED)
            venue.set_faults()
            await sees(OPEN)
            assert await may_trade(node, venue, trader)
        venue.fill(bid.client_order_id.value)
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            epoch = (await node.result()).epoch
            assert "ADJUSTED" in await reads(capsys, "status")
            shown = await reads(capsys, "history", "--epoch", str(epoch))
            assert "1 VENUE" in shown
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def test_a_node_that_hangs_has_no_heartbeat_and_has_one_again(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """As while it reconciles, which blocks it: wait."""

    async def scenario() -> None:
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            await node.result()
            status = asyncio.create_task(asyncio.to_thread(late_status))
            await asyncio.sleep(0)
            time.sleep(4.0)  # noqa: ASYNC251 (the loop is what hangs)
            assert await status == UNKNOWN
            await sees(OPEN)
            assert await may_trade(node, venue, trader)

    def late_status() -> int:
        time.sleep(3.3)
        return command("status")

    asyncio.run(scenario())


def test_a_node_that_cannot_start_does_once_what_stops_it_is_taken_out(
    venue: PaperVenue, valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """No process, no heartbeat; `check` and `inspect` say why, and then have nothing to say."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        valkey.client().rpush(POSITION, b"garbage")
        assert await to_node("status") == UNKNOWN
        assert await to_node("check", "tests.node.runbook:checked") == 2
        assert "ENTRY_STOPS_START" in capsys.readouterr().out
        assert await to_node("inspect") == 1
        with pytest.raises(msgspec.DecodeError):
            async with operated(venue, valkey, heir()):
                pass
        assert await to_node("forget", "--all-that-stop", "--apply") == 0
        assert await to_node("inspect") == 0
        assert await to_node("check", "tests.node.runbook:checked") == 0
        async with operated(venue, valkey, trader := heir(external_order_claims=[ETH])) as node:
            assert (await node.result()).outcome is not RecoveryOutcome.DEGRADED
            assert await to_node("status") == OPEN
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def test_a_blocked_instrument_is_repaired_while_the_others_trade(
    venue: PaperVenue, valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orders are denied with the reason; released for a while; and then set right."""

    async def scenario() -> None:
        _, bid = await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        venue.set_faults(lose_fills_since=venue.mark())
        venue.cancel(bid)
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            await node.result()
            shown = await reads(capsys, "status")
            assert "DEGRADED" in shown
            assert "nautilus-recovery repair" in shown
            assert not await may_trade(node, venue, trader)
            assert trader.denied[-1].reason.startswith("RECOVERY_BLOCKED")
            reason = ("--reason", "canceled by hand")
            assert await to_node("release", ETH.value, "--minutes", "1", *reason) == 0
            assert trader.gate.is_open_for(ETH)
            assert await to_node("release", ETH.value, "--withdraw", *reason) == 0
            assert not trader.gate.is_open_for(ETH)
            assert await to_node("repair", "--apply") == 0
            assert await reads(capsys, "status", "--strict")
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())


def test_a_naked_position_is_protected_at_the_venue_by_hand(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Which neither blocks the node nor counts for nothing."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        async with operated(venue, valkey, heir(), monitor=MONITOR) as node:
            assert "UNPROTECTED_POSITION" in said(await node.result())
        stop = venue.place(SYMBOL, "SELL", 2, "STOP_MARKET", trigger_px=1500, reduce_only=True)
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            assert said(await node.result()) == set()
            assert await may_trade(node, venue, trader)
            (resting,) = (one for one in venue.state().orders if one.state == "ACCEPTED")
            assert resting.venue_order_id == stop.venue_order_id

    asyncio.run(scenario())


def said(event: Any) -> set[str]:
    return {one.kind.value for one in event.report.discrepancies}


def test_what_blocks_nothing_is_done_in_daylight(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """
    A strategy that was renamed, an exit without its position, an average price that differs: the
    node trades, and is as it should be once its old strategy has cleaned up.
    """

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.set_position(SYMBOL, 2, 1900)
        renamed = Recorder(StrategyConfig(**scenes.OTHER))
        async with operated(venue, valkey, renamed, monitor=MONITOR) as node:
            assert said(await node.result()) >= {"AVG_PX_MISMATCH", "ABSENT_STRATEGY"}
            assert await to_node("status") == OPEN
            renamed.submit_order(order := renamed.market("1.000", BTC))
            await node.run.until(lambda: order.status_string() == "FILLED")
        async with operated(venue, valkey, trader := heir(), monitor=MONITOR) as node:
            assert "ABSENT_STRATEGY" in said(await node.result())  # The other one's now
            trader.submit_order(stop := trader.stop_loss("1500"))
            await node.run.until(lambda: stop.is_open)
            venue.set_faults(lose_events=True)
            venue.place(SYMBOL, "SELL", 2)
            venue.set_faults()
            await node.run.until(lambda: "ORPHAN_EXIT" in said(node.terminals[-1]))
            assert await to_node("status") == OPEN
            trader.cancel_order(stop)
            await node.run.until(lambda: stop.is_closed)
            assert await may_trade(node, venue, trader)

    asyncio.run(scenario())

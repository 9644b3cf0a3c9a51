"""
What a real node says of positions without a stop, of exits without a position, and of strategies
that it does not run.
"""

import asyncio
import json
from collections.abc import Iterator

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import narrate
from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes_exits import HOLDER
from tests.scenes_exits import SYMBOL
from tests.scenes_exits import killed_holding
from tests.scenes_exits import leg_id


NET = "ETHUSDT-PERP.PAPER-HOLDER-001"
BEAT = "trader-TESTER-001:general:recovery:heartbeat"


class Heir(Recorder):
    """
    Takes the place of a killed strategy, and cancels the exits that it is told of.
    """

    def __init__(self) -> None:
        super().__init__(StrategyConfig(**HOLDER))
        self.orphans: list[Order] = []

    def on_orphan_exits(self, orders: list[Order]) -> None:
        self.told.append("orphans")
        assert not self.gate.is_open
        self.orphans += orders
        for order in orders:
            self.cancel_order(order)

    def on_orders_unresolved(self, orders: list[Order]) -> None:
        self.told.append("unresolved")


def said(event: RecoveryMessage) -> dict[DiscrepancyKind, str]:
    """
    Return what is no difference, as the log says it.
    """
    return {
        found.kind: narrate.difference(found)
        for found in event.report.discrepancies
        if not found.kind.is_difference
    }


def is_naked(heartbeat: object) -> bool:
    return isinstance(heartbeat, bytes) and b"no stop at the venue" in heartbeat


@pytest.fixture
def hedging() -> Iterator[PaperVenue]:
    with PaperVenue(oms="HEDGING") as paper:
        paper.set_price(SYMBOL, 2000)
        yield paper


def test_what_a_renamed_strategy_left_behind_is_named(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its stop still protects, and the one that took its place does not own them."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    renamed = Recorder(StrategyConfig(strategy_id="NEW", order_id_tag="001"))

    async def after() -> None:
        async with watched(venue, valkey, renamed) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert said(event) == {
                DiscrepancyKind.ABSENT_STRATEGY: (
                    f"ABSENT_STRATEGY {NET} (PAPER-001): LONG 2, 1 order ETHUSDT-PERP.PAPER of "
                    "HOLDER-001, not on this node"
                )
            }
            (absent,) = (
                line for _, line in narrate.lines(event.report) if "ABSENT_STRATEGY " in line
            )
            assert 'strategy_id="HOLDER", order_id_tag="001"' in absent
            assert renamed.recovered == []

    asyncio.run(after())


def test_a_stop_whose_take_profit_was_filled_is_an_orphan_and_its_strategy_is_told(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It rests without its position until it is canceled, which a closed gate lets pass."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900", "SELL 2 LIMIT 2100")
    venue.set_price(SYMBOL, 2150)

    async def after() -> None:
        async with watched(venue, valkey, heir := Heir()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            (stop,) = heir.orphans
            assert said(event) == {
                DiscrepancyKind.ORPHAN_EXIT: (
                    f"ORPHAN_EXIT {stop.client_order_id} (PAPER-001): SELL 2 STOP_MARKET "
                    "ETHUSDT-PERP.PAPER of HOLDER-001, no position for it"
                )
            }
            assert heir.told == ["start", "complete", "orphans", "enabled"]
            await node.run.until(lambda: stop.is_closed)
            assert stop.status_string() == "CANCELED"
            venue.push_mass_status()
            assert said(await node.result(2)) == {}

    asyncio.run(after())


def test_the_children_of_an_entry_that_waits_are_no_orphans(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Their position is yet to come."""
    killed_holding(venue, valkey, "BUY 1 BRACKET 1900 2100 1990")

    async def after() -> None:
        async with watched(venue, valkey, heir := Heir()) as node:
            assert said(await node.result()) == {}
            assert heir.told == ["start", "complete", "enabled"]

    asyncio.run(after())


def test_a_position_that_nobody_owns_is_named_if_it_has_no_stop(venue: PaperVenue) -> None:
    """It was opened by hand."""
    venue.open_account()
    venue.set_position(SYMBOL, 3, 1900)

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            event = await node.result()
            (change,) = event.report.positions
            owner = change.strategy_id  # EXTERNAL, and on 1.221 INTERNAL-DIFF
            assert said(event) == {
                DiscrepancyKind.UNPROTECTED_POSITION: (
                    f"UNPROTECTED_POSITION ETHUSDT-PERP.PAPER-{owner} (PAPER-001): LONG 3 "
                    f"ETHUSDT-PERP.PAPER of {owner}, no stop at the venue"
                )
            }

    asyncio.run(scenario())


def test_a_hedge_leg_without_a_stop_is_named_and_the_other_is_not(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A stop belongs to its leg."""
    killed_holding(hedging, valkey, "BUY 2", "SELL 1", "SELL 2 STOP 1900 LONG", oms_type="HEDGING")

    async def after() -> None:
        clients = {"oms_type": "HEDGING"}
        async with watched(hedging, valkey, Heir(), clients=clients) as node:
            event = await node.result()
            leg = leg_id("PAPER-001", "SHORT")
            assert said(event) == {
                DiscrepancyKind.UNPROTECTED_POSITION: (
                    f"UNPROTECTED_POSITION {leg} (PAPER-001): SHORT 1 ETHUSDT-PERP.PAPER of "
                    "HOLDER-001, no stop at the venue"
                )
            }

    asyncio.run(after())


def test_status_names_a_position_until_its_stop_rests(
    venue: PaperVenue, valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of the last heartbeat, although the recovery was over before, and with exit code 0."""

    async def status(*options: str) -> tuple[int, str]:
        where = ["--trader", "TESTER-001", "--redis", valkey.url]
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["status", *where, *options])
        return code, capsys.readouterr().out

    async def scenario() -> None:
        strategy = Recorder(StrategyConfig(**HOLDER))
        config = monitor_config(heartbeat_secs=0.05)
        async with watched(venue, valkey, strategy, monitor=config) as node:
            await node.result()
            journal = node.monitor._journal

            def names() -> list[str | None]:
                beat = journal.heartbeat()
                assert beat is not None
                return [found.position_id for found in beat.unprotected or ()]

            assert names() == []
            strategy.submit_order(strategy.market())
            await node.run.until(lambda: names() == [NET])
            await asyncio.to_thread(valkey.wait_for, lambda redis: is_naked(redis.get(BEAT)))

            def told(text: str) -> list[str]:
                lines = text.splitlines()[1:-2]
                return [line for line in lines if not line.startswith("Proven ")]

            line = (
                "Unprotected: LONG 2 ETHUSDT-PERP.PAPER of HOLDER-001 (PAPER-001), no stop at the "
                "venue"
            )
            code, text = await status()
            assert (code, told(text)) == (0, [line])
            alike, lease = text.splitlines()[-2:]
            assert alike.startswith("PAPER-001 answered alike: 2 answers, the last at ")
            assert lease.startswith("Lease: ")
            code, text = await status("--json")
            naked = json.loads(text)["unprotected"]
            assert (code, [one["position_id"] for one in naked]) == (0, [NET])
            strategy.submit_order(stop := strategy.stop_loss("1900"))
            await node.run.until(lambda: stop.is_open and names() == [])
            await asyncio.to_thread(valkey.wait_for, lambda redis: not is_naked(redis.get(BEAT)))
            code, text = await status()
            assert (code, told(text)) == (0, [])
            assert strategy.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())


def test_nothing_is_looked_at_again_while_nothing_happens(venue: PaperVenue) -> None:
    """A heartbeat costs nothing then."""

    async def scenario() -> None:
        strategy = Recorder()
        async with watched(venue, None, strategy, monitor=monitor_config()) as node:
            await node.result()
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            looked, beat = node.monitor._heartbeats._unprotected, node.monitor._beat
            assert looked.has_news
            beat()
            assert not looked.has_news
            found = looked._found
            assert found is not None
            assert len(found) == 1
            beat()
            assert looked._found is found

    asyncio.run(scenario())

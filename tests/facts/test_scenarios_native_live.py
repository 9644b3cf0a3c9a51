"""
What goes wrong without a monitor while a node starts at several venues, and while it runs.
"""

import asyncio

import pytest
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests import scenes
from tests import scenes_live
from tests.facts.support import ETH
from tests.facts.support import MADE_UP_OWNER
from tests.facts.support import Trader
from tests.facts.support import Witness
from tests.facts.support import eventually
from tests.facts.support import trading


@pytest.mark.parametrize("fault", [MassStatusFault.RAISE, MassStatusFault.HANG])
def test_one_of_two_venues_keeps_the_node_from_trading_until_a_start_finds_both_well(
    venue: PaperVenueControl, fault: MassStatusFault
) -> None:
    """
    A venue that raises ends the start, one that hangs holds it up; nothing of the other is applied.
    """
    venue.place(scenes.SYMBOL, "BUY", 2)

    async def scenario() -> None:
        with scenes_live.other_venue(venue) as other:
            other.set_faults(mass_status=fault)
            node = scenes_live.node_on_both(venue, other, Trader())
            async with running(node, wait=False) as run:
                await asyncio.to_thread(other.wait_for_commands, "BeginMassStatus")
                if fault is MassStatusFault.RAISE:
                    assert not await run.started()
                    assert node.portfolio.net_position(ETH) == 2
                else:
                    await asyncio.to_thread(venue.wait_for_commands, "QueryPositions")
                    assert node.portfolio.net_position(ETH) == 0
                assert node.is_running()
                assert not run.is_trading

            other.set_faults()
            async with running(scenes_live.node_on_both(venue, other, Trader())) as run:
                assert run.is_trading
                assert run.node.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("at_venue", "believed"),
    [
        pytest.param(2, 2, id="the same"),
        pytest.param(5, 5, id="changed"),
        pytest.param(0, 2, id="flat"),
    ],
)
def test_a_reconnect_tells_a_strategy_nothing_and_it_trades_on(
    venue: PaperVenueControl, at_venue: int, believed: int
) -> None:
    """
    What changed is added to somebody else's account; what is gone is not noticed at all.
    """
    seen, trader = Witness("reports.execution.*"), Trader()

    async def scenario() -> None:
        async with trading(venue, seen, trader) as run:
            trader.submit_order(bought := trader.market())
            await run.until(lambda: bought.is_closed)
            told = list(trader.events)
            statuses = len(seen.mass_statuses)
            venue.set_position(scenes.SYMBOL, at_venue, 2000)
            venue.drop_connections()
            await run.until(lambda: len(seen.mass_statuses) > statuses)
            assert trader.events == told
            assert trader.portfolio.net_position(ETH) == believed
            owned = {p.strategy_id.value: p.signed_decimal_qty() for p in trader.cache.positions()}
            rest = {MADE_UP_OWNER: believed - 2} if believed > 2 else {}
            assert owned == {"TRADER-001": 2, **rest}
            trader.submit_order(order := trader.market())
            await run.until(lambda: order.is_closed)
            assert order.client_order_id.value in venue.submitted()

    asyncio.run(scenario())


def test_ten_reconnects_are_ten_mass_statuses_and_nothing_else(venue: PaperVenueControl) -> None:
    """
    However often the connection is lost, nothing stops the trading.
    """
    seen, trader = Witness("events.*", "reports.execution.*"), Trader()

    async def scenario() -> None:
        async with trading(venue, seen, trader) as run:
            del seen.heard[:]
            for count in range(1, 11):
                venue.drop_connections()
                await run.until(lambda: len(seen.mass_statuses) == count)  # noqa: B023
            assert {type(message).__name__ for _, message in seen.heard} == {
                "AccountState",
                "ExecutionMassStatus",
            }
            assert run.is_trading

    asyncio.run(scenario())


def test_a_reconnect_that_is_answered_with_errors_shows_in_an_account_state_and_the_log_only(
    venue: PaperVenueControl,
) -> None:
    """
    The client says that it is connected all the time, and the strategy trades on a stale position.
    """
    seen, trader = Witness("*"), Trader()

    async def scenario() -> None:
        async with trading(venue, seen, trader) as run:
            client = run.node.kernel.exec_engine._clients[ClientId("PAPER")]
            states: set[bool] = set()
            venue.set_position(scenes.SYMBOL, 5, 2000)
            venue.set_faults(query_errors=True)
            queries = len(venue.commands("QueryPositions"))
            del seen.heard[:]
            venue.drop_connections()

            def is_answered() -> bool:
                states.add(client.is_connected)
                return len(venue.commands("QueryPositions")) > queries

            await run.until(is_answered)
            await run.until(lambda: seen.heard)
            assert [type(message).__name__ for _, message in seen.heard] == ["AccountState"]
            assert states == {True}
            assert run.node.kernel.exec_engine.check_connected()
            assert trader.portfolio.net_position(ETH) == 0
            trader.submit_order(order := trader.market())
            await run.until(lambda: order.is_closed)
            assert trader.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())
    (held,) = venue.state().positions
    assert held.qty == 7


def test_the_log_of_such_a_reconnect_has_one_error_of_the_client(
    venue: PaperVenueControl, trader_id: str
) -> None:
    """
    An adapter that inherits `generate_mass_status` logs it, and returns nothing.
    """
    with scenes.killed_after(venue, None, trader_id) as process:
        process.wait_for("started")
        venue.set_faults(query_errors=True)
        venue.drop_connections()
        eventually(lambda: "ExecClient-PAPER: Cannot reconcile execution state" in process.log)


def test_what_was_traded_by_hand_is_a_second_position_on_the_same_instrument(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    A strategy that closes all it has leaves the rest of the venue's net position open.
    """
    trader = Trader()

    async def scenario() -> None:
        await scenes_live.long_and_a_trade_by_hand(venue, valkey, trader_id)
        async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
            held = trader.cache.positions_open()
            owned = {p.strategy_id.value: p.signed_decimal_qty() for p in held}
            assert owned == {"TRADER-001": 2, "EXTERNAL": 1}
            trader.close_all_positions(ETH)
            await run.until(lambda: trader.portfolio.net_position(ETH) == 1)

    asyncio.run(scenario())
    (held,) = venue.state().positions
    assert held.qty == 1


def test_two_strategies_keep_their_parts_of_a_net_position_that_was_reduced(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The difference goes to a third owner, so both may sell what is no longer there.
    """
    traders = (Trader(), Trader(**scenes.OTHER))

    async def scenario() -> None:
        await scenes_live.two_strategies_on_one_position(venue, valkey, trader_id)
        venue.set_position(scenes.SYMBOL, 1, 2000)
        async with trading(venue, *traders, valkey=valkey, trader_id=trader_id) as run:
            held = run.node.cache.positions_open()
            owned = {p.strategy_id.value: p.signed_decimal_qty() for p in held}
            assert owned == {"TRADER-001": 2, "OTHER-002": 1, MADE_UP_OWNER: -2}
            for trader in traders:
                trader.close_all_positions(ETH, reduce_only=False)
            await run.until(lambda: run.node.portfolio.net_position(ETH) == -2)

    asyncio.run(scenario())
    (held,) = venue.state().positions
    assert held.qty == -2


class Starter(Trader):
    """
    Notes what became of its orders when it starts.
    """

    on_start_statuses: dict[str, str]

    def on_start(self) -> None:
        orders = self.cache.orders(strategy_id=self.id)
        self.on_start_statuses = {o.client_order_id.value: o.status_string() for o in orders}


def test_an_emulated_stop_passed_while_away_is_released_right_after_the_strategies_start(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    It is emulated in `on_start` and sent with the first price after, with nothing in between.
    """
    seen, trader = Witness("events.order.*"), Starter()

    async def scenario() -> None:
        stop = await scenes_live.emulated_stop_passed(venue, valkey, trader_id)
        async with trading(
            venue, seen, trader, valkey=valkey, trader_id=trader_id, has_data=True
        ) as run:
            assert trader.on_start_statuses[stop] == "EMULATED"
            await run.until(lambda: trader.portfolio.net_position(ETH) == 0)
            assert venue.submitted()[-1] == stop

    asyncio.run(scenario())
    assert [(type(e).__name__, e.reconciliation) for e in seen.order_events] == [
        ("OrderInitialized", False),
        ("OrderReleased", False),
        ("OrderSubmitted", False),
        ("OrderAccepted", False),
        ("OrderFilled", False),
    ]

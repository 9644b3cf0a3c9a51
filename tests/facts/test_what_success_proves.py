"""
A start whose reconciliation "succeeded" may leave a picture that differs from the venue's.
"""

import asyncio
from decimal import Decimal

from nautilus_trader.config import LiveExecEngineConfig

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests.facts.support import ETH
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.facts.support import REUSES_CACHED_ORDERS
from tests.facts.support import Trader
from tests.facts.support import leave_behind
from tests.facts.support import node_at
from tests.facts.support import trading
from tests.facts.support import witness


def test_a_position_on_an_instrument_that_is_not_loaded_is_skipped_and_counts_as_success(
    venue: PaperVenueControl,
) -> None:
    """
    The mass status has it, the cache has not, and the trader starts.
    """
    venue.set_position("SOLUSDT-PERP", 4, 150)
    seen = witness()

    async def scenario() -> None:
        async with trading(venue, seen, symbols=("ETHUSDT-PERP",)) as run:
            assert run.is_trading
            assert run.node.cache.positions() == []
            assert run.node.cache.orders() == []

    asyncio.run(scenario())
    assert [str(i) for i in seen.mass_statuses[0].position_reports] == ["SOLUSDT-PERP.PAPER"]
    assert seen.order_events == []


def test_a_cached_position_and_open_order_that_the_venue_does_not_report_stay_as_they_are(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    Nothing happens: the strategy starts with a position and an order that may not exist.
    """
    seen, trader = witness(), Trader()

    async def scenario() -> None:
        order_ids = await leave_behind(venue, valkey, trader_id, "LONG", "BID")
        venue.set_faults(hide_orders=tuple(order_ids), hide_positions=("ETHUSDT-PERP",))
        async with trading(venue, seen, trader, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            assert trader.portfolio.net_position(ETH) == 2
            (resting,) = trader.cache.orders_open(strategy_id=trader.id)
            assert resting.client_order_id.value == order_ids[1]

    asyncio.run(scenario())
    assert seen.order_events == []
    assert seen.mass_statuses[0].order_reports == {}
    assert seen.mass_statuses[0].position_reports == {}


def test_a_cached_position_that_the_venue_reports_flat_is_closed_and_the_answer_not_published(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    A mass status leaves out flat positions; the engine asks for each cached one by itself.
    """
    seen, trader = witness(), Trader(external_order_claims=[ETH])

    async def scenario() -> None:
        await leave_behind(venue, valkey, trader_id, "LONG")
        venue.set_position("ETHUSDT-PERP", 0)
        async with trading(venue, seen, trader, valkey=valkey, trader_id=trader_id):
            assert trader.portfolio.net_position(ETH) == 0

    asyncio.run(scenario())
    assert seen.on("reports.execution.*") == seen.mass_statuses
    assert [status.position_reports for status in seen.mass_statuses] == [{}, {}]


def test_without_generate_missing_orders_a_mismatch_is_ignored(venue: PaperVenueControl) -> None:
    """
    The engine logs a warning and starts.
    """
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    seen = witness()

    async def scenario() -> None:
        config = LiveExecEngineConfig(generate_missing_orders=False)
        async with trading(venue, seen, exec_engine=config) as run:
            assert run.is_trading
            assert run.node.cache.positions() == []

    asyncio.run(scenario())
    (reports,) = seen.mass_statuses[0].position_reports.values()
    assert [report.signed_decimal_qty for report in reports] == [Decimal(3)]


def test_a_repair_that_changed_nothing_counts_as_success_where_cached_orders_are_reused(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    A filled order of the same size and price is taken for the repair; 1.221 makes one up.
    """
    trader = Trader(external_order_claims=[ETH])

    async def scenario() -> None:
        order_ids = await leave_behind(venue, valkey, trader_id, "LONG", "CLOSE")
        venue.set_position("ETHUSDT-PERP", 2, 2000)
        venue.set_faults(hide_orders=tuple(order_ids))
        async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            assert trader.portfolio.net_position(ETH) == (0 if REUSES_CACHED_ORDERS else 2)

    asyncio.run(scenario())


def test_an_unknown_hedge_leg_fails_the_start_on_1_221_and_is_repaired_on_newer_versions(
    venue: PaperVenueControl,
) -> None:
    """
    The leg keeps the position ID that the venue reports.
    """
    venue.open_account(account_id="PAPER-HEDGE", oms="HEDGING")
    venue.set_position("ETHUSDT-PERP", 2, 1900, leg="LONG", account_id="PAPER-HEDGE")
    client = {"account_id": "PAPER-HEDGE", "oms_type": "HEDGING"}

    async def scenario() -> None:
        async with running(node_at(venue, client=client), wait=False) as run:
            assert await run.started() == REPAIRS_HEDGE_LEGS
            legs = {p.id.value: p.signed_decimal_qty() for p in run.node.cache.positions_open()}
            leg = "ETHUSDT-PERP.PAPER-PAPER-HEDGE-LONG"
            assert legs == ({leg: 2} if REPAIRS_HEDGE_LEGS else {})

    asyncio.run(scenario())

"""
What reconciliation publishes, how often, and how it is marked.
"""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import PositionOpened

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import leave_behind
from tests.facts.support import trading
from tests.facts.support import witness
from tests.facts.support import witnessed_start


def test_a_reconciliation_fill_is_published_once_per_order_topic_and_once_per_fill_topic(
    venue: PaperVenueControl,
) -> None:
    """
    Who subscribes to `events.order.*` and to `events.fills.*` counts a fill twice.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    seen = witnessed_start(venue)
    (on_order,) = [e for e in seen.order_events if isinstance(e, OrderFilled)]
    (on_fill,) = seen.on("events.fills.*")
    assert on_order is on_fill
    assert on_order.reconciliation


def test_startup_publishes_each_mass_status_twice_and_the_same_object(
    venue: PaperVenueControl,
) -> None:
    """
    Once when it is applied, and once when the cached positions were asked for.
    """
    seen = witnessed_start(venue)
    first, second = seen.mass_statuses
    assert first is second


def test_at_run_time_a_mass_status_is_published_once_in_the_turn_of_the_loop_that_applied_it(
    venue: PaperVenueControl,
) -> None:
    """
    So a flagged event belongs to a mass status only if one follows before the next turn.
    """
    seen = witness()
    turns: list[int] = []

    async def scenario() -> None:
        async with trading(venue, seen) as run:
            loop = asyncio.get_running_loop()
            statuses = len(seen.mass_statuses)

            def next_turn() -> None:
                turns.append(len(seen.mass_statuses) - statuses)

            run.node.kernel.msgbus.subscribe(
                "events.order.*",
                lambda event: loop.call_soon(next_turn) if event.reconciliation else None,
            )
            venue.set_position("ETHUSDT-PERP", 3, 1900)
            venue.push_mass_status()
            await run.until(lambda: turns)
            assert run.node.portfolio.net_position(ETH) == 3

    asyncio.run(scenario())
    assert set(turns) == {1}


def test_a_mass_status_reaches_the_engine_at_run_time_through_its_endpoint(
    venue: PaperVenueControl,
) -> None:
    """
    An adapter that reconnects sends a mass status to the endpoint of the execution engine.
    """
    seen = witness()

    async def scenario() -> None:
        async with trading(venue, seen) as run:
            endpoint = "ExecEngine.reconcile_execution_mass_status"
            run.node.kernel.msgbus.send(endpoint, seen.mass_statuses[0])

    asyncio.run(scenario())
    assert len(seen.mass_statuses) == 3
    assert len({id(status) for status in seen.mass_statuses}) == 1


def test_position_events_carry_no_reconciliation_flag(venue: PaperVenueControl) -> None:
    """
    What changed a position is told by its fills only.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    seen = witnessed_start(venue)
    (event,) = seen.on("events.position.*")
    assert isinstance(event, PositionOpened)
    assert not hasattr(event, "reconciliation")


@pytest.mark.parametrize("is_claimed", [False, True])
def test_the_reconciliation_attribute_marks_every_event_whoever_owns_the_order(
    venue: PaperVenueControl, *, is_claimed: bool
) -> None:
    """
    Every event of an order placed elsewhere is flagged, claimed or not; its tags depend on that.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", 1500)
    venue.place("ETHUSDT-PERP", "SELL", 1, "STOP_MARKET", trigger_px=1800)
    seen = witness()
    trader = Trader(external_order_claims=[ETH] if is_claimed else None)

    async def scenario() -> None:
        async with trading(venue, seen, trader) as run:
            orders = run.node.cache.orders()
            assert Counter(o.status_string() for o in orders) == {"FILLED": 1, "ACCEPTED": 2}
            owners = {(o.strategy_id.value, tuple(o.tags or ())) for o in orders}
            external = ("EXTERNAL", ("VENUE",) if ADJUSTS_FILLS else ("EXTERNAL",))
            assert owners == {("TRADER-001", ()) if is_claimed else external}

    asyncio.run(scenario())
    assert all(event.reconciliation for event in seen.order_events)
    assert Counter(type(event).__name__ for event in seen.order_events) == {
        "OrderAccepted": 3,
        "OrderFilled": 1,
    }


@pytest.mark.parametrize("is_claimed", [False, True])
def test_an_order_made_up_to_align_a_position_has_a_uuid_and_tags_only_if_nobody_claims_it(
    venue: PaperVenueControl, *, is_claimed: bool
) -> None:
    """
    It is EXTERNAL's, tagged RECONCILIATION; on 1.221 INTERNAL-DIFF's, tagged INTERNAL.
    """
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    trader = Trader(external_order_claims=[ETH] if is_claimed else None)

    async def scenario() -> tuple[str, list[str] | None]:
        async with trading(venue, trader) as run:
            (order,) = run.node.cache.orders()
            assert run.node.portfolio.net_position(ETH) == 3
            UUID(order.venue_order_id.value)
            return order.strategy_id.value, order.tags

    made_up = ("EXTERNAL", ["RECONCILIATION"]) if ADJUSTS_FILLS else ("INTERNAL-DIFF", ["INTERNAL"])
    assert asyncio.run(scenario()) == (("TRADER-001", None) if is_claimed else made_up)


def test_the_flag_of_an_init_event_is_lost_and_its_first_following_event_has_it(
    venue: PaperVenueControl,
) -> None:
    """
    Whether reconciliation created an order shows in the event that follows its `init_event`.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", 1500)

    async def scenario() -> list[list[bool]]:
        async with trading(venue) as run:
            return [[e.reconciliation for e in order.events] for order in run.node.cache.orders()]

    for init, *following in asyncio.run(scenario()):
        assert not init
        assert following
        assert all(following)


def test_an_order_of_this_trader_has_unflagged_events_before_those_of_reconciliation(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    An order that was placed here and filled while no node lived keeps the events of before.
    """

    async def scenario() -> None:
        (order_id,) = await leave_behind(venue, valkey, trader_id, "BID")
        venue.fill(order_id)
        seen = witness()
        async with trading(venue, seen, valkey=valkey, trader_id=trader_id) as run:
            (order,) = run.node.cache.orders()
            assert [(type(e).__name__, e.reconciliation) for e in order.events] == [
                ("OrderInitialized", False),
                ("OrderSubmitted", False),
                ("OrderAccepted", False),
                ("OrderFilled", True),
            ]
            (filled,) = seen.order_events
            assert order.ts_init < filled.ts_init

    asyncio.run(scenario())


@pytest.mark.parametrize("sends_reports", [False, True])
def test_an_adapter_that_sends_fill_reports_makes_flagged_fills_in_normal_trading(
    venue: PaperVenueControl, *, sends_reports: bool
) -> None:
    """
    At run time the flag alone is no sign of a recovery.
    """
    seen, trader = witness(), Trader()

    async def scenario() -> list[Any]:
        client = {"live_fill_reports": sends_reports}
        async with trading(venue, seen, trader, client=client) as run:
            trader.submit_order(order := trader.market())
            await run.until(lambda: order.is_closed)
            return [e for e in seen.order_events if isinstance(e, OrderFilled)]

    (filled,) = asyncio.run(scenario())
    assert filled.reconciliation == sends_reports


def test_an_order_report_at_run_time_is_published_in_the_turn_of_the_loop_that_applied_it(
    venue: PaperVenueControl,
) -> None:
    """
    After the flagged events that it makes, on the topic of its instrument.
    """
    seen = witness()
    turns: list[list[Any]] = []

    async def scenario() -> None:
        async with trading(venue, seen) as run:
            loop = asyncio.get_running_loop()

            def next_turn() -> None:
                turns.append(seen.on("reports.execution.*")[2:])

            run.node.kernel.msgbus.subscribe(
                "events.order.*",
                lambda event: loop.call_soon(next_turn) if event.reconciliation else None,
            )
            venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", 1500)
            await run.until(lambda: turns)

    asyncio.run(scenario())
    (event,) = seen.order_events
    (report,) = turns[0]
    assert isinstance(report, OrderStatusReport)
    assert report.venue_order_id == event.venue_order_id
    assert seen.heard[-1] == ("reports.execution.*", report)

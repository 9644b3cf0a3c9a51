"""
Restarts that succeed without a monitor, and leave a picture that is wrong.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import running
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import ETH
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.facts.support import Trader
from tests.facts.support import node_at
from tests.facts.support import trading
from tests.facts.support import witness


def test_a_position_whose_history_is_cut_short_is_flat_after_a_warm_restart(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    An engine that adjusts fills adds the opposite of an opening fill that the cache has already.

    See upstream #4736; 1.221 adjusts nothing and keeps LONG 2.
    """
    seen, trader = witness(), Trader(external_order_claims=[ETH])

    async def scenario() -> None:
        await scenes.long_after_a_forgotten_short(venue, valkey, trader_id)
        async with trading(venue, seen, trader, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            assert trader.portfolio.net_position(ETH) == (0 if ADJUSTS_FILLS else 2)

    asyncio.run(scenario())
    (held,) = venue.state().positions
    assert held.qty == 2
    made_up = [e for e in seen.order_events if type(e).__name__ == "OrderFilled"]
    assert [(e.order_side.name, e.last_qty) for e in made_up] == (
        [("SELL", 2)] if ADJUSTS_FILLS else []
    )
    assert trader.events == []


@pytest.mark.parametrize("is_claimed", [False, True])
def test_a_quiet_restart_is_flat_where_the_venue_reports_every_fill_twice(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, *, is_claimed: bool
) -> None:
    """
    The repair takes the order that opened the position for its own, so the opposite fill stays.
    """
    trader = Trader(external_order_claims=[ETH] if is_claimed else None)

    async def scenario() -> dict[str, int]:
        await scenes.long_with_every_fill_reported_twice(venue, valkey, trader_id)
        async with trading(venue, trader, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            assert trader.portfolio.net_position(ETH) == (0 if ADJUSTS_FILLS else 2)
            held = run.node.cache.positions_open()
            return {p.strategy_id.value: p.signed_decimal_qty() for p in held}

    held = asyncio.run(scenario())
    if not ADJUSTS_FILLS:
        assert held == {"TRADER-001": 2}
    else:
        assert held == ({} if is_claimed else {"TRADER-001": 2, "EXTERNAL": -2})
    assert [p.qty for p in venue.state().positions] == [2]


def test_equal_and_opposite_hedge_legs_are_lost_to_a_strategy_that_nets(
    venue: PaperVenueControl,
) -> None:
    """
    Both legs become one flat position and the start succeeds; on 1.221 it fails instead.

    See upstream #4738.
    """
    client = scenes.hedged(venue)
    trader = Trader(external_order_claims=[ETH], oms_type="NETTING")

    async def scenario() -> None:
        async with running(node_at(venue, trader, client=client), wait=False) as run:
            assert await run.started() == REPAIRS_HEDGE_LEGS
            assert run.node.cache.positions_open() == []

    asyncio.run(scenario())
    held = venue.state(client["account_id"]).positions
    assert sorted(p.qty for p in held) == [-2, 2]


def test_a_hedge_leg_that_grew_while_away_fails_the_start_on_1_221(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The legs are known, and one differs: later versions repair it. See upstream #3104.
    """
    client = scenes.hedged(venue)

    async def scenario() -> None:
        fields: dict[str, Any] = {"client": client, "valkey": valkey, "trader_id": trader_id}
        async with trading(venue, **fields):
            pass
        venue.set_position(scenes.SYMBOL, -3, 2000, leg="SHORT", account_id=client["account_id"])
        async with running(node_at(venue, **fields), wait=False) as run:
            assert await run.started() == REPAIRS_HEDGE_LEGS
            held = sorted(p.signed_decimal_qty() for p in run.node.cache.positions_open())
            assert held == ([-3, 2] if REPAIRS_HEDGE_LEGS else [-2, 2])

    asyncio.run(scenario())


def test_a_bid_at_the_venue_is_unknown_where_the_fills_do_not_make_up_the_position(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    An engine that adjusts fills drops every order of the instrument, and rewrites a filled one.

    See upstream #5000; 1.221 keeps the bid.
    """

    async def scenario() -> None:
        bid = await scenes.bid_placed_by_hand_behind_a_broken_history(venue, valkey, trader_id)
        async with trading(venue, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            assert run.node.portfolio.net_position(ETH) == 3
            known = [o.venue_order_id.value for o in run.node.cache.orders_open()]
            assert known == ([] if ADJUSTS_FILLS else [bid])
            bought = Counter(o.quantity.as_decimal() for o in run.node.cache.orders() if o.is_buy)
            assert bought == ({2: 2, 3: 1} if ADJUSTS_FILLS else {2: 2, 1: 2})

    asyncio.run(scenario())
    assert len(venue.wait_for_order(None, "ACCEPTED")) == 1


def test_of_fourteen_bids_of_a_killed_node_without_a_database_none_is_found_again(
    venue: PaperVenueControl, trader_id: str
) -> None:
    """
    All of them rest at the venue, none is in the cache, and the start succeeds.
    """
    scenes.fourteen_bids_killed_behind_a_broken_history(venue, None, trader_id)

    async def scenario() -> None:
        async with trading(venue, trader_id=trader_id) as run:
            assert run.is_trading
            assert run.node.cache.orders_open_count() == (0 if ADJUSTS_FILLS else 14)
            assert run.node.portfolio.net_position(ETH) == 3

    asyncio.run(scenario())
    assert len(venue.wait_for_order(None, "ACCEPTED", count=14)) == 14


def test_a_bid_of_a_killed_node_that_was_filled_meanwhile_stays_open_in_the_cache(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    With a database the 14 bids are restored, and what became of one is dropped with its report.
    """
    scenes.fourteen_bids_killed_behind_a_broken_history(venue, valkey, trader_id)
    filled = venue.wait_for_order(None, "ACCEPTED")[0].client_order_id
    venue.fill(str(filled))

    async def scenario() -> None:
        async with trading(venue, valkey=valkey, trader_id=trader_id) as run:
            assert run.is_trading
            still_open = {o.client_order_id.value for o in run.node.cache.orders_open()}
            assert len(still_open) == (14 if ADJUSTS_FILLS else 13)
            assert (filled in still_open) == ADJUSTS_FILLS
            assert run.node.portfolio.net_position(ETH) == 4

    asyncio.run(scenario())


def test_an_order_filled_before_its_answer_came_is_known_after_a_kill(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    Where the venue reports order and fill, both versions find them. See upstream #4152.
    """
    order_id = scenes.killed_before_the_answer(venue, valkey, trader_id)
    venue.release()

    async def scenario() -> None:
        async with trading(venue, valkey=valkey, trader_id=trader_id) as run:
            (order,) = run.node.cache.orders()
            assert (order.client_order_id.value, order.status_string()) == (order_id, "FILLED")
            assert run.node.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())


def test_an_order_whose_outcome_is_unknown_is_rejected_by_the_engine_and_filled_by_the_venue(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The strategy is told that nothing was bought, and then holds LONG 2 of a rejected order.
    """
    order_id = scenes.killed_before_the_answer(venue, valkey, trader_id)
    trader = Trader()

    async def scenario() -> None:
        async with trading(
            venue, trader, valkey=valkey, trader_id=trader_id, exec_engine=scenes.IMPATIENT
        ) as run:
            assert run.is_trading
            (order,) = run.node.cache.orders()
            assert order.client_order_id.value == order_id
            await run.until(lambda: order.status_string() == "REJECTED")
            venue.release()
            await run.until(lambda: trader.portfolio.net_position(ETH) == 2)
            assert order.status_string() == "REJECTED"

    asyncio.run(scenario())
    told = [type(event).__name__ for event in trader.events]
    assert told == ["OrderRejected", "OrderAccepted", "OrderFilled"]


def test_an_order_in_flight_is_resolved_by_asking_the_venue_again(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The trader runs meanwhile; the answer is a flagged fill at run time.
    """
    order_id = scenes.killed_before_the_answer(venue, valkey, trader_id)
    venue.release()
    venue.set_faults(hide_orders=(order_id,), hide_positions=(scenes.SYMBOL,))
    seen = witness()

    async def scenario() -> None:
        async with trading(
            venue, seen, valkey=valkey, trader_id=trader_id, exec_engine=scenes.PATIENT
        ) as run:
            (order,) = run.node.cache.orders()
            assert order.status_string() == "SUBMITTED"
            venue.set_faults()
            await run.until(lambda: order.is_closed)
            assert run.node.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())
    assert [(type(e).__name__, e.reconciliation) for e in seen.order_events] == [
        ("OrderAccepted", True),
        ("OrderFilled", True),
    ]

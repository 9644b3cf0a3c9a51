"""
Which client order ids a node makes after a restart, and what becomes of an order it does not know.
"""

import asyncio
import re

from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import Trader
from tests.facts.support import trading
from tests.scenes import two_runs_in_one_second


FORM = r"O-\d{8}-\d{6}-(\w+)-(\w+)-(\d+)"


def test_a_restart_in_one_second_with_an_empty_cache_makes_the_same_id_and_the_venue_rejects_it(
    venue: PaperVenueControl, trader_id: str
) -> None:
    """
    An id is the second, the tags, and a count of what the cache holds.
    """

    async def scenario() -> None:
        sent, repeated = await two_runs_in_one_second(
            venue, trader_id, lambda: Trader(use_uuid_client_order_ids=False)
        )
        assert repeated.client_order_id == sent.client_order_id
        (found,) = re.findall(FORM, sent.client_order_id.value)
        assert found == (trader_id.rpartition("-")[2], "001", "1")
        assert repeated.status_string() == "REJECTED"
        assert "duplicate" in repeated.last_event.reason

    asyncio.run(scenario())


def test_an_order_that_the_cache_never_saw_keeps_its_id_and_is_nobodys(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The strategy that sent it is not told of it.
    """

    async def scenario() -> None:
        sent: list[ClientOrderId] = []
        async with trading(venue, trader := Trader(), trader_id=trader_id) as run:
            trader.submit_order(order := trader.limit())
            await run.until(lambda: order.status_string() == "ACCEPTED")
            sent.append(order.client_order_id)
        async with trading(venue, heir := Trader(), valkey=valkey, trader_id=trader_id) as run:
            (found,) = run.node.cache.orders_open()
            assert [found.client_order_id] == sent
            assert found.strategy_id.value == "EXTERNAL"
            assert heir.events == []

    asyncio.run(scenario())

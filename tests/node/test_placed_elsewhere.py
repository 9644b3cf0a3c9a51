"""
What a restart makes of an order that was placed at the venue by somebody else.
"""

import asyncio

import pytest

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor.node.observing.orders import account_of
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import monitor_config
from tests.node.support import watched


@pytest.mark.parametrize("is_reported", [True, False], ids=["reported", "gone"])
def test_a_stop_placed_elsewhere_is_known_again_by_its_account(
    venue: PaperVenue, valkey: EmbeddedValkey, is_reported: bool
) -> None:
    """It is no unknown order where the venue reports it, and is missed where it does not."""

    async def scenario() -> None:
        strategy = heir(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy) as node:
            await node.result()
            venue.place(ETH.symbol.value, "BUY", 2)
            stop = venue.place(ETH.symbol.value, "SELL", 2, kind="STOP_MARKET", trigger_px=1900)
            cache = node.node.cache
            await node.run.until(lambda: cache.orders_open() and cache.positions_open())
            assert [order.account_id for order in cache.orders_open()] == [None]
        if not is_reported:
            venue.set_faults(hide_orders=(stop.venue_order_id,))
        monitor = monitor_config(verify_timeout_secs=0.5)
        async with watched(venue, valkey, heir(), monitor=monitor) as node:
            event = await node.result()
            (order,) = node.node.cache.orders_open()
            assert account_of(order) == ACCOUNT
            missed = {DiscrepancyKind.ORDER_NOT_AT_VENUE}
            assert kinds(event) == (set() if is_reported else missed)
            assert event.blocked_instruments == (set() if is_reported else {ETH.value})

    asyncio.run(scenario())

"""
What a published mass status tells of what the adapter reported.
"""

import asyncio

import pytest
from nautilus_trader.execution.reports import ExecutionMassStatus

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.node.evidence.reports import reads
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import EDITS_MASS_STATUS
from tests.facts.support import ETH
from tests.facts.support import Witness
from tests.facts.support import leave_behind
from tests.facts.support import trading
from tests.facts.support import witness


@pytest.fixture
def monitor() -> RecoveryMonitorActor:
    return RecoveryMonitorActor(RecoveryMonitorConfig(corrections="none"))


def kept(monitor: RecoveryMonitorActor, published: ExecutionMassStatus) -> VenueReport:
    """
    Return what stands between client and engine has kept of a published mass status.
    """
    (read,) = reads(monitor._seam.reports(published), 0, 0).values()
    return read()


def test_an_open_order_equal_to_the_cached_one_is_dropped_from_the_published_mass_status(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, monitor: RecoveryMonitorActor
) -> None:
    """
    An engine that edits the mass status drops it, so what the client made is kept beside it.
    """
    seen = witness()

    async def scenario() -> str:
        (order_id,) = await leave_behind(venue, valkey, trader_id, "BID")
        async with trading(venue, seen, monitor, valkey=valkey, trader_id=trader_id) as run:
            assert [o.client_order_id.value for o in run.node.cache.orders_open()] == [order_id]
        return order_id

    order_id = asyncio.run(scenario())
    published = [str(r.client_order_id) for r in seen.mass_statuses[0].order_reports.values()]
    assert published == ([] if EDITS_MASS_STATUS else [order_id])
    (order,) = kept(monitor, seen.mass_statuses[0]).orders
    assert (order.client_order_id, order.is_open) == (order_id, True)


def test_the_fills_of_an_order_equal_to_the_cached_one_are_dropped_with_it(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, monitor: RecoveryMonitorActor
) -> None:
    """
    A quiet restart publishes no fill on newer versions, and what the client made is kept.
    """
    seen = witness()

    async def scenario() -> None:
        await leave_behind(venue, valkey, trader_id, "LONG")
        async with trading(venue, seen, monitor, valkey=valkey, trader_id=trader_id) as run:
            assert run.node.portfolio.net_position(ETH) == 2

    asyncio.run(scenario())
    assert len(seen.mass_statuses[0].fill_reports) == (0 if EDITS_MASS_STATUS else 1)
    assert kept(monitor, seen.mass_statuses[0]).fills == 1
    assert seen.order_events == []


def test_an_engine_that_adjusts_fills_writes_orders_of_its_own_into_the_mass_status(
    venue: PaperVenueControl, monitor: RecoveryMonitorActor
) -> None:
    """
    Their IDs have the form S-<hex timestamp>-<hash>, and their orders are tagged as the venue's.
    """
    venue.set_position("ETHUSDT-PERP", 5, 1900)
    venue.place("ETHUSDT-PERP", "BUY", 2)
    (real,) = (fill.trade_id for fill in venue.state().fills)
    seen = witness()

    async def scenario() -> dict[str, list[str] | None]:
        async with trading(venue, seen, monitor) as run:
            assert run.node.portfolio.net_position(ETH) == 7
            return {o.venue_order_id.value: o.tags for o in run.node.cache.orders()}

    tags = asyncio.run(scenario())
    status = seen.mass_statuses[0]
    published = [fill.trade_id.value for fills in status.fill_reports.values() for fill in fills]
    assert kept(monitor, status).trade_ids == {real}
    made_up = [trade_id for trade_id in published if trade_id != real]
    if ADJUSTS_FILLS:
        (trade_id,) = made_up
        prefix, timestamp, _ = trade_id.split("-")
        assert (prefix, int(timestamp, 16) > 0) == ("S", True)
        assert [t for i, t in tags.items() if i.startswith("S-")] == [["VENUE"]]
    else:
        assert made_up == []
        assert sorted(map(str, tags.values())) == ["['EXTERNAL']", "['INTERNAL']"]


def test_the_mass_status_of_a_client_without_a_venue_is_published_under_none(
    venue: PaperVenueControl,
) -> None:
    """
    So subscribe to `reports.execution.*`, and tell accounts apart by the report itself.
    """
    seen = Witness("reports.execution.None")

    async def scenario() -> None:
        async with trading(venue, seen, client={"is_venue_client": False}):
            pass

    asyncio.run(scenario())
    _, status = seen.heard[0]
    assert status.venue is None
    assert status.account_id.value == venue.account_id

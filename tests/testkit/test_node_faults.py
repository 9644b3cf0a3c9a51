import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GeneratePositionStatusReports
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecutionClient
from nautilus_recovery_actor.testkit import Position
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.testkit.probe import INSTRUMENT_ID
from tests.testkit.probe import SYMBOL
from tests.testkit.probe import Probe
from tests.testkit.probe import on_loop
from tests.testkit.probe import probe_node


D = Decimal


class Start:
    """
    A node that was started, and its probe.
    """

    def __init__(self, run: NodeRun, probe: Probe) -> None:
        self.run = run
        self.probe = probe

    @property
    def cache(self) -> Any:
        return self.run.node.cache

    @property
    def client(self) -> PaperVenueExecutionClient:
        clients: dict[ClientId, PaperVenueExecutionClient] = (
            self.run.node.kernel.exec_engine._clients
        )
        return clients[ClientId("PAPER")]

    def order(self, client_order_id: str) -> Order:
        return self.cache.order(ClientOrderId(client_order_id))

    async def mass_status(self) -> ExecutionMassStatus:
        """
        Return the mass status as the client makes it: the engine changes it before it publishes.
        """
        mass_status = await self.client.generate_mass_status()
        assert mass_status is not None
        return mass_status


@asynccontextmanager
async def start(
    venue: PaperVenue, valkey: EmbeddedValkey, wait: bool = True
) -> AsyncIterator[Start]:
    config = paper_node_config(
        [venue.exec_config(symbols=(SYMBOL,))], database=valkey.database_config(), log_level="OFF"
    )
    node, probe = probe_node(config)
    async with running(node, wait=wait) as run:
        yield Start(run, probe)


async def leave_long_with_stop(venue: PaperVenue, valkey: EmbeddedValkey) -> str:
    """
    Run a node that ends with LONG 1 and an open stop, and return the stop's ID.
    """
    async with start(venue, valkey) as first:
        first.probe.send_market("BUY", 1)
        stop = first.probe.send_stop("SELL", 1, 1900)
        await first.run.until(lambda: stop.is_open and first.probe.net_qty() == 1)
    return str(stop.client_order_id)


@on_loop
async def test_a_quiet_restart_changes_nothing(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    stop_id = await leave_long_with_stop(venue, valkey)
    async with start(venue, valkey) as second:
        assert second.probe.net_qty() == 1
        assert second.order(stop_id).status == OrderStatus.ACCEPTED
        assert len(second.cache.orders()) == 2


@on_loop
async def test_a_stop_that_triggered_meanwhile_is_reconciled_by_its_fill(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    stop_id = await leave_long_with_stop(venue, valkey)
    venue.set_price(SYMBOL, 1890)
    async with start(venue, valkey) as second:
        stop = second.order(stop_id)
        assert (stop.status, stop.avg_px) == (OrderStatus.FILLED, 1890)
        assert stop.last_trade_id.value == venue.state().fills[-1].trade_id
        assert second.probe.net_qty() == 0


@pytest.mark.parametrize("fault", [MassStatusFault.RAISE, MassStatusFault.NONE])
def test_a_mass_status_that_fails_ends_the_start(
    fault: MassStatusFault, venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    async def scenario() -> None:
        venue.set_faults(mass_status=fault)
        async with start(venue, valkey, wait=False) as first:
            assert not await first.run.started()
            assert first.run.node.is_running()

    asyncio.run(scenario())


@on_loop
async def test_a_mass_status_that_hangs_holds_up_the_start(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    venue.set_faults(mass_status=MassStatusFault.HANG)
    async with start(venue, valkey, wait=False) as first:
        await asyncio.to_thread(venue.wait_for_commands, "BeginMassStatus")
        assert not first.run.is_trading
        assert not first.run.task.done()


@on_loop
async def test_a_mass_status_comes_late(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    venue.set_faults(mass_status_delay_secs=0.2)
    began = time.monotonic()
    async with start(venue, valkey) as first:
        assert time.monotonic() - began >= 0.2
        assert first.run.is_trading


@on_loop
async def test_queries_that_fail_end_the_start(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    venue.set_faults(query_errors=True)
    async with start(venue, valkey, wait=False) as first:
        assert not await first.run.started()


@on_loop
async def test_lost_fills_leave_a_position_and_an_order_that_do_not_exist(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    stop_id = await leave_long_with_stop(venue, valkey)
    venue.set_faults(lose_fills_since=venue.mark())
    venue.set_price(SYMBOL, 1890)
    queries = len(venue.commands("QueryPositions"))
    async with start(venue, valkey) as second:
        # The mass status, and then the position that was in none
        assert len(venue.commands("QueryPositions")) == queries + 2
        assert second.probe.net_qty() == 1
        assert second.order(stop_id).status == OrderStatus.ACCEPTED
        assert venue.state().positions[0].qty == 0
        mass_status = await second.mass_status()
        reported = {str(o.client_order_id) for o in mass_status.order_reports.values()}
        assert len(reported) == 1
        assert stop_id not in reported
        assert mass_status.position_reports == {}


@on_loop
async def test_hidden_fills_are_inferred_from_the_order(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    stop_id = await leave_long_with_stop(venue, valkey)
    venue.set_faults(hide_fill_reports=True)
    venue.set_price(SYMBOL, 1890)
    async with start(venue, valkey) as second:
        stop = second.order(stop_id)
        assert (stop.status, stop.avg_px) == (OrderStatus.FILLED, 1890)
        assert stop.last_trade_id.value != venue.state().fills[-1].trade_id
        assert second.probe.net_qty() == 0
        assert (await second.mass_status()).fill_reports == {}


@on_loop
async def test_every_fill_is_in_the_mass_status_twice(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    await leave_long_with_stop(venue, valkey)
    venue.set_faults(duplicate_fill_reports=True)
    async with start(venue, valkey) as second:
        [fills] = (await second.mass_status()).fill_reports.values()
        assert [f.trade_id.value for f in fills] == ["PAPER-T1", "PAPER-T1"]


@on_loop
async def test_a_position_on_an_instrument_that_is_not_loaded_passes_for_success(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    venue.set_faults(phantom_positions=(Position(symbol="XRPUSDT-PERP", qty=D(100)),))
    async with start(venue, valkey) as first:
        assert first.cache.positions() == []
        reports = (await first.mass_status()).position_reports
        assert list(reports) == [InstrumentId.from_str("XRPUSDT-PERP.PAPER")]


@on_loop
async def test_a_position_reported_with_another_quantity_is_aligned_by_a_made_up_fill(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    await leave_long_with_stop(venue, valkey)
    venue.set_faults(override_positions={SYMBOL: D(3)})
    async with start(venue, valkey) as second:
        assert second.probe.net_qty() == 3
        assert len(second.cache.orders()) == 3


@on_loop
async def test_a_hidden_order_stays_open_in_the_cache(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    stop_id = await leave_long_with_stop(venue, valkey)
    venue.cancel(stop_id)
    venue.set_faults(hide_orders=(stop_id,))
    async with start(venue, valkey) as second:
        assert second.order(stop_id).is_open


@on_loop
async def test_a_hidden_position_stays_open_in_the_cache(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    await leave_long_with_stop(venue, valkey)
    venue.set_position(SYMBOL, 0)
    venue.set_faults(hide_positions=(SYMBOL,))
    async with start(venue, valkey) as second:
        assert second.probe.net_qty() == 1


@on_loop
async def test_a_position_that_went_flat_is_known_from_its_own_query_only(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    await leave_long_with_stop(venue, valkey)
    venue.set_position(SYMBOL, 0)
    async with start(venue, valkey) as second:
        assert second.probe.net_qty() == 0
        assert (await second.mass_status()).position_reports == {}
        query = GeneratePositionStatusReports(INSTRUMENT_ID, None, None, UUID4(), 0)
        [report] = await second.client.generate_position_status_reports(query)
        assert report.position_side == PositionSide.FLAT


@on_loop
async def test_a_venue_that_is_silent_about_flat_positions_leaves_them_open(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    await leave_long_with_stop(venue, valkey)
    venue.set_position(SYMBOL, 0)
    venue.set_faults(silent_when_flat=True)
    async with start(venue, valkey) as second:
        assert second.probe.net_qty() == 1


@on_loop
async def test_an_order_without_an_answer_is_in_flight_after_the_restart(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    venue.set_faults(hold_acks=True)
    async with start(venue, valkey) as first:
        order_id = first.probe.send_market("BUY", 1).client_order_id.value
        await first.run.until(lambda: first.order(order_id).status == OrderStatus.SUBMITTED)
        await asyncio.to_thread(venue.wait_for_order, order_id, "HELD")
    async with start(venue, valkey) as second:
        assert second.order(order_id).is_inflight
        venue.release()
        await second.run.until(lambda: second.order(order_id).is_closed)

"""
What NautilusTrader's own OKX client answers, at the fake of the venue: what the restarts rest on.
"""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import nautilus_trader
import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GenerateFillReports
from nautilus_trader.execution.messages import GenerateOrderStatusReport
from nautilus_trader.execution.messages import GenerateOrderStatusReports
from nautilus_trader.execution.messages import GeneratePositionStatusReports
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import running
from tests.restart import okx_node
from tests.restart.okx import SPOT
from tests.restart.okx import SWAPS
from tests.venues.okx.control import FakeOKX


needs_1_231 = pytest.mark.skipif(
    nautilus_trader.__version__ == "1.221.0",
    reason="the client of 1.221 asks for stops at an address that OKX does not have, and logs "
    "errors in another way",
)


@pytest.fixture(scope="module")
def okx() -> Iterator[FakeOKX]:
    with FakeOKX() as venue:
        yield venue


class Asked:
    """A node that has traded, and the questions to its client."""

    def __init__(self, node: TradingNode, run: NodeRun) -> None:
        self.until = run.until
        self.cache = node.cache
        self.msgbus = node.kernel.msgbus
        self.client: LiveExecutionClient = node.kernel.exec_engine._clients[ClientId("OKX")]

    @property
    def stop(self) -> Order:
        return next(order for order in self.cache.orders() if order.has_trigger_price)

    def held(self) -> dict[str, str]:
        return {
            position.instrument_id.symbol.value: str(position.signed_decimal_qty())
            for position in self.cache.positions_open()
        }

    async def orders(self) -> list[OrderStatusReport]:
        command = GenerateOrderStatusReports(open_only=False, **_everything())
        return await self.client.generate_order_status_reports(command)

    async def trade_ids(self) -> list[str]:
        command = GenerateFillReports(venue_order_id=None, **_everything())
        return [fill.trade_id.value for fill in await self.client.generate_fill_reports(command)]

    async def positions(self, **fields: Any) -> list[PositionStatusReport]:
        command = GeneratePositionStatusReports(**{**_everything(), **fields})
        return await self.client.generate_position_status_reports(command)

    async def order(self, order: Order) -> OrderStatusReport | None:
        command = GenerateOrderStatusReport(
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            command_id=UUID4(),
            ts_init=0,
        )
        return await self.client.generate_order_status_report(command)


def _everything() -> dict[str, Any]:
    return {"instrument_id": None, "start": None, "end": None, "command_id": UUID4(), "ts_init": 0}


@asynccontextmanager
async def trading(
    okx: FakeOKX, valkey: EmbeddedValkey, instruments: tuple[str, ...]
) -> AsyncIterator[Asked]:
    okx.reset(*instruments)
    node = okx_node.node(
        okx.port, valkey.port, instruments=[*instruments], monitored=False, sets_up=True
    )
    async with running(node) as run:
        await run.until(lambda: node.cache.get("ready"))
        yield Asked(node, run)


@needs_1_231
def test_a_resting_stop_is_in_no_list_and_found_by_itself(
    okx: FakeOKX, valkey: EmbeddedValkey
) -> None:
    """Unless the venue lists no other order of the instrument: then nobody looks for it."""

    async def scenario() -> None:
        async with trading(okx, valkey, SWAPS) as asked:
            listed = [report.client_order_id for report in await asked.orders()]
            assert listed
            assert asked.stop.client_order_id not in listed
            found = await asked.order(asked.stop)
            assert found is not None
            assert (found.is_open, found.venue_order_id) == (True, asked.stop.venue_order_id)
            okx.fail("trade/orders-history", "empty")
            assert await asked.order(asked.stop) is None

    asyncio.run(scenario())


def test_each_trade_is_reported_once(okx: FakeOKX, valkey: EmbeddedValkey) -> None:
    """And a stop that is triggered goes on under another venue order ID."""

    async def scenario() -> None:
        async with trading(okx, valkey, SWAPS) as asked:
            before, rested = await asked.trade_ids(), asked.stop.venue_order_id
            assert len(before) == len(set(before)) == sum(len(p) for p, _ in _plans(SWAPS))
            okx.set_price(SWAPS[0], "90.00")
            (new,) = set(await asked.trade_ids()) - set(before)
            triggered = await asked.order(asked.stop)
            assert triggered is not None
            assert triggered.venue_order_id != rested
            assert triggered.client_order_id == asked.stop.client_order_id
            assert new

    asyncio.run(scenario())


@needs_1_231
@pytest.mark.parametrize("how", ["error", "500", "hang"])
def test_a_question_that_fails_is_answered_with_nothing(
    okx: FakeOKX, valkey: EmbeddedValkey, how: str
) -> None:
    """Also one that is canceled since it takes too long: the log alone says so."""

    async def scenario() -> None:
        async with trading(okx, valkey, SWAPS) as asked:
            assert len(await asked.positions()) == len(okx.state()["positions"])
            okx.fail("account/positions", how)
            with patch.dict(vars(asked.client), _log_report_error=lambda e, _: errors.append(e)):
                assert await asyncio.wait_for(asked.positions(), 0.5) == []

    errors: list[BaseException] = []
    asyncio.run(scenario())
    assert [type(error) for error in errors] == [
        asyncio.CancelledError if how == "hang" else ValueError
    ]


def test_what_is_held_on_spot_is_reported_flat(okx: FakeOKX, valkey: EmbeddedValkey) -> None:
    """If it is asked for by its instrument, and without a question to the venue."""

    async def scenario() -> None:
        async with trading(okx, valkey, SPOT) as asked:
            (position,) = asked.cache.positions_open()
            okx.requests()
            assert await asked.positions() == []
            (report,) = await asked.positions(instrument_id=position.instrument_id)
            assert report.signed_decimal_qty == 0
            assert "account/positions" not in okx.requests()

    asyncio.run(scenario())


def test_what_happens_while_the_streams_are_down_is_never_reported(
    okx: FakeOKX, valkey: EmbeddedValkey
) -> None:
    """They come back by themselves, and the node learns neither that nor what it missed."""

    async def scenario() -> None:
        async with trading(okx, valkey, SWAPS) as asked:
            asked.msgbus.subscribe("reports.execution.*", reported.append)
            held = okx.state()["positions"]
            okx.requests()
            okx.drop_streams()
            okx.trade(SWAPS[0], "sell", "0.5")
            await asked.until(okx.is_heard)
            okx.trade(SWAPS[2], "buy", "1")
            await asked.until(lambda: SWAPS[2] in asked.held())
            assert asked.held()[SWAPS[0]] == held[SWAPS[0]]
            assert not okx.requests()

    reported: list[object] = []
    asyncio.run(scenario())
    assert not [report for report in reported if isinstance(report, ExecutionMassStatus)]


def _plans(instruments: tuple[str, ...]) -> list[tuple[tuple[str, ...], str | None]]:
    return [okx_node.PLANS[name] for name in instruments]

"""
What happens on the stand-in for Binance while a node trades there, and the user stream leaves out.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Quantity

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import running
from tests.restart.cells import CELLS
from tests.restart.cells import Holding
from tests.restart.cells import Working
from tests.restart.node import build
from tests.restart.node import come_back
from tests.restart.node import set_up
from tests.restart.node import until
from tests.restart.run import Bench
from tests.restart.ways import WAYS
from tests.venues.binance.control import FakeBinance


pytestmark = pytest.mark.sampled(1)


INTERVAL_SECS = 0.5
(CELL,) = [c for c in CELLS if (c.holding, c.working) == (Holding.LONG, Working.STOP)]
ETH = InstrumentId.from_str(CELL.instrument_id)


def missed_fill(venue: FakeBinance, stop: str) -> None:
    venue.set_price(CELL.symbol, "90.00")


def liquidated(venue: FakeBinance, stop: str) -> None:
    venue.cancel(stop)
    venue.place(
        symbol=CELL.symbol,
        side="SELL",
        type="MARKET",
        quantity="1",
        newClientOrderId="autoclose-1782",
        reduceOnly="true",
    )


def traded_by_hand(venue: FakeBinance, stop: str) -> None:
    venue.place(symbol=CELL.symbol, side="SELL", type="MARKET", quantity="0.4")


def canceled_from_the_phone(venue: FakeBinance, stop: str) -> None:
    venue.cancel(stop)


@pytest.fixture
def bench(valkey: EmbeddedValkey) -> Iterator[Bench]:
    with FakeBinance() as venue:
        venue.reset(CELL.symbol)
        yield Bench(venue, valkey)


@pytest.mark.parametrize(
    "drift", [missed_fill, liquidated, traded_by_hand, canceled_from_the_phone]
)
def test_what_the_user_stream_leaves_out_is_found_in_time(
    bench: Bench, drift: Callable[[FakeBinance, str], None]
) -> None:
    """No order passes from then on until the instrument is proven, and later proofs hold."""
    venue = bench.venue

    async def scenario() -> None:
        arguments = bench.arguments(WAYS[0], [CELL], is_monitored=True)
        node, monitor = build(**arguments, settings={"prove_interval_secs": INTERVAL_SECS})
        assert monitor is not None
        async with running(node):
            await come_back(node, monitor)
            client_ids = await set_up(node, [CELL])
            (strategy,) = node.trader.strategies()
            await proven_again(monitor)
            assert monitor.epoch == 1
            venue.lose_events()
            drift(venue, client_ids[CELL.symbol]["stop"])
            async with asyncio.timeout(INTERVAL_SECS + 5):
                await until(lambda: not strategy.gate.is_open)
            venue.lose_events(lose=False)
            order = strategy.order_factory.market(ETH, OrderSide.BUY, Quantity.from_str("1.000"))
            strategy.submit_order(order)
            assert order.status_string() == "DENIED"
            await until(lambda: monitor.phase is RecoveryPhase.COMPLETE)
            assert monitor.report.trigger == "proof"
            (account,) = monitor.report.accounts
            assert account.ts_proof is not None
            held = float(venue.state()["positions"][CELL.symbol]["qty"])
            cached = node.cache.positions_open(instrument_id=ETH)
            is_right = sum(float(one.signed_qty) for one in cached) == held
            assert is_right or not strategy.gate.is_open_for(ETH), monitor.report
            if drift is not liquidated:  # The engine books no fill that only reduces
                assert is_right
                assert strategy.gate.is_open_for(ETH), monitor.report
                assert not node.cache.orders_open() or drift is traded_by_hand
            epoch = monitor.epoch
            await proven_again(monitor, 2)
            assert monitor.epoch == epoch

    asyncio.run(scenario())


async def proven_again(monitor: RecoveryMonitorActor, count: int = 1) -> None:
    def ts_proven() -> Any:
        return monitor._decisions.recovery.proving.ts_proven

    for _ in range(count):
        last = ts_proven()
        await until(lambda last=last: ts_proven() != last)  # type: ignore[misc]

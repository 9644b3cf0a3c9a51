"""
What comes after the venue's report: what of it outdates the report, and what does not.
"""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import answers_like
from tests.node.support import differences
from tests.node.support import monitor_config
from tests.node.support import other_mass_status
from tests.node.support import watched


NAME = StrategyConfig(strategy_id="KEEPER", order_id_tag="1")


class Modifier(Recorder):
    """
    Modifies what it finds when it starts.
    """

    def on_start(self) -> None:
        for order in self.cache.orders_open():
            self.modify_order(order, quantity=Quantity.from_str("0.900"))


class Canceler(Recorder):
    """
    Cancels what it finds when it starts.
    """

    def on_start(self) -> None:
        self.cancel_all_orders(ETH)


@pytest.mark.parametrize("kind", [Modifier, Canceler])
def test_what_a_strategy_asks_for_is_no_news_of_an_order(
    venue: PaperVenue, valkey: EmbeddedValkey, kind: type[Recorder]
) -> None:
    """A stop that is gone at the venue is told, whatever the node has asked of it since."""

    async def before() -> str:
        async with watched(venue, valkey, strategy := Recorder(NAME)) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.is_open)
            return str(order.client_order_id)

    async def after() -> None:
        async with watched(venue, valkey, strategy := kind(NAME)) as node:
            event = await node.result()
            (found,) = differences(event)
            assert found.kind in (
                DiscrepancyKind.ORDER_NOT_AT_VENUE,
                DiscrepancyKind.INFLIGHT_ORDER,
            )
            assert event.blocked_instruments == {ETH.value}
            assert not strategy.gate.is_open_for(ETH)

    order_id = asyncio.run(before())
    venue.cancel(order_id)
    venue.set_faults(hide_orders=(order_id,))
    asyncio.run(after())


def mass_status(order: Order, is_inferred: bool) -> ExecutionMassStatus:
    """
    Return a report that counts a trade of 1 of the order, but does not tell of the trade.
    """
    now = time.time_ns()
    common: dict[str, Any] = {
        "account_id": AccountId(ACCOUNT),
        "instrument_id": ETH,
        "report_id": UUID4(),
        "ts_last": now,
        "ts_init": now,
    }
    status = ExecutionMassStatus(
        client_id=ClientId("PAPER"),
        account_id=AccountId(ACCOUNT),
        venue=Venue("PAPER"),
        report_id=UUID4(),
        ts_init=now,
    )
    status.add_order_reports(
        [
            OrderStatusReport(
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                order_side=order.side,
                order_type=order.order_type,
                time_in_force=TimeInForce.GTC,
                order_status=OrderStatus.PARTIALLY_FILLED if is_inferred else OrderStatus.ACCEPTED,
                quantity=order.quantity,
                filled_qty=Quantity.from_str("1.000" if is_inferred else "0.000"),
                price=order.price,
                avg_px=Decimal(1500) if is_inferred else None,
                ts_accepted=now,
                **common,
            )
        ]
    )
    status.add_position_reports(
        [
            PositionStatusReport(
                position_side=PositionSide.LONG,
                quantity=Quantity.from_str("1.000"),
                avg_px_open=Decimal(1500),
                **common,
            )
        ]
    )
    return status


def late_fill(node: Watched, order: Order, ts_event: int, trade_id: str = "T-1") -> None:
    """
    Bring the trade of 1 by the venue's socket, after the report that counts it.
    """
    node.node.kernel.exec_engine._clients[ClientId("PAPER")].generate_order_filled(
        order.strategy_id,
        ETH,
        order.client_order_id,
        order.venue_order_id,
        None,
        TradeId(trade_id),
        order.side,
        order.order_type,
        Quantity.from_str("1.000"),
        Price.from_str("1500.00"),
        USDT,
        Money(0, USDT),
        LiquiditySide.MAKER,
        ts_event,
    )


def counted_twice(event: RecoveryComplete) -> set[tuple[str, str]]:
    """
    Return what venue and cache say of the position: the venue was asked again.
    """
    return {
        (found.venue, found.cache)
        for found in differences(event)
        if found.kind is DiscrepancyKind.POSITION_QTY_MISMATCH
    }


@pytest.mark.parametrize("is_inferred", [False, True])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_fill_that_the_engine_had_guessed_already_is_not_taken_for_a_new_one(
    venue: PaperVenue, is_inferred: bool, is_after: bool
) -> None:
    """The cache may count it twice: the instrument is blocked until the venue reports again."""
    strategy = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=monitor_config(settle_ms=200)) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00", "2.000"))
            await node.run.until(lambda: order.is_open)
            traded = time.time_ns()
            kernel = node.node.kernel
            answers_like(node, status := mass_status(order, is_inferred))
            kernel.msgbus.send("ExecEngine.reconcile_execution_mass_status", status)
            assert node.monitor.epoch == 2
            if is_after:
                assert (await node.result(2)).outcome is RecoveryOutcome.ADJUSTED
                assert strategy.gate.is_open_for(ETH)
            late_fill(node, order, traded)
            event = await node.result(3 if is_after else 2)
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert event.blocked_instruments == {ETH.value}
            assert ("1", "2.000") in counted_twice(event)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_open", [False, True])
def test_a_guess_is_remembered_while_another_account_reports(
    venue: PaperVenue, is_open: bool
) -> None:
    """A late fill is doubted also in, and after, an epoch that another account has opened."""
    strategy = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=monitor_config(settle_ms=200)) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00", "3.000"))
            await node.run.until(lambda: order.is_open)
            traded = time.time_ns()
            bus = node.node.kernel.msgbus
            answers_like(node, status := mass_status(order, True))
            bus.send("ExecEngine.reconcile_execution_mass_status", status)
            await node.result(2)
            bus.publish("reports.execution.OTHER", other_mass_status())
            if not is_open:
                await node.result(3)
            late_fill(node, order, traded)
            event = await node.result(3 if is_open else 4)
            assert event.blocked_instruments == {ETH.value}
            assert ("1", "2.000") in counted_twice(event)

            epoch = node.monitor.epoch
            late_fill(node, order, traded, "T-2")  # Blocked already: no news, and no new epoch
            await node.run.until(lambda: order.is_closed)
            assert node.monitor.epoch == epoch

    asyncio.run(scenario())


def test_a_restored_order_is_older_than_the_report_whatever_the_clocks_say(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the run before may have been ahead: what was restored came before the report."""

    async def before() -> str:
        async with watched(venue, valkey, strategy := Recorder(NAME)) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.is_open)
            return str(order.client_order_id)

    async def after() -> None:
        async with watched(venue, valkey, wait=False) as node:
            event = await node.result()
            assert [d.kind for d in differences(event)] == [DiscrepancyKind.ORDER_NOT_AT_VENUE]

    order_id = asyncio.run(before())
    venue.set_faults(hide_orders=(order_id,))
    original = ExecutionMassStatus.__init__

    def earlier(self: ExecutionMassStatus, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{**kwargs, "ts_init": kwargs["ts_init"] - 3_600_000_000_000})

    monkeypatch.setattr(ExecutionMassStatus, "__init__", earlier)
    asyncio.run(after())


def test_no_private_name_of_the_monitor_hides_one_of_nautilus_trader() -> None:
    """A component calls its own private methods when it is stopped, resumed, reset."""
    ours = {name for name in vars(RecoveryMonitorActor) if not name.startswith("__")}
    hidden = {name for name in ours & set(dir(Actor)) if name.startswith("_")}
    assert hidden == set()
    monitor = RecoveryMonitorActor()
    assert {name for name in vars(monitor) if name in dir(Actor)} == set()

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.events import OrderCancelRejected
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.objects import Money
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeError
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.testkit.probe import INSTRUMENT_ID
from tests.testkit.probe import SYMBOL
from tests.testkit.probe import on_loop
from tests.testkit.probe import probe_node


D = Decimal
USDT = Currency.from_str("USDT")


@on_loop
async def test_a_node_connects_and_has_the_account_and_the_instrument(venue: PaperVenue) -> None:
    venue.set_balance("1234.5")
    node, _ = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        assert run.is_trading
        account = node.cache.account(AccountId("PAPER-001"))
        assert account.balance_total(USDT) == Money("1234.5", USDT)
        assert node.cache.instrument(INSTRUMENT_ID) == paper_instrument(SYMBOL)
        assert venue.submitted() == []
    venue.wait_for_connections(0)


@on_loop
async def test_a_market_order_fills_and_a_limit_order_rests(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        market = probe.send_market("BUY", "1.5")
        limit = probe.send_limit("SELL", "1.5", 2100)
        await run.until(lambda: limit.is_open)
        assert (market.status, market.avg_px) == (OrderStatus.FILLED, D(2000))
        assert probe.net_qty() == D("1.5")
        assert venue.submitted() == [market.client_order_id.value, limit.client_order_id.value]
        assert probe.names(OrderEvent) == [
            "OrderInitialized",
            "OrderInitialized",
            "OrderSubmitted",
            "OrderSubmitted",
            "OrderAccepted",
            "OrderFilled",
            "OrderAccepted",
        ]
        venue.set_price(SYMBOL, 2100)
        await run.until(lambda: limit.is_closed)
        assert probe.net_qty() == 0


@on_loop
async def test_an_order_is_filled_in_parts_and_changed_and_canceled(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        order = probe.send_limit("BUY", 4, 1990)
        await run.until(lambda: order.is_open)
        venue.fill(order.client_order_id.value, 1)
        await run.until(lambda: order.status == OrderStatus.PARTIALLY_FILLED)
        instrument = node.cache.instrument(INSTRUMENT_ID)
        probe.modify_order(order, quantity=instrument.make_qty(3), price=instrument.make_price(9))
        await run.until(lambda: order.quantity == instrument.make_qty(3))
        assert order.price == instrument.make_price(9)
        probe.cancel_order(order)
        await run.until(lambda: order.is_closed)
        assert (order.status, order.filled_qty) == (OrderStatus.CANCELED, instrument.make_qty(1))


@on_loop
async def test_all_orders_of_an_instrument_are_canceled_at_once(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        orders = [probe.send_limit("BUY", 1, px) for px in (1000, 1001, 1002)]
        await run.until(lambda: all(o.is_open for o in orders))
        probe.cancel_orders(orders[:1])
        await run.until(lambda: orders[0].is_closed)
        probe.cancel_all_orders(INSTRUMENT_ID)
        await run.until(lambda: all(o.is_closed for o in orders))
        kinds = [c.kind for c in venue.commands() if c.kind.startswith("Cancel")]
        assert kinds == ["CancelOrders", "CancelAll"]


@on_loop
async def test_the_venue_rejects_what_it_does_not_take(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        order = probe.send_limit("BUY", 1, 2500, post_only=True)
        strange = probe.send_limit("BUY", 1, 1000, time_in_force=TimeInForce.AT_THE_OPEN)
        await run.until(lambda: order.is_closed and strange.is_closed)
        reasons = [e.reason for e in probe.events if isinstance(e, OrderRejected)]
        assert sorted(reasons) == [
            "a paper venue does not accept LIMIT orders with AT_THE_OPEN",
            "post-only order would take liquidity at 2000",
        ]
        assert venue.submitted() == [order.client_order_id.value]
        assert len(venue.commands("SubmitOrders")) == 1


@on_loop
async def test_an_order_is_triggered_and_another_expires(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        instrument = node.cache.instrument(INSTRUMENT_ID)
        stop = probe.order_factory.stop_limit(
            INSTRUMENT_ID,
            OrderSide.SELL,
            instrument.make_qty(1),
            price=instrument.make_price(1895),
            trigger_price=instrument.make_price(1900),
        )
        probe.submit_order(stop)
        soon = probe.clock.utc_now() + timedelta(milliseconds=50)
        dated = probe.send_limit("BUY", 1, 1000, time_in_force=TimeInForce.GTD, expire_time=soon)
        await run.until(lambda: dated.status == OrderStatus.EXPIRED)
        venue.set_price(SYMBOL, 1890)
        await run.until(lambda: stop.status == OrderStatus.TRIGGERED)
        venue.expire(stop.client_order_id.value)
        await run.until(lambda: stop.status == OrderStatus.EXPIRED)


@on_loop
async def test_the_state_of_one_order_and_of_the_account_can_be_asked_for(
    venue: PaperVenue,
) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node):
        order = probe.send_limit("BUY", 1, 1000)
        await asyncio.to_thread(venue.wait_for_order, order.client_order_id.value, "ACCEPTED")
        probe.query_order(order)
        probe.query_account(AccountId("PAPER-001"))
        await asyncio.to_thread(venue.wait_for_commands, "QueryBalances", 2)
        assert [c.kind for c in venue.commands()][-2:] == ["QueryOrders", "QueryBalances"]


@on_loop
async def test_a_cancel_that_comes_too_late_is_rejected(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        order = probe.send_limit("BUY", 1, 1990)
        await run.until(lambda: order.is_open)
        venue.fill(order.client_order_id.value)
        probe.cancel_order(order)
        await run.until(lambda: probe.names(OrderCancelRejected))
        assert order.status == OrderStatus.FILLED


@on_loop
async def test_a_bracket_is_one_list_and_its_exits_cancel_each_other(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        instrument = node.cache.instrument(INSTRUMENT_ID)
        bracket = probe.order_factory.bracket(
            INSTRUMENT_ID,
            OrderSide.BUY,
            instrument.make_qty(1),
            sl_trigger_price=instrument.make_price(1900),
            tp_price=instrument.make_price(2100),
        )
        probe.submit_order_list(bracket)
        entry, stop, limit = bracket.orders
        await run.until(lambda: entry.is_closed and stop.is_open and limit.is_open)
        assert [len(c.order_ids) for c in venue.commands("SubmitOrders")] == [3]
        venue.set_price(SYMBOL, 1890)
        await run.until(lambda: stop.is_closed and limit.is_closed)
        assert (stop.status, limit.status) == (OrderStatus.FILLED, OrderStatus.CANCELED)
        assert probe.net_qty() == 0


@on_loop
async def test_an_order_that_is_not_answered_stays_submitted(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        venue.set_faults(hold_acks=True)
        order = probe.send_market("BUY", 1)
        await asyncio.to_thread(venue.wait_for_order, order.client_order_id.value, "HELD")
        assert order.status == OrderStatus.SUBMITTED
        venue.release()
        await run.until(lambda: order.is_closed)


@on_loop
async def test_an_order_placed_elsewhere_reaches_the_node_as_external(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        limit = venue.place(SYMBOL, "BUY", 2, "LIMIT", px=1990)
        await run.until(lambda: node.cache.orders_open_count() == 1)
        [order] = node.cache.orders_open()
        assert order.strategy_id.value == "EXTERNAL"
        assert order.venue_order_id.value == limit.venue_order_id
        probe.modify_order(order, price=node.cache.instrument(INSTRUMENT_ID).make_price(1980))
        await run.until(lambda: str(order.price) == "1980.00")
        venue.set_price(SYMBOL, 1980)
        await run.until(lambda: node.cache.positions_open_count() == 1)
        assert node.cache.positions_open()[0].signed_decimal_qty() == 2
        venue.place(SYMBOL, "SELL", 2, client_order_id="ELSEWHERE")
        await run.until(lambda: node.cache.positions_open_count() == 0)


@on_loop
async def test_fills_come_as_reports_if_so_configured(venue: PaperVenue) -> None:
    config = venue.exec_config(symbols=(SYMBOL,), live_fill_reports=True)
    node, probe = probe_node(paper_node_config([config]))
    async with running(node) as run:
        order = probe.send_market("BUY", 1)
        await run.until(lambda: order.is_closed)
        await run.until(lambda: probe.names(OrderFilled))
        [filled] = [e for e in probe.events if isinstance(e, OrderFilled)]
        assert filled.reconciliation
        assert filled.trade_id.value == "PAPER-T1"
        assert probe.names(OrderEvent) == [
            "OrderInitialized",
            "OrderSubmitted",
            "OrderAccepted",
            "OrderFilled",
        ]


@on_loop
async def test_a_dropped_connection_heals_and_ends_in_one_mass_status(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    reports: list[ExecutionMassStatus] = []
    node.kernel.msgbus.subscribe("reports.execution.PAPER", reports.append)
    async with running(node) as run:
        await asyncio.to_thread(venue.wait_for_connections, 1)
        order = probe.send_limit("BUY", 1, 1990)
        await run.until(lambda: order.is_open)
        before = len(reports)
        venue.refuse_connections()
        venue.drop_connections()
        venue.set_price(SYMBOL, 1990)
        rejected = probe.send_market("BUY", 1)
        await run.until(lambda: rejected.is_closed)
        assert rejected.status == OrderStatus.REJECTED
        assert order.is_open
        venue.refuse_connections(False)
        await run.until(lambda: len(reports) > before)
        assert order.status == OrderStatus.FILLED
        assert probe.net_qty() == 1
        assert len(reports) == before + 1


@on_loop
async def test_a_mass_status_is_sent_when_control_says_so(venue: PaperVenue) -> None:
    node, probe = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    reports: list[ExecutionMassStatus] = []
    node.kernel.msgbus.subscribe("reports.execution.PAPER", reports.append)
    async with running(node) as run:
        before = len(reports)
        venue.set_position(SYMBOL, 3, 2000)
        venue.push_mass_status()
        await run.until(lambda: len(reports) > before)
        assert probe.net_qty() == 3


@on_loop
async def test_the_engine_checks_open_orders_with_the_venue(venue: PaperVenue) -> None:
    engine = LiveExecEngineConfig(
        open_check_interval_secs=0.05,
        open_check_threshold_ms=0,
        reconciliation_startup_delay_secs=0.01,
    )
    node, probe = probe_node(
        paper_node_config([venue.exec_config(symbols=(SYMBOL,))], exec_engine=engine)
    )
    async with running(node) as run:
        order = probe.send_limit("BUY", 1, 1990)
        await run.until(lambda: order.is_open)
        seen = len(venue.commands("QueryOrders"))
        await asyncio.to_thread(venue.wait_for_commands, "QueryOrders", seen + 2)
        assert order.is_open


@on_loop
async def test_a_data_client_brings_quotes_trades_and_empty_history(venue: PaperVenue) -> None:
    ticks: list[object] = []
    bars: list[object] = []

    class Watcher(Strategy):
        def on_start(self) -> None:
            self.subscribe_quote_ticks(INSTRUMENT_ID)
            self.subscribe_trade_ticks(INSTRUMENT_ID)
            bar_type = BarType.from_str(f"{INSTRUMENT_ID}-1-MINUTE-LAST-EXTERNAL")
            self.request_bars(bar_type, start=self.clock.utc_now(), callback=bars.append)

        def on_stop(self) -> None:
            self.unsubscribe_quote_ticks(INSTRUMENT_ID)
            self.unsubscribe_trade_ticks(INSTRUMENT_ID)

        def on_quote_tick(self, tick: QuoteTick) -> None:
            ticks.append(tick)

        def on_trade_tick(self, tick: TradeTick) -> None:
            ticks.append(tick)

    node = paper_node(paper_node_config(data_clients=[venue.data_config(symbols=(SYMBOL,))]))
    node.trader.add_strategy(Watcher())
    async with running(node) as run:
        await run.until(lambda: len(ticks) == 1 and bars)
        venue.set_price(SYMBOL, "2000.25")
        await run.until(lambda: len(ticks) == 3)
        assert {str(t.price) for t in ticks if isinstance(t, TradeTick)} == {"2000.25"}
        assert [str(t.bid_price) for t in ticks if isinstance(t, QuoteTick)] == [
            "2000.00",
            "2000.25",
        ]
        assert (
            node.cache.quote_tick(INSTRUMENT_ID).ask_price
            == node.cache.quote_tick(INSTRUMENT_ID).bid_price
        )


@on_loop
async def test_a_hedging_account_has_both_legs(venue: PaperVenue) -> None:
    venue.open_account("HEDGE-001", "HEDGING")
    config = venue.exec_config(account_id="HEDGE-001", oms_type="HEDGING", symbols=(SYMBOL,))
    node, probe = probe_node(paper_node_config([config]), oms_type="HEDGING")
    async with running(node) as run:
        client_id = ClientId("HEDGE")
        order = probe.order_factory.market(
            INSTRUMENT_ID, OrderSide.BUY, node.cache.instrument(INSTRUMENT_ID).make_qty(2)
        )
        probe.submit_order(order, client_id=client_id)
        await run.until(lambda: order.is_closed)
        venue.place(SYMBOL, "SELL", 1, account_id="HEDGE-001")
        await run.until(lambda: node.cache.positions_open_count() == 2)
        assert {p.id.value: p.signed_decimal_qty() for p in node.cache.positions_open()} == {
            "ETHUSDT-PERP.PAPER-HEDGE-001-LONG": 2,
            "ETHUSDT-PERP.PAPER-HEDGE-001-SHORT": -1,
        }
        close = probe.order_factory.market(
            INSTRUMENT_ID,
            OrderSide.SELL,
            node.cache.instrument(INSTRUMENT_ID).make_qty(2),
            reduce_only=True,
        )
        long_leg = PositionId("ETHUSDT-PERP.PAPER-HEDGE-001-LONG")
        probe.submit_order(close, position_id=long_leg, client_id=client_id)
        await run.until(lambda: node.cache.positions_open_count() == 1)


@on_loop
async def test_one_node_trades_two_venues_and_two_accounts(venue: PaperVenue) -> None:
    with PaperVenue(account_id="BETA-001", prefix="BETA") as beta:
        beta.set_price(SYMBOL, 3000)
        venue.open_account("SECOND-001")
        config = paper_node_config(
            [
                venue.exec_config(symbols=(SYMBOL,)),
                venue.exec_config(account_id="SECOND-001", is_venue_client=False),
                beta.exec_config(venue="BETA", symbols=(SYMBOL,)),
            ]
        )
        node, probe = probe_node(config)
        async with running(node) as run:
            first = probe.send_market("BUY", 1)
            second = probe.order_factory.market(
                INSTRUMENT_ID, OrderSide.BUY, node.cache.instrument(INSTRUMENT_ID).make_qty(2)
            )
            probe.submit_order(second, client_id=ClientId("SECOND"))
            elsewhere = InstrumentId.from_str("ETHUSDT-PERP.BETA")
            third = probe.order_factory.market(
                elsewhere, OrderSide.SELL, node.cache.instrument(elsewhere).make_qty(3)
            )
            probe.submit_order(third)
            await run.until(lambda: first.is_closed and second.is_closed and third.is_closed)
            accounts = [o.account_id.value for o in (first, second, third)]
            assert accounts == ["PAPER-001", "SECOND-001", "BETA-001"]
            assert third.avg_px == 3000
            assert node.cache.account_for_venue(Venue("BETA")).id.value == "BETA-001"


@on_loop
async def test_nodes_run_one_after_another_and_side_by_side(venue: PaperVenue) -> None:
    for n in range(3):
        config = paper_node_config([venue.exec_config(symbols=(SYMBOL,))], trader_id=f"ONE-{n}")
        node, probe = probe_node(config)
        async with running(node) as run:
            order = probe.send_market("BUY", 1)
            await run.until(lambda: order.is_closed)  # noqa: B023 (awaited within the step)
    left, left_probe = probe_node(
        paper_node_config([venue.exec_config(symbols=(SYMBOL,))], trader_id="LEFT-001")
    )
    right, right_probe = probe_node(
        paper_node_config([venue.exec_config(symbols=(SYMBOL,))], trader_id="RIGHT-001")
    )
    async with running(left) as left_run, running(right) as right_run:
        assert left_probe.net_qty() == right_probe.net_qty() == 3
        left_probe.send_market("SELL", 2)
        await left_run.until(lambda: left_probe.net_qty() == 1)
        await right_run.until(lambda: right_probe.net_qty() == 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await asyncio.to_thread(venue.mark) > 0


@on_loop
async def test_a_start_that_fails_is_an_error_unless_it_is_meant(venue: PaperVenue) -> None:
    venue.set_faults(query_errors=True)
    config = paper_node_config([venue.exec_config(symbols=(SYMBOL,))], log_level="OFF")
    node, _ = probe_node(config)
    with pytest.raises(NodeError, match="node TESTER-001: its start failed"):
        async with running(node):
            pytest.fail("must not run")
    node, _ = probe_node(config)
    async with running(node, wait=False) as run:
        assert not await run.started()


@on_loop
async def test_a_client_whose_account_is_of_another_kind_does_not_connect(
    venue: PaperVenue,
) -> None:
    config = venue.exec_config(symbols=(SYMBOL,), oms_type="HEDGING")
    node, _ = probe_node(paper_node_config([config], timeout_connection=0.1, log_level="OFF"))
    async with running(node, wait=False) as run:
        assert not await run.started()
        assert not node.kernel.exec_engine.check_connected()


@on_loop
async def test_waiting_in_vain_names_the_node(venue: PaperVenue) -> None:
    node, _ = probe_node(paper_node_config([venue.exec_config(symbols=(SYMBOL,))]))
    async with running(node) as run:
        with pytest.raises(NodeError, match=r"node TESTER-001: not true within 0\.01 s"):
            await run.until(lambda: False, timeout_secs=0.01)


def test_a_node_that_ends_reads_no_external_stream_any_more(valkey: EmbeddedValkey) -> None:
    bus = MessageBusConfig(database=valkey.database_config(), external_streams=["anything"])

    async def scenario() -> None:
        node = paper_node(paper_node_config(message_bus=bus))
        async with running(node) as run:
            await run.until(lambda: node._task_streaming)
            reading = node._task_streaming
            assert reading is not None
            assert not reading.done()
        assert reading.cancelled()

    asyncio.run(scenario())


def test_an_instrument_takes_every_field_of_its_class() -> None:
    instrument = paper_instrument("BTCUSDT-PERP", "X", 1, 4, maker_fee=D("0.0002"))
    assert instrument.id == InstrumentId.from_str("BTCUSDT-PERP.X")
    assert instrument.base_currency.code == "BTC"
    assert (str(instrument.price_increment), str(instrument.size_increment)) == ("0.1", "0.0001")
    assert instrument.maker_fee == D("0.0002")

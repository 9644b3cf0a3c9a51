"""
After a crash no client order id is used twice, and a strategy is told which orders it cannot
account for.
"""

import asyncio
import re
from typing import Any

import pytest
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import LostOrder
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.node.support import ETH
from tests.node.support import Orders
from tests.node.support import Recorder
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes import two_runs_in_one_second


pytestmark = pytest.mark.long


class Unaccounted(Recorder):
    """
    Records what it is told of the orders that it cannot account for.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(RecoverableStrategyConfig(strategy_id="Sender", **fields))
        self.unresolved: list[list[Order]] = []
        self.lost: list[tuple[LostOrder, ...]] = []

    def on_orders_unresolved(self, orders: list[Order]) -> None:
        self.told.append("unresolved")
        self.unresolved.append(orders)

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        self.told.append("lost")
        self.lost.append(orders)


class Sender(Orders, RecoverableStrategy):
    """
    Sends a bid, and an order that is filled at once, when it may trade.
    """

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_trading_enabled(self) -> None:
        self.submit_order(self.limit("1500.00"))
        self.submit_order(self.market())


def sender_node(
    port: int, redis_port: int, buffer_interval_ms: int | None, strategy: dict[str, Any]
) -> TradingNode:
    """
    Return the node that the process to be killed runs.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"))],
        database=DatabaseConfig(host="127.0.0.1", port=redis_port),
        buffer_interval_ms=buffer_interval_ms,
    )
    node = paper_node(config)
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    node.trader.add_strategy(Sender(RecoverableStrategyConfig(**strategy)))
    return node


def kill_sender(
    venue: PaperVenue, valkey: EmbeddedValkey, *, is_buffered: bool = True, **strategy: Any
) -> dict[str, Any]:
    """
    Kill a node that has sent two orders, of which the cache has written nothing if it buffers, and
    return the venue's orders by their type.
    """
    with NodeProcess(
        "tests.node.test_order_ids:sender_node",
        port=venue.port,
        redis_port=valkey.port,
        buffer_interval_ms=60_000 if is_buffered else None,
        strategy={"strategy_id": "Sender", **strategy},
    ) as process:
        bid, market = venue.wait_for_order(None, "ACCEPTED", "FILLED", count=2)
        if not is_buffered:
            key = f"trader-TESTER-001:orders:{bid.client_order_id}"
            valkey.wait_for(lambda client: client.llen(key) == 3)  # Initialized to accepted
        process.kill()
    return {"bid": bid, "market": market}


@pytest.mark.parametrize("use_hyphens", [True, False])
def test_an_order_that_redis_never_saw_is_told_to_the_strategy_that_sent_it(
    venue: PaperVenue, valkey: EmbeddedValkey, use_hyphens: bool
) -> None:
    """After kill -9 they are at the venue, the engine gives them to EXTERNAL, and it learns it."""
    form = {"use_hyphens_in_client_order_ids": use_hyphens}
    sent = kill_sender(venue, valkey, **form)

    async def after() -> None:
        strategy, other = Unaccounted(**form), Recorder()
        async with watched(venue, valkey, strategy, other) as node:
            event = await node.result()
            lost = {"bid": ("ACCEPTED", 1, 0), "market": ("FILLED", 2, 2)}
            expected = {
                LostOrder(
                    strategy_id="Sender-000",
                    account_id="PAPER-001",
                    instrument_id=ETH.value,
                    client_order_id=sent[name].client_order_id,
                    venue_order_id=sent[name].venue_order_id,
                    status=status,
                    qty=qty,  # type: ignore[arg-type]
                    filled_qty=filled,  # type: ignore[arg-type]
                    booked_under="EXTERNAL",
                )
                for name, (status, qty, filled) in lost.items()
            }
            assert set(event.report.lost_orders) == expected
            assert strategy.told == ["start", "complete", "lost", "enabled"]
            assert strategy.lost == [event.report.lost_orders]
            assert strategy.lost_orders == event.report.lost_orders
            assert strategy.unresolved_orders == []
            assert other.told == ["start", "complete", "enabled"]
            assert await may_trade(node, venue, strategy)

    asyncio.run(after())

    async def again() -> None:
        async with watched(venue, valkey, strategy := Unaccounted(**form)) as node:
            event = await node.result()
            assert event.report.lost_orders == ()  # It has taken them
            assert strategy.lost == []

    asyncio.run(again())


def test_an_order_of_which_only_the_position_was_stored_is_told_as_lost(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """NautilusTrader writes that first; by itself it could never start again."""
    sent = kill_sender(venue, valkey)
    client_order_ids = {order.client_order_id for order in sent.values()}
    with valkey.client() as client:
        for client_order_id in client_order_ids:
            client.hset("trader-TESTER-001:index:order_position", client_order_id, "P-1")

    async def after(expected: set[str]) -> None:
        async with watched(venue, valkey, strategy := Unaccounted()) as node:
            event = await node.result()
            assert {lost.client_order_id for lost in event.report.lost_orders} == expected
            assert strategy.lost == ([event.report.lost_orders] if expected else [])
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(after(client_order_ids))
    asyncio.run(after(set()))  # As with any other lost order


def test_a_lost_order_that_its_strategy_claims_is_told_once(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """By `external_order_claims` the engine gives it back, and then it is like any other."""
    sent = kill_sender(venue, valkey)

    async def run(*expected: str) -> None:
        strategy = Unaccounted(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy) as node:
            event = await node.result()
            found = event.report.lost_orders
            assert {lost.client_order_id for lost in found} == set(expected)
            assert {lost.booked_under for lost in found} <= {"Sender-000"}
            (bid,) = node.node.cache.orders_open(strategy_id=strategy.id)
            assert bid.client_order_id.value == sent["bid"].client_order_id

    asyncio.run(run(*(order.client_order_id for order in sent.values())))
    asyncio.run(run())


def test_an_order_of_which_only_the_beginning_was_stored_is_never_lost(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its submit was not stored: the next run takes it up, and another run its fill."""
    sent = kill_sender(venue, valkey, is_buffered=False)["bid"]
    with valkey.client() as client:
        client.ltrim(f"trader-TESTER-001:orders:{sent.client_order_id}", 0, 0)

    async def run(status: str) -> None:
        strategy = Unaccounted(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy) as node:
            await node.result()
            order = node.node.cache.order(ClientOrderId(sent.client_order_id))
            assert order.status_string() == status
            assert strategy.lost == []

    asyncio.run(run("ACCEPTED"))
    venue.fill(sent.client_order_id)
    asyncio.run(run("FILLED"))


def test_a_lost_order_that_the_engine_filters_out_is_told_too(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It is in no cache, and its instrument is blocked."""
    sent_ids = {order.client_order_id for order in kill_sender(venue, valkey).values()}

    async def after() -> None:
        engine = LiveExecEngineConfig(filter_unclaimed_external_orders=True)
        strategy = Unaccounted()
        async with watched(venue, valkey, strategy, exec_engine=engine) as node:
            event = await node.result()
            lost = strategy.lost_orders
            assert {one.client_order_id for one in lost} == sent_ids
            assert {one.booked_under for one in lost} == {None}
            assert DiscrepancyKind.ORDER_NOT_IN_CACHE in kinds(event)
            assert event.blocked_instruments == {ETH.value}

    asyncio.run(after())


def test_orders_of_others_and_of_no_form_are_nobodys_lost_ones(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """An order placed by hand, one of another trader, one of another strategy, and a UUID."""
    for client_order_id in (
        None,
        "O-20260101-120000-002-000-1",
        "O-20260101-120000-001-007-1",
        "2d89666b-1a1e-4a75-b193-4eb3b454c757",
    ):
        venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", 1500, client_order_id=client_order_id)

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := Unaccounted()) as node:
            event = await node.result()
            assert node.node.cache.orders_open_count() == 4
            assert event.report.lost_orders == ()
            assert "lost" not in strategy.told

    asyncio.run(scenario())


def test_a_submit_without_an_answer_is_told_before_trading_is_enabled(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """After kill -9 its outcome is unknown, until the venue tells it."""
    venue.set_faults(hold_acks=True)
    with NodeProcess(
        "tests.node.test_order_ids:sender_node",
        port=venue.port,
        redis_port=valkey.port,
        buffer_interval_ms=None,
        strategy={"strategy_id": "Sender"},
    ) as process:
        held = {order.client_order_id for order in venue.wait_for_order(None, "HELD", count=2)}
        keys = [f"trader-TESTER-001:orders:{client_order_id}" for client_order_id in held]
        valkey.wait_for(lambda client: all(client.llen(key) == 2 for key in keys))
        process.kill()

    async def after() -> None:
        async with watched(venue, valkey, strategy := Unaccounted()) as node:
            event = await node.result()
            assert event.blocked_instruments == {ETH.value}
            assert strategy.told == ["start", "complete", "unresolved", "enabled"]
            (unresolved,) = strategy.unresolved
            assert {order.client_order_id.value for order in unresolved} == held
            assert strategy.unresolved_orders == unresolved
            venue.set_faults()
            venue.release()
            await node.run.until(lambda: strategy.unresolved_orders == [])
            assert {order.status_string() for order in unresolved} == {"ACCEPTED", "FILLED"}

    asyncio.run(after())


def test_an_order_that_was_stored_and_perhaps_not_sent_is_unresolved(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The cache had its beginning written and no more: it may be at the venue, or may not."""
    sent = kill_sender(venue, valkey, is_buffered=False)
    bid = sent["bid"].client_order_id
    client: Any = valkey.client()
    client.ltrim(f"trader-TESTER-001:orders:{bid}", 0, 0)
    venue.set_faults(hide_orders=(bid,))

    async def after() -> None:
        async with watched(venue, valkey, strategy := Unaccounted()) as node:
            await node.result()
            (order,) = strategy.unresolved_orders
            assert order.client_order_id.value == bid
            assert order.status_string() == "INITIALIZED"
            assert strategy.unresolved == [[order]]
            assert strategy.told[-2:] == ["unresolved", "enabled"]

    asyncio.run(after())


def test_exits_that_wait_in_the_node_for_their_entry_are_not_unresolved(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """They were never meant to be sent before the entry is filled."""
    instrument = paper_instrument(ETH.symbol.value)
    data: dict[str, Any] = {"data_clients": [venue.data_config(symbols=("ETHUSDT-PERP",))]}

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := Unaccounted(), **data) as node:
            await node.result()
            bracket = strategy.order_factory.bracket(
                ETH,
                OrderSide.BUY,
                instrument.make_qty(1),
                entry_order_type=OrderType.LIMIT,
                entry_price=instrument.make_price(1500),
                tp_price=instrument.make_price(3000),
                sl_trigger_price=instrument.make_price(1000),
                emulation_trigger=TriggerType.LAST_PRICE,
            )
            strategy.submit_order_list(bracket)
            await node.run.until(lambda: bracket.first.status_string() == "EMULATED")
        async with watched(venue, valkey, strategy := Unaccounted(), **data) as node:
            await node.result()
            states = sorted(o.status_string() for o in node.node.cache.orders())
            assert states == ["EMULATED", "INITIALIZED", "INITIALIZED"]
            assert strategy.unresolved_orders == []
            assert "unresolved" not in strategy.told

    asyncio.run(scenario())


class Repeating(Orders, RecoverableStrategy):
    """
    Trades from the start, in an epoch that nobody waits for.
    """

    def __init__(self) -> None:
        super().__init__(RecoverableStrategyConfig(strategy_id="TRADER", order_id_tag="001"))
        self.gate.open_without_recovery()

    def on_start(self) -> None:
        self.gate.open_without_recovery()

    def on_stop(self) -> None:
        pass


def test_a_restart_in_one_second_with_an_empty_cache_makes_another_id(venue: PaperVenue) -> None:
    """Redis was lost, the venue reports nothing of the order, and takes the next one."""

    async def scenario() -> None:
        first, second = await two_runs_in_one_second(venue, "TESTER-001", Repeating)
        assert first.client_order_id != second.client_order_id
        assert second.status_string() == "ACCEPTED"
        form = re.compile(r"O-\d{8}-\d{6}-001-001-[1-9]\d{0,8}")
        assert all(form.fullmatch(order.client_order_id.value) for order in (first, second))

    asyncio.run(scenario())


def test_orders_and_lists_that_are_made_in_on_start_have_ids_of_this_run(venue: PaperVenue) -> None:
    """They count on from the time, as what NautilusTrader makes for the strategy does."""

    class Early(Recorder):
        def on_start(self) -> None:
            self.early = self.limit("1500.00")
            instrument = paper_instrument(ETH.symbol.value)
            self.bracket = self.order_factory.bracket(
                ETH,
                OrderSide.BUY,
                instrument.make_qty(1),
                tp_price=instrument.make_price(3000),
                sl_trigger_price=instrument.make_price(1000),
            )

    async def scenario() -> None:
        counts = []
        for _ in range(2):
            async with watched(venue, None, strategy := Early()) as node:
                await node.result()
                ids = [strategy.early.client_order_id.value, strategy.bracket.id.value]
                ids += [order.client_order_id.value for order in strategy.bracket.orders]
                first, listed, *others = (int(value.rpartition("-")[2]) for value in ids)
                assert first > 1
                assert listed == first
                assert others == [first + 1, first + 2, first + 3]
                assert max(map(len, ids[2:])) <= 36
                counts.append(first)
        assert counts[0] != counts[1]

    asyncio.run(scenario())


def test_an_on_start_that_was_put_into_the_instance_stays_there(venue: PaperVenue) -> None:
    """It is called once the orders are numbered, and is what the next start calls too."""
    strategy = Recorder()
    made: list[str] = []

    def on_start() -> None:
        made.append(strategy.limit("1500.00").client_order_id.value)

    strategy.on_start = on_start  # type: ignore[method-assign]

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            (client_order_id,) = made
            assert int(client_order_id.rpartition("-")[2]) > 1
            assert strategy.on_start is on_start

    asyncio.run(scenario())

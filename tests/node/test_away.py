"""
What the report tells a strategy of the time that its node was away.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.identifiers import PositionId

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests import scenes
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import watched
from tests.scenes_exits import HOLDER
from tests.scenes_exits import SYMBOL
from tests.scenes_exits import killed_holding
from tests.scenes_exits import leg_id


OWNER = "HOLDER-001"
NET = f"ETHUSDT-PERP.PAPER-{OWNER}"


@pytest.fixture
def dear() -> Iterator[PaperVenue]:
    with PaperVenue(fee_rate="0.001") as paper:
        paper.set_price(SYMBOL, 2000)
        yield paper


def moved(position: PositionRecovery) -> tuple[Any, ...]:
    return position.qty_before, position.qty_after


def recovered(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    oms_type: str = "NETTING",
    realized: dict[str, Decimal] | None = None,
    claims: bool = False,
    **fields: Any,
) -> RecoveryReport:
    """
    Run the node again, and return the report. Fill in what NautilusTrader says was realized.
    """
    config = StrategyConfig(**HOLDER, external_order_claims=[ETH] if claims else None)
    reports: list[RecoveryReport] = []

    async def after() -> None:
        clients = {"oms_type": oms_type}
        async with watched(venue, valkey, Recorder(config), clients=clients, **fields) as node:
            reports.append((await node.result()).report)
            for account in node.node.cache.accounts():  # So says a backtest in this process
                assert not account.calculate_account_state
            for position_id in realized or {}:
                position = node.node.cache.position(PositionId(position_id))
                assert realized is not None
                realized[position_id] = position.realized_pnl.as_decimal()

    asyncio.run(after())
    return reports[0]


def test_a_stop_filled_while_away_is_told_with_its_pnl_and_the_balances(
    dear: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """LONG 2 from 2000 is stopped at 1890: a loss of 220 and a fee of 3.78, off the balance too."""
    killed_holding(dear, valkey, "BUY 2", "SELL 2 STOP 1900")
    dear.set_price(SYMBOL, 1890)
    dear.wait_for_position(SYMBOL, 0)
    realized = {NET: Decimal(0)}
    report = recovered(dear, valkey, realized=realized)
    (told,) = report.strategies
    assert told == report.strategy(OWNER)
    assert told.positions == (
        PositionRecovery(
            account_id="PAPER-001",
            instrument_id=ETH.value,
            position_id=NET,
            qty_before=Decimal(2),
            qty_after=Decimal(0),
            currency="USDT",
            real=FillEffect(1, Decimal(-2), Decimal("-223.78")),
        ),
    )
    # The fee of the entry was paid before
    assert realized[NET] == Decimal("-223.78") - 4
    (order,) = told.orders
    assert (order.status, order.status_before, order.kind) == ("FILLED", "ACCEPTED", "STOP_MARKET")
    assert order.qty == order.filled_qty == -2
    assert told.order_counts == {"FILLED": 1}
    assert report.balances == (
        BalanceChange("PAPER-001", "USDT", Decimal(999_996), Decimal("999772.22")),
    )
    assert report.clean_shutdown is False
    assert report.ts_last_alive is not None
    assert report.away_ns == report.ts_started - report.ts_last_alive > 0
    (block,) = wording.blocks(report)
    assert "real:    1 fill, -2, realized -223.78 USDT" in block


def test_a_short_closed_in_parts_on_its_leg_is_told_with_its_pnl(valkey: EmbeddedValkey) -> None:
    """The long leg stands; of the short one 1 is bought back at 1900 and 0.5 at 1950."""
    with PaperVenue(oms="HEDGING") as venue:
        venue.set_price(SYMBOL, 2000)
        sends = ("BUY 2", "SELL 3", "BUY 1 LIMIT 1900 SHORT", "BUY 1 LIMIT 1950 SHORT")
        killed_holding(venue, valkey, *sends, oms_type="HEDGING")
        *_, low, high = venue.state().orders
        venue.fill(low.venue_order_id)
        venue.fill(high.venue_order_id, "0.5")
        short, long = leg_id("PAPER-001", "SHORT"), leg_id("PAPER-001", "LONG")
        realized = {short: Decimal(0)}
        report = recovered(venue, valkey, "HEDGING", realized)
    legs = {position.position_id: position for position in report.strategy(OWNER).positions}
    assert legs.keys() == {long, short}
    assert moved(legs[long]) == (2, 2)
    assert legs[long].real == FillEffect()
    assert moved(legs[short]) == (-3, Decimal("-1.5"))
    assert legs[short].real == FillEffect(2, Decimal("1.5"), Decimal(125))
    assert realized[short] == 125
    (order,) = report.strategy(OWNER).orders  # The other one is still open
    assert (order.status, order.client_order_id) == ("FILLED", low.client_order_id)


def test_orders_cancelled_and_expired_while_away_are_told_apart(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Also what was filled of one before it was cancelled."""
    sends = ("BUY 2", "SELL 1 STOP 1900", "SELL 2 LIMIT 2100", "SELL 1 STOP 1800")
    killed_holding(venue, valkey, *sends)
    _, stop, profit, kept = (order.venue_order_id for order in venue.state().orders)
    venue.expire(stop)
    venue.fill(profit, "0.5")
    venue.cancel(profit)
    report = recovered(venue, valkey)
    told = report.strategy(OWNER)
    assert {order.venue_order_id: (order.status, order.filled_qty) for order in told.orders} == {
        stop: ("EXPIRED", 0),
        profit: ("CANCELED", Decimal("-0.5")),
    }
    assert told.order_counts == {"CANCELED": 1, "EXPIRED": 1}
    assert kept not in {order.venue_order_id for order in told.orders}


def as_of_now(node: Watched) -> RecoveryReport:
    """
    What the monitor would report now, whatever the epoch.
    """
    return node.monitor._decisions.describe()


def test_an_order_that_never_came_to_the_venue_ended_as_rejected(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It was in flight when the node died, and the engine found that the venue does not know it."""
    order_id = scenes.killed_before_the_answer(venue, valkey, "TESTER-001")
    reports: list[RecoveryReport] = []

    async def after() -> None:
        strategy = Recorder(StrategyConfig(**scenes.TRADER))
        engine: dict[str, Any] = {"exec_engine": scenes.IMPATIENT}
        async with watched(venue, valkey, strategy, **engine) as node:
            await node.run.until(
                lambda: any(
                    order.order_counts
                    for order in as_of_now(node).strategies  # Whatever the epoch
                )
            )
            reports.append(as_of_now(node))

    asyncio.run(after())
    (order,) = reports[0].strategy("TRADER-001").orders
    assert (order.client_order_id, order.status, order.status_before) == (
        order_id,
        "REJECTED",
        "SUBMITTED",
    )
    assert order.reason


def test_a_fill_made_up_to_align_a_position_is_told_apart_from_a_real_one(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The take-profit sold 0.5; then the venue holds 1 without any trade that tells of it."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 LIMIT 2100")
    venue.fill(venue.state().orders[-1].venue_order_id, "0.5")
    venue.set_position(SYMBOL, 1, 2000)
    report = recovered(venue, valkey, claims=True)
    told = report.strategy(OWNER)
    (position,) = told.positions
    assert moved(position) == (2, 1)
    assert position.real == FillEffect(1, Decimal("-0.5"), Decimal(50))
    assert position.synthetic.fills == 1
    assert position.synthetic.qty == Decimal("-0.5")
    assert told.orders == ()  # What was made up was never an order


def test_a_deposit_is_a_change_of_the_balance_and_of_no_position(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Nothing was traded, and the balance before is that of the run before."""
    killed_holding(venue, valkey, "BUY 2")
    venue.set_balance(1_500_000)
    venue.set_balance(7, "BTC")
    report = recovered(venue, valkey)
    assert report.balances == (
        BalanceChange("PAPER-001", "BTC", None, Decimal(7)),
        BalanceChange("PAPER-001", "USDT", Decimal(1_000_000), Decimal(1_500_000)),
    )
    (position,) = report.strategy(OWNER).positions
    assert moved(position) == (2, 2)
    assert position.real == FillEffect()
    assert report.strategy(OWNER).orders == ()


def test_a_recovery_at_run_time_tells_only_of_itself(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What the startup told is not told again, and nobody was away."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    venue.set_price(SYMBOL, 1890)
    venue.wait_for_position(SYMBOL, 0)

    async def after() -> None:
        async with watched(venue, valkey, Recorder(StrategyConfig(**HOLDER))) as node:
            assert (await node.result()).report.strategy(OWNER).order_counts == {"FILLED": 1}
            venue.push_mass_status()
            report = (await node.result(2)).report
            assert report.strategies == ()
            assert report.away_ns is None
            assert report.balances[0].before == report.balances[0].after

    asyncio.run(after())


def test_each_strategy_has_one_block_in_the_log(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """As it is narrated, also where the log is wide."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    venue.cancel(venue.state().orders[-1].venue_order_id)
    client = {"port": venue.port, "account_id": "PAPER-001", "symbols": [SYMBOL]}
    redis = {"host": valkey.host, "port": valkey.port}
    with NodeProcess("tests.node.test_away:logging_node", client=client, redis=redis) as process:
        report = RecoveryReport.from_dict(process.wait_for("complete")["report"])
        process.stop()
        (block,) = wording.blocks(report)
        assert process.log.count(block) == 1
    assert "Orders closed: 1 CANCELED" in block


def logging_node(client: dict[str, Any], redis: dict[str, Any]) -> Any:
    """
    Return a node that logs to its standard output and tells what its recovery found.
    """
    from nautilus_trader.config import DatabaseConfig

    from nautilus_recovery_actor import RecoveryComplete
    from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
    from nautilus_recovery_actor.testkit import emit
    from nautilus_recovery_actor.testkit import paper_node
    from nautilus_recovery_actor.testkit import paper_node_config

    node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(**client)],
            database=DatabaseConfig(**redis),
            log_level="INFO",
        )
    )
    node.trader.add_actor(RecoveryMonitorActor())
    node.trader.add_strategy(Recorder(StrategyConfig(**HOLDER)))
    node.kernel.msgbus.subscribe(
        RecoveryComplete.topic(), lambda event: emit("complete", report=event.report.to_dict())
    )
    return node

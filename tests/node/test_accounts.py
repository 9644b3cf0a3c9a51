"""
Several accounts, several venues, and a broker that routes to venues that are not its own.
"""

import asyncio
import time
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Quantity

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import answers_like
from tests.node.support import command
from tests.node.support import differences
from tests.node.support import monitor_config


NYSE_ETH = InstrumentId.from_str("ETHUSDT-PERP.NYSE")


async def recover(
    clients: list[PaperVenueExecClientConfig],
    *strategies: Recorder,
    check: Any,
    broker: str | None = None,
    monitor: RecoveryMonitorConfig | None = None,
    **fields: Any,
) -> None:
    """
    Run a node with these clients until it has recovered, and check the result.
    """
    node = paper_node(paper_node_config(clients, **fields))
    cache = node.kernel.cache
    if broker is not None and not hasattr(cache, "set_account_id_for_venue"):
        # As users of a routing broker do, for the portfolio to find its account (1.221)
        cache.set_specific_venue(Venue(broker))
    node.trader.add_actor(actor := RecoveryMonitorActor(monitor or monitor_config()))
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    found = Watched(node, actor)
    async with running(node) as run:
        found.run = run
        await check(found, await found.result())


def test_a_difference_on_one_venue_blocks_nothing_on_the_other(venue: PaperVenue) -> None:
    """Each account is compared with its own venue's report."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    strategy = Recorder()
    engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
    with PaperVenue("OTHER-001", prefix="OTHER") as other:
        other.set_price("ETHUSDT-PERP", 2000)

        async def check(node: Watched, event: Any) -> None:
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert event.blocked_instruments == {ETH.value}
            assert [a.account_id for a in event.report.accounts] == ["OTHER-001", "PAPER-001"]
            assert strategy.gate.is_open_for("ETHUSDT-PERP.OTHER")

        clients = [
            venue.exec_config(symbols=("ETHUSDT-PERP",)),
            other.exec_config(symbols=("ETHUSDT-PERP",), venue="OTHER"),
        ]
        asyncio.run(recover(clients, strategy, check=check, exec_engine=engine))


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_broker_that_routes_to_other_venues_is_compared_by_its_account(
    valkey: EmbeddedValkey, is_lost: bool
) -> None:
    """
    The position is on another venue than the client's; natively one that is gone is kept (upstream
    #3042), and the monitor blocks it.
    """
    strategy = Recorder(StrategyConfig(order_id_tag="1"))
    with PaperVenue("BROKER-001", prefix="BROKER") as broker:
        broker.set_price("ETHUSDT-PERP", 2000)
        clients = [
            broker.exec_config(symbols=("ETHUSDT-PERP",), venue="NYSE", is_venue_client=False)
        ]

        async def trade(node: Watched, event: Any) -> None:
            assert event.outcome is RecoveryOutcome.CLEAN
            strategy.submit_order(order := strategy.market(instrument_id=NYSE_ETH))
            await node.run.until(lambda: order.is_closed)
            assert strategy.cache.position_for_order(order.client_order_id).is_open

        database = valkey.database_config()
        fields: dict[str, Any] = {"database": database, "broker": "BROKER"}
        asyncio.run(recover(clients, strategy, check=trade, **fields))
        if is_lost:
            broker.set_faults(lose_fills_since=0, hide_positions=("ETHUSDT-PERP",))

        async def check(node: Watched, event: Any) -> None:
            (position,) = node.node.cache.positions_open()
            assert position.signed_decimal_qty() == 2
            (account,) = event.report.accounts
            assert account.account_id == "BROKER-001"
            if is_lost:
                assert event.blocked_instruments == {NYSE_ETH.value}
                kinds = [found.kind for found in differences(event)]
                assert kinds == [DiscrepancyKind.POSITION_NOT_AT_VENUE]
            else:
                assert differences(event) == []
                (change,) = event.report.positions
                assert (change.qty_after, change.qty_venue) == (2, 2)

        heir = Recorder(StrategyConfig(order_id_tag="1"))
        asyncio.run(recover(clients, heir, check=check, **fields))


@pytest.mark.parametrize(
    ("qty", "blocked", "kinds"),
    [
        ("2.0000", set(), []),
        ("2.0004", set(), [DiscrepancyKind.POSITION_QTY_MISMATCH]),
        ("1.9996", set(), [DiscrepancyKind.POSITION_QTY_MISMATCH]),
        ("5.0004", {ETH.value}, [DiscrepancyKind.POSITION_QTY_MISMATCH]),
    ],
)
def test_dust_is_told_and_blocks_nothing(
    venue: PaperVenue, qty: str, blocked: set[str], kinds: list[DiscrepancyKind]
) -> None:
    """Less than the instrument's size increment cannot be traded, and no engine can align it."""
    strategy = Recorder()
    engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)

    async def check(node: Watched, event: Any) -> None:
        strategy.submit_order(order := strategy.market())
        await node.run.until(lambda: order.is_closed)
        status = ExecutionMassStatus(
            client_id=ClientId("PAPER"),
            account_id=AccountId(ACCOUNT),
            venue=Venue("PAPER"),
            report_id=UUID4(),
            ts_init=time.time_ns(),
        )
        report = PositionStatusReport(
            account_id=AccountId(ACCOUNT),
            instrument_id=ETH,
            position_side=PositionSide.LONG,
            quantity=Quantity.from_str(qty),
            report_id=UUID4(),
            ts_last=time.time_ns(),
            ts_init=time.time_ns(),
        )
        status.add_position_reports([report])
        answers_like(node, status)
        bus = node.node.kernel.msgbus
        bus.send("ExecEngine.reconcile_execution_mass_status", status)
        event = await node.result(2)
        assert node.node.kernel.portfolio.net_position(ETH) == 2
        assert event.blocked_instruments == blocked
        assert [found.kind for found in differences(event)] == kinds

    clients = [venue.exec_config(symbols=("ETHUSDT-PERP",))]
    asyncio.run(recover(clients, strategy, check=check, exec_engine=engine))


def test_after_a_storm_at_one_venue_the_other_need_not_report_again(venue: PaperVenue) -> None:
    """An operator resumes with what the storm concerned; the rest stands as it was proven."""
    with PaperVenue("OTHER-001", prefix="OTHER") as other:
        other.set_price("ETHUSDT-PERP", 2000)

        async def check(node: Watched, event: Any) -> None:
            venue.push_mass_status()
            assert isinstance(await node.result(2), RecoveryFailed)
            node.node.kernel.msgbus.send("RecoveryMonitor.command", command("resume"))
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.report.trigger == "mass_status"

        clients = [
            venue.exec_config(symbols=("ETHUSDT-PERP",)),
            other.exec_config(symbols=("ETHUSDT-PERP",), venue="OTHER"),
        ]
        asyncio.run(recover(clients, check=check, monitor=monitor_config(storm_epochs=0)))


@pytest.mark.parametrize("repair", ["ask", "auto"])
def test_what_differs_on_two_accounts_is_repaired_in_one_epoch(
    venue: PaperVenue, repair: Any
) -> None:
    """One plan, one word for all of it, and each account is proven by its own answer."""
    with PaperVenue("OTHER-001", prefix="OTHER") as other:
        for each, qty in ((venue, 2), (other, -3)):
            each.open_account()
            each.set_price("ETHUSDT-PERP", 2000)
            each.set_position("ETHUSDT-PERP", qty, 1900)

        async def check(node: Watched, event: Any) -> None:
            if repair == "ask":
                assert len(event.blocked_instruments) == 2
                steps = planned(event.report.repairs)
                approved = command("repair", plan_id=plan_id(steps))
                node.node.kernel.msgbus.send("RecoveryMonitor.command", approved)
                event = await node.result(2)
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert {(step.account_id, step.kind, step.state) for step in event.report.repairs} == {
                ("PAPER-001", "adopt_position", "proven"),
                ("OTHER-001", "adopt_position", "proven"),
            }
            held = {
                position.account_id.value: position.signed_decimal_qty()
                for position in node.node.cache.positions_open()
            }
            assert held == {"PAPER-001": 2, "OTHER-001": -3}
            assert event.blocked_instruments == frozenset()

        clients = [
            venue.exec_config(symbols=("ETHUSDT-PERP",)),
            other.exec_config(symbols=("ETHUSDT-PERP",), venue="OTHER"),
        ]
        engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
        config = monitor_config(repair=repair, verify_timeout_secs=0.3)
        asyncio.run(recover(clients, check=check, monitor=config, exec_engine=engine))

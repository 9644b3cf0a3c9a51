"""
A difference that blocks is checked again before it is told, and told as resolved if it goes away.
"""

import asyncio
from functools import partial

import msgspec
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import monitor_config
from tests.node.support import watched


PATIENT = monitor_config(verify_timeout_secs=15.0)


def without_interval(node: Watched) -> None:
    """
    Let nothing but an event bring about another check.
    """
    monitor = node.monitor
    timing = msgspec.structs.replace(monitor._rules.timing, recheck=3_600_000_000_000)
    monitor._decisions.rules = msgspec.structs.replace(monitor._rules, timing=timing)


def test_an_order_in_flight_at_a_reconnect_holds_its_instrument_until_the_venue_answers(
    venue: PaperVenue,
) -> None:
    """While the answer is out the gate stays closed, and it opens soon after the answer."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=PATIENT) as node:
            await node.result()
            venue.set_faults(hold_acks=True)
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.status_string() == "SUBMITTED")
            venue.push_mass_status()
            await node.run.until(lambda: node.monitor._decisions.recovery.is_rechecking)
            (found,) = node.monitor.report.discrepancies
            assert found.kind is DiscrepancyKind.INFLIGHT_ORDER
            assert found.client_order_id == order.client_order_id.value
            assert not strategy.gate.is_open

            venue.set_faults()
            venue.release()
            event = await node.result(2, timeout_secs=5)
            (found,) = event.report.discrepancies
            assert found.resolved
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert event.blocked_instruments == frozenset()
            assert order.status_string() == "ACCEPTED"
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_what_does_not_resolve_itself_is_told_when_the_time_is_over(venue: PaperVenue) -> None:
    """The check goes on until `verify_timeout_secs`, and not beyond."""
    config = monitor_config(verify_timeout_secs=1.0)
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)

    async def scenario() -> None:
        async with watched(venue, monitor=config) as node:
            event = await node.result()
            report = event.report
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert report.blocked_instruments == ("SOLUSDT-PERP.PAPER",)
            assert not any(found.resolved for found in report.discrepancies)
            assert report.ts_completed - report.ts_reconciled >= 1_000_000_000

    asyncio.run(scenario())


def is_resolved(node: Watched, count: int) -> bool:
    return sum(found.resolved for found in node.monitor._decisions.recovery.earlier) == count


def test_an_order_that_the_venue_cancels_meanwhile_is_resolved(venue: PaperVenue) -> None:
    """An event that ends the difference ends the wait."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=PATIENT) as node:
            await node.result()
            without_interval(node)
            orders = [strategy.limit("1500.00"), strategy.limit("1400.00")]
            for order in orders:
                strategy.submit_order(order)
            await node.run.until(lambda: all(order.is_open for order in orders))
            hidden = tuple(order.client_order_id.value for order in orders)
            venue.set_faults(hide_orders=hidden)
            venue.push_mass_status()
            await node.run.until(lambda: node.monitor._decisions.recovery.is_rechecking)
            assert not strategy.gate.is_open

            for number, order_id in enumerate(hidden, start=1):
                venue.cancel(order_id)
                await node.run.until(partial(is_resolved, node, number))
            event = await node.result(2, timeout_secs=5)
            found = {(one.kind, one.resolved) for one in event.report.discrepancies}
            assert found == {(DiscrepancyKind.ORDER_NOT_AT_VENUE, True)}
            assert event.blocked_instruments == frozenset()

    asyncio.run(scenario())


def test_a_newer_mass_status_ends_the_wait(venue: PaperVenue) -> None:
    """What a first report left unproven is judged by the next one."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=PATIENT) as node:
            await node.result()
            without_interval(node)
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.is_open)
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            venue.set_faults(hide_orders=(order.client_order_id.value,))
            venue.push_mass_status()
            await node.run.until(lambda: node.monitor._decisions.recovery.is_rechecking)
            venue.set_faults()
            status = await client.generate_mass_status()
            bus = node.node.kernel.msgbus
            bus.send("ExecEngine.reconcile_execution_mass_status", status)
            event = await node.result(2, timeout_secs=5)
            assert [found.resolved for found in event.report.discrepancies] == [True]
            assert strategy.gate.is_open_for(ETH)
            assert node.monitor.epoch == 2

    asyncio.run(scenario())

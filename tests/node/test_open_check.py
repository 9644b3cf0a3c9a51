"""
What the engine's own check of open orders finds at run time, as the presets set it.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import watched


# Nothing but the times of the presets
SOON = {
    "open_check_interval_secs": 0.05,
    "open_check_threshold_ms": 50,
    "reconciliation_startup_delay_secs": 0.01,
}
ENDINGS = {"cancel": "CANCELED", "expire": "EXPIRED", "fill": "FILLED"}


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """
    A list; while there is something in it, clients lose what the venue pushes.
    """
    lost: list[bool] = []
    hear = PaperVenueExecutionClient._on_push

    def on_push(self: PaperVenueExecutionClient, push: Any) -> None:
        if not lost:
            hear(self, push)

    monkeypatch.setattr(PaperVenueExecutionClient, "_on_push", on_push)
    return lost


def rests(
    venue: PaperVenue, engine: LiveExecEngineConfig, then: Any, strategy: Recorder | None = None
) -> Order:
    """
    Return an order that rested at the venue when `then` began, as it is when that has ended.
    """
    strategy = strategy or Recorder()
    orders: list[Order] = []

    async def scenario() -> None:
        async with watched(venue, None, strategy, exec_engine=engine) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500"))
            orders.append(order)
            await node.run.until(lambda: order.is_open)
            await then(node, order)

    asyncio.run(scenario())
    return orders[0]


async def checks(venue: PaperVenue, count: int) -> None:
    """
    Wait until the engine has asked for orders so many times more.
    """
    seen = len(venue.commands("QueryOrders"))
    await asyncio.to_thread(venue.wait_for_commands, "QueryOrders", seen + count)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_order_that_ended_unheard_is_found_with_the_preset(
    venue: PaperVenue, deaf: list[bool], ending: str
) -> None:
    """
    The event is lost, and the next check finds the order in the venue's history.
    """

    async def end(node: Watched, order: Order) -> None:
        deaf.append(True)
        getattr(venue, ending)(order.client_order_id.value)
        await node.run.until(lambda: order.is_closed)

    order = rests(venue, recovery_exec_engine_config(**SOON), end)
    assert order.status_string() == ENDINGS[ending]


def test_a_check_of_open_orders_alone_never_finds_it(venue: PaperVenue, deaf: list[bool]) -> None:
    """
    NautilusTrader's default, which is why the preset has another.
    """

    async def end(_: Watched, order: Order) -> None:
        deaf.append(True)
        venue.cancel(order.client_order_id.value)
        await checks(venue, 10)

    engine = recovery_exec_engine_config(open_check_open_only=True, **SOON)
    assert rests(venue, engine, end).is_open


@pytest.mark.parametrize("fault", ["query_errors", "hide_orders"])
@pytest.mark.parametrize("is_preset", [True, False])
def test_an_order_that_the_venue_does_not_report_is_not_taken_for_rejected(
    venue: PaperVenue, fault: str, is_preset: bool
) -> None:
    """
    It rests there. NautilusTrader's own number of retries ends with a rejection that never was.
    """

    async def go_dark(node: Watched, order: Order) -> None:
        hidden = (order.client_order_id.value,)
        changes: dict[str, Any] = {fault: hidden if fault == "hide_orders" else True}
        venue.set_faults(**changes)
        if is_preset:
            await checks(venue, 20)
        else:
            await node.run.until(lambda: order.is_closed)

    retries = {} if is_preset else {"open_check_missing_retries": 5}
    order = rests(venue, recovery_exec_engine_config(**SOON, **retries), go_dark)
    assert order.status_string() == ("ACCEPTED" if is_preset else "REJECTED")
    assert venue.state().orders[-1].state == "ACCEPTED"

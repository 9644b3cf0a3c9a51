"""
What NautilusTrader keeps private or documents nowhere, and is reached for all the same.

A version that changes one of them fails here, and the name of the test says which.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import pytest
from nautilus_trader.common.actor import Actor
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import EDITS_MASS_STATUS
from tests.facts.support import Trader
from tests.facts.support import node_at
from tests.facts.support import trading


class Asker(Actor):
    """
    Looks when its executor is registered, and in the next turn of the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.called_by: Any = None
        self.task: asyncio.Task[Any] | None = None
        self.missing: tuple[internals.Reach, ...] | None = None

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        super().register_executor(loop, executor)
        self.called_by = internals.calling_kernel()
        self.task = asyncio.current_task(loop)
        loop.call_soon(self._look)

    def _look(self) -> None:
        assert self.task is not None
        assert internals.starting_kernel(self.task) is self.called_by
        self.missing = internals.missing_at_start(self.called_by, self.task)


def at_a_running_node(venue: PaperVenueControl, check: Callable[[Any, Asker], None]) -> None:
    async def scenario() -> None:
        async with trading(venue, asker := Asker(), Trader()) as run:
            check(run.node, asker)

    asyncio.run(scenario())


def client_methods(venue: PaperVenueControl) -> None:
    assert internals.missing_at_registration() == ()

    async def answer() -> str:
        return "another"

    def check(node: Any, _: Asker) -> None:
        (client,) = internals.clients(node.kernel.exec_engine) or ()
        made = client.generate_mass_status
        internals.put(client, "generate_mass_status", answer)
        assert client.generate_mass_status is answer
        internals.take_back(client, "generate_mass_status")
        assert client.generate_mass_status == made

    at_a_running_node(venue, check)


def client_log(venue: PaperVenueControl) -> None:
    def check(node: Any, _: Asker) -> None:
        (client,) = internals.clients(node.kernel.exec_engine) or ()
        kind, log = type(client), client._log
        errors = internals.note_errors(client)
        assert isinstance(client, kind)
        client._log.exception("Failed to report", ConnectionError("502"))
        client._log.error("Failed to generate reports: 502")
        client._log.error("A report on an instrument that is not loaded")
        assert (errors.count, errors.newest) == (2, "Failed to generate reports: 502")
        internals.stop_noting_errors(client)
        assert type(client) is kind
        assert client._log is log

    at_a_running_node(venue, check)


def mass_status_lists(_: PaperVenueControl) -> None:
    assert internals.edits_mass_status() is EDITS_MASS_STATUS


def starting_task(venue: PaperVenueControl) -> None:
    def check(node: Any, asker: Asker) -> None:
        assert asker.task is not None
        assert asker.missing == ()
        assert internals.starting_kernel(asker.task) is None  # It has started

    at_a_running_node(venue, check)


def calling_kernel(venue: PaperVenueControl) -> None:
    def check(node: Any, asker: Asker) -> None:
        assert asker.called_by is node.kernel
        assert internals.calling_kernel() is None  # No kernel calls here

    at_a_running_node(venue, check)


def clients(venue: PaperVenueControl) -> None:
    def check(node: Any, _: Asker) -> None:
        found = internals.clients(node.kernel.exec_engine)
        assert found is not None
        assert [client.id for client in found] == [ClientId("PAPER")]
        assert [client.is_connected for client in found] == [True]
        assert [client.account_id.value for client in found] == [venue.account_id]

    at_a_running_node(venue, check)


def strategy_topics(venue: PaperVenueControl) -> None:
    def check(node: Any, _: Asker) -> None:
        ids = tuple(one.value for one in node.trader.strategy_ids())
        assert ids
        assert internals.strategy_ids(node.kernel.msgbus) == ids

    at_a_running_node(venue, check)


def node_config(venue: PaperVenueControl) -> None:
    async def scenario() -> None:
        node = node_at(venue)
        assert internals.NODE_CONFIG.is_there(node)
        config = internals.node_config(node)
        assert config is not None
        assert str(config.trader_id) == node.kernel.trader_id.value
        node.kernel.dispose()

    asyncio.run(scenario())


def rejections(venue: PaperVenueControl) -> None:
    def check(node: Any, _: Asker) -> None:
        assert internals.REJECTIONS.is_there(node.kernel)

    at_a_running_node(venue, check)


def commands(venue: PaperVenueControl) -> None:
    passed: list[str] = []

    def check(node: Any, _: Asker) -> None:
        kernel = node.kernel
        assert internals.COMMANDS.is_there(kernel)
        trader = Trader()
        for endpoint, engine in (
            ("RiskEngine.execute", kernel.risk_engine),
            ("ExecEngine.execute", kernel.exec_engine),
        ):
            kernel.msgbus.deregister(endpoint, engine.execute)
            kernel.msgbus.register(endpoint, lambda _, endpoint=endpoint: passed.append(endpoint))
        trader.register(
            kernel.trader_id, kernel.portfolio, kernel.msgbus, kernel.cache, kernel.clock
        )
        trader.submit_order(order := trader.limit())
        trader.cancel_order(order)

    at_a_running_node(venue, check)
    assert passed == ["RiskEngine.execute", "ExecEngine.execute"]


def data_requests(venue: PaperVenueControl) -> None:
    def check(node: Any, _: Asker) -> None:
        assert internals.DATA_REQUESTS.is_there(node.kernel)

    at_a_running_node(venue, check)


class Early(Trader):
    """
    Notes in which order it starts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def start(self) -> None:
        with internals.called_before_on_start(self, lambda: self.order.append("call")):
            super().start()

    def on_start(self) -> None:
        self.order.append("on_start")
        super().on_start()


def on_start(venue: PaperVenueControl) -> None:
    async def scenario() -> None:
        async with trading(venue, early := Early()):
            assert early.order == ["call", "on_start"]
            assert "on_start" not in vars(early)

    asyncio.run(scenario())


def stop(venue: PaperVenueControl) -> None:
    class Stopped(Trader):
        is_ended = False

        def _stop(self) -> None:
            super()._stop()
            self.is_ended = True

    async def scenario() -> None:
        async with trading(venue, stopped := Stopped()):
            stopped.stop()
            assert stopped.is_ended

    asyncio.run(scenario())


def kernel_config(venue: PaperVenueControl) -> None:
    def check(node: Any, asker: Asker) -> None:
        kernel, bus = node.kernel, node.kernel.msgbus
        assert internals.KERNEL_CONFIG.is_there(bus)
        assert internals.listening_kernel(bus) is kernel
        assert internals.is_trader_running(bus)

    at_a_running_node(venue, check)


FACTS = {
    internals.CLIENT_METHODS: client_methods,
    internals.CLIENT_LOG: client_log,
    internals.MASS_STATUS_LISTS: mass_status_lists,
    internals.KERNEL_CONFIG: kernel_config,
    internals.STARTING_TASK: starting_task,
    internals.CALLING_KERNEL: calling_kernel,
    internals.CLIENTS: clients,
    internals.STRATEGY_TOPICS: strategy_topics,
    internals.REJECTIONS: rejections,
    internals.COMMANDS: commands,
    internals.DATA_REQUESTS: data_requests,
    internals.NODE_CONFIG: node_config,
    internals.ON_START: on_start,
    internals.STOP: stop,
}


@pytest.mark.parametrize("reach", internals.REACHES, ids=lambda reach: FACTS[reach].__name__)
def test_what_is_reached_for_is_there(venue: PaperVenueControl, reach: internals.Reach) -> None:
    """
    One fact for each, named by its parameter.
    """
    FACTS[reach](venue)

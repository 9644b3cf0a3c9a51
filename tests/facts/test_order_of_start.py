"""
In which order a node starts its components, and what each can see by then.
"""

import asyncio
from concurrent.futures import Executor
from decimal import Decimal
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.trading.config import ImportableControllerConfig

from nautilus_recovery_actor.node.internals import starting_kernel
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import leave_behind
from tests.facts.support import trading


class Diary:
    """
    What one component lives through, with the position its cache held.
    """

    def __init__(self, name: str, pages: list[tuple[str, Decimal]]) -> None:
        self._name = name
        self._pages = pages
        self.cache: Any = None

    def note(self, what: str) -> None:
        qty = sum((p.signed_decimal_qty() for p in self.cache.positions_open()), Decimal(0))
        self._pages.append((f"{self._name} {what}", qty))


class DiaryActor(Actor):
    def __init__(self, pages: list[tuple[str, Decimal]]) -> None:
        super().__init__()
        self.diary = Diary("actor", pages)
        self.start_task: asyncio.Task[Any] | None = None

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        assert isinstance(clock, LiveClock)
        self.diary.cache = cache
        self.diary.note("registered")
        msgbus.subscribe("events.order.*", self._on_order_event)
        msgbus.subscribe("reports.execution.*", self._on_report)

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        super().register_executor(loop, executor)
        self.diary.note("has the loop")
        assert loop is asyncio.get_running_loop()

    def _on_order_event(self, event: Any) -> None:
        if event.reconciliation:
            self.diary.note(type(event).__name__)

    def _on_report(self, report: Any) -> None:
        if isinstance(report, ExecutionMassStatus):
            self.diary.note("mass status")

    def on_start(self) -> None:
        self.diary.note("starts")
        asyncio.get_running_loop().call_soon(self.diary.note, "next turn of the loop")


class DiaryTrader(Trader):
    def __init__(self, pages: list[tuple[str, Decimal]]) -> None:
        super().__init__()
        self.diary = Diary("strategy", pages)

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        self.diary.cache = cache
        self.diary.note("registered")

    def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        super().register_executor(loop, executor)
        self.diary.note("has the loop")

    def on_start(self) -> None:
        self.diary.note("starts")


class LateSubscriber(Actor):
    """
    Subscribes in `on_start`, as every tutorial does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def on_start(self) -> None:
        self.msgbus.subscribe("events.order.*", self.heard.append)
        self.msgbus.subscribe("events.fills.*", self.heard.append)
        self.msgbus.subscribe("events.position.*", self.heard.append)
        self.msgbus.subscribe("reports.execution.*", self.heard.append)


def test_a_node_registers_then_hands_out_the_loop_then_reconciles_then_starts_actors_first(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The order of start, and at registration the cache holds the state before reconciliation.
    """
    pages: list[tuple[str, Decimal]] = []

    async def scenario() -> None:
        await leave_behind(venue, valkey, trader_id, "LONG")
        venue.place("ETHUSDT-PERP", "BUY", 3)  # While no node lives
        actor, strategy = DiaryActor(pages), DiaryTrader(pages)
        async with trading(venue, actor, strategy, valkey=valkey, trader_id=trader_id) as run:
            await run.until(lambda: pages[-1][0] == "actor next turn of the loop")

    asyncio.run(scenario())

    before, after = Decimal(2), Decimal(5)
    told = list(dict.fromkeys(pages))
    assert told[:4] == [
        ("actor registered", before),
        ("strategy registered", before),
        ("actor has the loop", before),
        ("strategy has the loop", before),
    ]
    assert ("actor OrderFilled", after) in told[4:-4]
    assert told[-4:] == [
        ("actor mass status", after),
        ("actor starts", after),
        ("strategy starts", after),
        ("actor next turn of the loop", after),
    ]


def test_an_actor_that_subscribes_in_on_start_sees_no_startup_reconciliation(
    venue: PaperVenueControl,
) -> None:
    """
    Startup reconciliation is over when `on_start` is called; what follows is seen.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    actor, trader = LateSubscriber(), Trader()

    async def scenario() -> None:
        async with trading(venue, actor, trader) as run:
            assert run.node.portfolio.net_position(ETH) == 2
            assert actor.heard == []
            trader.submit_order(order := trader.market())
            await run.until(lambda: order.is_closed)
            assert actor.heard != []
            assert not any(getattr(event, "reconciliation", False) for event in actor.heard)

    asyncio.run(scenario())


def test_the_task_that_hands_out_the_loop_is_the_one_that_awaits_start_async(
    venue: PaperVenueControl,
) -> None:
    """
    Whether a start is pending can be read from the task that called `register_executor`.
    """
    seen: list[bool] = []

    class Asker(Actor):
        def register_executor(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
            super().register_executor(loop, executor)
            self.task = asyncio.current_task(loop)
            loop.call_soon(self._ask)

        def _ask(self) -> None:
            assert self.task is not None
            seen.append(starting_kernel(self.task) is not None)

    asker = Asker()

    async def scenario() -> None:
        async with trading(venue, asker):
            assert asker.task is not None
            assert seen == [True]
            assert starting_kernel(asker.task) is None
            assert not asker.task.done()

    asyncio.run(scenario())


def test_a_strategy_that_a_controller_adds_gets_register_base_but_no_register_executor(
    venue: PaperVenueControl,
) -> None:
    """
    A component that comes late has to find the event loop, and what was said, by itself.
    """
    pages: list[tuple[str, Decimal]] = []
    config = ImportableControllerConfig(
        controller_path="nautilus_trader.trading.controller:Controller",
        config_path="nautilus_trader.config:ActorConfig",
        config={},
    )

    async def scenario() -> None:
        async with trading(venue, controller=config) as run:
            (controller,) = run.node.trader.actors()
            controller.create_strategy(DiaryTrader(pages))

    asyncio.run(scenario())
    assert [what for what, _ in pages] == ["strategy registered", "strategy starts"]


def test_an_actor_cannot_be_added_to_a_running_trader_without_a_controller(
    venue: PaperVenueControl,
) -> None:
    """
    A monitor is there from the beginning of a run or not at all.
    """

    async def scenario() -> None:
        async with trading(venue) as run:
            run.node.trader.add_actor(Actor())
            assert run.node.trader.actors() == []

    asyncio.run(scenario())

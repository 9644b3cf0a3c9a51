"""
A node with its cache in a wrong state, the venue that knows better, and restarts of that node.

The state is made for real: a node is killed while it holds something, the venue goes on, and what a
second node makes of that, left to itself, is what is stored.
"""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import asynccontextmanager
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import uuid4

from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import running
from tests.repair.found import Found
from tests.repair.holdings import holdings
from tests.repair.node import build
from tests.repair.states import Story
from tests.repair.states import WrongState
from tests.repair.states import named
from tests.restart.judge import State
from tests.restart.judge import judged
from tests.restart.node import come_back
from tests.restart.run import Bench
from tests.restart.run import Stored
from tests.restart.state import state as state_of
from tests.restart.ways import Way
from tests.venues.binance.control import FakeBinance


Settings = dict[str, Any]

KILLED = Way(is_redis_kept=True, is_claimed=True, is_killed=True)

_POLL_SECS = 0.1
_ENDED = (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED)


class Running:
    """A node that runs in this process."""

    def __init__(
        self, world: "World", node: TradingNode, monitor: RecoveryMonitorActor, run: NodeRun
    ) -> None:
        self.node = node
        self.monitor = monitor
        self.run = run
        self._world = world

    @property
    def report(self) -> RecoveryReport:
        return self.monitor.report

    async def ended(self) -> RecoveryReport:
        """Wait until the first recovery has ended and all know, and return the last report."""
        await come_back(self.node, self.monitor)
        return self.report

    async def until_right(
        self, timeout_secs: float = 5.0, *, outcomes: Collection[str] = ("ADJUSTED",)
    ) -> None:
        """
        Wait until nothing differs from the venue, a recovery has said so with one of the outcomes,
        and none goes on, or for so long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_secs):
                while not (  # noqa: ASYNC110
                    self.monitor.phase in _ENDED and self._is_right(outcomes)
                ):
                    await asyncio.sleep(_POLL_SECS)

    def _is_right(self, outcomes: Collection[str]) -> bool:
        found = self.found().values()
        return all(one.result.is_right for one in found) and any(
            one.outcomes[-1] != "DEGRADED" and not set(outcomes).isdisjoint(one.outcomes)
            for one in found
        )

    def found(self) -> dict[WrongState, Found]:
        """Return what it holds of each state now."""
        return self._world.found(self.node, self.monitor)


class World:
    """
    One node in some wrong states, restarted at will, and the venue.

    Parameters
    ----------
    bench : Bench
        The venue and the server.
    states : Sequence[WrongState]
        The states.

    """

    def __init__(self, bench: Bench, states: Sequence[WrongState]) -> None:
        self.states = tuple(states)
        self.venue = bench.venue
        self.wrong: dict[WrongState, Found] = {}
        self._bench = bench
        # Another world of the same states is saved beside it
        self._name = uuid4().hex
        self._stories: dict[WrongState, Story] = {}
        self._realized: dict[WrongState, Decimal] = {}
        self._gross: dict[WrongState, Decimal] = {}
        self._traded: set[int] = set()
        self._stored: Stored = {}

    # -- MAKING IT --

    def set_up(self) -> None:
        """Let the strategies of a node trade, kill it, and let happen what happens meanwhile."""
        self._bench.forget()
        self.venue.reset(*(state.symbol for state in self.states))
        for state in self.states:
            self.venue.set_slices(state.symbol, state.slices)
        before = self._bench.ended(self.process(options={"sets_up": True}))
        self._traded = {trade["id"] for trade in self.venue.state()["trades"]}
        for state in self.states:
            # Not what the venue has: 1.231 itself forgets what a position was before it was opened
            # again under the venue's ID
            held = [one for one in before["positions"] if one["symbol"] == state.symbol]
            realized = sum((Decimal(one["pnl"]) for one in held), Decimal(0))
            self._realized[state] = realized
            self._gross[state] = realized + sum((Decimal(one["fees"]) for one in held), Decimal(0))
            ids = before["client_ids"][state.symbol]
            self._stories[state] = story = Story(self.venue, state.symbol, ids)
            state.away(story)

    @asynccontextmanager
    async def first_node(self, **settings: Any) -> AsyncIterator[Running]:
        """
        Run the node that gets into the states, until all that happens has happened.

        The venue leaves out nothing more once the engine has reconciled.
        """
        for state in self.states:
            for endpoint in state.left_out:
                self.venue.leave_out(endpoint, state.symbol)
        async with self.node(is_healed=True, **settings) as node:
            await node.ended()
            self.venue.save(self._name)
            self.happen_live()
            yield node

    async def go_wrong(self, **settings: Any) -> None:
        """Let that node do as it likes, and remember what came of it."""
        async with self.first_node(**settings) as node:
            self.wrong = node.found()
        self._stored = self._bench.stored()

    def happen_live(self) -> None:
        """Let happen what happens while a node runs."""
        for state in self.states:
            state.live(self._stories[state])

    def rewind(self) -> None:
        """Go back to where the node that went wrong had started: it is stopped."""
        self._bench.forget()
        self._bench.store(self._stored)
        self.venue.restore(self._name)

    # -- NODES --

    @asynccontextmanager
    async def node(
        self, *, claims_all: bool = False, is_healed: bool = False, **settings: Any
    ) -> AsyncIterator[Running]:
        """
        Run a node in this process, with these settings of the monitor.

        With `is_healed` the venue leaves out nothing more once the engine has reconciled.
        """
        arguments = self._arguments(claims_all=claims_all, settings=settings)
        trading_node, monitor = build(**arguments)
        assert monitor is not None
        if is_healed:
            _after_reconciliation(trading_node, self.venue.heal)
        async with running(trading_node, wait=False) as run:
            yield Running(self, trading_node, monitor, run)

    def process(
        self,
        *,
        node: str = "node",
        claims_all: bool = False,
        options: Settings | None = None,
        **settings: Any,
    ) -> NodeProcess:
        """Return a node in a process of its own, to be killed, by its name and its options."""
        arguments = self._arguments(claims_all=claims_all, settings=settings) | (options or {})
        return NodeProcess(f"tests.repair.node:{node}", **arguments)

    def _arguments(self, *, claims_all: bool, settings: Settings) -> State:
        arguments = self._bench.arguments(KILLED, self.states, is_monitored=True)
        claimed = [one.symbol for one in self.states if one.is_claimed or claims_all]
        return {**arguments, "claimed": claimed, "settings": settings}

    # -- WHAT IS SO --

    def found(
        self, trading_node: TradingNode, monitor: RecoveryMonitorActor
    ) -> dict[WrongState, Found]:
        """Compare what a node holds with what the venue has now."""
        node, report = state_of(trading_node, monitor), monitor.report
        cached = {order["client_id"] for order in node["orders"]}
        venue = _told(self.venue.state(), cached)
        return {
            state: Found(
                judged(state, KILLED, self._owned(venue, state), node),
                holdings(trading_node, state.instrument_id),
                venue["positions"].get(state.symbol, {}),
                report,
                _outcomes(monitor),
            )
            for state in self.states
        }

    def _owned(self, venue: State, state: WrongState) -> State:
        # A closed order stays whose it was, whoever claims what it has traded
        if state.is_claimed:
            return venue
        is_open = ("NEW", "PARTIALLY_FILLED")
        return {**venue, "orders": [one for one in venue["orders"] if one["status"] in is_open]}

    def real_pnl(self, state: WrongState) -> Decimal:
        """Return what real trades have realized: until the kill, and what the venue tells since."""
        return self._realized[state] + self._gains(state) - self.fees(state)

    def gross_pnl(self, state: WrongState) -> Decimal:
        """Return what they have realized, whatever was paid for them."""
        return self._gross[state] + self._gains(state)

    def _gains(self, state: WrongState) -> Decimal:
        return sum((Decimal(each["realizedPnl"]) for each in self._trades(state)), Decimal(0))

    def fees(self, state: WrongState) -> Decimal:
        """Return what was paid for the trades that the venue tells since the kill."""
        return sum((Decimal(trade["commission"]) for trade in self._trades(state)), Decimal(0))

    def _trades(self, state: WrongState) -> Iterator[State]:
        venue = self.venue.state()
        since = venue["history_from"].get(state.symbol, 0)
        for trade in venue["trades"]:
            is_new = trade["time"] >= since and trade["id"] not in self._traded
            if trade["symbol"] == state.symbol and is_new:
                yield trade


def _outcomes(monitor: RecoveryMonitorActor) -> tuple[str, ...]:
    reports = list(monitor.history())
    start = max(index for index, one in enumerate(reports) if one.trigger == "startup")
    return tuple(str(one.outcome or one.failure) for one in reports[start:])


def _told(venue: State, cached: set[str]) -> State:
    """Leave out closed orders that no list has any more, and nobody can ask for by ID."""

    def is_told(order: State, name: str) -> bool:
        since = venue["history_from"].get(order["symbol"], 0)
        return order["updateTime"] >= since or order[name] in cached

    return {
        **venue,
        "orders": [one for one in venue["orders"] if is_told(one, "clientOrderId")],
        "algo_orders": [one for one in venue["algo_orders"] if is_told(one, "clientAlgoId")],
    }


def _after_reconciliation(node: TradingNode, do: Any) -> None:
    engine = node.kernel.exec_engine
    reconcile = engine.reconcile_execution_state

    async def reconcile_and_do(*args: Any, **kwargs: Any) -> bool:
        try:
            return bool(await reconcile(*args, **kwargs))
        finally:
            do()

    engine.reconcile_execution_state = reconcile_and_do


@asynccontextmanager
async def wrong_state(
    *names: str, bench: Bench | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Make wrong states by name, left to themselves, with a venue and a server if need be."""
    with ExitStack() as stack:
        if bench is None:
            bench = Bench(stack.enter_context(FakeBinance()), stack.enter_context(EmbeddedValkey()))
        yield await wrong_world(bench, named(*names), **settings)


async def wrong_world(bench: Bench, states: Sequence[WrongState], **settings: Any) -> World:
    """Bring a node into these states, left to itself, and stop it."""
    world = World(bench, states)
    await asyncio.to_thread(world.set_up)
    left_to_itself = {"repair": "off", "prove_interval_secs": None}
    await world.go_wrong(**{"corrections": corrections(states), **left_to_itself, **settings})
    world.rewind()
    return world


def corrections(states: Iterable[WrongState]) -> str | tuple[str, ...]:
    """Return what is corrected so that states arise: trades reported twice, unless needed."""
    return "none" if any(state.needs_duplicates for state in states) else ("DUPLICATE_FILL",)

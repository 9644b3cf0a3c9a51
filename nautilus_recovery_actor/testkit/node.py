"""
Real trading nodes on paper venues: their configuration, and running them one after another.
"""

import asyncio
import concurrent.futures
import signal
import threading
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import Any

from nautilus_trader.common.executor import ActorExecutor
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit.clients import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit.clients import PaperVenueLiveDataClientFactory
from nautilus_recovery_actor.testkit.clients import PaperVenueLiveExecClientFactory


_POLL_SECS = 0.005
_RUN_END_SECS = 2.0


class NodeError(Exception):
    """Raised when a node does not start or does not reach a state in time."""


def paper_node_config(
    exec_clients: Iterable[PaperVenueExecClientConfig] = (),
    data_clients: Iterable[PaperVenueDataClientConfig] = (),
    *,
    trader_id: str = "TESTER-001",
    database: DatabaseConfig | None = None,
    buffer_interval_ms: int | None = None,
    actors: Iterable[ImportableActorConfig] = (),
    strategies: Iterable[ImportableStrategyConfig] = (),
    log_level: str = "ERROR",
    **fields: Any,
) -> TradingNodeConfig:
    """
    Return the configuration of a node that trades at paper venues, with short timeouts.

    Parameters
    ----------
    exec_clients : Iterable[PaperVenueExecClientConfig], default ()
        The execution clients. The client ID of each is its account ID up to the hyphen.
    data_clients : Iterable[PaperVenueDataClientConfig], default ()
        The data clients. The client ID of each is its venue.
    trader_id : str, default "TESTER-001"
        The trader ID.
    database : DatabaseConfig, optional
        The server that backs the cache. By default the cache is in memory.
    buffer_interval_ms : int, optional
        The interval (milliseconds) at which the cache writes to the server. By default every change
        is written at once: on 1.221 a buffered write waits for the next one, whatever the interval.
    actors : Iterable[ImportableActorConfig], default ()
        The actors.
    strategies : Iterable[ImportableStrategyConfig], default ()
        The strategies.
    log_level : str, default "ERROR"
        The log level. The first node of a process sets it for all of them.
    **fields
        Any other field of `TradingNodeConfig`, in place of the default.

    """
    cache = CacheConfig(database=database, buffer_interval_ms=buffer_interval_ms)
    defaults: dict[str, Any] = {
        "trader_id": trader_id,
        "cache": cache if database is not None else None,
        "exec_clients": {c.account_id.partition("-")[0]: c for c in exec_clients},
        "data_clients": {c.venue: c for c in data_clients},
        "actors": list(actors),
        "strategies": list(strategies),
        "logging": LoggingConfig(log_level=log_level, log_colors=False),
        "timeout_connection": 10.0,
        "timeout_reconciliation": 5.0,
        "timeout_portfolio": 5.0,
        "timeout_disconnection": 5.0,
        "timeout_post_stop": 0.05,
        "timeout_shutdown": 1.0,
    }
    return TradingNodeConfig(**{**defaults, **fields})


def paper_node(config: TradingNodeConfig) -> TradingNode:
    """
    Return a node, built with the paper venue factories, on the running event loop.

    Raises
    ------
    RuntimeError
        If no event loop is running.

    """
    node = TradingNode(config=config, loop=asyncio.get_running_loop())
    for name in config.exec_clients:
        node.add_exec_client_factory(name, PaperVenueLiveExecClientFactory)
    for name in config.data_clients:
        node.add_data_client_factory(name, PaperVenueLiveDataClientFactory)
    node.build()
    return node


class NodeRun:
    """
    A node that runs as a task of the current event loop.

    Parameters
    ----------
    node : TradingNode
        The node, already built.

    """

    def __init__(self, node: TradingNode) -> None:
        self.node = node
        self._start_ended = asyncio.Event()
        self._hook_start()
        self.task = asyncio.create_task(node.run_async(), name=f"run {node.trader_id}")
        self.task.add_done_callback(lambda _: self._start_ended.set())

    @property
    def is_trading(self) -> bool:
        """Return whether the node's trader is running."""
        return bool(self.node.trader.is_running)

    async def started(self, timeout_secs: float = 60.0) -> bool:
        """
        Wait until the start has ended, and return whether the trader is running.

        A start that failed, for example in reconciliation, ends with a trader that never ran.

        Raises
        ------
        NodeError
            If the start does not end in time, or raises.

        """
        try:
            await asyncio.wait_for(self._start_ended.wait(), timeout_secs)
        except TimeoutError:
            raise NodeError(
                f"node {self.node.trader_id}: still starting after {timeout_secs} s"
            ) from None
        if self.task.done() and not self.task.cancelled() and self.task.exception():
            raise NodeError(
                f"node {self.node.trader_id}: its start raised {self.task.exception()!r}"
            ) from self.task.exception()
        return self.is_trading

    async def until(self, condition: Callable[[], object], timeout_secs: float = 60.0) -> None:
        """
        Wait until a condition on the node is true.

        Raises
        ------
        NodeError
            If it does not become true in time.

        """
        deadline = time.monotonic() + timeout_secs
        while not condition():
            if time.monotonic() > deadline:
                raise NodeError(
                    f"node {self.node.trader_id}: not true within {timeout_secs} s: {condition}"
                )
            await asyncio.sleep(_POLL_SECS)

    async def stop(self) -> None:
        """Stop and dispose the node, and leave the event loop as it was."""
        try:
            if self.node.is_running():
                await self.node.stop_async()
            await asyncio.wait({self.task}, timeout=_RUN_END_SECS)
        finally:
            tasks = {self.task, *self._worker_tasks(), *self._streaming_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._dispose()

    def _streaming_task(self) -> set[asyncio.Future[Any]]:
        # The reader of external streams would keep calling the loop after it is closed
        task = self.node._task_streaming  # noqa: SLF001
        return set() if task is None else {task}

    def _worker_tasks(self) -> list[asyncio.Task[Any]]:
        # Each actor has a worker that NautilusTrader ends only together with the loop
        executor = self.node.kernel.executor
        return [
            task
            for task in asyncio.all_tasks()
            if isinstance(owner := _owner(task), ActorExecutor) and owner._executor is executor  # noqa: SLF001 (the only link to its node)
        ]

    def _dispose(self) -> None:
        # `TradingNode.dispose` does the same and then stops the loop, which is not the node's here
        kernel = self.node.kernel
        kernel.dispose()
        if kernel.executor is not None:
            kernel.executor.shutdown(wait=True, cancel_futures=True)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor())
        if threading.current_thread() is threading.main_thread():
            for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGABRT):
                loop.remove_signal_handler(sig)

    def _hook_start(self) -> None:
        # The kernel does not signal that its start has ended, let alone that it has failed
        start_async = self.node.kernel.start_async

        async def start_and_set() -> None:
            try:
                await start_async()
            finally:
                self._start_ended.set()

        self.node.kernel.start_async = start_and_set  # type: ignore[method-assign]


def _owner(task: asyncio.Task[Any]) -> object:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


@asynccontextmanager
async def running(
    node: TradingNode, *, wait: bool = True, timeout_secs: float = 60.0
) -> AsyncIterator[NodeRun]:
    """
    Run a node on the current event loop, and stop and dispose it at the end.

    The loop stays open, so that nodes can run one after another or side by side.

    Parameters
    ----------
    node : TradingNode
        The node, already built.
    wait : bool, default True
        If the block begins when the trader is running. With False it begins at once, for a start
        that is meant to fail or hang.
    timeout_secs : float, default 60.0
        The time (seconds) the start may take.

    Raises
    ------
    NodeError
        If the start fails or takes too long, and `wait` is set.

    """
    run = NodeRun(node)
    try:
        if wait and not await run.started(timeout_secs):
            raise NodeError(
                f"node {node.trader_id}: its start failed, see its log; "
                f"pass `wait=False` if it should fail"
            )
        yield run
    finally:
        await run.stop()

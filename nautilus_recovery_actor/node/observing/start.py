"""
What can be seen of a node's start: whether it goes on, whether it was stopped, and the kernel.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.model.enums import OmsType
from nautilus_trader.system.kernel import NautilusKernel

from nautilus_recovery_actor.node.internals import Reach
from nautilus_recovery_actor.node.internals import calling_kernel
from nautilus_recovery_actor.node.internals import missing_at_start
from nautilus_recovery_actor.node.internals import starting_kernel
from nautilus_recovery_actor.node.strategy.strategy import RecoverableStrategy


# The kernel informs nobody when it aborts its start, so that is looked for at this interval
PROBE_SECS = 0.25


class NodeStart:
    """The start of the node in which the monitor's executor was registered."""

    def __init__(
        self,
        on_stopped: Callable[[], None],
        on_missing: Callable[[tuple[Reach, ...]], None],
        on_engine: Callable[[ExecutionEngine], None],
    ) -> None:
        self._on_stopped = on_stopped
        self._on_missing = on_missing
        self._on_engine = on_engine
        self._task: asyncio.Task[Any] | None = None
        self._kernel: NautilusKernel | None = None

    @property
    def exec_engine(self) -> ExecutionEngine | None:
        """The execution engine of the node, ``None`` if it could not be seen."""
        return None if self._kernel is None else self._kernel.exec_engine

    @property
    def claims(self) -> dict[str, str]:
        """The strategy that is handed what no strategy owns of an instrument that it claims."""
        strategies = () if self._kernel is None else self._kernel.trader.strategies()
        return {
            instrument_id.value: strategy.id.value
            for strategy in strategies
            if isinstance(strategy, RecoverableStrategy)
            for instrument_id in strategy.external_order_claims
        }

    @property
    def strategies(self) -> frozenset[str] | None:
        """The strategies of the node, ``None`` if they could not be seen."""
        if self._kernel is None:
            return None
        return frozenset(strategy_id.value for strategy_id in self._kernel.trader.strategy_ids())

    @property
    def hedging(self) -> frozenset[str]:
        """The strategies that keep legs apart, whatever their client does."""
        strategies = () if self._kernel is None else self._kernel.trader.strategies()
        return frozenset(one.id.value for one in strategies if one.oms_type == OmsType.HEDGING)

    @property
    def is_stopped(self) -> bool:
        """Whether the node is known to have been stopped."""
        return self._kernel is not None and not self._kernel.is_running()

    @property
    def is_pending(self) -> bool | None:
        """Whether the start goes on, ``None`` if it could not be seen."""
        return None if self._task is None else starting_kernel(self._task) is not None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at who calls, and at the task that runs now: they are what starts the node."""
        self._task = asyncio.current_task(loop)
        self._kernel = calling_kernel()
        if self._kernel is not None:
            self._on_engine(self._kernel.exec_engine)
        loop.call_soon(self._look)

    def _look(self) -> None:
        # The kernel awaits its clients by now: what is not seen of its start now never will be
        awaited = None if self._task is None else starting_kernel(self._task)
        if awaited is None:
            self._task = None
        if self._kernel is None and awaited is not None:
            self._kernel = awaited
            self._on_engine(awaited.exec_engine)
        self._on_missing(missing_at_start(self._kernel, self._task))
        self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        # A start that awaits a venue outlives the stop of its node: it would hold the process for
        # ever, or start the trader of a node that has stopped (seen on 1.221 and 1.231).
        if self._task is None or not self.is_pending:
            return
        if self.is_stopped:
            self._on_stopped()
            self._task.cancel("The node was stopped before it had started")
        self._task.get_loop().call_later(PROBE_SECS, self._end_if_stopped)

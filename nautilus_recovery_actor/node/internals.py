"""
Every reach into what NautilusTrader keeps private or documents nowhere (long: one room for all).

Each with what it touches, the versions on which it was seen, and what is lost where it is missing.
"""

import inspect
from asyncio import Task
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from typing import NamedTuple

import nautilus_trader
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.execution.client import ExecutionClient
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.node import TradingNode
from nautilus_trader.system.kernel import NautilusKernel
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.names import DATA_ENGINE_REQUEST
from nautilus_recovery_actor.core.names import EMULATOR_EXECUTE
from nautilus_recovery_actor.core.names import EXEC_ENGINE_EXECUTE
from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.names import ORDER_EVENTS
from nautilus_recovery_actor.core.names import RISK_ENGINE_EXECUTE
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES


class Reach(NamedTuple):
    """What is touched, what is lost without it, whether it is there, and where it was seen."""

    touches: str
    cost: str
    is_there: Callable[..., bool]
    seen: tuple[str, ...] = ("1.221", "1.231")

    def line(self) -> str:
        """Return what a user has to know where it is missing."""
        version = nautilus_trader.__version__
        return f"NautilusTrader {version} does not have {self.touches}: {self.cost}"


def missing_at_registration() -> tuple[Reach, ...]:
    """Return what of NautilusTrader's classes is not as it was when this was written."""
    return tuple(reach for reach in AT_REGISTRATION if not reach.is_there())


def missing_at_start(kernel: NautilusKernel | None, task: Task[Any] | None) -> tuple[Reach, ...]:
    """Return what cannot be seen of a node that starts in `task`."""
    found = () if task is not None else (STARTING_TASK,)
    if kernel is None:
        return (*found, CALLING_KERNEL)
    return (*found, *(reach for reach in IN_KERNEL if not reach.is_there(kernel)))


def warn(log: Logger, reaches: Iterable[Reach]) -> None:
    """Log what each of them costs."""
    for reach in reaches:
        log.warning(reach.line())


# -- WHAT AN EXECUTION CLIENT ANSWERS --

# Where a mass status has its reports, and an engine that edits it changes them
_LISTS = frozenset({"_order_reports", "_fill_reports"})
_LOG = "_log"
# How the errors begin that adapters of 1.221 log without an exception
_FAILED = "Failed to generate"
_REJECT = "generate_order_rejected"


@contextmanager
def replaced(client: LiveExecutionClient, name: str, call: Callable[..., Any]) -> Iterator[None]:
    """Have one client, and no other, answer the call of a method in another way."""
    put(client, name, call)
    try:
        yield
    finally:
        take_back(client, name)


def take_back(client: LiveExecutionClient, *names: str) -> None:
    """Have a client answer the calls of these methods as it did."""
    for name in names:
        client.__dict__.pop(name, None)


def put(client: LiveExecutionClient, name: str, call: Callable[..., Any]) -> None:
    """Put a method into one client, until it is taken back."""
    client.__dict__[name] = call


class SwallowedErrors:
    """How many errors a client has logged in place of raising them, and the newest."""

    def __init__(self) -> None:
        self.count = 0
        self.newest = ""

    def note(self, message: str) -> None:
        """Count one more."""
        self.count += 1
        self.newest = message


def note_errors(client: LiveExecutionClient) -> SwallowedErrors:
    """
    Return what counts the errors that a client logs from now on.

    Most adapters return an empty list after an error, which they log by their `_log`: a field that
    cannot be set (1.221, 1.231), so the client gets a class of its own that has another.
    """
    errors, kind = SwallowedErrors(), type(client)
    if _shows_log():
        noting = {_LOG: _NotingLogger(getattr(client, _LOG), errors), "__module__": kind.__module__}
        client.__class__ = type(kind.__name__, (kind,), noting)
    return errors


def stop_noting_errors(client: LiveExecutionClient) -> None:
    """Have a client log its errors as it did."""
    noting = type(client)
    if isinstance(vars(noting).get(_LOG), _NotingLogger):
        (client.__class__,) = noting.__bases__


class _NotingLogger:
    # Passes everything on, and notes what says that a question failed

    def __init__(self, log: Logger, errors: SwallowedErrors) -> None:
        self._log = log
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def error(self, message: str, *args: Any, **kwargs: Any) -> None:
        if message.startswith(_FAILED):  # Not what concerns one report
            self._errors.note(message)
        self._log.error(message, *args, **kwargs)

    def exception(self, message: str, ex: BaseException) -> None:
        self._errors.note(f"{message}: {ex!r}")
        self._log.exception(message, ex)


def _shows_log() -> bool:
    return hasattr(LiveExecutionClient, _LOG)


def is_reconciling(client: ExecutionClient) -> bool:
    """
    Return whether a client has begun a mass status and has not ended it.

    It stays so when that fails (seen on 1.221 and 1.231).
    """
    return isinstance(client, LiveExecutionClient) and client.reconciliation_active


def answers_account(client: LiveExecutionClient) -> bool:
    """Return whether a client has an answer to `query_account`."""
    # The base class has none (seen on 1.221 and 1.231)
    return callable(getattr(type(client), "_query_account", None))


@contextmanager
def no_rejections(client: LiveExecutionClient) -> Iterator[None]:
    """
    Keep a client from taking an error for the end of the order that it is asked for.

    The Binance adapter rejects an order after some errors (seen on 1.221 and 1.231).
    """
    with replaced(client, _REJECT, lambda *_, **__: None):
        yield


def are_clients_open() -> bool:
    """Return whether single clients can be given other methods."""
    return bool(LiveExecutionClient.__dictoffset__)


def edits_mass_status() -> bool:
    """Return whether the engine may edit a mass status before it publishes it."""
    # It could only change the private lists, and one that leaves them alone does not name them
    if not _knows_lists():
        return True
    return any(
        not _LISTS.isdisjoint(_names(function.__code__))
        for function in vars(LiveExecutionEngine).values()
        if inspect.isfunction(function)
    )


def _knows_lists() -> bool:
    made_by = ExecutionMassStatus.__init__
    return inspect.isfunction(made_by) and _names(made_by.__code__) >= _LISTS


def _names(code: CodeType) -> set[str]:
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


# -- THE KERNEL THAT STARTS --

_START = "start_async"


def calling_kernel() -> NautilusKernel | None:
    """Return the kernel from one of whose methods this is called, however deep below it."""
    # No public name leads from an actor to its kernel
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, NautilusKernel):
            return caller
        frame = frame.f_back
    return None


def starting_kernel(task: Task[Any]) -> NautilusKernel | None:
    """
    Return the kernel whose start `task` awaits, ``None`` if it awaits none that can be seen.

    The kernel informs nobody when it aborts its start: `start_async` just returns, and the node
    goes on as running. So it is looked for among the coroutines that the task awaits.
    """
    awaited: Any = None if task.done() else task.get_coro()
    while inspect.iscoroutine(awaited):
        if awaited.__name__ == _START and awaited.cr_frame is not None:
            kernel = awaited.cr_frame.f_locals.get("self")
            if isinstance(kernel, NautilusKernel):
                return kernel
        awaited = awaited.cr_await
    return None


_SHUTDOWN = "commands.system.shutdown"


def listening_kernel(msgbus: MessageBus) -> NautilusKernel | None:
    """Return the kernel of a message bus: each listens for the command that shuts it down."""
    for subscription in msgbus.subscriptions(_SHUTDOWN):
        listener = getattr(subscription.handler, "__self__", None)
        if isinstance(listener, NautilusKernel):
            return listener
    return None


def is_trader_running(msgbus: MessageBus) -> bool:
    """Return whether the trader of a message bus runs, so that nothing may hold up its loop."""
    trader = getattr(listening_kernel(msgbus), "trader", None)
    return bool(getattr(trader, "is_running", False))


def load_cache_again(msgbus: MessageBus) -> None:
    """Load what the cache holds: the kernel does so before any actor is registered."""
    kernel = listening_kernel(msgbus)
    config = getattr(kernel, "_config", None)
    if kernel is None or config is None or not config.exec_engine.load_cache:
        return
    if config.cache is None or not config.cache.flush_on_start:
        kernel.exec_engine.load_cache()


def cache_config(msgbus: MessageBus) -> CacheConfig | None:
    """Return how the cache of a node is configured, ``None`` if that cannot be seen."""
    config = getattr(listening_kernel(msgbus), "_config", None)
    return getattr(config, "cache", None)


def fixed_instance_id(msgbus: MessageBus) -> str | None:
    """Return the instance below which the cache of a node is stored, if each start has the same."""
    config = getattr(listening_kernel(msgbus), "_config", None)
    cache = getattr(config, "cache", None)
    instance_id = getattr(config, "instance_id", None)
    return (
        None if cache is None or not cache.use_instance_id or not instance_id else f"{instance_id}"
    )


def begins_empty(msgbus: MessageBus) -> bool:
    """Return whether the cache of a node finds nothing: each start has an instance of its own."""
    cache = cache_config(msgbus)
    return cache is not None and cache.use_instance_id and fixed_instance_id(msgbus) is None


# -- WHAT AN ENGINE AND A BUS KNOW --

_CLIENTS = "_clients"


def clients(exec_engine: ExecutionEngine) -> tuple[ExecutionClient, ...] | None:
    """Return the execution clients of an engine, ``None`` if they cannot be seen."""
    found = getattr(exec_engine, _CLIENTS, None)
    if not isinstance(found, dict) or len(found) != len(exec_engine.registered_clients):
        return None
    return tuple(found.values())


def strategy_ids(msgbus: MessageBus) -> tuple[str, ...]:
    """Return the strategies of a node."""
    # Each subscribes to its own events when it is registered, and nothing else names them to an
    # actor. Some also listen to what becomes of orders that no strategy owns.
    return tuple(
        strategy_id
        for topic in msgbus.topics()
        if topic.startswith(ORDER_EVENTS) and "*" not in topic
        if (strategy_id := topic.removeprefix(ORDER_EVENTS)) not in UNCLAIMED_STRATEGIES
    )


def _sees_strategies(kernel: NautilusKernel) -> bool:
    known = {strategy_id.value for strategy_id in kernel.trader.strategy_ids()}
    return known <= set(strategy_ids(kernel.msgbus))


# -- THE START OF A STRATEGY --


@contextmanager
def called_before_on_start(strategy: Strategy, call: Callable[[], None]) -> Iterator[None]:
    """
    Call something in the start of a strategy that is within, right before its `on_start`.

    `Strategy._start` sets the counts of orders to what the cache holds and then calls `on_start`,
    with nothing in between that could be overridden: so the instance has another one meanwhile.
    """
    own = vars(strategy)
    before = {"on_start": own["on_start"]} if "on_start" in own else {}
    on_start = strategy.on_start

    def restore() -> None:
        own.pop("on_start", None)
        own.update(before)

    def call_and_start() -> None:
        restore()
        call()
        on_start()

    was_running = strategy.is_running
    own["on_start"] = call_and_start
    try:
        yield
    finally:
        was_called = own.get("on_start") is not call_and_start
        if not was_called:
            restore()
    if strategy.is_running and not was_running and not ON_START.is_there(was_called):
        warn(strategy.log, (ON_START,))


# -- THE CONFIGURATION OF A NODE --


def node_config(node: TradingNode) -> TradingNodeConfig | None:
    """Return the configuration that a node was made with, ``None`` if it cannot be seen."""
    return getattr(node, "_config", None)


# -- ALL OF THEM --

CLIENT_METHODS = Reach(
    "a `LiveExecutionClient` whose methods can be replaced in one instance",
    "no report is seen before the engine has edited it, and none is corrected: an account whose "
    "mass status has orders or fills counts as not reported and stays blocked",
    are_clients_open,
)
CLIENT_LOG = Reach(
    "the `_log` of a `LiveExecutionClient` where a class of the client's own can replace it",
    "a question that fails, and that an adapter answers with nothing, looks like an empty answer",
    _shows_log,
)
MASS_STATUS_LISTS = Reach(
    "`_order_reports` and `_fill_reports` in an `ExecutionMassStatus`",
    "whether the engine edits them is unknown, so it is given positions after orders and trades",
    _knows_lists,
)
STARTING_TASK = Reach(
    "a `NautilusKernel.start_async` that can be seen in the task that starts the node",
    "an aborted start is noticed only after `startup_timeout_secs`, and a start that hangs is not "
    "canceled when the node stops",
    lambda task: starting_kernel(task) is not None,
)
CALLING_KERNEL = Reach(
    "a `NautilusKernel` that can be seen where it calls `register_executor`",
    "reconciliation counts as switched off until an account reports, and a client that disconnects "
    "is not noticed: its account keeps the permission to trade",
    lambda: calling_kernel() is not None,
)
KERNEL_CONFIG = Reach(
    f"a `NautilusKernel` with its `_config` that listens on `{_SHUTDOWN}`",
    "the server of the cache is not found: no lease is taken and no command arrives, unless "
    "`database` names it",
    lambda msgbus: hasattr(listening_kernel(msgbus), "_config"),
)
CLIENTS = Reach(
    "`ExecutionEngine._clients`",
    "which client disconnects is unknown, so every account must report again when any of them does",
    lambda kernel: clients(kernel.exec_engine) is not None,
)
STRATEGY_TOPICS = Reach(
    "the topic `events.order.<strategy id>` for each strategy",
    "order events may be missing from reports, and lost orders are not traced to their strategies",
    _sees_strategies,
)
REJECTIONS = Reach(
    f"the message bus endpoint `{EXEC_ENGINE_PROCESS}`",
    "a strategy whose change of an order is refused while the node recovers is not informed of it",
    lambda kernel: EXEC_ENGINE_PROCESS in kernel.msgbus.endpoints(),
)
_COMMANDED = {RISK_ENGINE_EXECUTE, EXEC_ENGINE_EXECUTE, EMULATOR_EXECUTE}
COMMANDS = Reach(
    f"the message bus endpoints {', '.join(f'`{name}`' for name in sorted(_COMMANDED))}",
    "`halt_until_recovered` checks no command: only the trading state REDUCING holds orders back",
    lambda kernel: set(kernel.msgbus.endpoints()) >= _COMMANDED,
)
DATA_REQUESTS = Reach(
    f"the message bus endpoint `{DATA_ENGINE_REQUEST}`",
    "no history arrives, so strategies that need a warm-up stay closed",
    lambda kernel: DATA_ENGINE_REQUEST in kernel.msgbus.endpoints(),
)
NODE_CONFIG = Reach(
    "`TradingNode._config`",
    "a node cannot be checked, check its `TradingNodeConfig` instead",
    lambda node: isinstance(node_config(node), TradingNodeConfig),
)

ON_START = Reach(
    "a call of the instance's `on_start` in `Strategy.start`",
    "orders made in `on_start` after a crash may have IDs that the venue knows, and be rejected",
    lambda was_called: was_called,
)

STOP = Reach(
    "the method `Strategy._stop`, which a stop ends with",
    "what `on_save` returns at a clean stop is not written, the last checkpoint stays",
    lambda: callable(getattr(Strategy, "_stop", None)),
)

AT_REGISTRATION = (CLIENT_METHODS, CLIENT_LOG, MASS_STATUS_LISTS, STOP)
IN_KERNEL = (CLIENTS, STRATEGY_TOPICS, REJECTIONS, COMMANDS, DATA_REQUESTS)
_AROUND = (KERNEL_CONFIG, STARTING_TASK, CALLING_KERNEL)
REACHES = (*AT_REGISTRATION, *_AROUND, *IN_KERNEL, NODE_CONFIG, ON_START)

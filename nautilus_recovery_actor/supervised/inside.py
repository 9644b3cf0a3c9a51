"""
What happens in the process of a node of 1.x: look at its server, build it, run it until it stops.
"""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nautilus_trader.common.component import is_logging_initialized
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.names import SHUTDOWN
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.node.monitor.actor import RecoveryMonitorActor
from nautilus_recovery_actor.supervised import server
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Phase
from nautilus_recovery_actor.supervised.endings import RefusedError
from nautilus_recovery_actor.supervised.endings import raised
from nautilus_recovery_actor.supervised.endings import stopped
from nautilus_recovery_actor.supervised.entries import stopped_by_entries
from nautilus_recovery_actor.supervised.entries import what_stops
from nautilus_recovery_actor.supervised.healing import heal
from nautilus_recovery_actor.supervised.order import Order
from nautilus_recovery_actor.supervised.order import Tell
from nautilus_recovery_actor.supervised.order import say
from nautilus_recovery_actor.supervised.server import Server


def has_run() -> bool:
    """Return whether NautilusTrader has run in this process: a fork of it would not get on."""
    return bool(is_logging_initialized())


def run(order: Order, tell: Tell) -> Ending:
    """Build and run the node, and return how it ended."""
    configs: list[TradingNodeConfig] = []
    try:
        node = _built(order, tell, configs)
    except RefusedError as e:
        return e.ending
    except Exception as e:
        return _stopped_by_entries(configs) or raised("the build", e, configs)
    try:
        return _run(node, tell, configs)
    finally:
        del node
        gc.collect()  # The last lines of its log are written when the node is gone


def _built(order: Order, tell: Tell, configs: list[TradingNodeConfig]) -> TradingNode:
    with _before_each_node(order, tell, configs):
        node: object = order.build()
        if not isinstance(node, TradingNode):
            raise TypeError(f"`build` returned a {type(node).__name__}, not a TradingNode")
        if not node.is_built():
            node.build()
    return node


def _run(node: TradingNode, tell: Tell, configs: list[TradingNodeConfig]) -> Ending:
    monitors = [a for a in node.trader.actors() if isinstance(a, RecoveryMonitorActor)]
    with _stopping_once(node, tell), _recovery(tell):
        node.kernel.msgbus.subscribe(SHUTDOWN, lambda _: tell(Phase.STOPPING))
        tell(Phase.RUNNING)
        error = None
        try:
            node.run(raise_exception=True)
        except Exception as e:
            error = e
        tell(Phase.STOPPING)
        phases = {monitor.phase for monitor in monitors}
        node.dispose()
    if error is not None and RecoveryPhase.FAILED not in phases:
        return raised("the node", error, configs)
    return stopped(phases)


def _servers(config: TradingNodeConfig) -> Iterator[Server]:
    """Yield the servers that a node is configured to use, that of the cache first."""
    cache: Any = config.cache
    instance_id = config.instance_id if cache is not None and cache.use_instance_id else None
    namespace = Namespace(
        trader_id=str(config.trader_id),
        instance_id=None if instance_id is None else str(instance_id),
        use_trader_prefix=cache is None or cache.use_trader_prefix,
    )
    cached = getattr(cache, "database", None)
    if cached is not None and cached.type == "redis":
        yield Server(cached, namespace, is_cache=True)
    bus: Any = getattr(config.message_bus, "database", None)
    if bus is not None and bus.type == "redis" and bus != cached:
        yield Server(bus, namespace, is_cache=False)


@contextmanager
def _before_each_node(order: Order, tell: Tell, configs: list[TradingNodeConfig]) -> Iterator[None]:
    # `TradingNode(...)` connects to Redis for as long as it takes, deaf to everything (100 attempts
    # on 1.221 and 1.231, without releasing the GIL): what is wrong has to be seen before
    native: Any = TradingNode.__init__

    def init(node: TradingNode, config: Any = None, *args: Any, **kwargs: Any) -> None:
        given = () if config is None and not args else (config, *args)
        if isinstance(config, TradingNodeConfig):
            configs.append(config)
            for one in _servers(config):
                tell(one)
                server.check(one)
                if order.heal and one.is_cache:
                    heal(one, what_stops, say)
        native(node, *given, **kwargs)

    setattr(TradingNode, "__init__", init)  # noqa: B010 (to mypy it is no variable)
    try:
        yield
    finally:
        setattr(TradingNode, "__init__", native)  # noqa: B010


def _stopped_by_entries(configs: list[TradingNodeConfig]) -> Ending | None:
    caches = (one for config in configs for one in _servers(config) if one.is_cache)
    return next(filter(None, map(stopped_by_entries, caches)), None)


@contextmanager
def _stopping_once(node: TradingNode, tell: Tell) -> Iterator[None]:
    # NautilusTrader's own handlers let a second SIGTERM kill the node while it stops, and a
    # supervisor may signal every process of a service (systemd does, unless `KillMode` is mixed)
    loop = node.get_event_loop()
    signals_ = (signal.SIGTERM, signal.SIGINT)
    is_stopping = False

    def stop(number: signal.Signals) -> None:
        nonlocal is_stopping
        if is_stopping:
            return
        is_stopping = True
        tell(Phase.STOPPING)
        node.get_logger().warning(f"Received {number.name}, shutting down")
        node.stop()

    if loop is not None and hasattr(signal, "pthread_sigmask"):  # As NautilusTrader: not on Windows
        for number in signals_:
            loop.add_signal_handler(number, stop, number)
    yield


@contextmanager
def _recovery(tell: Tell) -> Iterator[None]:
    def on_completed(*_: Any, **__: Any) -> None:
        tell(Phase.RECOVERED)

    with signals.recovery_completed.connected_to(on_completed):
        yield

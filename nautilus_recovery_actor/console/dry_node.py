"""
Nodes that a target makes while it is looked at: they reach no server, and do not run.

`TradingNode(...)` connects to Redis for as long as it takes (100 attempts on 1.221 and 1.231), and
a monitor that is added takes the lease of its trader. Neither may happen only to look at a node:
the trader may be running elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import NoReturn

import msgspec
from nautilus_trader.config import LoggingConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.node.monitor.connections import Connections


class NodeRunsError(BaseException):
    """Raised when a node is about to run. No `except Exception` of the target takes it."""

    def __init__(self, node: TradingNode) -> None:
        super().__init__()
        self.node = node


@contextmanager
def dry_nodes() -> Iterator[None]:
    """Make of every node that is made meanwhile one that only shows what it would be."""
    native: Any = TradingNode.__init__

    def init(node: TradingNode, config: Any = None, *args: Any, **kwargs: Any) -> None:
        given = TradingNodeConfig() if config is None else config
        is_known = isinstance(given, TradingNodeConfig)
        native(node, _dry(given) if is_known else given, *args, **kwargs)
        setattr(node, "_config", given)  # noqa: B010 (what is looked at)

    def run(node: TradingNode, *_: Any, **__: Any) -> NoReturn:
        raise NodeRunsError(node)

    def nothing(*_: Any, **__: Any) -> None:
        pass  # Its actors and strategies are still to be looked at

    replaced: tuple[tuple[type, str, Any], ...] = (
        (TradingNode, "__init__", init),
        (TradingNode, "run", run),
        (TradingNode, "run_async", run),
        (TradingNode, "stop", nothing),
        (TradingNode, "dispose", nothing),
        (Connections, "open", nothing),  # A monitor may have a database of its own
    )
    kept = [(kind, name, getattr(kind, name)) for kind, name, _ in replaced]
    try:
        for kind, name, method in replaced:
            setattr(kind, name, method)
        yield
    finally:
        for kind, name, method in kept:
            setattr(kind, name, method)


def _dry(config: TradingNodeConfig) -> TradingNodeConfig:
    cache = config.cache
    return msgspec.structs.replace(
        config,
        cache=None if cache is None else msgspec.structs.replace(cache, database=None),
        message_bus=None,
        streaming=None,
        logging=LoggingConfig(log_level="OFF"),
    )

"""
A program that ends with the exit code of `run_supervised`: the first argument names how the node is
built, the second has the options, the third what the node needs, both as JSON.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.lease import AnotherNodeError
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import PaperVenueLiveExecClientFactory


TRADER = "TESTER-001"


def say(word: str) -> None:
    """
    Tell the test what is about to happen.
    """
    print(word, os.getpid(), flush=True)  # noqa: T201


def alone(redis: dict[str, Any], bus: dict[str, Any] | None = None) -> TradingNode:
    """
    A node without clients, on the server at `redis`, whose message bus may be on another one.
    """
    say("BUILD")
    streamed = None if bus is None else MessageBusConfig(database=DatabaseConfig(**bus))
    return TradingNode(
        TradingNodeConfig(
            trader_id=TRADER,
            cache=CacheConfig(database=DatabaseConfig(**redis)),
            message_bus=streamed,
            exec_engine=LiveExecEngineConfig(reconciliation=False),
            timeout_post_stop=0.1,
        ),
        asyncio.new_event_loop(),
    )


def traded(redis: dict[str, Any], port: int) -> TradingNode:
    """
    A node with a monitor, at the paper venue on `port`.
    """
    say("BUILD")
    node = TradingNode(
        config=TradingNodeConfig(
            trader_id=TRADER,
            cache=CacheConfig(database=DatabaseConfig(**redis)),
            exec_engine=LiveExecEngineConfig(reconciliation=True),
            exec_clients={
                "PAPER": PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))
            },
            actors=[
                ImportableActorConfig(
                    actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                    config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                    config={"on_failure": "shutdown"},
                )
            ],
            timeout_post_stop=0.5,
        )
    )
    node.add_exec_client_factory("PAPER", PaperVenueLiveExecClientFactory)
    loop = node.get_event_loop()
    assert loop is not None
    # After every receiver
    recovered = lambda *_, **__: loop.call_soon(say, "RECOVERED")  # noqa: E731
    signals.recovery_completed.connect(recovered, weak=False)
    return node  # Whether it is built is left to `run_supervised`


def killed_once(mark: str, **where: Any) -> TradingNode:
    """
    A node whose process is killed the first time.
    """
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return traded(**where)


def stuck() -> TradingNode:
    """
    A build that never ends, holds the GIL as NautilusTrader does, and is deaf to SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    say("BUILD")
    while True:
        ctypes.PyDLL(None).sleep(10_000)


def bad_order() -> TradingNode:
    raise ValueError("no such venue, says redis://user:hidden@host")


def exits() -> TradingNode:
    sys.exit(3)


def nothing() -> TradingNode:
    return None  # type: ignore[return-value]


def refused_by_the_lease() -> TradingNode:
    raise RuntimeError("the actor was not added") from AnotherNodeError("T-1 runs on host-a")


def main() -> int:
    name, options, where = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    if "--thread" in sys.argv:
        threading.Thread(target=threading.Event().wait, name="metrics", daemon=True).start()
    if "--not-linux" in sys.argv:
        sys.platform = "darwin"
    if "--made-before" in sys.argv:
        node = globals()[name](**where)
        return run_supervised(lambda: node, **options)
    return run_supervised(lambda: globals()[name](**where), **options)


if __name__ == "__main__":
    sys.exit(main())

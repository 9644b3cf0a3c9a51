"""
A program that ends with the exit code of `run_supervised`: the first argument names how the node is
built, the second has the options, the third what the node needs, both as JSON.
"""

import json
import os
import signal
import sys
import time
from typing import Any

from nautilus_trader.infrastructure import RedisCacheConfig
from nautilus_trader.live import LiveNode

from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import add_recovery_monitor
from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor import signals
from tests.node2.node import builder
from tests.node2.node import strategy_config
from tests.node2.support import TRADER
from tests.node2.trial import trial


def say(word: str) -> None:
    """
    Tell the test what is about to happen.
    """
    print(word, os.getpid(), flush=True)  # noqa: T201


def traded(
    venue_port: int,
    redis: dict[str, Any],
    *,
    strategy: str = "",
    stalls: int | None = None,
    reconciliation_secs: int = 2,
    disconnection_secs: int = 15,
    connection_secs: int = 5,
    **settings: Any,
) -> LiveNode:
    """
    A node with a monitor and the trial strategy, at the stand-in for the venue; it may stall its
    server before it runs.
    """
    say("BUILD")
    database = RedisCacheConfig(**redis)
    made = builder(venue_port, 0, TRADER, reconciliation_secs=reconciliation_secs, server=database)
    made = made.with_timeout_connection(connection_secs)
    node = made.with_timeout_disconnection_secs(disconnection_secs).build()
    fields = {"verify_timeout_secs": 1.0, "heartbeat_secs": 0.5, **settings}
    add_recovery_monitor(node, RecoveryMonitorConfig(database=database, **fields))
    loaded = lambda *_, **__: say("LOADED")  # noqa: E731
    signals.recovery_started.connect(loaded, weak=False)
    recovered = lambda *_, **__: say("RECOVERED")  # noqa: E731
    signals.recovery_completed.connect(recovered, weak=False)
    node.add_strategy({"": trial, "fails": failing, "slow": slow}[strategy]()(strategy_config()))
    if stalls is not None:
        os.kill(stalls, signal.SIGSTOP)
    return node


def failing() -> Any:
    class Failing(trial()):  # type: ignore[misc]
        def on_start(self) -> None:
            raise ValueError("no such signal")

    return Failing


def slow() -> Any:
    class Slow(trial()):  # type: ignore[misc]
        def on_stop(self) -> None:
            say("STOPPING")
            time.sleep(600)

    return Slow


def made_up(**_: Any) -> Any:
    raise ValueError("no such venue, says redis://user:hidden@host")


def nothing(**_: Any) -> Any:
    return None


def unmonitored(venue_port: int, redis: dict[str, Any]) -> LiveNode:
    return builder(venue_port, 0, TRADER, server=RedisCacheConfig(**redis)).build()


def main() -> int:
    name, options, where = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    if "--made-before" in sys.argv:
        node = globals()[name](**where)
        return run_supervised(lambda: node, **options)
    return run_supervised(lambda: globals()[name](**where), **options)


if __name__ == "__main__":
    sys.exit(main())

"""
A node that its supervisor restarts when the recovery fails.

With ``on_failure="shutdown"`` the monitor stops the node, whether or not its trader ever started.
The process then ends with code 75 (``EX_TEMPFAIL``), and with 0 after a stop of a recovered node.
That is all that a supervisor needs. Two lines of a systemd unit::

    Restart=on-failure
    RestartSec=10

and with Docker ``--restart on-failure``.

Run it as it is and it trades at a paper venue of its own: ``python examples/supervised_node.py``.
``--port`` names a paper venue that runs already, the environment variable ``REDIS_URL`` a Redis. To
trade for real, put the configurations and factories of your adapter where those of the paper venue
are.
"""

import os
import sys
from argparse import ArgumentParser
from contextlib import ExitStack

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import PaperVenueLiveExecClientFactory


def supervised_node(port: int, startup_timeout_secs: float, valkey: EmbeddedValkey) -> TradingNode:
    """
    Return a node that stops itself when its recovery fails.
    """
    node = TradingNode(
        config=TradingNodeConfig(
            trader_id="LIVE-001",
            cache=CacheConfig(database=valkey.database_config()),
            exec_engine=LiveExecEngineConfig(reconciliation=True),
            exec_clients={
                "PAPER": PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))
            },
            actors=[
                ImportableActorConfig(
                    actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                    config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                    config={"on_failure": "shutdown", "startup_timeout_secs": startup_timeout_secs},
                )
            ],
            timeout_post_stop=2.0,  # The restart waits for this too
        )
    )
    node.add_exec_client_factory("PAPER", PaperVenueLiveExecClientFactory)
    node.build()
    return node


def run(node: TradingNode) -> int:
    """
    Run the node until it stops, and return the exit code: 0 if its last recovery has completed.
    """
    (monitor,) = (a for a in node.trader.actors() if isinstance(a, RecoveryMonitorActor))
    try:
        node.run()
    finally:
        node.dispose()
    return os.EX_OK if monitor.phase is RecoveryPhase.COMPLETE else os.EX_TEMPFAIL


def main() -> int:
    """
    Run the node, and return the exit code of the process.
    """
    arguments = ArgumentParser(description="Run a node that its supervisor restarts")
    arguments.add_argument("--port", type=int, help="port of a paper venue that runs already")
    arguments.add_argument("--startup-timeout-secs", type=float, default=120.0)
    given = arguments.parse_args()
    with ExitStack() as stack:
        port = given.port or stack.enter_context(PaperVenue()).port
        valkey = stack.enter_context(EmbeddedValkey())
        return run(supervised_node(port, given.startup_timeout_secs, valkey))


if __name__ == "__main__":
    sys.exit(main())

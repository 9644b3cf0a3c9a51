"""
A node that its supervisor restarts when a restart can help.

`run_supervised` builds and runs the node in a process of its own and returns the exit code. With
``on_failure="shutdown"`` the monitor stops the node when its recovery fails, whether or not its
trader ever started: 75 (``EX_TEMPFAIL``), as for a server that does not answer. 0 is a stop of a
recovered node. Three lines of a systemd unit::

    Restart=on-failure
    RestartSec=20
    RestartPreventExitStatus=2 65 70 78

and with Docker ``--restart on-failure:5``. ``nautilus-recovery check supervised_node:config`` looks
at its configuration before it starts.

Run it as it is and it trades at a paper venue of its own: ``python examples/supervised_node.py``.
``--port`` names a paper venue that runs already, the environment variable ``REDIS_URL`` a Redis. To
trade for real, put the configurations and factories of your adapter where those of the paper venue
are.
"""

import sys
from argparse import ArgumentParser
from contextlib import ExitStack

from live_node import redis_server
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import PaperVenueLiveExecClientFactory


def config(
    port: int = 0, startup_timeout_secs: float = 120.0, database: DatabaseConfig | None = None
) -> TradingNodeConfig:
    """
    Return the configuration of the node, by default with the server at ``REDIS_URL``.
    """
    return TradingNodeConfig(
        trader_id="LIVE-001",
        cache=recovery_cache_config(database=database or redis_server()),
        exec_engine=recovery_exec_engine_config(),
        exec_clients={"PAPER": PaperVenueExecClientConfig(port=port, symbols=("ETHUSDT-PERP",))},
        actors=[
            ImportableActorConfig(
                actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                config={"on_failure": "shutdown", "startup_timeout_secs": startup_timeout_secs},
            )
        ],
        timeout_post_stop=2.0,  # The restart waits for this too
    )


def supervised_node(port: int, startup_timeout_secs: float, valkey: EmbeddedValkey) -> TradingNode:
    """
    Return a node that stops itself when its recovery fails. `run_supervised` calls this.
    """
    node = TradingNode(config=config(port, startup_timeout_secs, valkey.database_config()))
    node.add_exec_client_factory("PAPER", PaperVenueLiveExecClientFactory)
    node.build()
    return node


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
        secs = given.startup_timeout_secs
        return run_supervised(lambda: supervised_node(port, secs, valkey))


if __name__ == "__main__":
    sys.exit(main())

"""
Adds the monitor to a node, and runs it so that a start that raises is a recovery that failed.
"""

from collections.abc import Callable

from nautilus_trader.live import LiveNode

from nautilus_recovery_actor.host.config import RecoveryMonitorConfig
from nautilus_recovery_actor.link.address import Database
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.node2.monitor import MONITORS
from nautilus_recovery_actor.node2.monitor import RecoveryMonitor


# Called before a node uses its server: what raises here keeps it from that
BEFORE: list[Callable[[Database, Namespace], None]] = []


def add_recovery_monitor(node: LiveNode, config: RecoveryMonitorConfig) -> RecoveryMonitor:
    """
    Take the lease of the node's trader, and have its recovery watched.

    Call it after `build()`, before the strategies are added and the node runs.

    Parameters
    ----------
    node : LiveNode
        The node, built by what `with_recovery` returned.
    config : RecoveryMonitorConfig
        The configuration.

    Raises
    ------
    RuntimeError
        If the node already has a monitor, or another node holds the lease of its trader.

    """
    trader_id = str(node.trader_id)
    if trader_id in MONITORS:
        raise RuntimeError(f"{trader_id} already has a recovery monitor in this process")
    for look in BEFORE:
        look(config.database, Namespace(trader_id=trader_id))
    monitor = RecoveryMonitor(trader_id, config)
    try:
        node.add_actor(monitor)
    except BaseException:
        monitor.withdraw()
        raise
    monitor.begin()
    return monitor


def run_node(node: LiveNode) -> None:
    """
    Run a node until it stops. Where its start raises, its recovery fails before that is raised.

    Parameters
    ----------
    node : LiveNode
        The node, with a monitor.

    """
    monitor = MONITORS.get(str(node.trader_id))
    try:
        node.run()
    finally:
        if monitor is not None:
            monitor.abort()  # Of no effect once it was stopped

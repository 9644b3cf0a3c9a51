"""
Reconnects, as tests write them.
"""

from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Watched


async def reconnect(node: Watched, venue: PaperVenue) -> None:
    """
    Bring a mass status, and wait for what comes of it.
    """
    results = len(node.terminals)
    venue.push_mass_status()
    await node.result(results + 1)


async def unannounced(node: Watched) -> None:
    """
    Bring a mass status that nobody has seen its client make, and wait for what comes of it.
    """
    results = len(node.terminals)
    kernel = node.node.kernel
    client = kernel.exec_engine._clients[ClientId("PAPER")]
    status = await type(client).generate_mass_status(client)
    kernel.msgbus.send("ExecEngine.reconcile_execution_mass_status", status)
    await node.result(results + 1)


async def mass_status(node: Watched, venue: PaperVenue) -> None:
    """
    Bring a mass status under a failed recovery.
    """
    seen: list[object] = []
    # An exact topic: a wildcard does not reach one that was published on before (1.221)
    node.node.kernel.msgbus.subscribe("reports.execution.PAPER", seen.append)
    venue.push_mass_status()
    await node.run.until(lambda: seen)


async def storm(node: Watched, venue: PaperVenue, config: RecoveryMonitorConfig) -> RecoveryFailed:
    """
    Reconnect until that ends in a failure.
    """
    await node.result()
    for _ in range(config.storm_epochs + 1):
        await reconnect(node, venue)
    failed = node.terminals[-1]
    assert isinstance(failed, RecoveryFailed)
    return failed

"""
Everything that is checked before a trader goes from NautilusTrader 1.x to 2.0.
"""

import time
from collections.abc import Iterator

import redis

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.outside.checks.stored_rules import entry_findings
from nautilus_recovery_actor.outside.checks.upgrade_rules import UPGRADE_NODE_RUNS
from nautilus_recovery_actor.outside.checks.upgrade_rules import upgrade_findings
from nautilus_recovery_actor.outside.running import why_not_stopped
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.written_by import written_by


_ORDER = (Severity.BLOCK, Severity.WARN, Severity.INFO)


def upgrade_report(client: redis.Redis, namespace: Namespace, where: str) -> PreflightReport | None:
    """
    Return what 2.0 would refuse or drop of what a trader has stored, ``None`` if nothing is stored.
    """
    inventory = reader.read(client, namespace, major=Major.ONE)
    if inventory is None:
        return None

    def findings() -> Iterator[Finding]:
        if why := why_not_stopped(client, namespace):
            yield UPGRADE_NODE_RUNS.found(namespace.trader_id, f"{why}.")
        yield from entry_findings(where, [one for one in inventory.broken if not one.is_of_two])
        yield from upgrade_findings(where, inventory, written_by(Major.ONE, client, namespace))

    return PreflightReport(
        trader_id=namespace.trader_id,
        findings=tuple(sorted(findings(), key=lambda one: _ORDER.index(one.severity))),
        ts=time.time_ns(),
    )

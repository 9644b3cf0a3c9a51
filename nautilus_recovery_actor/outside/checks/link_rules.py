"""
What is found in a monitor's own connection to Redis: the lease of its trader, and whether
operators' commands reach it.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts


LEASE_OFF = Rule(
    code="LEASE_OFF",
    severity=Severity.WARN,
    consequence="Two nodes of this trader can run: both trade, and their entries stop any start.",
    remedy="Set RecoveryMonitorConfig(lease=True), which is the default.",
)
COMMANDS_UNHEARD = Rule(
    code="COMMANDS_UNHEARD",
    severity=Severity.INFO,
    consequence="release, resume, verify and repair do not reach the node.",
    remedy="Give RecoveryMonitorConfig(database=...) a server, if an operator is to reach it.",
)
COMMANDS_ELSEWHERE = Rule(
    code="COMMANDS_ELSEWHERE",
    severity=Severity.INFO,
    consequence="release, resume, verify and repair do not reach the node by its cache's server.",
    remedy="Give these commands both servers: --redis the cache's, and --database the monitor's.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def link_findings(node: NodeFacts) -> Iterator[Finding]:
    """Return what is found in the monitors' own connections."""
    for monitor in node.monitors:
        subject = f"actors: {monitor.name}"
        if monitor.server is None and node.database_type is None:
            if node.is_sandbox_alone:  # Else that there is no database is found already
                yield COMMANDS_UNHEARD.found(
                    subject,
                    "Neither the cache nor the monitor has a database, where commands wait.",
                )
            continue
        if not (monitor.has_lease or monitor.shadow):
            yield LEASE_OFF.found(subject, "Its lease is off.")
        if monitor.server is not None and monitor.server != node.server:
            yield COMMANDS_ELSEWHERE.found(
                subject,
                f"Its database is at {monitor.server}, that of the cache at "
                f"{node.server or 'no server'}.",
            )

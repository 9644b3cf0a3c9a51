"""
What is found where another major version of NautilusTrader wrote what is stored.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.store.inventory import Inventory


_NAMED = 3

OTHER_MAJOR = Rule(
    code="OTHER_MAJOR",
    severity=Severity.BLOCK,
    consequence="NautilusTrader 1.x does not start on what 2.0 wrote, nor read any of it.",
    remedy="Start 2.0; or take out what it wrote with `nautilus-recovery forget`, --for-downgrade.",
)


def major_findings(where: str, inventory: Inventory) -> Iterator[Finding]:
    """Return whether NautilusTrader 2.0 has written what a node of 1.x is to load."""
    entries = [entry for entry in inventory.broken if entry.is_of_two]
    if entries:
        named = ", ".join(entry.key for entry in entries[:_NAMED])
        more = len(entries) - _NAMED
        cannot = f"1.x cannot load {counted(len(entries), 'entry')}, {named}"
        yield OTHER_MAJOR.found(
            where,
            f"NautilusTrader 2.0 has written here: {cannot}"
            f"{f' and {more:,} more' if more > 0 else ''}.",
        )

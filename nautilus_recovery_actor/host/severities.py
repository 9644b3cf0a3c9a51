"""
The severities of a configuration.
"""

from collections.abc import Mapping

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity


def parse_severities(severities: Mapping[str, str]) -> dict[DiscrepancyKind, Severity]:
    """Return the severities by kind."""
    parsed = {}
    for kind, severity in severities.items():
        if kind not in DiscrepancyKind.__members__:
            raise ValueError(
                f"`severities` has the unknown kind '{kind}': use one of "
                f"{', '.join(DiscrepancyKind.__members__)}"
            )
        if severity not in Severity.__members__:
            raise ValueError(
                f"`severities` has '{severity}' for {kind}: use one of "
                f"{', '.join(Severity.__members__)}"
            )
        if (kind, severity) == (DiscrepancyKind.STALE_CACHE, Severity.BLOCK):
            raise ValueError(
                "`severities` has 'BLOCK' for STALE_CACHE, which is of no instrument: "
                "use INFO or WARN"
            )
        parsed[DiscrepancyKind[kind]] = Severity[severity]
    return parsed

"""
What was restored from a cache that is older than what the runs before have written.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_ADVICE = (
    "Redis has lost what this node wrote, so that the cache began old or empty: what the venue "
    "reports is restored, under EXTERNAL where no strategy claims it. Look at what stands under "
    "EXTERNAL, and find out why Redis lost it{}; the next start does not report it again"
)
_HELD = (
    "; a strategy whose checkpoint may be old is held (RECOVERY_STALE_CHECKPOINT), where "
    '`on_bad_checkpoint` is "hold"'
)


def stale_caches(observation: Observation, policy: Policy) -> Iterator[Discrepancy]:
    """Yield each account for which the cache is known to be old."""
    for account_id, found in observation.stale.items():
        yield policy.difference(
            Kind.STALE_CACHE,
            account_id,
            venue=found.knows,
            cache=found.has,
            detail=_ADVICE.format(_HELD if found.checkpoints else ""),
        )

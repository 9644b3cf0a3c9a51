"""
Two nodes of one trader that run at once. Where each has a server or an instance ID of its own, no
lease keeps them apart.
"""

from collections.abc import Iterator
from collections.abc import Sequence

import msgspec

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State


_NS = 1_000_000_000
# How far two times of one heartbeat may be apart that were counted from their ages (ns)
_SAME_NS = 1_000

ADVICE = (
    "both may trade the same account: stop all but one, or, if both are to run, give each a trader "
    "ID of its own"
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a trader, where it was seen."""

    server: str
    # How a command names it there
    options: str = ""
    status: NodeStatus
    # When that was read (UNIX ns)
    ts_read: int
    lease: LeaseStatus | None = None
    report: RecoveryReport | None = None
    # Whether that is what was known before its server could not be read any more
    is_old: bool = False


def twins(places: Sequence[Place], one: Place, known: Sequence[str] = ()) -> Iterator[str]:
    """
    Yield which other nodes of a trader run besides one, each in a line.

    Where a server cannot be read now, there is none that was not `known`.
    """
    if not _may_run(one.status):
        return
    for other in places:
        if other is one or not _may_run(other.status) or _is_same(one, other):
            continue
        line = f"it runs on {one_line(other.server)} too"
        if one.server == other.server:
            line = f"it runs as {other.options} too"
        if not (one.is_old or other.is_old) or line in known:
            yield line


def _may_run(status: NodeStatus) -> bool:
    # By a clock that is ahead nobody knows
    age_secs = status.heartbeat_age_secs
    if age_secs is None or status.is_stopped:
        return False
    return status.state is not State.NO_HEARTBEAT or age_secs < 0


def _is_same(one: Place, other: Place) -> bool:
    # A replica, or a server that is given by two names
    if one.server == other.server and one.options != other.options:
        return False
    if _holder(one) is not None and _holder(one) == _holder(other):
        return True
    if one.report is not None and other.report is not None:
        return one.report.recovery_id == other.report.recovery_id
    return abs(_ts_beat(one) - _ts_beat(other)) < _SAME_NS


def _holder(place: Place) -> object:
    lease = place.lease
    if lease is None or lease.state is not Keeping.HELD:
        return None
    return lease.host, lease.pid, lease.fence, lease.ts_since


def _ts_beat(place: Place) -> int:
    return place.ts_read - round((place.status.heartbeat_age_secs or 0.0) * _NS)

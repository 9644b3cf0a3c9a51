"""
Whether a server keeps what is written: what a canary says of it that is written with each heartbeat
and read back with the next one.

The canary is a count, kept on the server and one more with each heartbeat, so that it tells a
server that was emptied or went back from one on which somebody else writes too.
"""

import msgspec

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.text import one_line


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the server in one step, or why nothing was."""

    # The count as it was, ``None`` if it is not known
    count: int | None = None
    # The count as it was written, ``None`` if it was not
    written: int | None = None
    # Why it was refused, in the server's words
    refused: str = ""
    # Which process the server is, empty if that is not known
    run_id: str = ""
    is_replica: bool = False
    # Why it did not answer
    away: str = ""


class Keeping(msgspec.Struct, frozen=True):
    """What is known of a server that is to keep what is written."""

    # The canary that it has acknowledged last, and when that was (UNIX ns)
    count: int = 0
    ts: int = 0
    run_id: str = ""
    # What is the matter, each kind once
    incidents: tuple[StorageIncident, ...] = ()
    # What was sent since (UNIX ns) may be missing, ``None`` if nothing is
    ts_gap: int | None = None

    def incident(self, kind: StorageTrouble) -> StorageIncident | None:
        """Return what is the matter of one kind."""
        return next((one for one in self.incidents if one.kind is kind), None)

    @property
    def is_to_be_rewritten(self) -> bool:
        """Whether entries are missing that the monitor can store again."""
        lost = self.incident(StorageTrouble.LOST)
        return lost is not None and not lost.is_rewritten

    def rewritten(self) -> "Keeping":
        """Return it once these are stored again."""
        later = (
            _replace(one, is_rewritten=True) if one.kind is StorageTrouble.LOST else one
            for one in self.incidents
        )
        return _replace(self, incidents=tuple(later))


class Notice(msgspec.Struct, frozen=True):
    """What somebody has to know: the begin or the end of an incident, or a restart without one."""

    severity: Severity
    text: str
    incident: StorageIncident | None = None


def looked(keeping: Keeping, sight: Sight, now: int) -> tuple[Keeping, tuple[Notice, ...]]:
    """Return what is known after a look at the server at a time (UNIX ns), and what is new."""
    if sight.away:
        return _stands(keeping, StorageTrouble.AWAY, _AWAY.format(one_line(sight.away)), now)
    notices: list[Notice] = []
    keeping = _ended(keeping, StorageTrouble.AWAY, _ANSWERS, now, notices)
    is_new = bool(keeping.run_id and sight.run_id and keeping.run_id != sight.run_id)
    is_lost = sight.count is not None and sight.count < keeping.count
    if is_lost:
        assert sight.count is not None
        missing = f"{keeping.count - sight.count} of the last {keeping.count}"
        what = _WENT_BACK.format(missing) if sight.count else _EMPTY
        if is_new:
            what = f"It was restarted, or is another one. {what}"
        incident = StorageIncident(StorageTrouble.LOST, now, f"{what} {_LOST}")
        keeping = _with(_replace(keeping, ts_gap=0), incident)
        notices.append(Notice(Severity.WARN, incident.text, incident))
    elif is_new:
        notices.append(Notice(Severity.INFO, _RESTARTED))
    if sight.count is not None and (is_lost or sight.written is None):
        keeping = _replace(keeping, count=min(keeping.count, sight.count))
    if sight.refused:
        why = _REFUSED.format(one_line(sight.refused), _remedy(sight.refused))
        keeping, more = _stands(keeping, StorageTrouble.REFUSED, why, now)
        since = keeping.ts if keeping.ts_gap is None else min(keeping.ts_gap, keeping.ts)
        keeping = _replace(keeping, ts_gap=since)
        notices += more
    elif sight.written is not None:  # Without the lease nothing is tried
        keeping = _ended(keeping, StorageTrouble.REFUSED, _ACCEPTS, now, notices)
    if sight.is_replica:
        keeping, more = _stands(keeping, StorageTrouble.REPLICA, _REPLICA, now)
        notices += more
    else:
        keeping = _ended(keeping, StorageTrouble.REPLICA, _PRIMARY, now, notices)
    if sight.written is not None:
        keeping = _replace(keeping, count=sight.written, ts=now)
    return _replace(keeping, run_id=sight.run_id or keeping.run_id), tuple(notices)


def refusal(error: str, now: int) -> StorageIncident:
    """Return the incident of a server that refuses a write, in its words."""
    text = _REFUSED.format(one_line(error), _remedy(error))
    return StorageIncident(StorageTrouble.REFUSED, now, text)


def _stands(
    keeping: Keeping, kind: StorageTrouble, text: str, now: int
) -> tuple[Keeping, tuple[Notice, ...]]:
    if keeping.incident(kind) is not None:
        return keeping, ()  # Once for each
    incident = StorageIncident(kind, now, text)
    return _with(keeping, incident), (Notice(Severity.WARN, text, incident),)


def _ended(
    keeping: Keeping, kind: StorageTrouble, text: str, now: int, notices: list[Notice]
) -> Keeping:
    incident = keeping.incident(kind)
    if incident is None:
        return keeping
    notices.append(Notice(Severity.INFO, text, _replace(incident, is_over=True, ts=now, text=text)))
    rest = tuple(one for one in keeping.incidents if one.kind is not kind)
    return _replace(keeping, incidents=rest)


def _with(keeping: Keeping, incident: StorageIncident) -> Keeping:
    rest = tuple(one for one in keeping.incidents if one.kind is not incident.kind)
    return _replace(keeping, incidents=(*rest, incident))


def _remedy(error: str) -> str:
    return next((text for code, text in _REMEDIES.items() if code in error), _LOOK)


_replace = msgspec.structs.replace

_EMPTY = "Redis has lost everything that this node wrote: it was emptied, or came back empty."
_WENT_BACK = (
    "Redis has lost what this node wrote: it went back to an older state, heartbeats missing: {}."
)
_LOST = (
    "Orders and positions are only in the memory of this node now, and are not stored again; the "
    "monitor stores its own entries and the checkpoints. Do not restart the node while it holds "
    "positions: the next start takes orders and positions from the venue, for EXTERNAL where no "
    "strategy names the instrument in `external_order_claims`"
)
_REFUSED = "Redis refuses what this node writes, so that it is lost ({}): {}"
_REPLICA = (
    "Redis has become a replica, so that what this node writes is refused or lost: make it the "
    "primary again, or point the node at the primary and restart it"
)
_AWAY = "Redis does not answer ({}): what is written into the gap may be lost"
_ANSWERS = "Redis answers again"
_ACCEPTS = (
    "Redis accepts writes again; what it refused is missing there: the next start restores it from "
    "the venue"
)
_PRIMARY = "Redis is no replica any more"
_RESTARTED = (
    "Redis was restarted, or another server answers now; it has what was written until the last "
    "heartbeat"
)
_REMEDIES = {
    "OOM": "its memory is full, raise `maxmemory`",
    "MISCONF": "it cannot write its snapshot, look at its disk and its log",
    "READONLY": "it is a replica, see there",
    "NOREPLICAS": "too few replicas are connected (`min-replicas-to-write`)",
    "NOPERM": "the user of the node lacks a permission",
    "ACL": "the user of the node lacks a permission",
}
_LOOK = "look at its log"

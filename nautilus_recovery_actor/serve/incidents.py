"""
When something begins that somebody has to know, and when it ends: from one board to the next.

What a board cannot show neither begins nor ends.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.serve.board import Board


_NS = 1_000_000_000
# How many instruments are named
_NAMED = 3
# What has gone has to stay away for so long before it counts as over (seconds)
ENDS_AFTER_SECS = 10.0


class Kind(StrEnum):
    """
    What is the matter, the most urgent first.

    ``FAILED``: a recovery failed. ``NAKED``: a position has no stop. ``ANOTHER_NODE``: two nodes
    want or run one trader, or an operator has taken its lease. ``NO_HEARTBEAT``: a node is down
    that was not stopped. ``UNSTORED``: Redis has lost or refuses what a node writes. ``UNSEEN``: a
    server or a record cannot be read. ``DEGRADED``: instruments are blocked. ``REPAIR_WAITING``: a
    repair is planned, and waits for an operator.
    """

    FAILED = "FAILED"
    NAKED = "NAKED"
    ANOTHER_NODE = "ANOTHER_NODE"
    NO_HEARTBEAT = "NO_HEARTBEAT"
    UNSTORED = "UNSTORED"
    UNSEEN = "UNSEEN"
    DEGRADED = "DEGRADED"
    REPAIR_WAITING = "REPAIR_WAITING"

    @property
    def after_secs(self) -> float:
        """How long it has to last before anybody is alerted: a restart is no incident."""
        return _AFTER_SECS.get(self, 0.0)


_AFTER_SECS = {
    Kind.NO_HEARTBEAT: 30.0,
    Kind.UNSEEN: 30.0,
    Kind.ANOTHER_NODE: 5.0,
    Kind.UNSTORED: 5.0,
    Kind.DEGRADED: 10.0,
    Kind.REPAIR_WAITING: 10.0,
}


class Key(msgspec.Struct, frozen=True):
    """Which incident it is. That of a whole server has no trader."""

    kind: Kind
    server: str
    trader_id: str = ""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody has to know."""

    key: Key
    # When it began, as far as that is known (UNIX ns)
    ts: int
    # What it is, in one line, and more of it in a few
    text: str
    details: tuple[str, ...] = ()


# What a board says of an incident: that it stands, that it does not, or (if absent) nothing
Findings: TypeAlias = Mapping[Key, Incident | None]


class Notice(msgspec.Struct, frozen=True):
    """That an incident has begun, or is over."""

    incident: Incident
    is_over: bool
    # When that was noticed (UNIX ns)
    ts: int
    # How things stand since, if it is over
    after: str = ""


class Ongoing(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that has begun, and is not over."""

    incident: Incident
    # When it was first seen, and since when it is gone (UNIX ns)
    ts_seen: int
    ts_gone: int | None = None
    is_told: bool = False
    # Whether another process has told of it, which may not have reached each of ours
    is_adopted: bool = False


class Incidents(msgspec.Struct, frozen=True):
    """All that has begun and is not over, and whose traders were there."""

    ongoing: Mapping[Key, Ongoing] = {}
    # By server and ID, and whether the trader was stopped then
    traders: Mapping[tuple[str, str], bool] = {}

    def told(self) -> "list[Incident]":
        """Return the incidents of which somebody was told."""
        return [one.incident for one in self.ongoing.values() if one.is_told]

    def with_told(self, incidents: "list[Incident]") -> "Incidents":
        """Return them with some of which another process has told."""
        more = {
            one.key: Ongoing(incident=one, ts_seen=one.ts, is_told=True, is_adopted=True)
            for one in incidents
            if not (one.key in self.ongoing and self.ongoing[one.key].is_told)
        }
        return Incidents({**self.ongoing, **more}, self.traders)


def looked(
    before: Incidents,
    board: Board,
    found: Findings,
    now: int,
    after_secs: Mapping[Kind, float] | None = None,
    ends_after_secs: float = ENDS_AFTER_SECS,
) -> tuple[Incidents, tuple[Notice, ...]]:
    """
    Return what is ongoing after a look at a board, and what somebody has to know of it. The time is
    of a clock that is never set (ns).
    """
    after = after_secs or {}
    ongoing: dict[Key, Ongoing] = dict(before.ongoing)
    notices: list[Notice] = []
    for key, incident in found.items():
        one = ongoing.get(key)
        if incident is None:
            if one is None:
                continue
            if not one.is_told:
                del ongoing[key]
                continue
            since = now if one.ts_gone is None else one.ts_gone
            ongoing[key] = msgspec.structs.replace(one, ts_gone=since)
            if now - since >= ends_after_secs * _NS:
                del ongoing[key]
                notices.append(Notice(one.incident, True, since, _standing(board, key)))
            continue
        if one is None:
            one = Ongoing(incident=incident, ts_seen=now)
        # Its beginning is what was seen first, the rest what is so now
        newest = msgspec.structs.replace(incident, ts=min(one.incident.ts, incident.ts))
        wait_secs = after.get(key.kind, key.kind.after_secs)
        is_due = one.is_told or now - one.ts_seen >= wait_secs * _NS
        if is_due and (not one.is_told or one.is_adopted):
            notices.append(Notice(newest, False, now))
        ongoing[key] = msgspec.structs.replace(
            one, incident=newest, ts_gone=None, is_told=is_due, is_adopted=False
        )
    there = {
        (one.server, one.trader_id): one.status.is_stopped
        for one in board.traders
        if one.status.heartbeat_age_secs is not None
    }
    return Incidents(ongoing, {**before.traders, **there}), tuple(notices)


def vanished(before: Incidents, board: Board) -> Iterator[tuple[str, str]]:
    """Yield whose record was there, and is not shown of a server that can be read."""
    there = {(one.server, one.trader_id) for one in board.traders}
    readable = {one.name for one in board.servers if not one.trouble and one.ts_read is not None}
    for trader, is_stopped in before.traders.items():
        if trader not in there and trader[0] in readable and not is_stopped:
            yield trader


def _standing(board: Board, key: Key) -> str:
    of_trader = (one for one in board.traders if one.server == key.server)
    seen = next((one for one in of_trader if one.trader_id == key.trader_id), None)
    if seen is None:
        return "" if key.trader_id else "the server can be read again"
    status = seen.status
    if status.is_stopped:
        return "the node was stopped"
    result = status.failure or status.outcome or status.phase
    text = f"{status.state}: recovery epoch {status.epoch} {result}"
    if any(step.state == "proven" for step in status.repairs):
        text = f"{text}, repaired and proven"
    if status.blocked_instruments:
        text = f"{text}, blocked: {', '.join(status.blocked_instruments[:_NAMED])}"
    return text

"""
Whether what a start restored is older than what the runs before have written.

Three things know better than a cache that lost writes: the heartbeat in it that noticed, what is
kept beside it (the count of heartbeats, the epoch), and the venue with the trader's own orders.
"""

from collections.abc import Iterable
from collections.abc import Mapping

import msgspec

from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.liveness import max_age_of
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import moment


_NS = 1_000_000_000
_MS = 1_000_000
_NAMED = 3
_MAX_EPOCH = 2**53 - 1


class Beside(msgspec.Struct, frozen=True):
    """What a server keeps beside the cache of a trader."""

    # The newest epoch, and how many heartbeats were written
    epoch: int = 0
    beats: int = 0
    # When the last of these was, by the clock of its node (UNIX ns), zero if that is not known
    ts: int = 0
    # When the run of that node began, by the same clock, and how late a heartbeat of it may be (ns)
    ts_begun: int = 0
    age: int = 0
    # When the first of those runs began that followed each other, each killed right after it began
    ts_from: int = 0

    @property
    def was_short(self) -> bool:
        """Whether the run of that node had just begun."""
        return bool(self.ts_begun) and 0 <= self.ts - self.ts_begun <= self.age


class Staleness(msgspec.Struct, frozen=True):
    """Why what was restored is known to be old."""

    # What knows better, and what the cache has instead
    knows: str
    has: str
    # Whether the checkpoints may be old as well
    checkpoints: bool = True


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a start found in its cache, and beside it."""

    # Whether there is a database that it can come from
    is_stored: bool = True
    # The newest epoch on record, the heartbeat, and the newest event that no reconciliation created
    epoch: int = 0
    heartbeat: Heartbeat | None = None
    ts_event: int = 0
    # What is kept beside the cache on its own server, ``None`` if that is not known, and elsewhere
    beside: Beside | None = None
    elsewhere: Beside | None = None
    # When this run began (UNIX ns)
    ts_registered: int = 0

    @property
    def newest_epoch(self) -> int:
        """The newest epoch that anything knows: the next one is greater."""
        known = [self.epoch]
        if self.heartbeat is not None:
            known.append(self.heartbeat.epoch)
        known += [one.epoch for one in (self.beside, self.elsewhere) if one is not None]
        return max(one for one in (*known, 0) if one <= _MAX_EPOCH)

    @property
    def ts_newest(self) -> int:
        """When the newest thing that is stored was written (UNIX ns), zero for nothing."""
        beat = self.heartbeat
        if beat is None:
            return self.ts_event
        if beat.ts_stored not in (None, beat.ts):
            # Its run did not get to say what was lost before it
            return beat.ts_stored or 0
        return max(self.ts_event, beat.ts)

    @property
    def ts_limit(self) -> int:
        """Until when (UNIX ns) a run before may have sent what a kill kept from being stored."""
        if not self.ts_newest:
            return 0
        interval_secs = None if self.heartbeat is None else self.heartbeat.interval_secs
        return self.ts_newest + round(max_age_of(interval_secs) * _NS)

    def _is_explained(self, ts: int) -> bool:
        # Of a run that was killed right after it began nothing need be stored
        return any(
            one is not None and one.was_short and one.ts_from <= ts <= one.ts + one.age
            for one in (self.beside, self.elsewhere)
        )

    @property
    def has(self) -> str:
        """What there is, in words."""
        if not self.ts_newest:
            return "nothing stored"
        return f"newest entry of {moment(self.ts_newest)} UTC"

    def staleness(self) -> Staleness | None:
        """Return why it is known to be old, ``None`` if nothing but the venue can tell."""
        if not self.is_stored:
            return None
        beat = self.heartbeat
        for one in () if beat is None else beat.storage or ():
            if one.kind is StorageTrouble.LOST:
                knows = f"writes lost until {moment(one.ts)} UTC, as the last run noticed"
                return Staleness(knows, self.has, not one.is_rewritten)
        beats = (beat.beats if beat is not None else None) or 0
        if self.beside is not None and self.beside.beats < beats:
            knows = f"{counted(beats, 'heartbeat')} written, of which Redis has {self.beside.beats}"
            return Staleness(knows, self.has)
        restored = max(self.epoch, 0 if beat is None else beat.epoch)
        for beside in (self.beside, self.elsewhere):
            if beside is None or not restored < beside.epoch <= _MAX_EPOCH:
                continue
            if beside.ts and self._is_explained(beside.ts):
                continue
            if not beside.ts or beside.ts > self.ts_limit:
                knows = f"recovery epoch {beside.epoch} beside the cache"
                return Staleness(knows, f"epoch {restored}, {self.has}")
        return None

    def is_newer(self, client_order_id: str) -> bool:
        """Return whether a run before made an order too late for what is stored."""
        made = made_at(client_order_id)
        if made is None or not self.is_stored:
            return False
        ts = round(made * _NS)
        if self._is_explained(ts) or self._is_explained(ts + _NS - 1):  # In whole seconds
            return False
        return self.ts_limit < ts and ts + _NS <= self.ts_registered

    def by_orders(self, client_order_ids: Iterable[str]) -> Staleness | None:
        """Return why it is old, by the orders of a venue that this trader made and it lacks."""
        made = {one: made_at(one) or 0 for one in client_order_ids if self.is_newer(one)}
        if not made:
            return None
        named = sorted(made, key=made.__getitem__, reverse=True)
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        when = moment(int(made[named[0]] * _NS))
        knows = f"own orders made until {when} UTC: {', '.join(named[:_NAMED])}{more}"
        return Staleness(knows, self.has)


def read_beside(fields: Mapping[str, str]) -> Beside:
    """Return what a server keeps beside a cache. Damage reads as unknown."""

    def number(name: str) -> int:
        return _number(fields.get(name, ""))

    # Where only the lease is, the server's clock has to do
    ts, ts_begun, age = number("beat"), number("begun"), number("late") * _MS
    if not ts:
        ts, ts_begun, age = (number(name) * _MS for name in ("renewed", "since", "lasts"))
    return Beside(number("epoch"), number("beats"), ts, ts_begun, age, number("from") or ts_begun)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0  # noqa: PLR2004  More is no number

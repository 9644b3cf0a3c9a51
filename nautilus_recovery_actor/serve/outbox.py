"""
What is still to be sent to one target: gathered, claimed, sent, tried again, and never lost
without a line in the log.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from nautilus_recovery_actor.serve import wording
from nautilus_recovery_actor.serve.coordination import Claim
from nautilus_recovery_actor.serve.coordination import Coordination
from nautilus_recovery_actor.serve.coordination import Message
from nautilus_recovery_actor.serve.coordination import Stage
from nautilus_recovery_actor.serve.incidents import Key
from nautilus_recovery_actor.serve.incidents import Notice


_LOG = logging.getLogger(__name__)


class Sender(Protocol):
    """What takes messages."""

    name: str
    id: str

    async def send(self, title: str, body: str) -> str:
        """Send a message, and return why that failed, empty if it did not."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast messages go out (seconds)."""

    # How long what comes together is gathered
    gather_secs: float = 0.3
    # How many go out one by one; more of them go into one message, and then there is a pause
    one_by_one: int = 5
    pause_secs: float = 10.0
    # How many messages there are at most in a minute
    per_minute: int = 20
    # How often somebody else's message is looked at, and how a failed one is tried again
    look_secs: float = 1.0
    retry_secs: float = 1.0
    most_retry_secs: float = 60.0
    give_up_secs: float = 6 * 3_600.0


class Counts:
    """What became of messages to one target."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.dropped = 0


class _Due(msgspec.Struct, frozen=True):
    notice: Notice
    message: Message
    # Since when it is due, by `time.monotonic`
    since: float
    # Whether the beginning of what is over was not sent
    is_late: bool = False

    @property
    def has_beginning(self) -> bool:
        """Whether it tells of a beginning, also if that is over."""
        return self.is_late or not self.notice.is_over


class Outbox:
    """The messages to one target."""

    def __init__(
        self, sender: Sender, coordination: Coordination, link: wording.Link, pace: Pace
    ) -> None:
        self.name = sender.name
        self.counts = Counts()
        self._sender = sender
        self._coordination = coordination
        self._link = link
        self._pace = pace
        self._due: dict[Key, _Due] = {}
        self._is_due = asyncio.Event()
        self._on_its_way: set[Key] = set()
        self._times: list[float] = []
        self._retry_secs = 0.0

    def __len__(self) -> int:
        return len(self._due)

    def put(self, notices: Sequence[Notice]) -> None:
        """Have messages sent."""
        now = time.monotonic()
        for notice in notices:
            key = notice.incident.key
            before = self._due.get(key)
            # What nobody was told of yet is told once, when it is over
            is_late = (
                notice.is_over
                and before is not None
                and before.has_beginning
                and key not in self._on_its_way
            )
            stage = Stage.END if notice.is_over and not is_late else Stage.BEGIN
            since = before.message.since if before is not None and is_late else now
            message = Message(notice.incident, stage, since)
            self._due[key] = _Due(notice, message, now, is_late)
        if self._due:
            self._is_due.set()

    def end(self) -> None:
        """Say what is not sent."""
        for one in self._due.values():
            title, _ = wording.message(one.notice, self._link, is_late=one.is_late)
            _LOG.warning(f"Not sent to {self.name} before the end: {title}")

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._is_due.wait()
            await asyncio.sleep(self._pace.gather_secs)
            wait_secs = await self._send_due()
            if not self._due:
                self._is_due.clear()
            await asyncio.sleep(wait_secs)

    async def _send_due(self) -> float:
        """Send, and return how long to wait before the next."""
        self._give_up()
        due = list(self._due.values())
        room = self._room()
        if not room:
            return self._pace.look_secs
        if len(due) <= min(self._pace.one_by_one, room):
            groups, wait_secs = [[one] for one in due], 0.0
        else:
            groups, wait_secs = [due], self._pace.pause_secs
        is_busy = False
        for group in groups:
            claims = await self._coordination.claim(self._sender.id, [o.message for o in group])
            found = list(zip(group, claims, strict=True))
            self._drop([one for one, claim in found if claim is Claim.DONE])
            is_busy = is_busy or Claim.BUSY in claims
            ours = [one for one, claim in found if claim is Claim.OURS]
            if ours and not await self._send(ours):
                return self._retry_secs
        if is_busy:
            return self._pace.look_secs
        return wait_secs

    async def _send(self, ours: list[_Due]) -> bool:
        if len(ours) == 1:
            title, body = wording.message(ours[0].notice, self._link, is_late=ours[0].is_late)
        else:
            title, body = wording.digest([one.notice for one in ours], self._link)
        self._on_its_way = {one.notice.incident.key for one in ours}
        try:
            return await self._deliver(ours, title, body)
        finally:
            self._on_its_way = set()

    async def _deliver(self, ours: list[_Due], title: str, body: str) -> bool:
        why = await self._sender.send(title, body)
        messages = [one.message for one in ours]
        if why:
            self.counts.failed += 1
            self._retry_secs = min(
                max(2 * self._retry_secs, self._pace.retry_secs), self._pace.most_retry_secs
            )
            _LOG.warning(
                f"Not sent to {self.name} ({why}): {title}; tried again in {self._retry_secs:g} s"
            )
            await self._coordination.release(self._sender.id, messages)
            for one in ours:
                self._is_late_now(one)
            return False
        self.counts.sent += 1
        self._retry_secs = 0.0
        self._times.append(time.monotonic())
        _LOG.info(f"Sent to {self.name}: {title}")
        for stage in Stage:
            told = [o.message for o in ours if o.notice.is_over is (stage is Stage.END)]
            if told:
                await self._coordination.sent(self._sender.id, told, stage)
        self._drop(ours)
        return True

    def _is_late_now(self, unsent: _Due) -> None:
        # What was over before that failed is not told of at its end alone
        key = unsent.notice.incident.key
        newer = self._due.get(key)
        if newer is None or newer is unsent:
            return
        if newer.notice.is_over and unsent.has_beginning:
            message = msgspec.structs.replace(unsent.message, stage=Stage.BEGIN)
            self._due[key] = msgspec.structs.replace(newer, message=message, is_late=True)

    def _room(self) -> int:
        now = time.monotonic()
        self._times = [one for one in self._times if now - one < 60]  # noqa: PLR2004 (a minute)
        return max(self._pace.per_minute - len(self._times), 0)

    def _give_up(self) -> None:
        now = time.monotonic()
        for one in [*self._due.values()]:
            if now - one.since > self._pace.give_up_secs:
                self.counts.dropped += 1
                title, _ = wording.message(one.notice, self._link, is_late=one.is_late)
                _LOG.error(f"Given up after {self._pace.give_up_secs:g} s, {self.name}: {title}")
                self._drop([one])

    def _drop(self, done: Sequence[_Due]) -> None:
        for one in done:
            key = one.notice.incident.key
            if self._due.get(key) is one:  # And not what came meanwhile
                del self._due[key]

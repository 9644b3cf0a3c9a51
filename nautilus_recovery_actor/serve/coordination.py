"""
Who tells of an incident, where several `serve` processes see the same: one of them, per target.

Each step is one script on the server, by its clock. Whoever claims a message and dies loses the
claim when that runs out, and another one sends it. So each message is sent at least once; twice
only if its sender died, hung or lost the server between sending it and saying so.
"""

import logging
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from typing import Protocol
from urllib.parse import quote

import msgspec
import redis

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.link.client import answered
from nautilus_recovery_actor.link.client import connect_async
from nautilus_recovery_actor.link.client import in_words
from nautilus_recovery_actor.serve import scripts
from nautilus_recovery_actor.serve.incidents import Incident
from nautilus_recovery_actor.serve.incidents import Key


_LOG = logging.getLogger(__name__)
_ANSWER_SECS = 2.0
# So long it is not asked again when it has not answered (seconds)
_PAUSE_SECS = 5.0
# How long a claim lasts: longer than one message may take to send
CLAIM_MS = 30_000
# An incident that nobody looks at any more goes by itself, and what is over soon
_KEPT_SECS = 30 * 86_400
_OVER_SECS = 3_600
# What a time in nanoseconds has room for
_LATEST = 2**63


class Stage(StrEnum):
    """Which message of an incident it is."""

    BEGIN = "BEGIN"
    END = "END"


class Claim(StrEnum):
    """
    Whether a message is to be sent: it is ours, another one sends it, or it was sent. ``LOST``: it
    is an end, and the server does not know of the incident any more.
    """

    OURS = "OURS"
    BUSY = "BUSY"
    DONE = "DONE"
    LOST = "LOST"


class Message(msgspec.Struct, frozen=True):
    """One message of an incident."""

    incident: Incident
    stage: Stage
    # When the incident was seen or gone first, by `time.monotonic`
    since: float


class Coordination(Protocol):
    """Who decides which process sends."""

    async def claim(self, target: str, messages: Sequence[Message]) -> list[Claim]:
        """Claim messages for a target, each alone."""

    async def sent(self, target: str, messages: Sequence[Message], stage: Stage) -> None:
        """Say that they were sent, and what their incidents are for the target by that."""

    async def release(self, target: str, messages: Sequence[Message]) -> None:
        """Let another process try."""

    async def ongoing(self) -> list[Incident]:
        """Return the incidents of which somebody was told."""

    async def close(self) -> None:
        """Let go of the server."""


class Alone:
    """Of one process, which writes nothing anywhere."""

    async def claim(self, target: str, messages: Sequence[Message]) -> list[Claim]:  # noqa: ARG002
        """Return that all are ours."""
        return [Claim.OURS] * len(messages)

    async def sent(self, target: str, messages: Sequence[Message], stage: Stage) -> None:
        """Do nothing."""

    async def release(self, target: str, messages: Sequence[Message]) -> None:
        """Do nothing."""

    async def ongoing(self) -> list[Incident]:
        """Return nothing: what was told before this process began is not known."""
        return []

    async def close(self) -> None:
        """Do nothing."""


class Shared:
    """Of all processes that are given the same server."""

    def __init__(self, url: str, who: str, claim_ms: int = CLAIM_MS) -> None:
        self._client: Any = connect_async(url, _ANSWER_SECS)
        self._who = who
        self._claim_ms = claim_ms
        self._not_before = 0.0
        # Of which beginnings we have told, and what was sent and could not be said
        self._told: set[tuple[str, Key]] = set()
        self._unsaid: dict[tuple[str, Key], tuple[Message, Stage]] = {}

    async def claim(self, target: str, messages: Sequence[Message]) -> list[Claim]:
        """Claim messages. Without the server all are ours: better twice than never."""
        await self._say()
        fields: list[object] = []
        for one in messages:
            fields += [one.stage, _age_ms(one)]
        found = await self._run(scripts.CLAIM, messages, target, self._who, self._claim_ms, *fields)
        if found is None:
            return [Claim.OURS] * len(messages)
        pairs = zip(messages, found, strict=True)
        return [self._claimed(target, message, Claim(one.decode())) for message, one in pairs]

    def _claimed(self, target: str, message: Message, claim: Claim) -> Claim:
        key = (target, message.incident.key)
        if message.stage is Stage.BEGIN or claim not in (Claim.DONE, Claim.LOST):
            return claim
        # A server that was emptied: who told of the beginning tells of the end
        is_ours = claim is Claim.LOST and key in self._told
        self._told.discard(key)
        return Claim.OURS if is_ours else Claim.DONE

    async def sent(self, target: str, messages: Sequence[Message], stage: Stage) -> None:
        """Say that they were sent."""
        keys = {(target, one.incident.key) for one in messages}
        self._told = self._told | keys if stage is Stage.BEGIN else self._told - keys
        fields: list[object] = []
        for one in messages:
            fields += [_age_ms(one), msgspec.json.encode(one.incident)]
        kept = (_KEPT_SECS, _OVER_SECS)
        if (
            await self._run(scripts.SENT, messages, target, self._who, stage, *kept, *fields)
            is None
        ):
            self._unsaid |= {(target, one.incident.key): (one, stage) for one in messages}

    async def release(self, target: str, messages: Sequence[Message]) -> None:
        """Let another process try."""
        await self._run(scripts.RELEASE, messages, target, self._who)

    async def ongoing(self) -> list[Incident]:
        """Return the incidents of which somebody was told."""
        await self._say()
        try:
            found = await self._ask(
                self._client.eval(scripts.ONGOING, 1, names.SERVE_ONGOING, _KEPT_SECS)
            )
        except (redis.RedisError, OSError) as e:
            self._complain(e)
            return []
        incidents = [_incident(data) for data in found or ()]
        if None in incidents:
            _LOG.warning("An incident in the coordinating Redis cannot be read: left out")
        return [one for one in incidents if one is not None]

    async def close(self) -> None:
        """Let go of the server."""
        await self._client.aclose()

    async def _say(self) -> None:
        # Or nobody would be told of the end
        unsaid, self._unsaid = self._unsaid, {}
        for (target, _), (message, stage) in unsaid.items():
            await self.sent(target, [message], stage)

    async def _run(self, script: str, messages: Sequence[Message], *given: object) -> Any:
        keys = [_key(one.incident.key) for one in messages]
        try:
            return await self._ask(
                self._client.eval(
                    script, len(keys) + 1, names.SERVE_ONGOING, *keys, *map(_argument, given)
                )
            )
        except (redis.RedisError, OSError) as e:
            self._complain(e)
            return None

    async def _ask(self, answer: Any) -> Any:
        if time.monotonic() < self._not_before:
            answer.close()
            return None
        return await answered(answer, _ANSWER_SECS)  # Others may wait for the same connection

    def _complain(self, error: Exception) -> None:
        self._not_before = time.monotonic() + _PAUSE_SECS
        why = in_words(error)
        _LOG.warning(
            f"The coordinating Redis cannot be used ({why}): until it can, each serve alerts by "
            "itself, so that messages may come twice"
        )


def _incident(data: bytes) -> Incident | None:
    try:
        incident = msgspec.json.decode(data, type=Incident)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return incident if 0 <= incident.ts < _LATEST else None


def _argument(value: object) -> Any:
    return value if isinstance(value, bytes | int) else str(value)


def _age_ms(message: Message) -> int:
    return round(max(time.monotonic() - message.since, 0.0) * 1000)


def _key(key: Key) -> str:
    return names.SERVE_INCIDENT.format(
        kind=key.kind, server=quote(key.server, safe=""), trader_id=quote(key.trader_id, safe="")
    )

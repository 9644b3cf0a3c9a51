"""
Who tells of an incident, where several `serve` processes see the same: one of them, per target.

Each step is one script on the server, by its clock. Whoever claims a message and dies loses the
claim when that runs out, and another one sends it. So each message is sent at least once; twice
only if its sender died, hung or lost the server between sending it and saying so.
"""

import asyncio
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
from nautilus_recovery_actor.link.client import connect_async
from nautilus_recovery_actor.link.client import in_words
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


class Stage(StrEnum):
    """Which message of an incident it is."""

    BEGIN = "BEGIN"
    END = "END"


class Claim(StrEnum):
    """Whether a message is to be sent: it is ours, another one sends it, or it was sent."""

    OURS = "OURS"
    BUSY = "BUSY"
    DONE = "DONE"


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
        # What was sent, and could not be said
        self._unsaid: dict[tuple[str, Key], tuple[Message, Stage]] = {}

    async def claim(self, target: str, messages: Sequence[Message]) -> list[Claim]:
        """Claim messages. Without the server all are ours: better twice than never."""
        await self._say()
        fields: list[object] = []
        for one in messages:
            fields += [one.stage, _age_ms(one)]
        found = await self._run(_CLAIM, messages, target, self._who, self._claim_ms, *fields)
        if found is None:
            return [Claim.OURS] * len(messages)
        return [Claim(one.decode()) for one in found]

    async def sent(self, target: str, messages: Sequence[Message], stage: Stage) -> None:
        """Say that they were sent."""
        fields: list[object] = []
        for one in messages:
            fields += [_age_ms(one), msgspec.json.encode(one.incident)]
        kept = (_KEPT_SECS, _OVER_SECS)
        if await self._run(_SENT, messages, target, self._who, stage, *kept, *fields) is None:
            self._unsaid |= {(target, one.incident.key): (one, stage) for one in messages}

    async def release(self, target: str, messages: Sequence[Message]) -> None:
        """Let another process try."""
        await self._run(_RELEASE, messages, target, self._who)

    async def ongoing(self) -> list[Incident]:
        """Return the incidents of which somebody was told."""
        await self._say()
        try:
            found = await self._ask(self._client.eval(_ONGOING, 1, names.SERVE_ONGOING, _KEPT_SECS))
        except (redis.RedisError, OSError) as e:
            self._complain(e)
            return []
        incidents = []
        for data in found or ():
            try:
                incidents.append(msgspec.json.decode(data, type=Incident))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                _LOG.warning("An incident in the coordinating Redis cannot be read: left out")
        return incidents

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
        async with asyncio.timeout(_ANSWER_SECS):  # Others may wait for the same connection
            return await answer

    def _complain(self, error: Exception) -> None:
        self._not_before = time.monotonic() + _PAUSE_SECS
        why = in_words(error)
        _LOG.warning(
            f"The coordinating Redis cannot be used ({why}): until it can, each serve alerts by "
            "itself, so that messages may come twice"
        )


def _argument(value: object) -> Any:
    return value if isinstance(value, bytes | int) else str(value)


def _age_ms(message: Message) -> int:
    return round(max(time.monotonic() - message.since, 0.0) * 1000)


def _key(key: Key) -> str:
    return names.SERVE_INCIDENT.format(
        kind=key.kind, server=quote(key.server, safe=""), trader_id=quote(key.trader_id, safe="")
    )


_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

# KEYS: all that are ongoing, then the incidents. ARGV: target, who, how long a claim lasts, then
# stage and age of each. What has begun after the last end was told is another incident.
_CLAIM = (
    _NOW
    + """
local told, claim, over = 'told:' .. ARGV[1], 'claim:' .. ARGV[1], 'over:' .. ARGV[1]
local answers = {}
for i = 2, #KEYS do
  local stage, age = ARGV[2 * i], tonumber(ARGV[2 * i + 1])
  local v = redis.call('HMGET', KEYS[i], told, claim, claim .. ':until', over)
  local is_told = v[1] == 'BEGIN'
  local is_old = v[4] and now - age <= tonumber(v[4])
  if (stage == 'BEGIN' and (is_told or is_old)) or (stage == 'END' and not is_told) then
    answers[i - 1] = 'DONE'
  elseif v[2] and v[2] ~= ARGV[2] and tonumber(v[3]) > now then
    answers[i - 1] = 'BUSY'
  else
    redis.call('HSET', KEYS[i], claim, ARGV[2], claim .. ':until', now + ARGV[3])
    if redis.call('TTL', KEYS[i]) < 0 then redis.call('EXPIRE', KEYS[i], 3600) end
    answers[i - 1] = 'OURS'
  end
end
return answers
"""
)

# ARGV: target, who, stage, how long an incident is kept and how long one that is over, then age
# and incident of each.
_SENT = (
    _NOW
    + """
local told, claim, over = 'told:' .. ARGV[1], 'claim:' .. ARGV[1], 'over:' .. ARGV[1]
for i = 2, #KEYS do
  local age, incident = tonumber(ARGV[2 * i + 2]), ARGV[2 * i + 3]
  redis.call('HDEL', KEYS[i], claim, claim .. ':until')
  if ARGV[3] == 'BEGIN' then
    redis.call('HSET', KEYS[i], told, 'BEGIN', 'incident', incident)
    redis.call('SADD', KEYS[1], KEYS[i])
    redis.call('EXPIRE', KEYS[i], ARGV[4])
    redis.call('EXPIRE', KEYS[1], ARGV[4])
  else
    redis.call('HDEL', KEYS[i], told)
    redis.call('HSET', KEYS[i], over, now - age)
    local is_ongoing = false
    for _, name in ipairs(redis.call('HKEYS', KEYS[i])) do
      if string.sub(name, 1, 5) == 'told:' then is_ongoing = true end
    end
    if not is_ongoing then
      redis.call('SREM', KEYS[1], KEYS[i])
      redis.call('EXPIRE', KEYS[i], ARGV[5])
    end
  end
end
return 1
"""
)

# ARGV: target, who.
_RELEASE = """
local claim = 'claim:' .. ARGV[1]
for i = 2, #KEYS do
  if redis.call('HGET', KEYS[i], claim) == ARGV[2] then
    redis.call('HDEL', KEYS[i], claim, claim .. ':until')
  end
end
return 1
"""

# KEYS: all that are ongoing. ARGV: how long they are kept. Returns what they are.
_ONGOING = """
local found = {}
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local incident = redis.call('HGET', key, 'incident')
  if incident then
    redis.call('EXPIRE', key, ARGV[1])
    found[#found + 1] = incident
  else
    redis.call('SREM', KEYS[1], key)
  end
end
if #found > 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return found
"""

"""
Writes a canary to the server of a cache with each heartbeat, and reads back the one before.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import redis

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.liveness import max_age_of
from nautilus_recovery_actor.core.staleness import Beside
from nautilus_recovery_actor.core.staleness import read_beside
from nautilus_recovery_actor.core.storage import Sight
from nautilus_recovery_actor.link.client import in_words
from nautilus_recovery_actor.link.client import is_unreachable
from nautilus_recovery_actor.link.server import Server


# KEYS: lease, fence. ARGV: token (empty: writes whoever holds the lease), epoch, the time, when
# this run began, and how late a heartbeat of it may be (milliseconds).
# Returns the canary of before, the one that was written (none without the lease), why it was
# refused, which process the server is, and its role. What asks for these may not be allowed.
_LOOK = """
local function told(section, pattern)
  local info = redis.pcall('INFO', section)
  return type(info) == 'string' and string.match(info, pattern) or ''
end
local known = redis.pcall('HMGET', KEYS[2], 'beats', 'epoch')
local before, refused = known[1], known.err or ''
local written = ''
if ARGV[1] == '' or redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  local epoch = math.max(tonumber(known[2] or 0) or 0, tonumber(ARGV[2]))
  local answer = redis.pcall('HINCRBY', KEYS[2], 'beats', 1)
  if type(answer) == 'table' then
    refused = answer.err
  else
    written = answer
    local last = redis.call('HMGET', KEYS[2], 'begun', 'beat', 'late', 'from')
    local from = ARGV[4]
    if last[1] == ARGV[4] then
      from = last[4] or from
    elseif last[1] and last[2] and last[3] then
      local late = (tonumber(last[3]) or 0) * 1e6
      local beat = tonumber(last[2]) or 0
      local was_short = beat - (tonumber(last[1]) or 0) <= late
      if was_short and tonumber(ARGV[4]) - beat <= late then from = last[4] or last[1] end
    end
    redis.pcall('HSET', KEYS[2], 'beat', ARGV[3], 'begun', ARGV[4], 'late', ARGV[5], 'from', from,
      'epoch', string.format('%.0f', epoch))
  end
end
local run_id, role = told('server', 'run_id:(%w+)'), told('replication', 'role:(%w+)')
return {before or 0, written, refused, run_id, role}
"""
# What is kept beside the cache
_BESIDE = "return redis.call('HGETALL', KEYS[1])"
# The SHA-1 of each entry, empty for one that is not there
_DIGESTS = """
local found = {}
for i, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  found[i] = value and redis.sha1hex(value) or ''
end
return found
"""
_KEYS = (names.LEASE, names.FENCE)


def beside(server: Server) -> Beside:
    """Return what a server keeps beside the cache. Waits for it: before the event loop runs."""
    pairs = [_text(one) for one in server.ask_now(_BESIDE, (names.FENCE,))]
    return read_beside(dict(zip(pairs[::2], pairs[1::2], strict=True)))


class Watch:
    """Looks at the server, at every heartbeat."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        token: str,
        epoch: Callable[[], int],
        now: Callable[[], int],
        on_seen: Callable[[Sight], None],
    ) -> None:
        self._server = server
        self._heartbeat_secs = heartbeat_secs
        self._token = token
        self._epoch = epoch
        self._now = now
        self._on_seen = on_seen
        self._begun = 0
        self._late_ms = round(max_age_of(heartbeat_secs) * 1000)
        self._keys = [server.namespace.own_key(name) for name in _KEYS]

    async def run(self) -> None:
        """Look, from now on."""
        self._begun = self._now()
        try:
            while True:
                self._on_seen(await self.look())
                await asyncio.sleep(self._heartbeat_secs)
        finally:
            await self._server.close()

    async def look(self) -> Sight:
        """Look once."""
        try:
            answer = await self._server.ask(
                _LOOK,
                self._keys,
                self._token,
                self._epoch(),
                self._now(),
                self._begun,
                self._late_ms,
            )
        except (redis.RedisError, OSError) as e:  # Timeouts too
            text = in_words(e)
            return Sight(away=text) if is_unreachable(e) else Sight(refused=text)
        return _read(answer)

    async def digests(self, entries: Sequence[str]) -> list[str]:
        """Return the SHA-1 of entries of the cache, empty for one that is not there."""
        where = self._server.namespace
        keys = [where.key(names.general_key(entry)) for entry in entries]
        return [_text(one) for one in await self._server.ask(_DIGESTS, keys)]


def _read(answer: Sequence[Any]) -> Sight:
    before, written, refused, run_id, role = map(_text, answer)
    return Sight(
        count=int(before) if before.isdecimal() else None,
        written=int(written) if written.isdecimal() else None,
        refused=refused,
        run_id=run_id,
        is_replica=role == "slave",
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

"""
What the server does in one step, so that nobody comes between (long: texts in Lua, and their use).

Each runs below the prefix of one trader. Times are the server's, in milliseconds.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import msgspec

from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Process


_MS = 1_000_000

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

# KEYS: lease, fence. ARGV: the token and fence it must have now (both empty: there is none), the
# new token, host, pid, machine, started, operator, milliseconds, and the least fence.
# Returns the new fence and the time, or nothing if somebody else was faster.
TAKE = (
    _NOW
    + """
local lease = redis.call('HMGET', KEYS[1], 'token', 'fence')
if (lease[1] or '') ~= ARGV[1] or (lease[2] or '') ~= ARGV[2] then return {} end
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
local least = tonumber(ARGV[10])
if fence < least then
  fence = least
  redis.call('HSET', KEYS[2], 'fence', fence)
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'token', ARGV[3], 'fence', fence, 'host', ARGV[4], 'pid', ARGV[5],
  'machine', ARGV[6], 'started', ARGV[7], 'operator', ARGV[8], 'since', now, 'renewed', now)
redis.call('PEXPIRE', KEYS[1], ARGV[9])
return {fence, now}
"""
)

# KEYS: lease, fence. ARGV: token, milliseconds, epoch, canary, and the fence of that lease.
# Returns whether it is renewed, the time, the canary of before, and the fence that is known. From
# whom an operator took it, the next node need not wait any more.
RENEW = (
    _NOW
    + """
local known = redis.call('HMGET', KEYS[2], 'fence', 'canary', 'epoch')
local lease = redis.call('HMGET', KEYS[1], 'token', 'fenced')
if lease[1] ~= ARGV[1] then
  if lease[1] == '' and lease[2] == ARGV[5] then redis.call('HSET', KEYS[1], 'ready', now) end
  return {0, now, known[2] or '', known[1] or ''}
end
redis.call('HSET', KEYS[1], 'renewed', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local epoch = math.max(tonumber(known[3] or 0) or 0, tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'epoch', string.format('%.0f', epoch), 'canary', ARGV[4])
return {1, now, known[2] or '', known[1] or ''}
"""
)

# KEYS: lease, fence. ARGV: operator, milliseconds. Takes the lease from whoever holds it, for the
# next node that starts. Returns the new fence, and the milliseconds until that may have it.
TAKE_OVER = (
    _NOW
    + """
local fenced = redis.call('HGET', KEYS[1], 'fence') or ''
local lasting = redis.call('PTTL', KEYS[1])
if lasting < 0 then lasting = 0 end
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
if fence <= (tonumber(fenced) or 0) then
  fence = tonumber(fenced) + 1
  redis.call('HSET', KEYS[2], 'fence', fence)
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'token', '', 'fence', fence, 'fenced', fenced, 'operator', ARGV[1],
  'since', now, 'renewed', now, 'ready', now + lasting)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {fence, lasting}
"""
)

# KEYS: lease. ARGV: token. Returns whether it was given back.
GIVE_BACK = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS: lease, written, and the entries. ARGV: token, writer, number, and their values.
# Returns whether they are written: not by who does not hold the lease (an empty token needs none),
# and not if its writer has gone on: what was sent into a connection that broke may come late.
WRITE = """
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local last = redis.call('HMGET', KEYS[2], 'writer', 'number')
if last[1] == ARGV[2] and (tonumber(last[2]) or 0) >= tonumber(ARGV[3]) then return 0 end
for i = 3, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[2], 'writer', ARGV[2], 'number', ARGV[3])
return 1
"""

# KEYS: entries. Returns their values.
READ = "return redis.call('MGET', unpack(KEYS))"

# KEYS: lease. Returns the time, the milliseconds that it lasts, and its fields.
LOOK = (
    _NOW
    + """
return {now, redis.call('PTTL', KEYS[1]), redis.call('HGETALL', KEYS[1])}
"""
)


class Renewal(msgspec.Struct, frozen=True):
    """What the server says to a renewal."""

    is_renewed: bool
    ts: int
    # What was written with the renewal before, as far as the server knows
    canary: str
    # How often the lease was taken, ``None`` if the server does not know
    fence: int | None


def read_renewal(answer: Sequence[Any]) -> Renewal:
    """Return what `RENEW` answered."""
    is_renewed, now, canary, fence = answer
    return Renewal(bool(is_renewed), int(now) * _MS, _text(canary), int(_text(fence) or 0) or None)


def take_arguments(
    holder: Holder | None, token: str, process: Process, operator: str, secs: float, least: int
) -> tuple[object, ...]:
    """Return the arguments of `TAKE`, where `holder` has the lease now."""
    return (
        "" if holder is None else holder.token,
        "" if holder is None else holder.fence,
        token,
        process.host,
        process.pid,
        process.machine,
        process.started,
        operator,
        round(secs * 1000),
        least,
    )


def read_look(answer: Sequence[Any]) -> tuple[int, Holder | None]:
    """Return what `LOOK` answered: the time, and who holds the lease. Damage reads as unknown."""
    now, lasting, pairs = answer
    fields = {_text(k): _text(v) for k, v in zip(pairs[::2], pairs[1::2], strict=True)}
    ts = int(now) * _MS
    return ts, _holder(fields, ts, int(lasting)) if fields else None


def _holder(fields: Mapping[str, str], ts: int, lasting_ms: int) -> Holder:
    process = Process(
        host=fields.get("host", "an unknown host"),
        pid=_number(fields.get("pid")),
        machine=fields.get("machine", ""),
        started=fields.get("started", ""),
    )
    return Holder(
        token=fields.get("token", ""),
        fence=_number(fields.get("fence")),
        process=process,
        operator=fields.get("operator", ""),
        ts_since=_number(fields.get("since")) * _MS,
        ts_renewed=_number(fields.get("renewed")) * _MS,
        ts_until=ts + max(lasting_ms, 0) * _MS,
        ts_ready=_number(fields.get("ready")) * _MS,
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0

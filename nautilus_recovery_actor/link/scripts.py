"""
What the server does in one step, so that nobody comes between (long: texts in Lua, and their use).

Each runs below the prefix of one trader. Times are the server's, in milliseconds.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import msgspec

from nautilus_recovery_actor.core.lease import Found
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.liveness import max_age_of


MS = 1_000_000
_LONGEST_MS = 3 * 86_400_000
_LATEST_MS = 9_000_000_000_000  # What a time in nanoseconds has room for
_LONGEST_NUMBER = 18

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

# Who has the lease, or had it last, as it stands in the lease and, once that has run out, beside
# the fence; what must not have changed when it is taken; and the next fence, whatever stands there.
FIELDS = (
    "token",
    "fence",
    "renewed",
    "free",
    "since",
    "lasts",
    "operator",
    "host",
    "pid",
    "machine",
    "started",
    "fenced",
)
_WHO = (
    f"local names = {{{', '.join(map(repr, FIELDS))}}}"
    """
local function who()
  local found = redis.call('HMGET', KEYS[1], unpack(names))
  if found[1] then return found, true end
  return redis.call('HMGET', KEYS[2], unpack(names)), false
end
local function stamp(found)
  return (found[1] or '') .. '/' .. (found[2] or '') .. '/' .. (found[3] or '')
end
local function counted(text)
  local number = tonumber(text or '') or 0
  if number >= 0 and number < 9007199254740990 then return math.floor(number) end
  return 0
end
local function put(values)
  local last = {}
  for i, name in ipairs(names) do
    last[2 * i - 1] = name
    last[2 * i] = values[name] or ''
  end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(last))
  redis.call('HSET', KEYS[2], unpack(last))
end
"""
)

# KEYS: lease, fence. Returns the time, whether it has not run out, what `TAKE` wants to be told,
# and who has it or had it last.
SURVEY = (
    _NOW
    + _WHO
    + """
local found, is_held = who()
return {now, is_held and redis.call('PTTL', KEYS[1]) or 0, is_held and 1 or 0, stamp(found), found}
"""
)

# KEYS: lease, fence. ARGV: what `SURVEY` said, the new token, host, pid, machine, started, the
# milliseconds that it lasts, and the least fence.
# Returns the new fence and the time, or nothing if somebody else was faster.
TAKE = (
    _NOW
    + _WHO
    + """
if stamp(who()) ~= ARGV[1] then return {} end
local fence = math.max(counted(redis.call('HGET', KEYS[2], 'fence')) + 1, counted(ARGV[8]))
fence = string.format('%.0f', fence)
put({token = ARGV[2], fence = fence, renewed = now, since = now, lasts = ARGV[7], host = ARGV[3],
  pid = ARGV[4], machine = ARGV[5], started = ARGV[6]})
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return {fence, now}
"""
)

# KEYS: lease, fence. ARGV: token, milliseconds, and epoch.
# Returns whether it is renewed, the time, and the fence that is known.
RENEW = (
    _NOW
    + """
local known = redis.call('HMGET', KEYS[2], 'fence', 'epoch')
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return {0, now, known[1] or ''} end
-- First: a server that is full refuses a script whose first write needs memory
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], 'renewed', now)
local epoch = math.max(tonumber(known[2] or 0) or 0, tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'renewed', now, 'epoch', string.format('%.0f', epoch))
return {1, now, known[1] or ''}
"""
)

# KEYS: lease, fence. ARGV: operator, for how long that is kept, and for how long whoever has it
# relies on it if that is not written (ms). Takes the lease from whoever holds it, for the next
# node that starts. Entries that cannot be read are replaced.
# Returns the new fence, whether nobody has to be waited for, and how long (ms), and who had it.
TAKE_OVER = (
    _NOW
    + _WHO
    + """
for i = 1, 2 do
  local token = redis.pcall('HGET', KEYS[i], 'token')
  if type(token) == 'table' and token.err then redis.call('DEL', KEYS[i]) end
end
local found = who()
local last = {}
for i, name in ipairs(names) do last[name] = found[i] end
local is_free = not found[1] or last.free == '1'
local lasts = counted(last.lasts)
if lasts == 0 then lasts = tonumber(ARGV[3]) end
local fenced = found[1] == '' and last.fenced or last.fence
local fence = math.max(counted(redis.call('HGET', KEYS[2], 'fence')), counted(last.fence)) + 1
fence = string.format('%.0f', fence)
put({token = '', fence = fence, renewed = now, since = now, free = is_free and '1' or '',
  lasts = lasts, operator = ARGV[1], host = last.host, pid = last.pid, machine = last.machine,
  started = last.started, fenced = fenced})
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {fence, is_free and 1 or 0, is_free and 0 or lasts, now, found}
"""
)

# KEYS: lease, fence. ARGV: the fence of who had it when an operator took it. That node has closed
# its gates: the next one need not wait. Returns whether it is the one.
YIELD = """
local last = redis.call('HMGET', KEYS[2], 'token', 'fenced')
if last[1] ~= '' or last[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'free', '1')
if redis.call('HGET', KEYS[1], 'token') == '' then redis.call('HSET', KEYS[1], 'free', '1') end
return 1
"""

# KEYS: lease, fence. ARGV: token. Returns whether it was given back.
GIVE_BACK = """
if redis.call('HGET', KEYS[2], 'token') == ARGV[1] then redis.call('HSET', KEYS[2], 'free', '1') end
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


class Renewal(msgspec.Struct, frozen=True):
    """What the server says to a renewal."""

    is_renewed: bool
    ts: int
    # How often the lease was taken, ``None`` if the server does not know
    fence: int | None


def read_renewal(answer: Sequence[Any]) -> Renewal:
    """Return what `RENEW` answered."""
    is_renewed, now, fence = answer
    return Renewal(bool(is_renewed), int(now) * MS, _number(_text(fence)) or None)


def take_arguments(
    found: Found, token: str, process: Process, secs: float, least: int
) -> tuple[object, ...]:
    """Return the arguments of `TAKE`, where the server said what was `found`."""
    return (
        found.stamp,
        token,
        process.host,
        process.pid,
        process.machine,
        process.started,
        round(secs * 1000),
        least,
    )


def read_survey(answer: Sequence[Any]) -> Found:
    """Return what `SURVEY` answered. Damage reads as unknown."""
    now, lasting, is_held, stamp, values = answer
    ts = int(now) * MS
    return Found(ts, read_who(values, ts, int(lasting)), bool(is_held), stamp)


def read_who(values: Sequence[Any], ts: int, lasting_ms: int = 0) -> Holder | None:
    """Return who has the lease or had it last, as a script answers."""
    found = zip(FIELDS, values, strict=True)
    fields = {name: _text(value) for name, value in found if value is not None}
    return _holder(fields, ts, lasting_ms) if "token" in fields else None


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
        ts_since=_time_ms(fields.get("since")) * MS,
        ts_renewed=_time_ms(fields.get("renewed")) * MS,
        ts_until=ts + min(max(lasting_ms, 0), _LONGEST_MS) * MS,
        lasts_secs=_lasts_ms(fields.get("lasts")) / 1000,
        is_free=fields.get("free") == "1",
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(text: str | None) -> int:
    is_one = text is not None and text.isdecimal() and len(text) < _LONGEST_NUMBER
    return int(text) if text is not None and is_one else 0


def _time_ms(text: str | None) -> int:
    # What no node has written must stop nobody who reads it
    time_ms = _number(text)
    return time_ms if time_ms < _LATEST_MS else 0


def _lasts_ms(text: str | None) -> int:
    lasts = _number(text)
    return lasts if 0 < lasts < _LONGEST_MS else round(max_age_of(None) * 1000)

"""
The steps of several `serve` processes that share their alerts, each one script on the server.
"""

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

# KEYS: all that are ongoing, then the incidents. ARGV: target, who, how long a claim lasts, then
# stage and age of each. What has begun after the last end was told is another incident.
CLAIM = (
    _NOW
    + """
local told, claim, over = 'told:' .. ARGV[1], 'claim:' .. ARGV[1], 'over:' .. ARGV[1]
local answers = {}
for i = 2, #KEYS do
  local stage, age = ARGV[2 * i], tonumber(ARGV[2 * i + 1])
  local v = redis.call('HMGET', KEYS[i], told, claim, claim .. ':until', over)
  local is_told = v[1] == 'BEGIN'
  local is_old = v[4] and now - age <= tonumber(v[4])
  if stage == 'END' and not is_told and redis.call('EXISTS', KEYS[i]) == 0 then
    answers[i - 1] = 'LOST'
  elseif (stage == 'BEGIN' and (is_told or is_old)) or (stage == 'END' and not is_told) then
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
SENT = (
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
RELEASE = """
local claim = 'claim:' .. ARGV[1]
for i = 2, #KEYS do
  if redis.call('HGET', KEYS[i], claim) == ARGV[2] then
    redis.call('HDEL', KEYS[i], claim, claim .. ':until')
  end
end
return 1
"""

# KEYS: all that are ongoing. ARGV: how long they are kept. Returns what they are.
ONGOING = """
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

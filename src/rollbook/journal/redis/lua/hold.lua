#!lua flags=allow-oom
-- Keeps a root from losing or changing entries and state for a moment, while somebody reads much of it. Nobody who
-- waits for a turn is kept waiting by one more reader.
-- KEYS: meta, root, done, turn, hold. ARGV: by whom, milliseconds; 0 lets go; the version known.
-- Answers 1 where nothing was lost or changed since that version, 2 where something was, 0 where it has to be waited.
if ARGV[2] == '0' then return redis.call('ZREM', KEYS[5], ARGV[1]) end
if redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[5], string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[5], ARGV[2])
if ARGV[3] == (redis.call('HGET', KEYS[1], 'v') or '') then return 1 end
local since = tonumber(string.match(ARGV[3], '^%d+'))
for _, each in ipairs({'ve', 'vs'}) do
  local changed = tonumber(redis.call('HGET', KEYS[1], each) or '')
  if not since or not changed or changed > since then return 2 end
end
return 1

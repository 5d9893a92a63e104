#!lua flags=allow-oom
-- Keeps a root from losing or changing entries and state for a moment, while somebody reads much of it; one who has
-- waited for too long has the next turn, and is not kept waiting.
-- KEYS: meta, root, done, turn, hold. ARGV: by whom, milliseconds; 0 lets go.
if ARGV[2] == '0' then return redis.call('ZREM', KEYS[5], ARGV[1]) end
if redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[5], string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[5], ARGV[2])
return 1

#!lua flags=allow-oom
-- Takes a name out of the register, unless it was entered again since. KEYS: the register. ARGV: name, time known.
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) > tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])

#!lua flags=allow-oom
-- Removes every key of a root that is still what the asker knows, so that all its states are named.
-- KEYS: all of it. ARGV: version.
if (redis.call('HGET', KEYS[1], 'v') or '') ~= ARGV[1] then return 0 end
redis.call('UNLINK', unpack(KEYS))
return 1

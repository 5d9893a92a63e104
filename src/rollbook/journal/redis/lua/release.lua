#!lua flags=allow-oom
-- Removes a pointer that is still the one known. KEYS: meta, root. ARGV: the pointer.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])

#!lua
-- Asks for the next commit of a root, which another process was faster with too often.
-- KEYS: meta, root, done, turn. ARGV: by whom, milliseconds.
return redis.call('SET', KEYS[4], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0

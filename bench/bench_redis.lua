-- Appends an entry and checks nothing. KEYS: meta, entries, order, ids. ARGV: position, id, body.
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[1], 'tip', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'length', 1)

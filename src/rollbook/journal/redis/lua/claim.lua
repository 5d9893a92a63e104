#!lua
-- Lets a session point at the root that it is kept under, where it pointed at what the asker knows.
-- KEYS: meta, root. ARGV: the pointer known ('' none), the new one, milliseconds to live (0 for ever), with what the
--   fields of the session's heads begin, the field of its state.
-- Answers {1}, or {0, the pointer} where another stands there, or {2} where the session has a journal of its own.
local pointer = redis.call('GET', KEYS[2]) or ''
if pointer ~= ARGV[2] then
  if pointer ~= ARGV[1] then return {0, pointer} end
  for _, field in ipairs(pointer == '' and redis.call('HKEYS', KEYS[1]) or {}) do
    if field == ARGV[5] or string.sub(field, 1, #ARGV[4]) == ARGV[4] then return {2} end
  end
end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[2], ARGV[2])
else
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
return {1}

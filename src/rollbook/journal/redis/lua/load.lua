#!lua flags=no-writes
-- What is known of a place: the pointer of a fork, or the root's meta; and the entries with some ids.
-- KEYS: meta, root, done, turn, hold, entries, ids. ARGV: fields of ids.
local found = {}
for n, field in ipairs(ARGV) do
  local lines = {}
  local positions = redis.call('HGET', KEYS[7], field)
  if positions then
    local stream = string.match(field, '^[^\n]*\n')
    for position in string.gmatch(positions, '[^,]+') do
      local member = stream .. position
      lines[#lines + 1] = member
      lines[#lines + 1] = redis.call('HGET', KEYS[6], member)
    end
  end
  found[n] = lines
end
return {redis.call('GET', KEYS[2]) or '', redis.call('HGETALL', KEYS[1]), found}

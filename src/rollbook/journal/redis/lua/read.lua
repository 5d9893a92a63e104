#!lua flags=no-writes
-- One look into a root, refused where it is no longer what the asker knows.
-- KEYS: meta, root, done, turn, hold, entries, ids, order, branches, and a state where one is asked for.
-- ARGV: version, what must not have changed since ('v' anything, 've' entries, 'vs' state), question, its words.
local version = redis.call('HGET', KEYS[1], 'v') or ''
if version ~= ARGV[1] then
  local since = tonumber(string.match(ARGV[1], '^%d+'))
  local changed = ARGV[2] ~= 'v' and tonumber(redis.call('HGET', KEYS[1], ARGV[2]))
  if not since or not changed or changed > since then return {0} end
end

local function with_lines(members)
  local found = {}
  for _, member in ipairs(members) do
    found[#found + 1] = member
    found[#found + 1] = redis.call('HGET', KEYS[6], member)
  end
  return found
end

local ask = ARGV[3]
if ask == 'below' then -- stream, position, most
  local from, to = '(' .. ARGV[4] .. '\n' .. ARGV[5], '[' .. ARGV[4] .. '\n'
  return {1, with_lines(redis.call('ZREVRANGEBYLEX', KEYS[8], from, to, 'LIMIT', 0, ARGV[6]))}
elseif ask == 'above' then -- stream, position, most
  local from, to = '[' .. ARGV[4] .. '\n' .. ARGV[5], '[' .. ARGV[4] .. '\n~'
  return {1, with_lines(redis.call('ZRANGEBYLEX', KEYS[8], from, to, 'LIMIT', 0, ARGV[6]))}
elseif ask == 'find' then -- field of an id
  local members = {}
  local stream = string.match(ARGV[4], '^[^\n]*\n')
  for position in string.gmatch(redis.call('HGET', KEYS[7], ARGV[4]) or '', '[^,]+') do
    members[#members + 1] = stream .. position
  end
  return {1, with_lines(members)}
elseif ask == 'children' then -- member of the parent
  return {1, redis.call('HGET', KEYS[9], ARGV[4]) or ''}
elseif ask == 'branches' then -- stream
  local start, found = ARGV[4] .. '\n', {}
  local all = redis.call('HGETALL', KEYS[9])
  for n = 1, #all, 2 do
    if string.sub(all[n], 1, #start) == start then
      found[#found + 1] = all[n]
      found[#found + 1] = all[n + 1]
    end
  end
  return {1, found}
elseif ask == 'whole' then -- stream
  local start = ARGV[4] .. '\n'
  return {1, redis.call('ZRANGEBYLEX', KEYS[8], '[' .. start, '[' .. start .. '~')}
elseif ask == 'value' then -- key of the state
  local value = redis.call('HGET', KEYS[10], ARGV[4])
  return {1, value and {value} or {}}
elseif ask == 'beside' then -- how many keys of the state there are beside these
  local left = redis.call('HLEN', KEYS[10])
  for n = 4, #ARGV do left = left - redis.call('HEXISTS', KEYS[10], ARGV[n]) end
  return {1, left}
end
return {1, redis.call('HGETALL', KEYS[10])} -- state

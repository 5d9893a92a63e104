#!lua
-- Makes what steps came to, as a whole, where the root is still what they were worked out on.
-- KEYS: meta, root, done, turn, hold, entries, ids, order, branches, then states.
-- ARGV: version, token, by whom, milliseconds to live (0 for ever), milliseconds for which tokens outlive the root,
--   what it changes ('e' entries, 's' state, or both), whether it is of the session that the root is named after, then
--   changes, each a letter and its words.
-- Answers {what became of it, version}.
local meta, done, entries, ids, order, branches = KEYS[1], KEYS[3], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local token, whose, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4])
local KEPT = 64 -- tokens

if ARGV[7] == '1' and redis.call('EXISTS', KEYS[2]) == 1 then return {'fork', ''} end
local version = redis.call('HGET', meta, 'v') or ''
if version ~= ARGV[1] then
  local kept = redis.call('HGETALL', done)
  for n = 1, #kept, 2 do
    if kept[n + 1] == token then
      redis.call('HSET', done, kept[n], token) -- a write, so that WAIT on this connection waits for it
      return {'known', version}
    end
  end
  return {'moved', version}
end
local turn = redis.call('GET', KEYS[4])
if turn and turn ~= whose then return {'turn', version} end
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[5]) == 1 then
  local now = redis.call('TIME')
  if redis.call('ZCOUNT', KEYS[5], now[1] * 1000 + math.floor(now[2] / 1000), '+inf') > 0 then return {'held', version} end
end

local function list_add(key, field, position)
  if redis.call('HSETNX', key, field, position) == 0 then
    redis.call('HSET', key, field, redis.call('HGET', key, field) .. ',' .. position)
  end
end

local function list_remove(key, field, position)
  local left = {}
  for each in string.gmatch(redis.call('HGET', key, field) or '', '[^,]+') do
    if each ~= position then left[#left + 1] = each end
  end
  if #left == 0 then
    redis.call('HDEL', key, field)
  else
    redis.call('HSET', key, field, table.concat(left, ','))
  end
end

local function split(member)
  return string.match(member, '^([^\n]*\n)([^\n]*)$')
end

local function head_of(line)
  return string.match(line, '^([^\n]*)\n[^\n]*\n([^\n]*)\n')
end

local function gone(member)
  local stream, position = split(member)
  local line = redis.call('HGET', entries, member)
  if not line then return end
  local id, parent = head_of(line)
  redis.call('HDEL', entries, member)
  redis.call('ZREM', order, member)
  list_remove(ids, stream .. id, position)
  if parent ~= '' then list_remove(branches, stream .. parent, position) end
end

local function added(member, line)
  local stream, position = split(member)
  local id, parent = head_of(line)
  redis.call('HSET', entries, member, line)
  redis.call('ZADD', order, 0, member)
  list_add(ids, stream .. id, position)
  if parent ~= '' then list_add(branches, stream .. parent, position) end
end

local function changed(member, line)
  local stream, position = split(member)
  local _, before = head_of(redis.call('HGET', entries, member) or '\n\n\n')
  local _, parent = head_of(line)
  redis.call('HSET', entries, member, line)
  if before ~= parent then
    if before ~= '' then list_remove(branches, stream .. before, position) end
    if parent ~= '' then list_add(branches, stream .. parent, position) end
  end
end

local n = 8
local empty = false
while n <= #ARGV do
  local what = ARGV[n]
  if what == 'h' then
    redis.call('HSET', meta, ARGV[n + 1], ARGV[n + 2])
    n = n + 3
  elseif what == 'H' then
    redis.call('HDEL', meta, ARGV[n + 1])
    n = n + 2
  elseif what == 'a' then
    added(ARGV[n + 1], ARGV[n + 2])
    n = n + 3
  elseif what == 'c' then
    changed(ARGV[n + 1], ARGV[n + 2])
    n = n + 3
  elseif what == 'r' then
    gone(ARGV[n + 1])
    n = n + 2
  elseif what == 's' then
    redis.call('HSET', KEYS[tonumber(ARGV[n + 1])], ARGV[n + 2], ARGV[n + 3])
    n = n + 4
  elseif what == 'S' then
    redis.call('HDEL', KEYS[tonumber(ARGV[n + 1])], ARGV[n + 2])
    n = n + 3
  else -- 'x': nothing is left
    empty = true
    n = n + 1
  end
end

-- The number only grows, also where the root was dropped and made again.
local number = tonumber(string.match(version, '^%d+'))
if number then
  number = number + 1
else
  local now = redis.call('TIME')
  number = tonumber(now[1]) * 1000000 + tonumber(now[2])
end
local written = string.format('%.0f', number)
redis.call('HSET', done, string.format('%.0f', number % KEPT), token)
if turn then redis.call('DEL', KEYS[4]) end
if empty then
  redis.call('UNLINK', meta, entries, ids, order, branches)
  for key = 10, #KEYS do redis.call('UNLINK', KEYS[key]) end
  redis.call('PEXPIRE', done, ARGV[5])
  return {'done', ''}
end
local named = written .. ':' .. token
redis.call('HSET', meta, 'v', named)
for _, each in ipairs({'e', 's'}) do
  if version == '' or string.find(ARGV[6], each, 1, true) then redis.call('HSET', meta, 'v' .. each, written) end
end
if ttl > 0 then
  redis.call('HSET', meta, 'x', ARGV[4])
  -- A pointer is of another root: whoever writes there prolongs it.
  for n, key in ipairs(KEYS) do
    if n ~= 2 then redis.call('PEXPIRE', key, ttl) end
  end
elseif version == '' then
  redis.call('PERSIST', done)
elseif redis.call('HDEL', meta, 'x') == 1 then
  for n, key in ipairs(KEYS) do
    if n ~= 2 then redis.call('PERSIST', key) end
  end
end
return {'done', named}

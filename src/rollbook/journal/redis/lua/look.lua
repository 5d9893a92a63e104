#!lua flags=no-writes
-- What a reader of one session is most likely to ask for, all of one moment: where it is kept, its root's meta, its
-- state, and the newest entries of its streams.
-- KEYS: meta, root, done, turn, hold, entries, ids, order, branches, state. ARGV: session, entries and
--   bytes of a stream, '1' where the root is named after the session, which then is elsewhere if there is a pointer.
-- Answers {pointer, meta, {state} or {} where it is too large, {stream, whether these are all, {member, entry, …}, …}}.
local most, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local VALUES = 128 -- of a state that may come along
local pointer = redis.call('GET', KEYS[2]) or ''
local meta = redis.call('HGETALL', KEYS[1])
if pointer ~= '' and ARGV[4] == '1' then return {pointer, meta, {}, {}} end

local size = redis.call('HLEN', KEYS[10]) > VALUES and room + 1 or 0
for _, each in ipairs(size == 0 and redis.call('HKEYS', KEYS[10]) or {}) do
  size = size + #each + redis.call('HSTRLEN', KEYS[10], each)
end

local near, seen = {}, {}
for n = 1, #meta, 2 do
  local head = string.sub(meta[n], 1, 1) == 'h' and cjson.decode(string.sub(meta[n], 2))
  if head and head[1] == ARGV[1] and not seen[head[2]] then
    local stream = head[2]
    seen[stream] = true
    local members = redis.call('ZREVRANGEBYLEX', KEYS[8], '[' .. stream .. '\n~', '[' .. stream .. '\n', 'LIMIT', 0, most)
    local all, bytes, lines = #members < most, 0, {}
    for _, member in ipairs(members) do
      local line = redis.call('HGET', KEYS[6], member)
      bytes = bytes + #(line or '')
      if bytes > room then
        all = false
        break
      end
      lines[#lines + 1] = member
      lines[#lines + 1] = line
    end
    near[#near + 1] = stream
    near[#near + 1] = all and 1 or 0
    near[#near + 1] = lines
  end
end
return {pointer, meta, size <= room and {redis.call('HGETALL', KEYS[10])} or {}, near}

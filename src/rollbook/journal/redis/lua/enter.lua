#!lua
-- Enters names into the register, at the server's time in milliseconds. KEYS: the register. ARGV: names.
local now = redis.call('TIME')
local at = string.format('%.0f', tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
for _, name in ipairs(ARGV) do redis.call('ZADD', KEYS[1], at, name) end
return at

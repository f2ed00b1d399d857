#!lua flags=no-writes
-- dump: some keys as they stand, for a backup. It writes nothing, and so runs also while writers are paused.
-- KEYS: the keys. ARGV: prefix, which is left out of the names; of lists and sorted sets the first and the last index.
-- Returns msgpack {{name, type, unix time of expiry in ms or '-1', values, first}, ...}, every leaf a string. Values are flat:
-- {text} of a string, items of a list, fields and values of a hash, members and scores of a sorted set, members of a
-- set. A key that is not there has the type 'none' and no values. One of any other type ends it with the error KIND.

local START, FIRST, LAST = #ARGV[1] + 1, ARGV[2], ARGV[3]
local READ = {
  string = function(key) return {redis.call('GET', key)} end,
  list = function(key) return redis.call('LRANGE', key, FIRST, LAST) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  zset = function(key) return redis.call('ZRANGE', key, FIRST, LAST, 'WITHSCORES') end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  none = function() return {} end,
}

local found = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if not READ[kind] then return redis.error_reply('KIND ' .. key .. ' is a ' .. kind) end
  local expires = string.format('%.0f', redis.call('PEXPIRETIME', key))
  found[i] = {string.sub(key, START), kind, expires, READ[kind](key), FIRST}
end
return cmsgpack.pack(found)

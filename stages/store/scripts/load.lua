-- load: puts in place what dump.lua has read; a later record of a key takes the place of an earlier one,
-- but one that does not begin at index 0 is the next piece of it.
-- KEYS: the key that tells of a restore, which is left as it is. ARGV: prefix, now in ms, records as msgpack: one answer
-- of dump.lua or several in a row. What has expired by now is left out.
-- Returns how many keys were looked at.

local PREFIX, NOW = ARGV[1], tonumber(ARGV[2])
local SOME = 1000 -- values of one command: a Lua stack is not endless; even, for pairs
local WRITE = {list = 'RPUSH', hash = 'HSET', zset = 'ZADD', set = 'SADD'}

local written = 0
local function load(record)
  local key, kind, expires, values = PREFIX .. record[1], record[2], record[3], record[4]
  if key == KEYS[1] then return end
  if record[5] == '0' then
    redis.call('DEL', key)
    written = written + 1
  end
  if kind == 'none' or expires ~= '-1' and tonumber(expires) <= NOW then return end
  if kind == 'string' then
    redis.call('SET', key, values[1])
  else
    if kind == 'zset' then -- ZADD has the score first
      for i = 1, #values, 2 do values[i], values[i + 1] = values[i + 1], values[i] end
    end
    for from = 1, #values, SOME do
      redis.call(WRITE[kind], key, unpack(values, from, math.min(from + SOME - 1, #values)))
    end
  end
  if expires ~= '-1' then redis.call('PEXPIREAT', key, expires) end
end

for _, records in ipairs({cmsgpack.unpack(ARGV[3])}) do
  for _, record in ipairs(records) do load(record) end
end
return written

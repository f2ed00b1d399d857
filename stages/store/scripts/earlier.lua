-- earlier: the clock went back; what waits for its next try is due by as much earlier.
-- KEYS: 1 to 4 the delayed sets. ARGV: now (exact), by how many seconds the clock went back.
-- Returns how many were changed. What is due is left alone, and nothing becomes due before now. Doing it twice only brings
-- a try earlier.

local NOW, SECONDS = tonumber(ARGV[1]), tonumber(ARGV[2])
local changed = 0
for _, key in ipairs(KEYS) do
  local found = redis.call('ZRANGEBYSCORE', key, '(' .. ARGV[1], '+inf', 'WITHSCORES')
  local batch = {}
  for i = 1, #found, 2 do
    batch[#batch + 1] = string.format('%.6f', math.max(NOW, tonumber(found[i + 1]) - SECONDS))
    batch[#batch + 1] = found[i]
    changed = changed + 1
    if #batch == 2000 or i == #found - 1 then
      redis.call('ZADD', key, unpack(batch))
      batch = {}
    end
  end
end
return changed

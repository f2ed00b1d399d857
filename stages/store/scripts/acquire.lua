-- acquire: become the supervisor of this store.
-- KEYS: 1 supervisors (hash: id -> who it is), 2 fencing (counter), 3 the lease of the one who asks, 4 groups (hash).
-- ARGV: prefix, id, who (JSON), time to live (ms), several allowed (0/1), then ids known to be dead.
-- Returns {'ok', fencing number} or {'held', id, who, ms left}. Supervisors without a lease lose their entry once
-- their in-flight list is empty (recovery empties it).

local prefix, id = ARGV[1], ARGV[2]
for i = 6, #ARGV do redis.call('DEL', prefix .. 'supervisor:' .. ARGV[i]) end
local others = redis.call('HGETALL', KEYS[1])
for i = 1, #others, 2 do
  local other = others[i]
  if other ~= id then
    local left = redis.call('PTTL', prefix .. 'supervisor:' .. other)
    if left > 0 and ARGV[5] == '0' then return {'held', other, others[i + 1], left} end
    if left <= 0 and redis.call('EXISTS', prefix .. 'inflight:' .. other) == 0 then
      redis.call('HDEL', KEYS[1], other)
      redis.call('HDEL', KEYS[4], other .. ':0', other .. ':1')
    end
  end
end
local number = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[3], number, 'PX', ARGV[4])
redis.call('HSET', KEYS[1], id, ARGV[3])
redis.call('HDEL', KEYS[4], id .. ':0', id .. ':1') -- a new lease counts its groups from 1 again
return {'ok', number}

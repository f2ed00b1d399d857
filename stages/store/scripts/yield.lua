-- yield: give the lease up at a stop, so that the next supervisor need not wait.
-- KEYS: 1 the lease, 2 supervisors, 3 the in-flight list, 4 groups (hash). ARGV: fencing number, id.
-- Returns 1, or 0 when the lease was not the caller's.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('HDEL', KEYS[4], ARGV[2] .. ':0', ARGV[2] .. ':1')
end
return 1

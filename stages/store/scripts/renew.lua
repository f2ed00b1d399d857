-- renew: keep the lease for another while.
-- KEYS: 1 the lease. ARGV: fencing number, time to live (ms).
-- Returns 1, or 0 when the lease is not the caller's any more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])

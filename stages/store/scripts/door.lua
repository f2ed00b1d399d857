-- door: a front door's own certificate takes its next step: its intent is put down, or it is put on record.
-- KEYS: 1 door-certificate, 2 certificates, 3 certificate:<serial>.
-- ARGV: 1 the door's id, 2 what must stand there ('' for nothing), 3 what shall stand there; and where it is put on
-- record 4 serial, 5 not after, 6... the fields of the certificate, flat. A record that is there stays as it is.
-- Returns 1, also when the same was done before (its reply was lost); 0 when something else stands there.

local stands = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stands ~= ARGV[2] and stands ~= ARGV[3] then return 0 end
if ARGV[4] and redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('HSET', KEYS[3], unpack(ARGV, 6))
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[4])
end
-- Written also when it stands there: WAITAOF waits for the disk only after a write of the same connection.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1

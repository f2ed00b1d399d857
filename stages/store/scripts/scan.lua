-- scan: look at a batch of active-requests from its tail, the oldest first.
-- KEYS: 1 active-requests.
-- ARGV: prefix, batch size, mode ('rotate': finished sessions are dropped and the rest goes to the head, so that
-- the next batch is at the tail; 'look': nothing changes), offset from the tail (mode 'look').
-- Returns msgpack {entries looked at, finished among them, {{session, values} ...}}: values are those of live, state,
-- created, waiting, schema, serial (false where missing) and whether a session in state issue has a certificate; or an
-- error text when the session cannot be read.

local prefix, size, mode, offset = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local batch
if mode == 'rotate' then
  batch = redis.call('RPOP', KEYS[1], size) or {}
else
  batch = redis.call('LRANGE', KEYS[1], -offset - size, -offset - 1)
end
local found, kept, dropped = {}, {}, 0
for _, session in ipairs(batch) do
  local key = prefix .. session
  local values = redis.pcall('HMGET', key, 'live', 'state', 'created', 'waiting', 'schema', 'serial')
  if values.err then
    found[#found + 1] = {session, values.err}
    kept[#kept + 1] = session
  elseif values[1] == 'False' or not (values[1] or values[2] or values[3]) then
    dropped = dropped + 1
    found[#found + 1] = {session, values}
  else
    values[7] = values[2] == 'issue' and redis.call('HSTRLEN', key, 'cert') > 0
    found[#found + 1] = {session, values}
    kept[#kept + 1] = session
  end
end
if mode == 'rotate' then
  -- Lua's unpack has room for some 8,000 values; a call that failed here would lose the batch.
  for from = 1, #kept, 1000 do redis.call('LPUSH', KEYS[1], unpack(kept, from, math.min(from + 999, #kept))) end
end
return cmsgpack.pack({#batch, dropped, found})

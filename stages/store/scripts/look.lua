-- look: what recovery needs of one session.
-- KEYS: 1 the session. ARGV: its id.
-- Returns msgpack {id, values as in scan.lua, or an error text}.

local values = redis.pcall('HMGET', KEYS[1], 'live', 'state', 'created', 'waiting', 'schema', 'serial')
if values.err then return cmsgpack.pack({ARGV[1], values.err}) end
values[7] = values[2] == 'issue' and redis.call('HSTRLEN', KEYS[1], 'cert') > 0
return cmsgpack.pack({ARGV[1], values})

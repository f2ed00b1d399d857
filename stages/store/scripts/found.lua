-- Shared by the scripts that look for recovery: one session as an array, in the order of `stages.store.found.Found`.
-- Missing fields are '', a session that is not there has no fields at all, an unreadable one has its error as the last.

local call, pcall_redis, string_sub = redis.call, redis.pcall, string.sub

-- Gives the array, and whether the session is finished: dead or gone.
local function found(session, key)
  local values = pcall_redis('HMGET', key, 'live', 'state', 'created', 'waiting', 'schema', 'serial')
  if values.err then return {session, '', '', '', '', '', false, false, string_sub(values.err, 1, 100)}, false end
  local live, state, created = values[1], values[2], values[3]
  if not (live or state or created) then return {session}, true end
  local serial, cert = values[6] and true, state == 'issue' and call('HSTRLEN', key, 'cert') > 0
  return {session, live or '', state or '', created or '', values[4] or '', values[5] or '', serial, cert}, live == 'False'
end

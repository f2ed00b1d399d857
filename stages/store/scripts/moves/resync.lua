-- resync: after a reply was lost, what is in the in-flight list but not held by this supervisor goes back to its queue.
-- op: {'resync', {session ...}}: every session that the supervisor holds.
-- Returns {'ok', number given back}.

MOVES.resync = function(op)
  local held = {}
  for _, session in ipairs(op[2]) do held[session] = true end
  local back = 0
  for _, session in ipairs(call('LRANGE', INFLIGHT, 0, -1)) do
    if not held[session] then
      call('LREM', INFLIGHT, -1, session)
      local found = pcall_redis('HMGET', PREFIX .. session, 'live', 'state')
      if not found.err and found[1] == 'True' and QUEUE[found[2]] then
        call('RPUSH', PENDING[QUEUE[found[2]]], session)
        back = back + 1
      end
    end
  end
  flying = nil
  return {'ok', back}
end

-- release: give a claimed session back to the tail of its queue, to be the next one taken.
-- op: {'release', session, state}
-- Returns {'ok'} or {'refused', why}.

MOVES.release = function(op)
  local session_key, why, nudged = begin_leaving(op[2], op[3])
  if not session_key then return {'refused', why} end
  if nudged then call('HDEL', session_key, 'nudged') end
  call('RPUSH', PENDING[QUEUE[op[3]]], op[2])
  return OK
end

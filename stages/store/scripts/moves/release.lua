-- release: give a claimed session back to the tail of its queue, to be the next one taken.
-- op: {'release', session, state}
-- Returns {'ok'} or {'refused', why}.

MOVES.release = function(op)
  local session_key, why = begin(op[2], op[3])
  if not session_key then return {'refused', why} end
  call('HDEL', session_key, 'nudged')
  call('RPUSH', PENDING[QUEUE[op[3]]], op[2])
  return OK
end

-- quarantine: set aside a claimed session that cannot be read; nothing of it is changed.
-- op: {'quarantine', session}
-- Returns {'ok'} or {'refused', why}.

MOVES.quarantine = function(op)
  if call('LREM', INFLIGHT, -1, op[2]) == 0 then return {'refused', 'not in flight here'} end
  flying = nil
  set_aside(op[2])
  return OK
end

-- submit: a new session enters the first queue.
-- op: {'submit', session, fields (flat), names}
-- Returns {'ok'}, or {'refused', why} without names; a second submit of the same id changes nothing.

MOVES.submit = function(op)
  local session_key = PREFIX .. op[2]
  if call('EXISTS', session_key) == 1 then return OK end
  if #op[4] == 0 then return {'refused', 'no names'} end
  local fields = op[3]
  fields[#fields + 1] = 'story'
  fields[#fields + 1] = story_with(false, NOW, 'submitted')
  call('HSET', session_key, unpack(fields))
  call('RPUSH', names_key(session_key), unpack(op[4]))
  call('LPUSH', ACTIVE, op[2])
  push(1, op[2])
  return OK
end

-- submit: a new session enters the first queue.
-- op: {'submit', session, fields (flat), names}
-- Returns {'ok'}, or {'refused', why} without names; a second submit of the same id changes nothing.

local function enter(session, fields, names)
  local session_key = PREFIX .. session
  fields[#fields + 1] = 'story'
  fields[#fields + 1] = story_with(false, NOW, 'submitted')
  call('HSET', session_key, unpack(fields))
  call('RPUSH', names_key(session_key), unpack(names))
  call('LPUSH', ACTIVE, session)
  push(1, session)
end

MOVES.submit = function(op)
  if call('EXISTS', PREFIX .. op[2]) == 1 then return OK end
  if #op[4] == 0 then return {'refused', 'no names'} end
  enter(op[2], op[3], op[4])
  return OK
end

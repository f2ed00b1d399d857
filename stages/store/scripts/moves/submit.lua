-- submit: a new session enters the first queue; one that comes with its challenges waits for its client.
-- op: {'submit', session, fields (flat), names}
-- Returns {'ok'}, or {'refused', why} without names; a second submit of the same id changes nothing.

local function enter(session, fields, names, challenges, line)
  local session_key = PREFIX .. session
  local story = story_with(false, NOW, 'submitted')
  if challenges then
    write_challenges(session_key, challenges)
    story = story_with(story, NOW, line)
  else
    push(1, session)
  end
  fields[#fields + 1] = 'story'
  fields[#fields + 1] = story
  call('HSET', session_key, unpack(fields))
  call('RPUSH', names_key(session_key), unpack(names))
  call('LPUSH', ACTIVE, session)
end

MOVES.submit = function(op)
  if call('EXISTS', PREFIX .. op[2]) == 1 then return OK end
  if #op[4] == 0 then return {'refused', 'no names'} end
  enter(op[2], op[3], op[4])
  return OK
end

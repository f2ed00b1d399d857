-- wait: the stage has nothing to do until the client moves; the session is in no list.
-- op: {'wait', session, state, until (seconds), fields (flat), challenges, story line or ''}
-- Returns {'ok'} or {'refused', why}. A client that moved while the stage was at work (`nudged`) is not missed:
-- the session goes back to its queue at once.

MOVES.wait = function(op)
  local session_key, story, nudged, attempts = begin_leaving(op[2], op[3])
  if not session_key then return {'refused', story} end
  local fields = op[5]
  write_challenges(session_key, op[6])
  if nudged then
    push(QUEUE[op[3]], op[2])
  else
    fields[#fields + 1] = 'waiting'
    fields[#fields + 1] = op[4]
  end
  if op[7] ~= '' then
    fields[#fields + 1] = 'story'
    fields[#fields + 1] = story_with(story, NOW, op[7])
  end
  if #fields > 0 then call('HSET', session_key, unpack(fields)) end
  if nudged or attempts then call('HDEL', session_key, 'attempts', 'nudged') end
  return OK
end

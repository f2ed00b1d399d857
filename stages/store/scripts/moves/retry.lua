-- retry: the stage is to look again later; the session goes to the delayed set of its queue.
-- op: {'retry', session, state, due (seconds), costs an attempt (0/1), fields (flat), challenges, why}
-- Returns {'ok'} or {'refused', why}. A client that moved in the meantime brings the session back at once.

MOVES.retry = function(op)
  local session_key, story, nudged = begin_leaving(op[2], op[3])
  if not session_key then return {'refused', story} end
  local fields, queue = op[6], QUEUE[op[3]]
  write_challenges(session_key, op[7])
  fields[#fields + 1] = 'story'
  fields[#fields + 1] = story_with(story, NOW, op[3] .. ' again later: ' .. op[8])
  call('HSET', session_key, unpack(fields))
  if op[5] == 1 then call('HINCRBY', session_key, 'attempts', 1) end
  if nudged then
    call('HDEL', session_key, 'nudged')
    push(queue, op[2])
  else
    call('ZADD', DELAYED[queue], op[4], op[2])
  end
  return OK
end

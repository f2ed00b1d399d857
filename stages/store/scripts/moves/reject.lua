-- reject: the session ends without a certificate; dead for good, in no queue.
-- op: {'reject', session, state, error (JSON), fields (flat), challenges, keep (seconds), story line}
-- Returns {'ok'} or {'refused', why}.

MOVES.reject = function(op)
  local session_key, story, _, _, found = begin_leaving(op[2], op[3], 'challenges')
  if not session_key then return {'refused', story} end
  local fields = op[5]
  write_challenges(session_key, op[6])
  local n = #fields
  fields[n + 1], fields[n + 2] = 'live', 'False'
  fields[n + 3], fields[n + 4] = 'error', op[4]
  fields[n + 5], fields[n + 6] = 'story', story_with(story, NOW, op[8])
  call('HSET', session_key, unpack(fields))
  expire_session(session_key, op[7], found[7])
  finished.rejected = finished.rejected + 1
  return OK
end

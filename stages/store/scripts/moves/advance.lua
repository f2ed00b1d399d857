-- advance: a stage is finished; the session goes to the next state and its queue.
-- op: {'advance', session, state, next state, fields (flat), challenges {{n, fields (flat)}}, certificate or false, story line,
-- true where the mover would go on with it at once (or nothing)}
-- certificate: {serial, not after, fields (flat)}; recorded by serial and in the index by expiry, in the same step.
-- Returns {'ok'}, {'ok', 'kept'} or {'refused', why}. Kept: it stays in flight here, without the way through the list; the
-- mover knows the session as it is, since the client has not moved meanwhile, and has a slot for it.

MOVES.advance = function(op)
  local session_key, story, nudged, attempts = begin(op[2], op[3])
  if not session_key then return {'refused', story} end
  local fields, certificate = op[5], op[7]
  write_challenges(session_key, op[6])
  if certificate then
    call('HSET', PREFIX .. 'certificate:' .. certificate[1], unpack(certificate[3]))
    call('ZADD', CERTIFICATES, certificate[2], certificate[1])
  end
  local n = #fields
  fields[n + 1], fields[n + 2] = 'state', op[4]
  fields[n + 3], fields[n + 4] = 'story', story_with(story, NOW, op[8])
  call('HSET', session_key, unpack(fields))
  local queue = QUEUE[op[4]]
  if op[9] and not nudged then
    if attempts then call('HDEL', session_key, 'attempts') end
    return KEPT
  end
  take_out(op[2])
  taken_out = op[2]
  if nudged or attempts then call('HDEL', session_key, 'attempts', 'nudged') end
  push(queue, op[2])
  return OK
end
